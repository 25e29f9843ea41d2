"""Functions given from Python, as bytes that another process can call: what it could not import goes along by value."""

from __future__ import annotations

import importlib.machinery
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from swath.tracking.errors import UsageError


def pickled_function(function: Callable[..., Any]) -> bytes:
    """The function cloudpickled. Raises `UsageError` when it holds what cannot be pickled."""
    import cloudpickle

    if not callable(function):
        raise UsageError(f"a {type(function).__name__} cannot be called", "pass a function: train(config) or train()")
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    by_value = module is not None and module.__name__ != "__main__" and not importable_elsewhere(module)
    if by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        data: bytes = cloudpickle.dumps(function)
    except Exception as error:
        name = getattr(function, "__qualname__", repr(function))
        hint = "open files, locks and connections inside the function, and not outside it; or use executor='inline'"
        raise UsageError(f"{name} cannot be sent to other processes: {error}", hint) from error
    finally:
        if by_value:
            cloudpickle.unregister_pickle_by_value(module)
    return data


def importable_elsewhere(module: ModuleType) -> bool:
    """Whether an agent would find the module: installed, or in the working directory under its own name."""
    file = getattr(module, "__file__", None)
    if file is None:
        return True
    path = Path(file).resolve()
    if any(path.is_relative_to(folder) for folder in _installed_folders()):
        return True
    top = module.__name__.partition(".")[0]
    found = importlib.machinery.PathFinder.find_spec(top, [str(Path.cwd())])
    return found is not None and found.origin is not None and path.is_relative_to(_home_of(found))


def _home_of(spec: importlib.machinery.ModuleSpec) -> Path:
    """The package's folder, or the module's file."""
    origin = Path(spec.origin or "").resolve()
    return origin.parent if spec.submodule_search_locations else origin


def _installed_folders() -> list[Path]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return [Path(folder).resolve() for name in names if (folder := sysconfig.get_path(name))]
