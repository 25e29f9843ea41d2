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

from swath.sweeps.spec.model import HyperbandSettings
from swath.sweeps.stopping.base import Decision, Goal, Promotion, Standing, counted, ordinal
from swath.sweeps.stopping.book import Book, Mark
from swath.sweeps.stopping.ladder import Ladder, counted_up


@dataclass(frozen=True)
class Hyperband:
    """The rule for one sweep. `metric` is its name, for the sentences only.

    As W&B's engine does, it is asked at every report from the first band on: a run is held against the threshold of
    its highest band as that is by then.
    """

    settings: HyperbandSettings
    metric: str = "the metric"

    name = "hyperband"
    needs_curve = False
    watches_unusable = False

    @property
    def uses_best(self) -> bool:
        """Whether a trial is judged by its best value so far (true) or by its value at the band (false)."""
        return not self.settings.strict

    def bands(self) -> Iterator[int]:
        """All bands, rising: without end when they are counted up from `min_iter`."""
        if self.settings.max_iter is not None:
            return iter(self._counted_down)
        return counted_up(self.settings.min_iter or 1, self.settings.eta)

    @cached_property
    def _counted_down(self) -> tuple[int, ...]:
        bands, band = set(), float(self.settings.max_iter or 0)
        for _ in range(self.settings.s or 0):
            band /= self.settings.eta
            if band < 1:
                break
            bands.add(int(band))
        return tuple(sorted(bands))

    @cached_property
    def _ladder(self) -> Ladder:
        if self.settings.max_iter is not None:
            return Ladder(given=self._counted_down)
        return Ladder(self.settings.min_iter or 1, self.settings.eta)

    def band_reached(self, count: int) -> int | None:
        """The highest band of at most `count` reports; None before the first."""
        return self._ladder.reached(count)

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        return self._ladder.between(before, after)

    def crossed(self, before: int, after: int) -> tuple[int, ...]:
        """The bands above `before` and up to `after` reports."""
        return self._ladder.between(before, after)

    def next_check(self, count: int) -> int | None:
        return self._ladder.above(count) if self.band_reached(count) is None else count + 1

    def judge(self, trial: Standing, book: Book) -> Decision:
        band = self.band_reached(trial.count)
        own = book.mark(trial.number, band) if band is not None else None
        if band is None or own is None:
            return Decision("continue", "goes on: no band is reached", band or trial.count, rule=self.name)
        value = own.value if not self.uses_best or trial.best is None else trial.best
        rung = book.rung(band)
        decision = self._decision(book.goal, band, value, rung.costs)
        place = self._place(len(rung))
        return Decision(
            decision.action, decision.reason, band, decision.threshold, decision.rank, decision.n, self.name,
            tuple(rung.numbers[: min(place + 1, 3)]),
        )  # fmt: skip

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        return None

    def decide(self, goal: Goal, band: int, own_value: float, values_at_band: Sequence[float]) -> Decision:
        """The decision about a trial with `own_value`, given the values of all runs at the band in any order."""
        sign = -1.0 if goal == "maximize" else 1.0
        return self._decision(goal, band, own_value, sorted(sign * value for value in values_at_band))

    def _place(self, n: int) -> int:
        return min(int(n / self.settings.eta), n - 1)

    def _decision(self, goal: Goal, band: int, own_value: float, costs: Sequence[float]) -> Decision:
        """The decision, given the costs at the band in rising order."""
        sign, n = -1.0 if goal == "maximize" else 1.0, len(costs)
        if n == 0:
            return Decision("continue", f"goes on: no run has a value at band {band}", band, rule=self.name)
        place = self._place(n)
        worse = sign * own_value > costs[place]
        rank = min(bisect_left(costs, sign * own_value) + 1, n)
        reason = self._sentence(worse, band, own_value, sign * costs[place], place + 1, n)
        return Decision("stop" if worse else "continue", reason, band, sign * costs[place], rank, n, self.name)

    def _sentence(self, worse: bool, band: int, own: float, threshold: float, place: int, n: int) -> str:
        verb = "stopped" if worse else "goes on"
        relation = "is worse than" if worse else "is not worse than"
        held = "the best so far, " if self.uses_best else ""
        return (
            f"{verb} at band {band}: {self.metric} {held}{own:.6g} {relation} the threshold {threshold:.6g} "
            f"({ordinal(place)} of {counted(n, 'run')} there, eta {self.settings.eta:g})"
        )

    def stop_all(self, goal: Goal, histories: Mapping[str, Sequence[float]], running: Sequence[str]) -> list[str]:
        """Which of the `running` runs to stop, given all the values that every run has reported, in order."""
        book, standings = Book(goal), {}
        best = max if goal == "maximize" else min
        for number, (run, values) in enumerate(histories.items()):
            finite = [value for value in values if math.isfinite(value)]
            for band in self.checkpoints(0, len(finite)):
                there = finite[:band]
                book.put(number, band, Mark(there[-1], best(there), sum(there) / band))
            standings[run] = Standing(number, len(finite), best=best(finite, default=None))
        return [run for run in running if self.judge(standings[run], book).action == "stop"]
