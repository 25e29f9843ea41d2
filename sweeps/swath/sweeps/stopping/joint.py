"""`Joint`: the book of a sweep with several metrics, in which the cost of a trial at a rung is its place by fronts.

The order at a rung: first the trials that keep the limits of all metrics, by non-dominated front, and within a front
as they cover it best (see `pareto.spread`); then those that overstep limits, by how much. Schmucker et al.,
"Multi-objective Asynchronous Successive Halving" (arXiv 2106.12639, 2021), with the constrained domination of Deb et
al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II" (IEEE Trans. Evolutionary Computation 6(2), 2002).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from swath.sweeps.pareto import costs_of, dominates, ranks, spread
from swath.sweeps.spec.model import Metric
from swath.sweeps.stopping.base import Among, Standing
from swath.sweeps.stopping.book import Book, Compared, Mark, Rung, View, own_value
from swath.sweeps.values import violation

#: So many of the trials that dominate one are named.
_NAMED = 3
_VALUES = View()
_Costs = tuple[float, ...]


@dataclass(frozen=True)
class Ranking:
    """The trials at a rung in order. Costs are places: one more than the number of trials that are better."""

    rung: Rung
    places: Mapping[int, float]
    fronts: Mapping[int, int]
    costs: Mapping[int, _Costs]
    over: Mapping[int, float]

    def among(self, number: int) -> Among:
        """One of the trials among the others."""
        by = [other for other in self.rung.numbers if self._dominates(other, number)]
        return Among(self.fronts[number], len(by), len(self.rung) - 1, self.over[number], tuple(by[:_NAMED]))

    def _dominates(self, one: int, other: int) -> bool:
        if self.over[one] or self.over[other]:
            return self.over[one] < self.over[other]
        return dominates(self.costs[one], self.costs[other])


class Joint(Book):
    """The marks of trials in several metrics. Rules that know only one metric are given one of `each`.

    Marks that lack a metric are left out. An order is made when a rule first asks for it, and again after another
    trial came to the rung: that takes n log n for n trials there.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        super().__init__(metrics[0].goal)
        self.metrics = tuple(metrics)
        self.each = tuple(Book(metric.goal) for metric in metrics)
        self._goals = [metric.goal for metric in metrics]
        self._ranked: dict[int, dict[tuple[View, int], Ranking]] = {}

    def put(self, number: int, at: int, mark: Mark) -> None:
        if len(mark.others) != len(self.each) - 1:
            return
        super().put(number, at, mark)
        self._ranked.pop(at, None)
        for book, part in zip(self.each, (mark, *mark.others), strict=True):
            book.put(number, at, part)

    def tell(self, number: int, best: float, others: Sequence[float] = ()) -> None:
        super().tell(number, best)
        if len(others) == len(self.each) - 1:
            for book, value in zip(self.each, (best, *others), strict=True):
                book.tell(number, value)

    def park(self, number: int) -> None:
        super().park(number)
        for book in self.each:
            book.park(number)

    def unpark(self, number: int) -> None:
        super().unpark(number)
        for book in self.each:
            book.unpark(number)

    def end(self, number: int) -> None:
        super().end(number)
        for book in self.each:
            book.end(number)

    def forget(self, number: int) -> None:
        for at, marks in self._marks.items():
            if number in marks:
                self._ranked.pop(at, None)
        super().forget(number)
        for book in self.each:
            book.forget(number)

    def of(self, index: int) -> Book:
        return self.each[index]

    def own_cost(self, number: int, at: int, view: View) -> float | None:
        return self._ranking(at, view, view.lane(number)).places.get(number)

    def compare(self, trial: Standing, at: int, view: View, lane: int = 0) -> Compared | None:
        mark = self.mark(trial.number, at)
        if mark is None:
            return None
        ranking = self._ranking(at, view, lane)
        if view.own is not None:
            bests: Sequence[float | None] = trial.bests or [None] * len(self.each)
            parts = zip((mark, *mark.others), bests, strict=True)
            own = [own_value(part, view, best) for part, best in parts]
            ranking = self._ranked_with(at, view, lane, {trial.number: own})
        return Compared(ranking.places[trial.number], ranking.rung, ranking.among(trial.number))

    def among(self, number: int, at: int, view: View, lane: int = 0) -> Among | None:
        return self._ranking(at, view, lane).among(number)

    def rung(self, at: int, view: View = _VALUES, lane: int = 0) -> Rung:
        return self._ranking(at, view, lane).rung

    def waiting(self, at: int, above: int | None, view: View, lane: int) -> Rung:
        there = [
            (cost, number)
            for cost, number in self.rung(at, view, lane)
            if number in self.parked and (above is None or self.mark(number, above) is None)
        ]
        return Rung([cost for cost, _ in there], [number for _, number in there])

    def _ranking(self, at: int, view: View, lane: int) -> Ranking:
        known = self._ranked.setdefault(at, {})
        if (view, lane) not in known:
            known[view, lane] = self._ranked_with(at, view, lane, {})
        return known[view, lane]

    def _ranked_with(self, at: int, view: View, lane: int, own: Mapping[int, Sequence[float]]) -> Ranking:
        """The order at a rung, with other values for the trials in `own`."""
        marks = {number: mark for number, mark in self._marks.get(at, {}).items() if view.lane(number) == lane}
        values = {**{number: _values(mark, view) for number, mark in marks.items()}, **own}
        return self._order_of(values, view.cut)

    def _order_of(self, values: Mapping[int, Sequence[float]], cut: float) -> Ranking:
        costs = {number: costs_of(point, self._goals) for number, point in values.items()}
        over = {number: violation(self.metrics, point) for number, point in values.items()}
        rung, places, fronts = Rung(), dict[int, float](), dict[int, int]()
        front = 0
        for front, members in enumerate(_fronts(costs, over), 1):
            groups = list(_spread(members, costs)) if len(rung) < cut * len(values) else [members]
            fronts |= dict.fromkeys(members, front)
            for group in groups:
                place = float(len(rung) + 1)
                places |= dict.fromkeys(group, place)
                rung.costs += [place] * len(group)
                rung.numbers += sorted(group)
            if front == 1:
                rung.front = len(members)
        return Ranking(rung, places, fronts, costs, over)


def _values(mark: Mark, view: View) -> list[float]:
    return [getattr(part, view.statistic) for part in (mark, *mark.others)]


def _fronts(costs: Mapping[int, _Costs], over: Mapping[int, float]) -> Iterator[list[int]]:
    """The members of each front, the best first: of those that keep all limits, then the others by violation."""
    kept = [number for number in costs if not over[number]]
    goals = ["minimize"] * len(next(iter(costs.values()), ()))
    front_of = dict(zip(kept, ranks([costs[number] for number in kept], goals), strict=True))  # type: ignore[arg-type]
    for _, group in groupby(sorted(kept, key=front_of.__getitem__), key=front_of.__getitem__):
        yield list(group)
    beyond = sorted((number for number in costs if over[number]), key=over.__getitem__)
    for _, group in groupby(beyond, key=over.__getitem__):
        yield list(group)


def _spread(members: Sequence[int], costs: Mapping[int, _Costs]) -> Iterator[list[int]]:
    """The members of a front in the order in which they cover it; those at the same point together."""
    there: dict[_Costs, list[int]] = {}
    for number in members:
        there.setdefault(costs[number], []).append(number)
    points = list(there)
    for place in spread(points):
        yield there[points[place]]
