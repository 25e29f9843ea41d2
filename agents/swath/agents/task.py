"""What a trial runs, found before the first trial: the program file, or the Python function. Runs neither."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swath.agents.environment import inherited
from swath.agents.macros import default_command, program_path
from swath.agents.protocol import Task
from swath.tracking.errors import UsageError

Function = Callable[..., Any]


class TaskError(UsageError):
    """The sweep's program or function cannot be run: mend its name, or the folder the agent is started in."""


def check_task(task: Task) -> None:
    """Raise `TaskError` when no trial of this task could ever run: no such program, no such function.

    A function is imported in this process, with `task.cwd` (else the working directory) on the import path.
    """
    if task.function is not None or task.pickled is not None:
        load_function(task)
    elif task.program is not None and uses_program(task):
        _check_program(task)
    elif task.command:
        _check_first_word(task.command, task.cwd)
    else:
        raise TaskError("the sweep names nothing to run", "set `program:`, `command:` or `function:` in the sweep file")


def command_of(task: Task) -> list[str]:
    """The command with its macros: the task's own one, or the default one of its program."""
    return list(task.command) if task.command else default_command(task.program or "", task.cwd)


def uses_program(task: Task) -> bool:
    return any("${program}" in token for token in command_of(task))


def _check_program(task: Task) -> None:
    program = task.program or ""
    path = program_path(program, task.cwd)
    if path.is_file() or (os.sep not in program and _starts_with_program(task) and shutil.which(program)):
        return
    what = "is a folder" if path.is_dir() else "does not exist"
    raise TaskError(
        f"the sweep's program {program!r} {what} (looked at {path.absolute()})",
        "set `program:` relative to the folder in which the agent is started, or start it in the program's folder",
    )


def _starts_with_program(task: Task) -> bool:
    words = [word for word in command_of(task) if word != "${env}"]
    return words[:1] == ["${program}"]


def _check_first_word(command: tuple[str, ...], cwd: str | None) -> None:
    words = [word for word in command if word not in ("${env}", "/usr/bin/env")]
    if not words:
        raise TaskError("the sweep's command is empty", "write the program into `command:`")
    word = words[0]
    if "${" in word or "=" in word or shutil.which(word, path=inherited().get("PATH")):
        return
    if os.sep not in word or not program_path(word, cwd).is_file():
        raise TaskError(
            f"the sweep's command begins with {word!r}, which is no program on PATH and no file",
            "name an installed program, or a file relative to the folder in which the agent is started",
        )


def load_function(task: Task) -> Function:
    """The function of `task`, imported or unpickled. Raises `TaskError` with the import error and where it looked."""
    add_to_path(task)
    if task.pickled is not None:
        return _unpickled(task.pickled)
    module_name, _, attribute = (task.function or "").partition(":")
    if not module_name or not attribute:
        raise TaskError(f"{task.function!r} names no function", "write it as package.module:function")
    found = _imported(module_name, task.function or "")
    for part in attribute.split("."):
        found = getattr(found, part, None)
    function: Function | None = found if callable(found) else None
    if function is None:
        raise TaskError(f"module {module_name!r} has no function {attribute!r}", _names_of(module_name))
    return function


def add_to_path(task: Task) -> None:
    """Put the folders of a task at the head of the import path: the one it runs in, as `python program.py` would."""
    folders = [str(Path(folder).absolute()) for folder in (task.cwd or ".", *task.import_paths)]
    sys.path[:0] = [folder for folder in dict.fromkeys(folders) if folder not in sys.path]


def _imported(module_name: str, function: str) -> Any:
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        where = ", ".join(path or "." for path in sys.path)
        raise TaskError(f"cannot import {function!r}: {error}", f"looked in {where}") from error
    except Exception as error:
        trace = traceback.format_exc(limit=-3)
        raise TaskError(f"importing {function!r} failed:\n{trace}", f"mend module {module_name!r}") from error


def _unpickled(pickled: bytes) -> Function:
    import cloudpickle

    try:
        function: Function = cloudpickle.loads(pickled)
    except Exception as error:
        raise TaskError(
            f"the sweep's function cannot be loaded here: {type(error).__name__}: {error}",
            "it was pickled by another process: make what it imports importable here as well, with the same versions",
        ) from error
    return function


def _names_of(module_name: str) -> str:
    module = sys.modules[module_name]
    names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
    return f"{getattr(module, '__file__', module_name)} has {', '.join(sorted(names)[:20]) or 'no functions'}"
