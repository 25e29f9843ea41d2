"""`Joint`: the book of a sweep with several metrics, in which the cost of a trial at a rung is its place by fronts.

The order at a rung: first the trials that keep the limits of all metrics, by non-dominated front, and within a front
as they cover it best (see `pareto.spread`); then those that overstep limits, by how much. Schmucker et al.,
"Multi-objective Asynchronous Successive Halving" (arXiv 2106.12639, 2021), with the constrained domination of Deb et
al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II" (IEEE Trans. Evolutionary Computation 6(2), 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from swath.sweeps.spec.model import Metric
from swath.sweeps.stopping.base import Among, Standing
from swath.sweeps.stopping.book import Book, Compared, Mark, Rung, View, own_value

if TYPE_CHECKING:
    from swath.sweeps.stopping.order import Order

_VALUES = View()


class Joint(Book):
    """The marks of trials in several metrics. Rules that know only one metric are given one of `each`.

    Marks that lack a metric are left out. An order is made when a rule first asks for it, and is kept up to date as
    trials come to the rung.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        super().__init__(metrics[0].goal)
        self.metrics = tuple(metrics)
        self.each = tuple(Book(metric.goal) for metric in metrics)
        self._goals = [metric.goal for metric in metrics]
        self._orders: dict[int, dict[tuple[View, int], Order]] = {}

    def put(self, number: int, at: int, mark: Mark) -> None:
        if len(mark.others) != len(self.each) - 1:
            return
        old = self.mark(number, at)
        super().put(number, at, mark)
        if old is None:
            for (view, lane), order in self._orders.get(at, {}).items():
                if view.lane(number) == lane:
                    order.add(number, _values(mark, view))
        elif old != mark:
            self._orders.pop(at, None)
        if number in self.parked:
            self._orders.clear()
        for book, part in zip(self.each, (mark, *mark.others), strict=True):
            book.put(number, at, part)

    def tell(self, number: int, best: float, others: Sequence[float] = ()) -> None:
        super().tell(number, best)
        if len(others) == len(self.each) - 1:
            for book, value in zip(self.each, (best, *others), strict=True):
                book.tell(number, value)

    def park(self, number: int) -> None:
        super().park(number)
        self._note_waiting(number)
        for book in self.each:
            book.park(number)

    def unpark(self, number: int) -> None:
        super().unpark(number)
        self._note_waiting(number)
        for book in self.each:
            book.unpark(number)

    def go(self, number: int) -> None:
        super().go(number)
        for book in self.each:
            book.go(number)

    def end(self, number: int) -> None:
        super().end(number)
        for book in self.each:
            book.end(number)

    def forget(self, number: int) -> None:
        for at, marks in self._marks.items():
            if number in marks:
                self._orders.pop(at, None)
        super().forget(number)
        for book in self.each:
            book.forget(number)

    def of(self, index: int) -> Book:
        return self.each[index]

    def own_cost(self, number: int, at: int, view: View) -> float | None:
        return self._order_at(at, view, view.lane(number)).place(number)

    def compare(self, trial: Standing, at: int, view: View, lane: int = 0) -> Compared | None:
        mark = self.mark(trial.number, at)
        if mark is None:
            return None
        order = self._order_at(at, view, lane)
        if view.own is not None:
            bests: Sequence[float | None] = trial.bests or [None] * len(self.each)
            parts = zip((mark, *mark.others), bests, strict=True)
            own = [own_value(part, view, best) for part, best in parts]
            order = order if own == _values(mark, view) else order.with_other(trial.number, own)
        place = order.place(trial.number)
        assert place is not None
        return Compared(place, order.rung(), order.among(trial.number))

    def among(self, number: int, at: int, view: View, lane: int = 0) -> Among | None:
        return self._order_at(at, view, lane).among(number)

    def rung(self, at: int, view: View = _VALUES, lane: int = 0) -> Rung:
        return self._order_at(at, view, lane).rung()

    def waiting(self, at: int, above: int | None, view: View, lane: int) -> Rung:
        there = [(cost, number) for cost, number in self.rung(at, view, lane) if self._waits(number, above)]
        return Rung([cost for cost, _ in there], [number for _, number in there])

    def first_waiting(self, at: int, above: int | None, view: View, lane: int) -> tuple[float, int] | None:
        order = self._order_at(at, view, lane)
        if above not in order.asked_for:
            order.waits_for(above, (number for number in self.parked if self._waits(number, above)))
        return order.first_waiting(above)

    def _waits(self, number: int, above: int | None) -> bool:
        return number in self.parked and (above is None or self.mark(number, above) is None)

    def _note_waiting(self, number: int) -> None:
        for orders in self._orders.values():
            for order in orders.values():
                for above in order.asked_for if number in order else ():
                    order.set_waiting(number, above, self._waits(number, above))

    def _order_at(self, at: int, view: View, lane: int) -> Order:
        from swath.sweeps.stopping.order import Order

        known = self._orders.setdefault(at, {})
        if (view, lane) not in known:
            marks = {number: mark for number, mark in self._marks.get(at, {}).items() if view.lane(number) == lane}
            values = {number: _values(mark, view) for number, mark in marks.items()}
            known[view, lane] = Order(self.metrics, view.cut, values)
        return known[view, lane]


def _values(mark: Mark, view: View) -> list[float]:
    return [getattr(part, view.statistic) for part in (mark, *mark.others)]
