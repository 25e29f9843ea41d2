"""What a trial has reported in all, of one metric or of several: when there is a report, and what it marks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from swath.sweeps.spec import Metric
from swath.sweeps.stopping import Mark
from swath.sweeps.stopping.base import Goal
from swath.sweeps.values import better, finite
from swath.tracking.apply.fold import lookup

#: A value of each metric, in their order.
Vector = tuple[float, ...]


@dataclass
class Tally:
    """What a trial has reported of one metric: how many values, their sum, and the best."""

    count: int = 0
    total: float = 0.0
    best: float | None = None

    def add(self, value: float, goal: Goal) -> None:
        """One more value."""
        self.count += 1
        self.total += value
        if self.best is None or better(goal, value, self.best):
            self.best = value

    def mark(self, value: float) -> Mark:
        """The mark of a trial whose last value that is."""
        return Mark(value, self.best if self.best is not None else value, self.total / self.count)


class JointTally(msgspec.Struct):
    """What a trial has reported of several metrics.

    A report is complete when each metric has come anew, whichever rows they came in, and holds the latest value of
    each. Where a metric comes again before the others did, the report that it waited in is complete with the latest
    values of those: one that is logged once, or seldom, holds nobody up. Until each has come there is no report, and
    a value that is NaN or infinite takes back what was known of its metric. `reported` is the last whole report.
    """

    latest: list[float | None]
    fresh: list[bool]
    bests: list[float]
    totals: list[float]
    reported: list[float]
    count: int = 0

    @classmethod
    def of(cls, text: str, metrics: int) -> JointTally:
        """The one that `text` holds; a new one where it is empty."""
        if text:
            return msgspec.json.decode(text, type=cls)
        return cls([None] * metrics, [False] * metrics, [], [], [])

    def text(self) -> str:
        """All of it, for `of`."""
        return msgspec.json.encode(self).decode()

    def add(self, values: dict[str, Any], metrics: Sequence[Metric]) -> Iterator[Vector]:
        """One more row; the reports that it completes, each while this tally stands at it."""
        found = [_usable(lookup(values, metric.name)) for metric in metrics]
        if any(value is not None and fresh for value, fresh in zip(found, self.fresh, strict=True)):
            yield from self.close(metrics)
        for index, value in enumerate(found):
            if value is not None:
                self.fresh[index] = not math.isnan(value)
                self.latest[index] = value if self.fresh[index] else None
        if all(self.fresh):
            yield from self.close(metrics)

    def close(self, metrics: Sequence[Metric]) -> Iterator[Vector]:
        """The report that waits for metrics that came before, as no more will come."""
        values = tuple(value for value in self.latest if value is not None)
        if len(values) < len(metrics) or not any(self.fresh):
            return
        goals = [metric.goal for metric in metrics]
        old = self.bests or values
        self.bests = [v if better(goal, v, best) else best for goal, v, best in zip(goals, values, old, strict=True)]
        self.totals = [value + total for value, total in zip(values, self.totals or [0.0] * len(values), strict=True)]
        self.reported, self.fresh = list(values), [False] * len(values)
        self.count += 1
        yield values

    def mark(self, values: Vector) -> Mark:
        """The mark of a trial whose last report that is."""
        each = zip(values, self.bests, self.totals, strict=True)
        first, *others = (Mark(value, best, total / self.count) for value, best, total in each)
        return first._replace(others=tuple(others))


def _usable(value: Any) -> float | None:
    """A logged value as a number, NaN for one that is no report; None where there is none."""
    if value is None:
        return None
    return float(value) if finite(value) else math.nan
