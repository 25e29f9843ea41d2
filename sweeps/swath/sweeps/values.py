"""What counts as a value of a metric, and which of two is better."""

from __future__ import annotations

import math
from typing import Any


def finite(value: Any) -> bool:
    """Whether a logged value counts as a report: a finite number that is not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def better(goal: str, value: float, than: float | None) -> bool:
    """Whether `value` is better than `than` for `goal`; anything is better than nothing."""
    return than is None or (value < than if goal == "minimize" else value > than)
