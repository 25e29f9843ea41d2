"""How this process was started: its program, arguments, Python and user; the environment is not recorded."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from swath.tracking.host import this_host
from swath.tracking.surroundings.masking import masked, masked_arguments

_MOST_ARGUMENTS = 1000
_LONGEST_ARGUMENT = 4096
_KERNELS = ("ipykernel_launcher.py", "colab_kernel_launcher.py")


def facts() -> dict[str, Any]:
    """What Python itself knows of this process; nothing is asked that could take long."""
    argv = [str(argument) for argument in sys.argv] or [""]
    found: dict[str, Any] = {
        "program": clean(masked(_program(argv[0]))),
        "args": _arguments(argv[1:]),
        "python": sys.version.split()[0],
        "executable": clean(sys.executable or ""),
        "pid": os.getpid(),
        "user": _user(),
        "os": _system(),
        "host": this_host(),
        "cpu_count": os.cpu_count() or 1,
    }
    if module := _module():
        found["module"] = module
    if in_notebook():
        found["notebook"] = True
    with suppress(OSError):  # the folder may be gone
        found["cwd"] = clean(os.getcwd())
    return found


def source(argv0: str) -> Path | None:
    """The program's own file: a script, or the file of `python -m`; None in a notebook and without a file."""
    if Path(argv0).name in _KERNELS:
        return None
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    # Python makes the path of the main module absolute at start; `argv[0]` is relative to where it was then.
    candidates = [argv0, main]
    if isinstance(main, str) and Path(main).name == Path(argv0).name:
        candidates.reverse()
    for candidate in candidates:
        if candidate and candidate not in ("-c", "-m") and os.path.isfile(candidate):
            return Path(os.path.abspath(candidate))
    return None


def in_notebook() -> bool:
    """Whether the code here is run cell by cell, by a kernel."""
    return bool(sys.argv) and Path(sys.argv[0]).name in _KERNELS


def clean(text: str) -> str:
    """`text` with what is no UTF-8 replaced: paths and arguments may hold any bytes, records may not."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if not text.isascii() else text


def _program(argv0: str) -> str:
    if in_notebook():
        return ""
    file = source(argv0)
    return str(file) if file is not None else argv0


def _arguments(arguments: list[str]) -> list[str]:
    kept = masked_arguments([_cut(clean(argument)) for argument in arguments[:_MOST_ARGUMENTS]])
    if len(arguments) > _MOST_ARGUMENTS:
        kept.append(f"... {len(arguments) - _MOST_ARGUMENTS} more")
    return kept


def _cut(text: str) -> str:
    """`text` without its end where it is long; cut between words, for half a secret may not look like one."""
    if len(text) <= _LONGEST_ARGUMENT:
        return text
    head = text[:_LONGEST_ARGUMENT]
    return head[: max(head.rfind(mark) for mark in " \t\n,;&") + 1] + "..."


def _module() -> str:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return str(spec.name).removesuffix(".__main__") if spec is not None else ""


def _user() -> str:
    from getpass import getuser

    try:
        return clean(getuser())
    except (KeyError, OSError, ImportError):  # a user id without a name, as in containers
        return str(os.getuid())


def _system() -> str:
    system = os.uname()
    return f"{system.sysname} {system.release} {system.machine}"
