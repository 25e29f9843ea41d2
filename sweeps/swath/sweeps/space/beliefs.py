"""Where the author of a space expects the best value of a parameter; what a search makes of it is told elsewhere."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from swath.sweeps.distributions import Categorical, Distribution, Quantised, is_number

Confidence = Literal["low", "medium", "high"]


@dataclass(frozen=True)
class Belief:
    """The best value is expected to be `value`, or near it where values have neighbours."""

    value: Any
    confidence: Confidence = "medium"


def read_belief(parameter: Mapping[str, Any]) -> Belief | None:
    """What the `prior` of a checked parameter says."""
    if "prior" not in parameter:
        return None
    given = parameter["prior"]
    if not isinstance(given, Mapping):
        return Belief(given)
    return Belief(given["value"], cast(Confidence, given.get("confidence", "medium")))


def exact(distribution: Distribution, value: Any) -> Any:
    """The value as `distribution` itself would give it: 1 as 1.0 where numbers are real."""
    if distribution.size is None:
        return float(value)
    return distribution.value_at(distribution.index_of(value))


def written(distribution: Distribution, value: Any) -> Any:
    """As `exact`, but 0.3 stays 0.3 where the third multiple of 0.1 comes to 0.30000000000000004."""
    found = exact(distribution, value)
    return value if isinstance(distribution, Quantised) and type(value) is type(found) else found


def misfit(belief: Belief, distribution: Distribution) -> tuple[str, str] | None:
    """Why the parameter never has the value, and what to write instead; None for a value that it can have."""
    if distribution.contains(belief.value):
        return None
    return f"the parameter is never {belief.value!r}", _possible(belief.value, distribution)


def _possible(value: Any, distribution: Distribution) -> str:
    if isinstance(distribution, Categorical):
        return _near(value, distribution)
    if not is_number(value):
        return "name the value at which the best one is expected, a number"
    if isinstance(distribution, Quantised):
        near = distribution.value_at(distribution.index_of(value))
        return f"the nearest value that it can have is {near:.12g}"
    if distribution.size is not None:
        last = distribution.value_at(distribution.size - 1)
        return f"name a whole number from {distribution.value_at(0)} to {last}"
    return f"name a number from {distribution.ppf(0.0):g} to {distribution.ppf(1.0):g}"


def _near(value: Any, distribution: Categorical) -> str:
    options = [str(option) for option in distribution.values()]
    close = difflib.get_close_matches(str(value), options, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(options[:12])
    return f"name one of {shown}" + (", ..." if len(options) > 12 else "")
