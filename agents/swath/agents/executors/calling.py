"""A forked trial that calls the function which its server has loaded."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from swath.agents.executors.birth import Birth, Loaded, reseed
from swath.agents.executors.function import call, exit_code_of, takes_config, traceback_of
from swath.tracking.context import TrialContext, entered


@dataclass
class Calling(Birth):
    """A trial that calls the server's function."""

    context: TrialContext
    config: dict[str, Any]

    def _run(self) -> int:
        function = Loaded.function
        assert function is not None
        reseed()
        try:
            with entered(self.context):
                call(function, self.config, takes_config(function))
        except SystemExit as leave:
            code, message = exit_code_of(leave)
            sys.stderr.write(message)
            return code
        except BaseException as error:
            sys.stderr.write(traceback_of(error))
            return 1
        return 0
