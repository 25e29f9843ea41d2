"""Hyperband as W&B means it: at each band the best 1/eta of the runs there set the threshold; no state.

The bands follow Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization" (JMLR 2018); as
in asynchronous halving, a run is compared with those that are at the band by then, and waits for none.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

from swath.sweeps.spec.model import HyperbandSettings
from swath.sweeps.stopping.base import Decision, Goal


@dataclass(frozen=True)
class Hyperband:
    """The rule for one sweep. `metric` is its name, for the sentences only."""

    settings: HyperbandSettings
    metric: str = "the metric"

    @property
    def uses_best(self) -> bool:
        return not self.settings.strict

    def bands(self) -> Iterator[int]:
        """All bands, rising: without end when they are counted up from `min_iter`."""
        return iter(self._counted_down) if self.settings.max_iter is not None else self._counted_up()

    @cached_property
    def _counted_down(self) -> tuple[int, ...]:
        bands, band = set(), float(self.settings.max_iter or 0)
        for _ in range(self.settings.s or 0):
            band /= self.settings.eta
            if band < 1:
                break
            bands.add(int(band))
        return tuple(sorted(bands))

    def _counted_up(self) -> Iterator[int]:
        last, band = 0, float(self.settings.min_iter or 1)
        while math.isfinite(band):
            if int(band) > last:
                last = int(band)
                yield last
            band *= self.settings.eta

    def band_reached(self, count: int) -> int | None:
        reached = self.crossed(0, count)
        return reached[-1] if reached else None

    def crossed(self, before: int, after: int) -> tuple[int, ...]:
        return tuple(band for band in takewhile(lambda band: band <= after, self.bands()) if band > before)

    def decide(self, goal: Goal, band: int, own_value: float, values_at_band: Sequence[float]) -> Decision:
        sign = -1.0 if goal == "maximize" else 1.0
        costs = sorted(sign * value for value in values_at_band)
        n = len(costs)
        if n == 0:
            return Decision("continue", f"goes on: no run has a value at band {band}", band)
        place = min(int(n / self.settings.eta), n - 1)
        worse = sign * own_value > costs[place]
        rank = min(bisect_left(costs, sign * own_value) + 1, n)
        reason = self._sentence(worse, band, own_value, sign * costs[place], place + 1, n)
        return Decision("stop" if worse else "continue", reason, band, sign * costs[place], rank, n)

    def _sentence(self, worse: bool, band: int, own: float, threshold: float, place: int, n: int) -> str:
        verb = "stopped" if worse else "goes on"
        relation = "is worse than" if worse else "is not worse than"
        held = "the best so far, " if self.uses_best else ""
        runs = "1 run" if n == 1 else f"{n} runs"
        return (
            f"{verb} at band {band}: {self.metric} {held}{own:.6g} {relation} the threshold {threshold:.6g} "
            f"({_ordinal(place)} of {runs} there, eta {self.settings.eta:g})"
        )

    def stop_all(self, goal: Goal, histories: Mapping[str, Sequence[float]], running: Sequence[str]) -> list[str]:
        """Which of the `running` runs to stop, given all the values that every run has reported, in order."""
        finite = {run: [value for value in values if math.isfinite(value)] for run, values in histories.items()}
        return [run for run in running if self._stops(goal, finite[run], finite)]

    def _stops(self, goal: Goal, own: Sequence[float], histories: Mapping[str, Sequence[float]]) -> bool:
        band = self.band_reached(len(own))
        if band is None:
            return False
        best = max(own) if goal == "maximize" else min(own)
        there = [values[band - 1] for values in histories.values() if len(values) >= band]
        return self.decide(goal, band, best if self.uses_best else own[band - 1], there).action == "stop"


def _ordinal(place: int) -> str:
    if place == 1:
        return "the best"
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending} best"
