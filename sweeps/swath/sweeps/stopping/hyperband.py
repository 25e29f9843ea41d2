"""Hyperband as W&B means it: at each band the best 1/eta of the runs there set the threshold; no state.

The bands follow Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization" (JMLR 2018); as
in asynchronous halving, a run is compared with those that are at the band by then, and waits for none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from swath.sweeps.spec.model import HyperbandSettings
from swath.sweeps.stopping.base import Action, Among, Decision, Goal, Promotion, Standing, counted, ordinal
from swath.sweeps.stopping.book import Book, Mark, View
from swath.sweeps.stopping.ladder import Ladder, counted_up

_STRICT, _NOW = View(), View(own="now")


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

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        return self._ladder.between(before, after)

    def next_check(self, count: int) -> int | None:
        return self._ladder.above(count) if self._ladder.reached(count) is None else count + 1

    def judge(self, trial: Standing, book: Book) -> Decision:
        band = self._ladder.reached(trial.count)
        held = book.compare(trial, band, _STRICT if self.settings.strict else _NOW) if band is not None else None
        if band is None or held is None:
            return Decision("continue", "goes on: no band is reached", band or trial.count, rule=self.name)
        cost, rung, among = held
        n = len(rung)
        place = min(max(int(n / self.settings.eta), rung.front - 1), n - 1)
        worse, rank = cost > rung.costs[place], min(rung.rank(cost), n)
        action: Action = "stop" if worse else "continue"
        if among is not None:
            reason = self._joint_sentence(worse, band, among, rank, place + 1, n)
            peers = among.by or tuple(rung.numbers[:3])
            return Decision(action, reason, band, None, rank, n, self.name, peers, among=among)
        threshold = book.value(rung.costs[place])
        reason = self._sentence(worse, band, book.value(cost), threshold, place + 1, n)
        peers = tuple(rung.numbers[: min(place + 1, 3)])
        return Decision(action, reason, band, threshold, rank, n, self.name, peers)

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        return None

    def _sentence(self, worse: bool, band: int, own: float, threshold: float, place: int, n: int) -> str:
        verb = "stopped" if worse else "goes on"
        relation = "is worse than" if worse else "is not worse than"
        held = "" if self.settings.strict else "the best so far, "
        return (
            f"{verb} at band {band}: {self.metric} {held}{own:.6g} {relation} the threshold {threshold:.6g} "
            f"({ordinal(place)} of {counted(n, 'run')} there, eta {self.settings.eta:g})"
        )

    def _joint_sentence(self, worse: bool, band: int, among: Among, rank: int, place: int, n: int) -> str:
        verb = "stopped" if worse else "goes on"
        return (
            f"{verb} at band {band}: {among.words()}, by fronts it is {ordinal(rank)} of {counted(n, 'run')} there; "
            f"the threshold is the one that is {ordinal(place)} (eta {self.settings.eta:g})"
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
