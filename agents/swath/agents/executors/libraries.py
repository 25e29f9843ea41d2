"""Finds the libraries that a program imports, without running it, and loads them where trials are forked from.

Loaded is what every trial of the program would load anyway, before anything of its own happens: installed packages and
the standard library. The program's own modules are only read: they may look at arguments, at the environment or at
files when they are imported, and may be edited while a sweep runs. Reading ends at the first statement that touches
the environment, since what is imported after it may depend on it.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import importlib.util
import site
import sys
import sysconfig
import threading
from collections.abc import Iterator
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

#: What a statement calls or names that changes how later imports work.
_ENVIRONMENT = frozenset({"environ", "putenv", "setenv", "load_dotenv"})
#: Are there in any case.
_LOADED = frozenset({"__future__", "swath"})
_CUDA_NOT_INITIALISED = 3


def load(program: Path) -> str:
    """Import the libraries of `program`; why no trial can be forked from this process then, "" when it can."""
    found = Reader(program).libraries()
    before = frozenset(threading.enumerate())
    for name, members in found:
        try:
            __import__(name, fromlist=members)
        except BaseException:  # the trial will see it too, and tell
            break
    return unsafe_to_fork(before) or _shadowed(program)


class Reader:
    """Reads a program's imports and, through them, those of its own modules, in the order in which they would run."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._folders = [str(program.resolve().parent), *(path for path in sys.path if path)]
        self._read: set[Path] = set()
        self._found: dict[tuple[str, tuple[str, ...]], None] = {}
        self._ended = False

    def libraries(self) -> list[tuple[str, tuple[str, ...]]]:
        """The modules of installed packages and of the standard library, each with what is imported from it."""
        self._file(self._program, "")
        return list(self._found)

    def _file(self, path: Path, package: str) -> None:
        if path in self._read or self._ended:
            return
        self._read.add(path)
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            self._ended = True
            return
        for statement in _at_import(tree.body):
            self._statement(statement, package)
            if self._ended:
                return

    def _statement(self, statement: ast.stmt, package: str) -> None:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                self._module(alias.name)
        elif isinstance(statement, ast.ImportFrom):
            self._import_from(statement, package)
        elif _touches_environment(statement):
            self._ended = True

    def _import_from(self, statement: ast.ImportFrom, package: str) -> None:
        name = statement.module or ""
        if statement.level:
            with contextlib.suppress(ImportError):
                name = importlib.util.resolve_name("." * statement.level + name, package)
        members = tuple(alias.name for alias in statement.names if alias.name != "*")
        if name and not self._module(name, members):
            for member in members:
                self._own(f"{name}.{member}")

    def _module(self, name: str, members: tuple[str, ...] = ()) -> bool:
        """Take in a library, or read a module of the user's own; whether it is a library."""
        top = name.partition(".")[0]
        if top in _LOADED or top in sys.builtin_module_names:
            return True
        if self._own(name) or not _is_library(self._origin(top)):
            return False
        if not self._ended:
            self._found[name, members] = None
        return True

    def _own(self, name: str) -> bool:
        """Read a module of the user's own, and the packages it is in; whether it was one."""
        own = False
        parts = name.split(".")
        folders: list[str] | None = None
        for depth, part in enumerate(parts, 1):
            found = PathFinder.find_spec(part, folders or self._folders)
            if found is None:
                break
            if _is_library(found.origin):
                return False
            own = True
            full = ".".join(parts[:depth])
            if found.origin and found.origin.endswith(".py"):
                package = full if found.submodule_search_locations else full.rpartition(".")[0]
                self._file(Path(found.origin), package)
            if not found.submodule_search_locations:
                break
            folders = list(found.submodule_search_locations)
        return own

    def _origin(self, top: str) -> str | None:
        with contextlib.suppress(ImportError, ValueError, AttributeError):
            found = importlib.util.find_spec(top)
            if found is not None:
                return found.origin or next(iter(found.submodule_search_locations or ()), None)
        return None


def _at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run whenever a module is imported, in order; not those of functions and conditions."""
    for statement in body:
        if isinstance(statement, ast.Try | ast.With):
            yield from _at_import(statement.body)
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement


def _touches_environment(statement: ast.stmt) -> bool:
    return any(getattr(node, "id", getattr(node, "attr", "")) in _ENVIRONMENT for node in ast.walk(statement))


def _is_library(origin: str | None) -> bool:
    """Whether a module at `origin` was installed, or came with Python; a folder being worked in was not."""
    if origin in ("built-in", "frozen"):
        return True
    if not origin:
        return False
    path = Path(origin).resolve()
    return any(path.is_relative_to(folder) for folder in _library_folders())


@cache
def _library_folders() -> list[Path]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = [sysconfig.get_path(name) for name in names]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    return [Path(folder).resolve() for folder in folders if folder]


def unsafe_to_fork(before: frozenset[threading.Thread]) -> str:
    """Why children of this process would not work: threads not there `before` that they would lack, an open GPU."""
    others = [thread.name for thread in threading.enumerate() if thread not in before]
    if others:
        return f"importing its libraries starts threads ({', '.join(others)}), which a forked process would lack"
    if _cuda_is_open():
        return "importing its libraries opens the GPU, which a forked process could not use"
    return ""


def _cuda_is_open() -> bool:
    """Whether the driver was initialised here; asking must not do so."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return True
    with contextlib.suppress(OSError):
        if "libcuda.so" not in Path("/proc/self/maps").read_text():
            return False
        count = ctypes.c_int()
        answer: int = ctypes.CDLL("libcuda.so.1").cuDeviceGetCount(ctypes.byref(count))
        return answer != _CUDA_NOT_INITIALISED
    return False


def _shadowed(program: Path) -> str:
    """A file beside the program that would be imported instead of a library that is loaded now."""
    files = [*program.resolve().parent.glob("*.py"), *program.resolve().parent.glob("*/__init__.py")]
    beside = {path.parent.name if path.stem == "__init__" else path.stem for path in files}
    loaded = {name for name, module in sys.modules.items() if "." not in name and getattr(module, "__file__", None)}
    clash = sorted(beside & loaded - {"swath", "__main__"})
    return f"{clash[0]!r} beside the program has the name of a library that is loaded already" if clash else ""
