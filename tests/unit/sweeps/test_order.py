"""The order at a rung in several metrics: whatever comes and goes, it is the one that a plain sort finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.sweeps.pareto import costs_of, dominates
from swath.sweeps.spec import Metric
from swath.sweeps.stopping import Joint, Mark, Standing
from swath.sweeps.stopping.base import Among
from swath.sweeps.stopping.book import View
from swath.sweeps.stopping.order import Order
from swath.sweeps.values import violation

METRICS = (Metric("acc", "maximize"), Metric("ms", limit=2.0), Metric("loss"), Metric("mb"))
Costs = tuple[float, ...]


class Plain:
    """The order as it is defined: all pairs are looked at, and nothing is kept."""

    def __init__(self, metrics: Sequence[Metric], cut: float, values: Mapping[int, Sequence[float]]) -> None:
        goals = [metric.goal for metric in metrics]
        self.costs = {number: costs_of(point, goals) for number, point in values.items()}
        self.over = {number: violation(metrics, point) for number, point in values.items()}
        self.numbers, self.places, self.fronts = list[int](), list[float](), dict[int, int]()
        self.front = 0
        for front, members in enumerate(self._fronts(), 1):
            groups = list(self._spread(members)) if len(self.numbers) < cut * len(values) else [members]
            for group in groups:
                self.places += [float(len(self.numbers) + 1)] * len(group)
                self.numbers += sorted(group)
            self.fronts |= dict.fromkeys(members, front)
            self.front = self.front or len(members)

    def beats(self, one: int, other: int) -> bool:
        if self.over[one] or self.over[other]:
            return self.over[one] < self.over[other]
        return dominates(self.costs[one], self.costs[other])

    def among(self, number: int) -> Among:
        by = [other for other in self.numbers if self.beats(other, number)]
        return Among(self.fronts[number], len(by), len(self.numbers) - 1, self.over[number], tuple(by[:3]))

    def _fronts(self) -> Iterator[list[int]]:
        left = list(self.costs)
        while left:
            free = [number for number in left if not any(self.beats(other, number) for other in left)]
            yield free
            left = [number for number in left if number not in free]

    def _spread(self, members: Sequence[int]) -> Iterator[list[int]]:
        there: dict[Costs, list[int]] = {}
        for number in members:
            there.setdefault(self.costs[number], []).append(number)
        points = sorted(there)
        for place in farthest_first(points):
            yield there[points[place]]


def farthest_first(front: Sequence[Costs]) -> list[int]:
    points = np.asarray(front, dtype=float)
    extent = np.ptp(points, axis=0)
    points = (points - points[0]) / np.where(extent > 0, extent, 1.0)
    taken, nearest = [0], np.einsum("ij,ij->i", points, points)
    nearest[0] = -1.0
    while len(taken) < len(points):
        place = int(nearest.argmax())
        taken.append(place)
        away = points - points[place]
        np.minimum(nearest, np.einsum("ij,ij->i", away, away), out=nearest)
        nearest[place] = -1.0
    return taken


def assert_same(order: Order, plain: Plain) -> None:
    rung = order.rung()
    assert list(rung.numbers) == plain.numbers
    assert list(rung.costs) == plain.places
    assert rung.front == plain.front
    for place, (number, cost) in enumerate(zip(plain.numbers, plain.places, strict=True), 1):
        assert order.among(number) == plain.among(number)
        assert order.place(number) == cost
        assert (rung.position(cost, number), rung.rank(cost)) == (place, cost)


COARSE = st.integers(0, 5).map(float)
FINE = st.floats(0, 5, allow_subnormal=False)


@given(st.integers(2, 4), st.sampled_from([COARSE, FINE]), st.sampled_from([0.0, 1 / 3, 1.0]), st.data())
def test_an_order_that_is_kept_is_the_one_that_is_made_anew(
    metrics: int, number: st.SearchStrategy[float], cut: float, data: st.DataObject
) -> None:
    values = dict(enumerate(data.draw(st.lists(st.tuples(*[number] * metrics), min_size=1, max_size=40))))
    chosen, begun = METRICS[:metrics], data.draw(st.integers(0, len(values)))
    order = Order(chosen, cut, dict(list(values.items())[:begun]))
    for trial in range(begun, len(values)):
        order.add(trial, values[trial])
    assert_same(order, Plain(chosen, cut, values))
    changed = {**values, begun % len(values): data.draw(st.tuples(*[number] * metrics))}
    other = order.with_other(begun % len(values), changed[begun % len(values)])
    assert_same(other, Plain(chosen, cut, changed))
    order.add(len(values), values[0])
    assert_same(order, Plain(chosen, cut, {**values, len(values): values[0]}))
    assert_same(other, Plain(chosen, cut, changed))


@pytest.mark.parametrize("shape", ["cloud", "line", "front"])
def test_many_trials_are_in_the_order_of_a_plain_sort(shape: str) -> None:
    dice = np.random.default_rng(5)
    first = dice.uniform(0, 2, 150)
    second = {"cloud": dice.uniform(0, 2.2, 150), "line": 2 - first, "front": first}[shape]
    values = dict(enumerate(zip(first.tolist(), second.tolist(), strict=True)))
    order = Order(METRICS[:2], 1 / 3, {})
    for number, point in values.items():
        order.add(number, point)
        order.rung().position(0.0, number)
    assert_same(order, Plain(METRICS[:2], 1 / 3, values))


@given(st.lists(st.tuples(st.sampled_from(["put", "park", "unpark", "end"]), st.integers(0, 7)), max_size=40))
def test_the_first_that_waits_is_the_first_of_all_that_wait(steps: list[tuple[str, int]]) -> None:
    book, heights, view = Joint(METRICS[:2]), dict[int, int](), View(lanes=(0, 0, 1))
    for what, number in steps:
        if what == "put":
            at = heights[number] = heights.get(number, 0) + 1
            one, other = float(number * 7 % 5 + at), float(number * 3 % 4)
            book.put(number, at, Mark(one, one, one, (Mark(other, other, other),)))
        else:
            getattr(book, what)(number)
        for at, above, lane in ((1, 2, 0), (1, None, 1), (2, 3, 0)):
            there = list(book.waiting(at, above, view, lane))
            assert book.first_waiting(at, above, view, lane) == (there[0] if there else None)


def test_a_value_that_is_said_again_takes_the_place_of_the_old_one() -> None:
    book = Joint(METRICS[:2])
    for number, loss in ((0, 1.0), (1, 2.0), (0, 3.0)):
        book.put(number, 1, Mark(loss, loss, loss, (Mark(1.0, 1.0, 1.0),)))
        book.rung(1)
    assert list(book.rung(1).numbers) == [0, 1]
    book.forget(0)
    held = book.compare(Standing(1, 1), 1, View())
    assert held is not None
    assert held.among == Among(1, 0, 0)
