"""The course of a recorded trial: what it had reported when, of one metric or of several; it decides nothing.

A course has beats, at each of which something was reported. After `beat` of them it has a `count` of whole reports.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from swath.sweeps.recorded import Recorded
from swath.sweeps.spec.model import Metric
from swath.sweeps.stopping.base import Goal, Standing
from swath.sweeps.stopping.book import Mark
from swath.sweeps.tallies import Vector


class Course(Protocol):
    """What a replay asks of a recorded trial. Beats and counts are from 0, before anything, on."""

    @property
    def beats(self) -> int:
        """How many beats there are in all."""
        ...

    def spent(self, beat: int) -> int:
        """How many reports were made by then, as they are counted for what a replay costs."""
        ...

    def count(self, beat: int) -> int:
        """How many whole reports were made by then."""
        ...

    def unusable(self, beat: int) -> int:
        """How many values that are no reports were made by then."""
        ...

    def beat_of(self, count: int) -> int | None:
        """The first beat after which there are so many reports; None if there never are."""
        ...

    def next_unusable(self, beat: int) -> int:
        """The first beat behind `beat` with a value that is no report; the last beat where there is none."""
        ...

    def mark(self, count: int) -> Mark:
        """The mark after so many reports."""
        ...

    def bests(self, count: int) -> Vector:
        """The best value of each metric after so many reports; empty before the first."""
        ...

    def standing(self, number: int, beat: int, before: int, curve: bool) -> Standing:
        """How the trial stands, asked about last after `before` reports; with its curve for rules that look at it."""
        ...


def course_of(trial: Recorded, goal: Goal, metrics: Sequence[Metric]) -> Course:
    """The course of a trial in the metrics, or in its one metric where there are none."""
    return _jointly(trial, metrics) if metrics else _alone(trial, goal)


@dataclass(frozen=True)
class _Alone:
    """One metric. A beat is a value; `finite` are the places of those that are reports."""

    raw: Sequence[float]
    finite: Sequence[int]
    values: Sequence[float]
    running_bests: Sequence[float]
    sums: Sequence[float]

    @property
    def beats(self) -> int:
        return len(self.raw)

    def spent(self, beat: int) -> int:
        return beat

    def count(self, beat: int) -> int:
        return bisect_right(self.finite, beat - 1)

    def unusable(self, beat: int) -> int:
        return beat - self.count(beat)

    def beat_of(self, count: int) -> int | None:
        return self.finite[count - 1] + 1 if count <= len(self.finite) else None

    def next_unusable(self, beat: int) -> int:
        if len(self.finite) == len(self.raw):
            return len(self.raw)
        found = (place + 1 for place in range(beat, len(self.raw)) if not math.isfinite(self.raw[place]))
        return next(found, len(self.raw))

    def mark(self, count: int) -> Mark:
        best, total = self.running_bests[count - 1], self.sums[count - 1]
        return Mark(self.values[count - 1], best, total / count)

    def bests(self, count: int) -> Vector:
        return (self.running_bests[count - 1],) if count else ()

    def standing(self, number: int, beat: int, before: int, curve: bool) -> Standing:
        count = self.count(beat)
        latest, best = (self.values[count - 1], self.running_bests[count - 1]) if count else (None, None)
        return Standing(number, count, latest, best, before, beat - count, self.values[:count] if curve else ())


@dataclass(frozen=True)
class _Jointly:
    """Several metrics: a beat is a row of them, which may make no report, one, or two (see `JointTally`)."""

    trial: Recorded
    running_bests: Sequence[Vector]
    sums: Sequence[Sequence[float]]

    @property
    def beats(self) -> int:
        return len(self.trial.seconds)

    def spent(self, beat: int) -> int:
        return self.count(beat)

    def count(self, beat: int) -> int:
        return self.trial.counts[beat - 1] if beat else 0

    def unusable(self, beat: int) -> int:
        return self.trial.unusable[beat - 1] if beat else 0

    def beat_of(self, count: int) -> int | None:
        beat = bisect_left(self.trial.counts, count)
        return beat + 1 if beat < self.beats else None

    def next_unusable(self, beat: int) -> int:
        return min(bisect_right(self.trial.unusable, self.unusable(beat)) + 1, self.beats)

    def mark(self, count: int) -> Mark:
        each = zip(self.trial.vectors[count - 1], self.running_bests[count - 1], self.sums[count - 1], strict=True)
        first, *others = (Mark(value, best, total / count) for value, best, total in each)
        return first._replace(others=tuple(others))

    def bests(self, count: int) -> Vector:
        return self.running_bests[count - 1] if count else ()

    def standing(self, number: int, beat: int, before: int, curve: bool) -> Standing:
        count, unusable = self.count(beat), self.unusable(beat)
        if not count:
            return Standing(number, 0, before=before, unusable=unusable)
        latests, bests = self.trial.vectors[count - 1], self.bests(count)
        curves = list(zip(*self.trial.vectors[:count], strict=True)) if curve else []
        first = curves[0] if curves else ()
        return Standing(number, count, latests[0], bests[0], before, unusable, first, latests, bests, curves)


def _alone(trial: Recorded, goal: Goal) -> _Alone:
    import numpy as np

    whole = np.asarray(trial.values, dtype=float)
    finite = np.flatnonzero(np.isfinite(whole))
    values = whole[finite]
    find = np.maximum if goal == "maximize" else np.minimum
    places: Sequence[int] = range(len(whole)) if len(finite) == len(whole) else finite.tolist()
    return _Alone(trial.values, places, values.tolist(), find.accumulate(values).tolist(), values.cumsum().tolist())


def _jointly(trial: Recorded, metrics: Sequence[Metric]) -> _Jointly:
    import numpy as np

    values = np.asarray(trial.vectors, dtype=float).reshape(-1, len(metrics))
    finds = [np.maximum if metric.goal == "maximize" else np.minimum for metric in metrics]
    bests = [find.accumulate(column).tolist() for find, column in zip(finds, values.T, strict=True)]
    return _Jointly(trial, list(zip(*bests, strict=True)), values.cumsum(axis=0).tolist())
