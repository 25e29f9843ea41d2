"""What the fork server loads once, and what each child forked from it does: become one trial, a call or a program.

Imported by name in the fork server (`multiprocessing.forkserver`), before it serves. Two facts about that server made
this file what it is. Until Python 3.12 it ignores the import path it is given, so the path is set here. And a child
started through `multiprocessing.Process` runs the agent's main script again, so children are born from a `Birth`.

Whatever the module of a user's function does when it is imported happens once, in the server. Threads it starts and GPU
contexts it opens there do not survive the fork: such work belongs into the function. Of a program only the libraries
are loaded (`libraries.py`): the program itself and the user's own modules run anew in every child.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import os
import pickle
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, Literal, TextIO

import msgspec

from swath.agents.environment import adopt, taken
from swath.agents.executors.function import call, exit_code_of, takes_config, traceback_of
from swath.agents.protocol import Task
from swath.agents.task import Function, TaskError, load_function
from swath.tracking.context import TrialContext, entered

#: Names the file with the server's order; see `Order`.
VARIABLE = "SWATH_WARM_ORDER"


class Order(msgspec.Struct, frozen=True):
    """What the fork server is to load: the task's function, or the libraries of the Python file `program`."""

    task: Task
    path: tuple[str, ...] = ()
    program: str = ""


class Loaded:
    """What this fork server has loaded: the function, if it is to have one; or why nothing can be forked from here."""

    function: Function | None = None
    fault: str = ""
    reseed: bool = False


def load(order: Order) -> None:
    """Import what every trial needs. Never raises: the server must stand, and the children tell what is wrong."""
    sys.path[:] = list(dict.fromkeys([*order.path, *sys.path]))
    before = None if order.program else _numpy_state()
    try:
        import swath.tracking

        _ = swath.tracking.init
        if order.program:
            Loaded.fault = _load_libraries(order.program)
        else:
            Loaded.function = load_function(order.task)
    except TaskError as error:
        Loaded.fault = str(error)
    except BaseException as error:
        Loaded.fault = traceback_of(error)
    Loaded.reseed = before is None or _numpy_state() == before
    gc.collect()
    gc.freeze()


def _load_libraries(program: str) -> str:
    from swath.agents.executors import libraries, script, titles

    # Here, and not first in a child: once the environment is another one, setproctitle finds no place to write to.
    titles.set_title([sys.executable, f"(libraries of {program})"])
    _ = script.Script
    return libraries.load(Path(program))


def _numpy_state() -> bytes:
    import numpy

    return pickle.dumps(numpy.random.get_state(legacy=False))


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


def _text_of(fd: int, mode: Literal["r", "w"]) -> TextIO:
    return open(fd, mode, encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


def serve(path: str) -> None:
    """Prepare this fork server as the order in the file says.

    It leaves the agent's process group, so that a signal to that group does not end it under running trials. What
    imports print goes to stderr: stdout belongs to the agent's caller.
    """
    with contextlib.suppress(PermissionError):
        os.setsid()
    os.dup2(2, 1)
    order = msgspec.msgpack.decode(Path(path).read_bytes(), type=Order)
    with _quiet() if order.program else contextlib.nullcontext():
        load(order)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the output of libraries: every trial of a program has what its own imports print, if it is not once."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


_path = taken(VARIABLE)
if _path:
    serve(_path)
