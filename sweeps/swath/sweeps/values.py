"""What counts as a value of a metric, and which of two is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swath.sweeps.spec import Metric


def finite(value: Any) -> bool:
    """Whether a logged value counts as a report: a finite number that is not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def better(goal: str, value: float, than: float | None) -> bool:
    """Whether `value` is better than `than` for `goal`; anything is better than nothing."""
    return than is None or (value < than if goal == "minimize" else value > than)


def violation(metrics: Sequence[Metric], values: Sequence[float | None]) -> float:
    """By how much the limits of the metrics are overstepped in all; 0 where all are kept, or nothing is known."""
    over = 0.0
    for metric, value in zip(metrics, values, strict=False):
        if metric.limit is not None and value is not None:
            over += max(0.0, value - metric.limit if metric.goal == "minimize" else metric.limit - value)
    return over
