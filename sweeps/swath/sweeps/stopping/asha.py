"""Asynchronous successive halving in both forms, and with brackets: Li et al., "A System for Massively Parallel
Hyperparameter Tuning" (MLSys 2020). With several brackets it is asynchronous Hyperband.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from swath.sweeps.spec.stoppers import AshaSettings, BohbSettings
from swath.sweeps.stopping.base import Action, Among, Decision, Promotion, Standing, counted, ordinal
from swath.sweeps.stopping.book import Book, Rung, View
from swath.sweeps.stopping.ladder import Ladder

#: Where there is no end to count brackets down from.
_MOST_BRACKETS = 5
#: In replays of recorded curves three found more for a quarter of the budget than one, two or four.
_BOHB_BRACKETS = 3


@dataclass(frozen=True)
class Asha:
    """The best 1/eta of the trials at a rung go on; which of the others stop, or wait for their turn, is the mode.

    To stop: a trial at a rung that eta trials have reached is stopped unless it is among the best 1/eta there. To
    promote: each trial is paused at each rung unless it is among the best 1/eta already, and whenever a slot is free
    the best paused trial of the highest rung that is among the best 1/eta of its rung goes on.

    Equal trials are treated alike where they would be stopped; of equal trials at a rung that they wait at no more
    than fit go on, the first ones, lest a metric of few values promotes them all.

    Bracket b begins at rung number b, and trials are compared within their bracket. Trial numbers are dealt to the
    brackets so that each bracket is given about the same budget, as in Hyperband.

    Once there are no new trials, 1/eta of a rung is rounded up, and in the first bracket one more goes on: who is first
    at a rung is often not first at the end, and slots are idle by then. Nobody leaves a rung so while a trial is on its
    way to it.

    In several metrics the order is by fronts, and the front of a rung is never stopped: once there are no new trials,
    all of it that waits goes on.
    """

    settings: AshaSettings | BohbSettings
    metric: str = "the metric"

    needs_curve = False
    watches_unusable = False

    @property
    def name(self) -> str:
        """`asha` or `bohb`."""
        return self.settings.kind

    @property
    def promotes(self) -> bool:
        """Whether trials are paused at their rungs."""
        return isinstance(self.settings, BohbSettings) or self.settings.mode == "promote"

    @cached_property
    def _ladders(self) -> tuple[Ladder, ...]:
        """The rungs of each bracket."""
        first, eta, end = self.settings.first, self.settings.eta, self.settings.max_iter
        whole = Ladder(first, eta, end)
        several = self.settings.brackets or min(_BOHB_BRACKETS, len(whole.rungs) + 1)
        return (whole, *(Ladder(given=whole.rungs[bracket:]) for bracket in range(1, several)))

    @cached_property
    def _view(self) -> View:
        depth = len(self._ladders[0].rungs) if self.settings.max_iter is not None else _MOST_BRACKETS
        lanes = dealt(len(self._ladders), depth, self.settings.eta)
        return View(self.settings.compare, lanes, cut=1 / self.settings.eta)

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        return self._ladders[0].between(before, after)

    def next_check(self, count: int) -> int | None:
        return self._ladders[0].above(count)

    def judge(self, trial: Standing, book: Book) -> Decision:
        lane = self._view.lane(trial.number)
        at = self._ladders[lane].reached(trial.count)
        held = book.compare(trial, at, self._view, lane) if at is not None else None
        if at is None or held is None:
            return Decision("continue", "goes on: no rung is reached", at or trial.count, rule=self.name)
        cost, rung, among = held
        n, places = len(rung), self._places(rung)
        rank = rung.position(cost, trial.number) if self.promotes else rung.rank(cost)
        threshold = book.value(rung.costs[places - 1]) if places and among is None else None
        action, why = self._verdict(rung, rank, places)
        own = self._own(book.value(cost), rank, n, among)
        peers = among.by if among and among.by else tuple(rung.numbers[: max(min(places, 3), 1)])
        reason = f"{_VERBS[action]} at rung {at}{self._where(lane)}: {own}; {why}"
        return Decision(action, reason, at, threshold, rank, n, self.name, peers, among=among)

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        if not self.promotes or not book.parked:
            return None
        for at in reversed(self._reached(book)):
            for lane, ladder in enumerate(self._ladders):
                if at not in ladder.rungs:
                    continue
                rung = book.rung(at, self._view, lane)
                least = self._least(book, rung, at, lane) if last else 0
                found = self._next(book, rung, at, lane, least)
                if found is not None:
                    return found
        return None

    def _next(self, book: Book, rung: Rung, at: int, lane: int, least: int) -> Promotion | None:
        """The best that waits at the rung, if it is among those that go on: `least` of them at least."""
        waiting = book.first_waiting(at, self._ladders[lane].above(at), self._view, lane)
        if waiting is None:
            return None
        cost, number = waiting
        rank, places = rung.position(cost, number), max(self._places(rung), least)
        if rank > places:
            return None
        own = self._own(book.value(cost), rank, len(rung), book.among(number, at, self._view, lane))
        share = "no new trial will come" if rank > self._places(rung) else self._share(places, len(rung))
        return Promotion(number, f"goes on from rung {at}{self._where(lane)}: {own}; {share}")

    def _least(self, book: Book, rung: Rung, at: int, lane: int) -> int:
        """How many of a rung go on at least when no new trial will come; none while one may still come to the rung."""
        if book.awaits(at, self._view, lane):
            return 0
        return max(rung.front, math.ceil(len(rung) / self.settings.eta) + (lane == 0))

    def _reached(self, book: Book) -> Sequence[int]:
        """The rungs that some trial has reached."""
        return [at for at in book.reached if at in self._rungs]

    @cached_property
    def _rungs(self) -> frozenset[int]:
        return frozenset(self._ladders[0].rungs)

    def _places(self, rung: Rung) -> int:
        """How many of a rung go on."""
        return math.floor(len(rung) / self.settings.eta)

    def _verdict(self, rung: Rung, rank: int, places: int) -> tuple[Action, str]:
        n = len(rung)
        if rank <= places:
            return "continue", self._share(places, n)
        if self.promotes:
            return "pause", f"{self._share(places, n)}, it waits"
        if not places:
            return "continue", f"nothing is decided before {math.ceil(self.settings.eta)} trials are there"
        if rank <= rung.front:
            return "continue", f"{self._share(places, n)}, and what no other one dominates"
        return "stop", self._share(places, n)

    def _share(self, places: int, n: int) -> str:
        return f"the best 1 in {self.settings.eta:g} go on ({places} of {n})"

    def _own(self, value: float, rank: int, n: int, among: Among | None) -> str:
        if among is not None:
            return f"{among.words()}, by fronts it is {ordinal(rank)} of {n}"
        held = "the best so far, " if self.settings.compare == "best" else ""
        return f"{self.metric} {held}{value:.6g} is {ordinal(rank)} of {counted(n)} there"

    def _where(self, lane: int) -> str:
        return f" of bracket {lane + 1}" if len(self._ladders) > 1 else ""


_VERBS: dict[Action, str] = {"continue": "goes on", "stop": "stopped", "pause": "paused"}


def dealt(brackets: int, depth: int, eta: float) -> tuple[int, ...]:
    """The bracket of trial 0, 1, ..., to be repeated: more trials for the brackets that begin early.

    Hyperband gives bracket b of `depth` rungs `(depth + 1) / (s + 1) * eta^s` trials, where s = depth - b is how often
    it is cut down. The brackets are mixed evenly, each as often as its weight says.
    """
    if brackets == 1:
        return (0,)
    weights = [eta**-bracket / max(depth - bracket + 1, 1) for bracket in range(brackets)]
    counts = [max(1, round(weight / weights[-1])) for weight in weights]
    total = sum(counts)
    dealt_out, order = [0] * brackets, list[int]()
    for place in range(1, total + 1):
        bracket = max(range(brackets), key=lambda b: (counts[b] * place / total - dealt_out[b], -b))
        dealt_out[bracket] += 1
        order.append(bracket)
    return tuple(order)
