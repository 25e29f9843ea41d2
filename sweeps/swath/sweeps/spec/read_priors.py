"""Checks the form of a `prior`, and finds the parameters that have one; whether it fits is checked with the space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swath.sweeps.spec import keys
from swath.sweeps.spec.loader import Path
from swath.sweeps.spec.reader import Reader, shown

_WRITE = "write prior: 0.01 or prior: {value: 0.01, confidence: high}"


def check_prior(read: Reader, parameter: Mapping[str, Any], path: Path) -> None:
    """Note what is wrong with the `prior` of a parameter."""
    prior, here = parameter["prior"], (*path, "prior")
    if "parameters" in parameter:
        read.fault(here, "a group of parameters has no best value", "say it of the parameters inside")
    elif "value" in parameter:
        read.fault(here, "a constant is not searched, so nothing is expected of it", "remove it")
    elif isinstance(prior, dict):
        read.keys(prior, here, keys.PRIOR)
        if "value" not in prior:
            read.fault(here, "does not say where the best value is expected", _WRITE)
        read.choice(prior, "confidence", keys.CONFIDENCES, here)
    elif prior is None and None not in (parameter.get("values") or ()):
        read.fault(here, f"must be a value, not {shown(prior)}", _WRITE)


def priors_in(parameters: Mapping[str, Any]) -> Iterator[Any]:
    """Every `prior` of checked parameters, at any depth."""
    for parameter in parameters.values():
        if "prior" in parameter:
            yield parameter["prior"]
        yield from priors_in(parameter.get("parameters") or {})
        for branch in (parameter.get("choice") or {}).values():
            yield from priors_in((branch or {}).get("parameters") or {})
