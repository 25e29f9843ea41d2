"""Checks the `parameters` of a spec, at every depth; the space they describe is made elsewhere."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from swath.sweeps.distributions import Number, is_number
from swath.sweeps.spec import keys
from swath.sweeps.spec.faults import nearest
from swath.sweeps.spec.loader import Path
from swath.sweeps.spec.read_priors import check_prior
from swath.sweeps.spec.reader import Reader, shown

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_FORMS = "value, values, min and max, distribution, choice, or parameters"


def read_parameters(read: Reader, data: Mapping[str, Any]) -> dict[str, Any]:
    """The checked `parameters`, as they are."""
    if "parameters" not in data:
        read.fault(
            ("parameters",),
            "the key is missing",
            "say what to search: parameters: {lr: {min: 0.001, max: 0.1}}",
        )
    parameters = read.mapping(data, "parameters")
    if parameters is not None:
        _check_all(read, parameters, ("parameters",))
    return parameters or {}


def _check_all(read: Reader, parameters: Mapping[str, Any], path: Path) -> None:
    if not parameters:
        read.fault(path, "must hold at least one parameter")
    for name, parameter in parameters.items():
        here = (*path, name)
        if not _NAME.fullmatch(name):
            read.fault(
                here,
                f"'{name}' is no parameter name",
                "letters, digits and _ . - are allowed, a letter or _ first",
            )
        if not isinstance(parameter, dict):
            hint = f"write {{value: {parameter}}} for a constant" if parameter is not None else f"it needs {_FORMS}"
            hint = f"write {{values: {parameter}}}" if isinstance(parameter, list) else hint
            read.fault(here, f"must hold keys and values, not {shown(parameter)}", hint)
        else:
            _check_one(read, parameter, here)


def _check_one(read: Reader, parameter: dict[str, Any], path: Path) -> None:
    if "when" in parameter:
        _check_when(read, parameter, path)
        parameter = {key: value for key, value in parameter.items() if key != "when"}
    if "prior" in parameter:
        check_prior(read, parameter, path)
        parameter = {key: value for key, value in parameter.items() if key != "prior"}
    if "parameters" in parameter:
        read.keys(parameter, path, ("parameters", "when"))
        inner = read.mapping(parameter, "parameters", path)
        if inner is not None:
            _check_all(read, inner, (*path, "parameters"))
    elif "choice" in parameter:
        read.keys(parameter, path, ("choice", "when", "prior"))
        _check_choice(read, parameter, path)
    else:
        name = _distribution(read, parameter, path)
        if name is not None:
            _check_keys(read, parameter, path, name)
            _check_values(read, parameter, path, name)


def _check_when(read: Reader, parameter: dict[str, Any], path: Path) -> None:
    """The form of a condition; whether its parameters can have such values is checked with the space."""
    when = read.mapping(parameter, "when", path)
    if when is not None and not when:
        read.fault((*path, "when"), "says no condition", "write it as when: {optimizer: sgd}, or remove it")
    for name, value in (when or {}).items():
        if isinstance(value, dict) or value == []:
            hint = "write the value that it must have, or a list of such values"
            read.fault((*path, "when", name), f"must be a value or a list of values, not {shown(value)}", hint)


def _check_choice(read: Reader, parameter: dict[str, Any], path: Path) -> None:
    branches, here = read.mapping(parameter, "choice", path), (*path, "choice")
    if branches is not None and not branches:
        read.fault(here, "must hold at least one branch", "write choice: {mlp: {parameters: {...}}, linear: {}}")
    for name, branch in (branches or {}).items():
        if branch is None:
            continue
        if not isinstance(branch, dict):
            read.fault((*here, name), f"must hold `parameters`, not {shown(branch)}", f"write {name}: {{}} for none")
            continue
        read.keys(branch, (*here, name), ("parameters",))
        inner = read.mapping(branch, "parameters", (*here, name))
        if inner:
            _check_all(read, inner, (*here, name, "parameters"))
        if inner and "choice" in inner:
            told = "a parameter of a branch cannot be named choice: the config holds the branch under that name"
            read.fault((*here, name, "parameters", "choice"), told, "give it another name")


def _distribution(read: Reader, parameter: dict[str, Any], path: Path) -> str | None:
    """The distribution, given or worked out from the keys."""
    if "distribution" in parameter:
        return _named_distribution(read, parameter, path)
    if "value" in parameter:
        return "constant"
    if "values" in parameter:
        return "categorical"
    if "min" in parameter or "max" in parameter:
        whole = all(isinstance(parameter.get(end), int) for end in ("min", "max"))
        return "int_uniform" if whole else "uniform"
    unknown = [key for key in parameter if key not in keys.PARAMETER]
    if unknown:
        read.keys(parameter, path, keys.PARAMETER)
    else:
        read.fault(path, "says no values", f"it needs {_FORMS}")
    return None


def _named_distribution(read: Reader, parameter: dict[str, Any], path: Path) -> str | None:
    name, here = parameter["distribution"], (*path, "distribution")
    if isinstance(name, str) and name in keys.EXPONENTS:
        read.fault(here, f"{name} takes exponents as limits", _replacement(parameter, name))
        return None
    if not isinstance(name, str) or name not in keys.DISTRIBUTIONS:
        hint = nearest(str(name), keys.DISTRIBUTIONS) or f"known: {', '.join(keys.DISTRIBUTIONS)}"
        read.fault(here, f"unknown distribution {shown(name)}", hint)
        return None
    return name


def _replacement(parameter: dict[str, Any], name: str) -> str:
    """The same range with real limits: e to the power of each exponent."""
    limits = []
    for end in ("min", "max"):
        mirrored = name == "inv_log_uniform"
        value = parameter.get({"min": "max", "max": "min"}[end] if mirrored else end)
        if is_number(value) and abs(value) < 700:
            limits.append(f"{end}: {math.exp(-value if mirrored else value):.6g}")
        else:
            limits.append(f"{end}: ...")
    return f"use distribution: {keys.EXPONENTS[name]} with the real limits, {', '.join(limits)}"


def _check_keys(read: Reader, parameter: dict[str, Any], path: Path, name: str) -> None:
    needed, allowed = keys.DISTRIBUTIONS[name]
    for key in needed:
        if key not in parameter:
            read.fault(path, f"{name} needs '{key}'")
    known = ("distribution", *needed, *allowed)
    for key in parameter:
        if key in known:
            continue
        hint = nearest(key, known)
        if key == "q" and "distribution" not in parameter and "min" in parameter:
            hint = "add distribution: q_uniform (or q_log_uniform_values)"
        elif key in keys.PARAMETER:
            hint = f"{name} takes {', '.join(known)}"
        read.fault((*path, key), f"'{key}' does not belong to {name}", hint or f"{name} takes {', '.join(known)}")


def _check_values(read: Reader, parameter: dict[str, Any], path: Path, name: str) -> None:
    if name.startswith("categorical"):
        _check_options(read, parameter, path)
    elif "min" in keys.DISTRIBUTIONS[name][0]:
        _check_range(read, parameter, path, name)
    else:
        read.number(parameter, "mu", path)
        read.number(parameter, "sigma", path, least=0)
        read.number(parameter, "a", path, above=0)
        read.number(parameter, "b", path, above=0)
    read.number(parameter, "q", path, above=0)


def _check_range(read: Reader, parameter: dict[str, Any], path: Path, name: str) -> None:
    above = 0 if "log" in name else None
    low = _limit(read, parameter, "min", path, above)
    high = _limit(read, parameter, "max", path, None)
    if name == "int_uniform":
        for end, value in (("min", low), ("max", high)):
            if value is not None and value != int(value):
                read.fault((*path, end), f"must be a whole number, not {value}", "or use distribution: uniform")
    if low is None or high is None:
        return
    if not low < high:
        hint = f"write value: {low}" if low == high else "swap them"
        read.fault(path, f"min {low} is not below max {high}", hint)
    elif not math.isfinite(float(high) - float(low)):
        read.fault(path, "the range is wider than a float can hold", "narrow it")


def _limit(read: Reader, parameter: dict[str, Any], end: str, path: Path, above: float | None) -> Number | None:
    """A limit that is a number; None also for one that names a parameter, which is checked with the space."""
    value = parameter.get(end)
    if isinstance(value, str) and _NAME.fullmatch(value):
        return None
    return read.number(parameter, end, path, above=above)


def _check_options(read: Reader, parameter: dict[str, Any], path: Path) -> None:
    values = parameter.get("values")
    if "values" in parameter and (not isinstance(values, list) or not values):
        hint = f"write values: [{values}]" if isinstance(values, (str, int, float)) else "list at least one value"
        read.fault((*path, "values"), f"must be a list of values, not {shown(values)}", hint)
    if "probabilities" in parameter:
        _check_probabilities(read, parameter["probabilities"], values, (*path, "probabilities"))


def _check_probabilities(read: Reader, weights: Any, values: Any, path: Path) -> None:
    if not isinstance(weights, list) or not all(is_number(weight) and weight >= 0 for weight in weights):
        read.fault(path, f"must be a list of numbers of at least 0, not {shown(weights)}")
    elif isinstance(values, list) and len(values) != len(weights):
        read.fault(path, f"there are {len(values)} values and {len(weights)} probabilities", "give each value one")
    elif not math.isclose(sum(weights), 1.0, abs_tol=1e-6):
        total = sum(weights)
        scaled = (
            f"divide each by {total:g}: {[round(w / total, 6) for w in weights]}" if total else "make them sum to 1"
        )
        read.fault(path, f"the probabilities sum to {total:g}, not to 1", scaled)
