"""Limits of ranges that name another parameter: turned into numbers and constraints; the leaves are read elsewhere."""

from __future__ import annotations

import keyword
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swath.sweeps.distributions import (
    Categorical,
    Constant,
    Distribution,
    LogNormal,
    Normal,
    Number,
    Quantised,
    is_number,
    make_distribution,
    name_of,
)
from swath.sweeps.space.faults import Keys, SpaceFault

_ENDS = ("min", "max")
#: Names that mean something else in an expression.
_WORDS = ("true", "false", "null")
_SHOWN = 12


@dataclass(frozen=True)
class Bounded:
    """Parameters whose limits are all numbers, what they must meet beside that, and what is wrong."""

    parameters: Mapping[str, Any]
    constraints: tuple[str, ...] = ()
    faults: tuple[SpaceFault, ...] = ()


@dataclass
class _Found:
    constraints: list[str] = field(default_factory=list)
    faults: list[SpaceFault] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """Where a level of parameters stands: in the config, in the spec, and in which branches of choices."""

    path: tuple[str, ...] = ()
    keys: Keys = ()
    branches: tuple[tuple[str, str], ...] = ()


def resolve_bounds(parameters: Mapping[str, Any]) -> Bounded:
    """Of checked `parameters`: a limit that names a parameter is the outermost that this one can be, and a constraint.

    Where there are faults the parameters are as they were.
    """
    found = _Found()
    resolved = _resolved(parameters, _Place(), found)
    if found.faults:
        return Bounded(parameters, (), tuple(found.faults))
    return Bounded(resolved, tuple(found.constraints))


def _resolved(parameters: Mapping[str, Any], place: _Place, found: _Found) -> dict[str, Any]:
    level, result = _Level(parameters, place, found), dict[str, Any]()
    for name, parameter in parameters.items():
        path, keys = (*place.path, name), (*place.keys, name)
        if "parameters" in parameter:
            inner = _Place(path, (*keys, "parameters"), place.branches)
            result[name] = {**parameter, "parameters": _resolved(parameter["parameters"], inner, found)}
        elif "choice" in parameter:
            result[name] = {**parameter, "choice": _branches(parameter["choice"], path, keys, place, found)}
        else:
            result[name] = level.resolved(name) or parameter
    return result


def _branches(
    branches: Mapping[str, Any], path: tuple[str, ...], keys: Keys, place: _Place, found: _Found
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for branch, given in branches.items():
        inner = (given or {}).get("parameters") or {}
        here = _Place(path, (*keys, "choice", branch, "parameters"), (*place.branches, (".".join(path), branch)))
        result[branch] = {**given, "parameters": _resolved(inner, here, found)} if inner else given
    return result


class _Level:
    """Parameters beside each other."""

    def __init__(self, parameters: Mapping[str, Any], place: _Place, found: _Found) -> None:
        self._parameters = parameters
        self._place = place
        self._found = found
        self._known: dict[str, dict[str, Any] | None] = {}
        self._open: list[str] = []

    def resolved(self, name: str) -> dict[str, Any] | None:
        """The parameter with numbers for limits; None where it noted a fault."""
        if name not in self._known:
            self._open.append(name)
            self._known[name] = self._worked_out(name)
            self._open.pop()
        return self._known[name]

    def _worked_out(self, name: str) -> dict[str, Any] | None:
        parameter: dict[str, Any] = self._parameters[name]
        named = [end for end in _ENDS if isinstance(parameter.get(end), str)]
        if not named:
            return parameter
        limits = {end: self._limit(name, end, parameter[end]) for end in named}
        known = {end: limit for end, limit in limits.items() if limit is not None}
        if len(known) < len(named) or not self._is_range(name, {**parameter, **known}, named):
            return None
        self._found.constraints += [self._constraint(name, end) for end in named]
        return {**parameter, **known}

    def _limit(self, name: str, end: str, other: str) -> Number | None:
        """The outermost that parameter `other` can be, as a limit of `name`."""
        fault = self._fault_of(name, other)
        if fault is not None:
            self._fault((name, end), *fault)
            return None
        resolved = self.resolved(other)
        if resolved is None:
            return None
        limit = _outermost(make_distribution(_plain(resolved)), end)
        if limit is None:
            hint = f"write a number, or give {other!r} min and max"
            self._fault((name, end), f"{other!r} has no limit of its own", hint)
        elif self._parameters[name].get("distribution") == "int_uniform":
            return math.floor(limit) if end == "max" else math.ceil(limit)
        return limit

    def _fault_of(self, name: str, other: str) -> tuple[str, str] | None:
        """Why `other` cannot be a limit of `name`, and what to do instead."""
        parameter = self._parameters.get(other)
        if parameter is None:
            near = ", ".join([known for known in sorted(self._parameters) if self._is_number(known, name)][:_SHOWN])
            hint = f"name one of {near}" if near else "write a number; `constraints` may speak of other levels"
            return f"there is no parameter {other!r} beside it", hint
        if other in self._open:
            circle = ", ".join(dict.fromkeys([*self._open[self._open.index(other) :], other]))
            told = "it cannot be its own limit" if other == name else f"{circle} wait for each other's limits"
            return told, "give one of them a number; `constraints` may say the rest"
        if not self._is_number(other):
            return (
                f"{other!r} is no number parameter",
                "name a range, a list of numbers or a constant, or write a number",
            )
        return self._absence(name, other)

    def _absence(self, name: str, other: str) -> tuple[str, str] | None:
        own, others = (self._parameters[key].get("when") or {} for key in (name, other))
        if all(key in own and _listed(own[key]) == _listed(others[key]) for key in others):
            return None
        hint = (
            f"give {name!r} the same `when`, or write a number and a constraint: `constraints` holds where it is absent"
        )
        return f"{other!r} is not always there", hint

    def _is_number(self, name: str, other: str = "") -> bool:
        parameter = self._parameters[name]
        if name == other or "parameters" in parameter or "choice" in parameter:
            return False
        if "value" in parameter:
            return is_number(parameter["value"])
        return all(is_number(value) for value in parameter.get("values", ()))

    def _is_range(self, name: str, parameter: dict[str, Any], named: Sequence[str]) -> bool:
        """Whether there is something between the limits, each of which may be that of another parameter."""
        low, high = parameter["min"], parameter["max"]
        given = self._parameters[name]
        if "log" in name_of(parameter) and low <= 0:
            told = f"{given['min']!r} can be {low:g}, and a logarithmic range is above 0"
            self._fault((name, "min"), told, "give it a higher min, or write a number above 0")
            return False
        if low < high and not math.isfinite(float(high) - float(low)):
            self._fault((name, named[0]), "the range is wider than a float can hold", "narrow it")
            return False
        if low < high:
            return True
        least = f"the least that {given['min']!r} can be, {low:g}," if "min" in named else f"min {low:g}"
        most = f"the most that {given['max']!r} can be, {high:g}" if "max" in named else f"max {high:g}"
        self._fault((name, named[0]), f"the range is empty: {least} is not below {most}", "widen one of the ranges")
        return False

    def _constraint(self, name: str, end: str) -> str:
        """The condition in words; in a branch it holds there only, for others may have parameters of that name."""
        sign = "<=" if end == "max" else ">="
        own, other = (_written((*self._place.path, key)) for key in (name, self._parameters[name][end]))
        elsewhere = [f"{_written(choice.split('.'))} != {_text(branch)}" for choice, branch in self._place.branches]
        return " or ".join([*elsewhere, f"{own} {sign} {other}"])

    def _fault(self, keys: Keys, message: str, hint: str) -> None:
        self._found.faults.append(SpaceFault((*self._place.keys, *keys), message, hint))


def _outermost(distribution: Distribution, end: str) -> Number | None:
    """The least or the greatest value; None where values go on without end."""
    base = distribution.base if isinstance(distribution, Quantised) else distribution
    if isinstance(base, (Normal, LogNormal)):
        return None
    pick = min if end == "min" else max
    if isinstance(distribution, (Categorical, Constant)):
        found: Number = pick(distribution.values())
        return found
    if distribution.size is None:
        ends: Number = distribution.ppf(0.0 if end == "min" else 1.0)
        return ends
    whole: Number = distribution.value_at(0 if end == "min" else distribution.size - 1)
    return whole


def _plain(parameter: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parameter.items() if key not in ("when", "prior")}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _written(path: Sequence[str]) -> str:
    """The name of a parameter as an expression has it."""
    parts = [part for dotted in path for part in dotted.split(".")]
    plain = all(part.isidentifier() and not keyword.iskeyword(part) and part not in _WORDS for part in parts)
    return ".".join(path) if plain else f"`{'.'.join(path)}`"


def _text(value: str) -> str:
    return repr(value).replace("`", "\\x60")
