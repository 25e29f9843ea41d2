"""`Book`: what all trials of one sweep had reported at the checkpoints, in memory and sorted; it decides nothing.

The store's table of rungs is the truth: a book is rebuilt from it by putting its rows in again, in any order, and is
kept up to date from then on. A decision looks up one sorted list and costs the logarithm of the number of trials.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from swath.sweeps.stopping.base import Among, Goal, Standing

Statistic = Literal["value", "best", "mean"]


class Mark(NamedTuple):
    """A trial at a checkpoint: its value there, its best value up to there, and the mean of its values up to there.

    In a sweep with several metrics these are the first one's, and `others` holds the same of the others.
    """

    value: float
    best: float
    mean: float
    others: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class View:
    """Which statistic a rule compares, and in which groups: trial n is compared with the others of its lane.

    `lanes` is repeated: with (0, 0, 1) every third trial is in lane 1. `own`: what of the trial itself is held against
    the others' `statistic`, where that is something else; `now` is its best value by now. In several metrics trials of
    a front are equals where it begins behind the first `cut` of all: 0 for every front.
    """

    statistic: Statistic = "value"
    lanes: tuple[int, ...] = (0,)
    own: Statistic | Literal["now"] | None = None
    cut: float = 1.0

    def lane(self, number: int) -> int:
        """The lane of trial `number`."""
        return self.lanes[number % len(self.lanes)]


@dataclass
class Rung:
    """Costs (lower is better) in rising order and whose they are; equal costs stand in the order of the numbers.

    The first `front` of them are never stopped: with several metrics those that no other one dominates.
    """

    costs: Sequence[float] = field(default_factory=list)
    numbers: Sequence[int] = field(default_factory=list)
    front: int = 0

    def __len__(self) -> int:
        return len(self.costs)

    def __iter__(self) -> Iterator[tuple[float, int]]:
        return zip(self.costs, self.numbers, strict=True)

    def rank(self, cost: float) -> int:
        """One more than the number of costs that are better."""
        return bisect_left(self.costs, cost) + 1

    def position(self, cost: float, number: int) -> int:
        """The place of a trial in the list, from 1 on: like its rank, but equal trials do not share it."""
        return self._place(cost, number) + 1

    def median_without(self, own: float) -> float | None:
        """The median of all costs but one that is `own`; None when there is no other."""
        others = len(self.costs) - 1
        if others < 1:
            return None
        gap, middle = self.rank(own) - 1, others // 2

        def other(place: int) -> float:
            return self.costs[place + (place >= gap)]

        return other(middle) if others % 2 else (other(middle - 1) + other(middle)) / 2

    def _place(self, cost: float, number: int) -> int:
        low = bisect_left(self.costs, cost)
        high = bisect_right(self.costs, cost, low)
        return low if low == high else bisect_left(self.numbers, number, low, high)


@dataclass
class SortedRung(Rung):
    """A rung that is kept sorted as trials come and go."""

    costs: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def add(self, cost: float, number: int) -> None:
        """Put in one trial."""
        place = self._place(cost, number)
        self.costs.insert(place, cost)
        self.numbers.insert(place, number)

    def remove(self, cost: float, number: int) -> None:
        """Take out one trial, if it is there."""
        place = self._place(cost, number)
        if place < len(self.numbers) and self.numbers[place] == number and self.costs[place] == cost:
            del self.costs[place], self.numbers[place]


class Compared(NamedTuple):
    """A trial held against a rung: its cost, the rung, and in several metrics how it stands among its peers."""

    cost: float
    rung: Rung
    among: Among | None = None


class Book:
    """The marks of a sweep's trials. A handle; the order in which things are put in does not matter.

    Sorted lists are made when a rule first asks for them and kept up to date from then on.
    """

    def __init__(self, goal: Goal) -> None:
        self.goal = goal
        self._sign = -1.0 if goal == "maximize" else 1.0
        self._marks: dict[int, dict[int, Mark]] = {}
        self._rungs: dict[int, dict[tuple[View, int], SortedRung]] = {}
        self._waiting: dict[tuple[View, int, int, int | None], SortedRung] = {}
        self._parked: set[int] = set()
        self._ended: set[int] = set()
        self._moving: set[int] = set()
        self._bests: dict[int, float] = {}
        self._leaders: list[int] | None = []

    # What the controller tells.

    def put(self, number: int, at: int, mark: Mark) -> None:
        """A trial has come to `at` reports; said again it takes the place of what was said before."""
        marks = self._marks.setdefault(at, {})
        old = marks.get(number)
        marks[number] = mark
        for (view, lane), rung in self._rungs.get(at, {}).items():
            if view.lane(number) == lane:
                if old is not None:
                    rung.remove(self._cost_in(old, view), number)
                rung.add(self._cost_in(mark, view), number)
        if number in self._parked:
            self._waiting.clear()
        self.tell(number, mark.best)

    def tell(self, number: int, best: float, others: Sequence[float] = ()) -> None:
        """A trial's best value so far; what is not better than the last one said changes nothing.

        `others`: the best values of the other metrics, which only a `Joint` book keeps.
        """
        cost, known = self._sign * best, self._bests.get(number)
        if known is not None and known <= cost:
            return
        self._bests[number] = cost
        if self._leaders is None:
            return
        leaders = self._leaders if number in self._leaders else [*self._leaders, number]
        self._leaders = sorted(leaders, key=self._order)[:2]

    def park(self, number: int) -> None:
        """A trial is paused."""
        self._moving.discard(number)
        if number in self._parked:
            return
        self._parked.add(number)
        for (view, lane, at, above), rung in self._waiting.items():
            self._wait(rung, view, lane, at, above, number)

    def go(self, number: int) -> None:
        """A trial is on its way: it has begun, goes on, or is about to."""
        self.unpark(number)
        self._moving.add(number)

    def unpark(self, number: int) -> None:
        """A paused trial goes on, or will never go on."""
        if number not in self._parked:
            return
        self._parked.discard(number)
        for (view, _, at, _), rung in self._waiting.items():
            mark = self.mark(number, at)
            if mark is not None:
                rung.remove(self._cost_in(mark, view), number)

    def end(self, number: int) -> None:
        """A trial has ended; its marks stay."""
        self.unpark(number)
        self._moving.discard(number)
        self._ended.add(number)

    def forget(self, number: int) -> None:
        """A new attempt of a trial begins from nothing: what it reported before is gone."""
        self.unpark(number)
        for at, marks in self._marks.items():
            mark = marks.pop(number, None)
            if mark is None:
                continue
            for (view, lane), rung in self._rungs.get(at, {}).items():
                if view.lane(number) == lane:
                    rung.remove(self._cost_in(mark, view), number)
        self._ended.discard(number)
        self._moving.discard(number)
        if self._bests.pop(number, None) is not None:
            self._leaders = None

    # What rules ask.

    @property
    def ended(self) -> int:
        """How many trials have ended."""
        return len(self._ended)

    @property
    def reporting(self) -> int:
        """How many trials have reported anything."""
        return len(self._bests)

    @property
    def reached(self) -> list[int]:
        """The checkpoints that some trial has come to, rising."""
        return sorted(at for at, marks in self._marks.items() if marks)

    @property
    def parked(self) -> Set[int]:
        """The numbers of the paused trials. Not to be changed by the caller."""
        return self._parked

    def awaits(self, at: int, view: View, lane: int = 0) -> bool:
        """Whether a trial of `lane` is on its way that has not come to `at` reports yet."""
        return any(view.lane(number) == lane and self.mark(number, at) is None for number in self._moving)

    def cost(self, value: float) -> float:
        """`value` so that lower is better."""
        return self._sign * value

    def value(self, cost: float) -> float:
        """The value of a cost: `cost` turned back."""
        return self._sign * cost

    def mark(self, number: int, at: int) -> Mark | None:
        """A trial's mark at `at` reports; None before it has come there."""
        return self._marks.get(at, {}).get(number)

    def there(self, at: int) -> int:
        """How many trials have come to `at` reports."""
        return len(self._marks.get(at, ()))

    def own_cost(self, number: int, at: int, view: View) -> float | None:
        """The cost of a trial's mark as `view` sees it."""
        mark = self.mark(number, at)
        return None if mark is None else self._cost_in(mark, view)

    def compare(self, trial: Standing, at: int, view: View, lane: int = 0) -> Compared | None:
        """A trial held against those of `lane` at `at` reports; None before it has come there."""
        mark = self.mark(trial.number, at)
        if mark is None:
            return None
        return Compared(self._sign * own_value(mark, view, trial.best), self.rung(at, view, lane))

    def of(self, index: int) -> Book:
        """The book of metric number `index`; a sweep with one metric has one book only."""
        return self

    def among(self, number: int, at: int, view: View, lane: int = 0) -> Among | None:
        """How a trial stands among its peers at `at` in several metrics; None in a sweep with one."""
        return None

    def rung(self, at: int, view: View = View(), lane: int = 0) -> Rung:
        """All trials of `lane` that have come to `at` reports, in any state. Not to be changed by the caller."""
        rungs = self._rungs.setdefault(at, {})
        if (view, lane) not in rungs:
            found = (
                (self._cost_in(mark, view), number)
                for number, mark in self._marks.get(at, {}).items()
                if view.lane(number) == lane
            )
            rungs[view, lane] = _rung_of(found)
        return rungs[view, lane]

    def waiting(self, at: int, above: int | None, view: View, lane: int) -> Rung:
        """The parked trials of `lane` that have come to `at` reports and not to `above`. Not to be changed."""
        key = (view, lane, at, above)
        if key not in self._waiting:
            self._waiting[key] = SortedRung()
            for number in self._parked:
                self._wait(self._waiting[key], view, lane, at, above, number)
        return self._waiting[key]

    def first_waiting(self, at: int, above: int | None, view: View, lane: int) -> tuple[float, int] | None:
        """The cost and the number of the first of those that are `waiting`."""
        waiting = self.waiting(at, above, view, lane)
        return (waiting.costs[0], waiting.numbers[0]) if waiting.costs else None

    def best_of_others(self, number: int) -> tuple[float, int] | None:
        """The best value of any other trial, and which one has it."""
        if self._leaders is None:
            self._leaders = sorted(self._bests, key=self._order)[:2]
        leader = next((other for other in self._leaders if other != number), None)
        return None if leader is None else (self.value(self._bests[leader]), leader)

    def _wait(self, rung: SortedRung, view: View, lane: int, at: int, above: int | None, number: int) -> None:
        mark = self.mark(number, at)
        if mark is None or view.lane(number) != lane or (above is not None and self.mark(number, above) is not None):
            return
        rung.add(self._cost_in(mark, view), number)

    def _order(self, number: int) -> tuple[float, int]:
        return self._bests[number], number

    def _cost_in(self, mark: Mark, view: View) -> float:
        value: float = getattr(mark, view.statistic)
        return self._sign * value


def own_value(mark: Mark, view: View, now: float | None) -> float:
    """What of a trial is held against the others; `now` is its best value by now."""
    if view.own == "now":
        return mark.value if now is None else now
    value: float = getattr(mark, view.own or view.statistic)
    return value


def _rung_of(entries: Iterator[tuple[float, int]]) -> SortedRung:
    ordered = sorted(entries)
    return SortedRung([cost for cost, _ in ordered], [number for _, number in ordered])
