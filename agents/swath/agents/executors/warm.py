"""What the fork server loads once, before any child is forked from it.

Imported by name in the fork server (`multiprocessing.forkserver`), before it serves. Two facts about that server made
this file what it is. Until Python 3.12 it ignores the import path it is given, so the path is set here. And a child
started through `multiprocessing.Process` runs the agent's main script again, so children are born from a `Birth`.

Whatever the module of a user's function does when it is imported happens once, in the server. Threads it starts and GPU
contexts it opens there do not survive the fork: such work belongs into the function. Of a program only the libraries
are loaded (`libraries.py`): the program itself and the user's own modules run anew in every child.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from swath.agents.environment import taken
from swath.agents.executors import calling, libraries, script, titles
from swath.agents.executors.birth import Loaded
from swath.agents.executors.function import traceback_of
from swath.agents.protocol import Task
from swath.agents.task import TaskError, load_function

#: What children are sent, imported here so that none of them has to.
BIRTHS = (calling.Calling, script.Script)
#: Names the file with the server's order; see `Order`.
VARIABLE = "SWATH_WARM_ORDER"


class Order(msgspec.Struct, frozen=True):
    """What the fork server is to load: the task's function, or the libraries of the Python file `program`."""

    task: Task
    path: tuple[str, ...] = ()
    program: str = ""


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
    # Here, and not first in a child: once the environment is another one, setproctitle finds no place to write to.
    titles.set_title([sys.executable, f"(libraries of {program})"])
    return libraries.load(Path(program))


def _numpy_state() -> bytes:
    import numpy

    return pickle.dumps(numpy.random.get_state(legacy=False))


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
