"""Checks what the parameters of a spec mean together: conditions, constraints, the points of a grid."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from swath.sweeps.spec import keys
from swath.sweeps.spec.loader import Path
from swath.sweeps.spec.model import SweepSpec, WarmStart
from swath.sweeps.spec.reader import Reader, shown

_DRAWS = 10_000


def read_constraints(read: Reader, data: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts of the constraints; what they say is checked with the space."""
    given = data.get("constraints")
    if "constraints" not in data:
        return ()
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list) or not given:
        read.fault(
            ("constraints",), f"must be a list of conditions, not {shown(given)}", 'write ["width * depth <= 64"]'
        )
        return ()
    for index, text in enumerate(given):
        if not isinstance(text, str):
            hint = "write it in quotes, like 'width * depth <= 64'"
            read.fault(("constraints", index), f"must be a condition in words, not {shown(text)}", hint)
    return tuple(text for text in given if isinstance(text, str))


def read_warm_start(read: Reader, data: Mapping[str, Any]) -> WarmStart:
    """What the sweep begins from; whether its points fit is checked with the space."""
    given, path = read.mapping(data, "warm_start"), ("warm_start",)
    if given is None:
        return WarmStart()
    read.keys(given, path, keys.WARM_START)
    points = given.get("points", [])
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        read.fault((*path, "points"), f"must be a list of configurations, not {shown(points)}", "write [{lr: 0.01}]")
        points = []
    return WarmStart(_ids(read, given, "sweeps"), _ids(read, given, "runs"), tuple(points))


def _ids(read: Reader, given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    ids = given.get(key, [])
    if isinstance(ids, str):
        ids = [ids]
    if not isinstance(ids, list) or not all(isinstance(name, str) and name for name in ids):
        read.fault(("warm_start", key), f"must be a list of ids, not {shown(ids)}", "see `sweep list`")
        return ()
    return tuple(ids)


def check_space(read: Reader, spec: SweepSpec) -> None:
    """Note the faults of the space as a whole."""
    from swath.sweeps.space import SearchSpace, read_leaves

    leaves, faults = read_leaves(spec.parameters)
    for fault in faults:
        read.fault(("parameters", *fault.keys), fault.message, fault.hint)
    if read.faults:
        return
    names = {leaf.name for leaf in leaves} | {".".join(leaf.path) for leaf in leaves}
    names |= {".".join(leaf.path[:-1]) for leaf in leaves if leaf.path[-1] == "choice"}
    for index, text in enumerate(spec.constraints):
        _check_constraint(read, ("constraints", index), text, names)
    if read.faults:
        return
    space = SearchSpace.from_parameters(spec.parameters, spec.constraints)
    if spec.method == "grid":
        _check_grid(read, space)
        if spec.warm_start != WarmStart():
            told = "a grid runs all of its points, whatever is known before"
            read.fault(("warm_start",), told, "remove it, or use method: bayes")
    if spec.repeats.count > 1 and any(leaf.path[0] == spec.repeats.over for leaf in leaves):
        told = f"{spec.repeats.over!r} is a parameter: each repeat is given its number under that name"
        read.fault(("repeats", "over"), told, "give over: another name, or remove the parameter")
    for index, point in enumerate(spec.warm_start.points):
        _check_point(read, ("warm_start", "points", index), space, point)
    if space.constraints and not read.faults and not _can_be_met(space):
        told = f"none of {_DRAWS:,} random configurations meets all constraints"
        where = ("constraints",) if spec.constraints else ("parameters",)
        limits = {item.text for item in space.constraints} - set(spec.constraints)
        told += f" (limits that name parameters are some: {', '.join(sorted(limits))})" if limits else ""
        read.fault(where, told, "loosen them, or narrow the ranges of the parameters")


def _check_constraint(read: Reader, path: Path, text: str, names: set[str]) -> None:
    from swath.sweeps.space import Expression, ExpressionFault
    from swath.sweeps.spec.faults import nearest

    try:
        expression = Expression(text)
    except ExpressionFault as fault:
        read.fault(path, f"{text!r}: {fault.message}", fault.hint)
        return
    for name in sorted(expression.names - names):
        hint = nearest(name, names) or f"the parameters are {', '.join(sorted(names))}"
        read.fault(path, f"{text!r} speaks of {name!r}, which is no parameter", hint)
    if not expression.names:
        read.fault(path, f"{text!r} speaks of no parameter", 'name one, as in "width * depth <= 64"')


def _check_point(read: Reader, path: Path, space: Any, point: dict[str, Any]) -> None:
    """A given point may leave parameters out, but what it says must be possible."""
    for name, values in space.misfits(point):
        read.fault((*path, *name), f"{'.'.join(name)} cannot be {shown(values)} here", "see `parameters`")


def _can_be_met(space: Any) -> bool:
    dice = random.Random(0)
    axes = len(space.searched)
    return any(space.allows(space.from_unit([dice.random() for _ in range(axes)])) for _ in range(_DRAWS))


def _check_grid(read: Reader, space: Any) -> None:
    """A grid must be able to name its points."""
    hint = "use values, int_uniform or q_uniform, or method: random or bayes"
    for path, complaint in space.grid_faults():
        keys_to_leaf = tuple(part for name in path for part in ("parameters", name))
        read.fault(keys_to_leaf, complaint, hint)
