"""What the fork server loads once, and what each child forked from it does: become one trial and call its function.

Imported by name in the fork server (`multiprocessing.forkserver`), before it serves. Two facts about that server made
this file what it is. Until Python 3.12 it ignores the import path it is given, so the path is set here. And a child
started through `multiprocessing.Process` runs the agent's main script again, so children are born from a `Birth`.

Whatever the user's module does when it is imported happens once, in the server. Threads it starts and GPU contexts it
opens there do not survive the fork: such work belongs into the function.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import pickle
import sys
import threading
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, TextIO

import msgspec

from swath.agents.environment import adopt, taken
from swath.agents.executors.function import call, exit_code_of, takes_config, traceback_of
from swath.agents.protocol import Task
from swath.agents.task import Function, TaskError, load_function
from swath.tracking.context import TrialContext, entered

#: Names the file with the server's order; see `Order`.
VARIABLE = "SWATH_WARM_ORDER"


class Order(msgspec.Struct, frozen=True):
    """What the fork server is to load."""

    task: Task
    path: tuple[str, ...]


class Loaded:
    """What this fork server has loaded: the function, or why it could not be."""

    function: Function | None = None
    fault: str = ""
    reseed: bool = False


def load(order: Order) -> None:
    """Import what every trial needs. Never raises: the server must stand, and the children tell what is wrong."""
    sys.path[:] = list(dict.fromkeys([*order.path, *sys.path]))
    before = _numpy_state()
    try:
        import swath.tracking

        _ = swath.tracking.init
        Loaded.function = load_function(order.task)
    except TaskError as error:
        Loaded.fault = str(error)
    except BaseException as error:
        Loaded.fault = traceback_of(error)
    Loaded.reseed = _numpy_state() == before
    gc.collect()
    gc.freeze()


def _numpy_state() -> bytes:
    import numpy

    return pickle.dumps(numpy.random.get_state(legacy=False))


@dataclass
class Birth:
    """Sent to a forked child, which calls `_bootstrap` on it (the contract of `multiprocessing.spawn`)."""

    environment: dict[str, str]
    cwd: str | None
    context: TrialContext | None
    config: dict[str, Any]

    def _bootstrap(self, parent_sentinel: int) -> int:
        os.close(parent_sentinel)
        os.setsid()
        self._redirect()
        if self.cwd is not None:
            os.chdir(self.cwd)
        adopt(self.environment)
        if Loaded.fault or Loaded.function is None:
            sys.stderr.write(Loaded.fault)
            return self._leave(1)
        return self._leave(0 if self.context is None else self._run(Loaded.function, self.context))

    def _redirect(self) -> None:
        for fd, number in zip(forkserver.get_inherited_fds() or (), (1, 2), strict=True):
            os.dup2(fd, number)
            os.close(fd)
        sys.stdout = _text_to(1)
        sys.stderr = _text_to(2)

    def _run(self, function: Function, context: TrialContext) -> int:
        if Loaded.reseed:
            import numpy

            numpy.random.seed()
        try:
            with entered(context):
                call(function, self.config, takes_config(function))
        except SystemExit as leave:
            code, message = exit_code_of(leave)
            sys.stderr.write(message)
            return code
        except BaseException as error:
            sys.stderr.write(traceback_of(error))
            return 1
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


def _text_to(fd: int) -> TextIO:
    return open(fd, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


def serve(path: str) -> None:
    """Prepare this fork server as the order in the file says.

    It leaves the agent's process group, so that a signal to that group does not end it under running trials. What
    imports print goes to stderr: stdout belongs to the agent's caller.
    """
    with contextlib.suppress(PermissionError):
        os.setsid()
    os.dup2(2, 1)
    load(msgspec.msgpack.decode(Path(path).read_bytes(), type=Order))


_path = taken(VARIABLE)
if _path:
    serve(_path)
