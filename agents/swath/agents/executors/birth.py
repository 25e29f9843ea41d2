"""What every child of a fork server does first and last: take over its streams and environment, be a trial, leave."""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import sys
import threading
from dataclasses import dataclass
from multiprocessing import forkserver
from typing import Literal, TextIO

from swath.agents.environment import adopt
from swath.agents.task import Function


class Loaded:
    """What this fork server has loaded: the function, if it is to have one; or why nothing can be forked from here."""

    function: Function | None = None
    fault: str = ""
    reseed: bool = False


@dataclass
class Birth:
    """Sent to a forked child, which calls `_bootstrap` on it (the contract of `multiprocessing.spawn`).

    This one does nothing: it tells whether the server can have children.
    """

    environment: dict[str, str]
    cwd: str | None

    def _bootstrap(self, parent_sentinel: int) -> int:
        os.close(parent_sentinel)
        os.setsid()
        self._redirect()
        if self.cwd is not None:
            os.chdir(self.cwd)
        adopt(self.environment)
        if Loaded.fault:
            sys.stderr.write(Loaded.fault)
            return self._leave(1)
        faulthandler.enable(2)
        return self._leave(self._run())

    def _redirect(self) -> None:
        """Nothing to read, and the pipes of the agent to write to."""
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        for fd, number in zip(forkserver.get_inherited_fds() or (), (1, 2), strict=True):
            os.dup2(fd, number)
            os.close(fd)
        sys.stdin = sys.__stdin__ = _text_of(0, "r")  # type: ignore[misc,assignment]
        sys.stdout = sys.__stdout__ = _text_of(1, "w")  # type: ignore[misc,assignment]
        sys.stderr = sys.__stderr__ = _text_of(2, "w")  # type: ignore[misc,assignment]

    def _run(self) -> int:
        """Be the trial; the exit code."""
        return 0

    def _leave(self, code: int) -> int:
        """What the end of a Python program does and `os._exit` (which follows) does not."""
        with contextlib.suppress(Exception):
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        return code


def reseed() -> None:
    """Draw from numpy as a fresh process would, unless what was loaded has seeded it on purpose."""
    if Loaded.reseed and "numpy" in sys.modules:
        import numpy

        numpy.random.seed()


def _text_of(fd: int, mode: Literal["r", "w"]) -> TextIO:
    return open(fd, mode, encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
