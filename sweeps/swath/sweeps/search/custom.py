"""Searchers of the user's own: imports the one that a spec names, and checks all that it suggests."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.sweeps.search.base import History, Searcher, Suggestion
from swath.sweeps.space import Config, SearchSpace
from swath.sweeps.space.product import ABSENT
from swath.sweeps.space.space import named
from swath.sweeps.spec.faults import nearest
from swath.tracking.errors import UsageError

if TYPE_CHECKING:
    from numpy.random import Generator

_WRITE = "see the docstring of swath.sweeps.search.Searcher, and test it with swath.sweeps.testing.SearcherContract"


def load_searcher(method: str, space: SearchSpace, options: Mapping[str, Any], folder: Path | None) -> Custom:
    """The searcher that `custom: package.module:Name` names, made as `Name(space, options)`.

    `folder` is searched for the module before all else. Raises `UsageError` saying what is wrong with it.
    """
    target = method.partition(":")[2].strip()
    module_name, _, name = target.partition(":")
    found: Any = _module(module_name, target, folder)
    for part in name.split("."):
        if not hasattr(found, part):
            near = nearest(part, [known for known in vars(found) if not known.startswith("_")])
            raise UsageError(f"the search method {target!r}: there is no {name!r} in module {module_name!r}", near)
        found = getattr(found, part)
    try:
        searcher = found(space, dict(options))
    except Exception as error:
        told = f"the search method {target!r} cannot be made: {_last(error)}"
        raise UsageError(told, f"it is called as {name}(space, options)") from error
    if not callable(getattr(searcher, "suggest", None)):
        raise UsageError(f"the search method {target!r} has no method suggest(history, number, rng)", _WRITE)
    return Custom(target, searcher, space)


def _module(module_name: str, target: str, folder: Path | None) -> Any:
    if folder is not None and str(folder.absolute()) not in sys.path:
        sys.path.insert(0, str(folder.absolute()))
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        where = f"looked in {', '.join(path or '.' for path in sys.path)}"
        raise UsageError(f"the search method {target!r} cannot be imported: {error}", where) from error
    except Exception as error:
        told = f"importing the search method {target!r} failed: {_last(error)}"
        raise UsageError(told, f"mend module {module_name!r}") from error


class Custom:
    """A searcher of the user's own, whose suggestions are checked before they become trials."""

    def __init__(self, target: str, searcher: Searcher, space: SearchSpace) -> None:
        self._target = target
        self._searcher = searcher
        self._space = space

    @property
    def uses_history(self) -> bool:
        return bool(getattr(self._searcher, "uses_history", True))

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        try:
            found: object = self._searcher.suggest(history, number, rng)
        except Exception as error:
            raise UsageError(f"{self._about(number)} failed: {_last(error)}", _where(error)) from error
        if found is None:
            return None
        if not isinstance(found, Suggestion):
            told = f"{self._about(number)} gave {type(found).__name__}, and not a Suggestion or None"
            raise UsageError(told, 'return Suggestion(config, "why")')
        self._check(found.config, history, number)
        return found

    def _check(self, config: Config, history: History, number: int) -> None:
        faults = list(config_faults(self._space, config))
        if faults:
            told = f"{self._about(number)} gave a configuration that is not one of this space: {'; '.join(faults)}"
            raise UsageError(told, "space.from_unit(...) makes configurations that are")
        if self._space.size is not None and self._space.point_hash(config) in history.seen:
            told = f"{self._about(number)} gave a configuration that was handed out already: {config!r}"
            raise UsageError(told, "leave out points whose space.point_hash is in history.seen; give None at the end")

    def _about(self, number: int) -> str:
        return f"the search method {self._target!r}, asked for trial {number},"


def config_faults(space: SearchSpace, config: object) -> Iterator[str]:
    """What keeps `config` from being one of `space`, a sentence each; nothing for one that is."""
    if not isinstance(config, Mapping):
        yield f"it is {type(config).__name__}, and not a dict"
        return
    values = space.values_in(config)
    if values is None:
        yield from _shape_faults(space, config)
        return
    for leaf, value in zip(space.leaves, values, strict=True):
        if value is not ABSENT and not leaf.distribution.contains(value):
            yield f"{leaf.name} cannot be {value!r}"
    values_by_name = dict(named(config))
    for constraint in space.constraints:
        if not constraint.holds(values_by_name):
            yield f"it does not meet the constraint {constraint.text!r}"


def _shape_faults(space: SearchSpace, config: Mapping[str, Any]) -> Iterator[str]:
    """Parameters that are missing or too many, found by their names in the config."""
    given = set(_names(config))
    known = {".".join(leaf.path) for leaf in space.leaves}
    needed = {".".join(leaf.path) for leaf in space.leaves if not leaf.when}
    for name in sorted(given - known):
        yield f"there is no parameter {name!r}"
    for name in sorted(needed - given):
        yield f"{name!r} is missing"
    if given <= known and needed <= given:
        yield "conditional parameters are missing, or there where they do not belong"


def _names(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _names(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _last(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _where(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"it was raised in {frame.filename}, line {frame.lineno}"
