"""`Book` against a model that sorts everything anew at each question, and the ladders of rungs."""

from __future__ import annotations

import statistics
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from swath.sweeps.stopping.base import Goal
from swath.sweeps.stopping.book import Book, Mark, SortedRung, View
from swath.sweeps.stopping.ladder import Ladder, counted_up

NUMBERS = st.integers(0, 7)
VALUES = st.integers(-3, 3).map(float)
AT = st.sampled_from([1, 3, 9])
STEPS = st.one_of(
    st.tuples(st.just("put"), NUMBERS, AT, VALUES),
    st.tuples(st.just("forget"), NUMBERS),
    st.tuples(st.just("park"), NUMBERS),
    st.tuples(st.just("unpark"), NUMBERS),
    st.tuples(st.just("go"), NUMBERS),
    st.tuples(st.just("end"), NUMBERS),
    st.tuples(st.just("look"), AT),
)
GOALS: st.SearchStrategy[Goal] = st.sampled_from(["minimize", "maximize"])
VIEWS = (View(), View("best"), View("mean", (0, 0, 1)))


@given(GOALS, st.lists(STEPS, max_size=60))
def test_a_book_that_is_kept_up_to_date_is_the_book_that_is_filled_anew(
    goal: Goal, steps: list[tuple[object, ...]]
) -> None:
    kept, marks, parked, ended, moving = Book(goal), dict[int, dict[int, Mark]](), set[int](), set[int](), set[int]()
    for step in steps:
        match step:
            case ("put", int(number), int(at), float(value)):
                mark = Mark(value, value + number, value - number)
                kept.put(number, at, mark)
                marks.setdefault(number, {})[at] = mark
            case ("forget", int(number)):
                kept.forget(number)
                marks.pop(number, None)
                parked.discard(number)
                ended.discard(number)
                moving.discard(number)
            case ("go", int(number)):
                kept.go(number)
                parked.discard(number)
                moving.add(number)
            case ("park", int(number)):
                kept.park(number)
                parked.add(number)
                moving.discard(number)
            case ("unpark", int(number)):
                kept.unpark(number)
                parked.discard(number)
            case ("end", int(number)):
                kept.end(number)
                parked.discard(number)
                moving.discard(number)
                ended.add(number)
            case ("look", int(at)):
                for view in VIEWS:
                    kept.rung(at, view)
                    kept.waiting(at, 3 * at, view, 0)
    fresh = Book(goal)
    for number in sorted(marks, reverse=True):
        for at, mark in marks[number].items():
            fresh.put(number, at, mark)
    for number in parked:
        fresh.park(number)
    assert kept.parked == parked
    assert kept.ended == len(ended)
    for at in (1, 3, 9):
        for view in VIEWS:
            for lane in (0, 1):
                late = [n for n in moving if view.lane(n) == lane and at not in marks.get(n, {})]
                assert kept.awaits(at, view, lane) == bool(late)
                assert list(kept.rung(at, view, lane)) == list(fresh.rung(at, view, lane))
                for above in (3 * at, None):
                    assert list(kept.waiting(at, above, view, lane)) == list(fresh.waiting(at, above, view, lane))


def test_the_best_of_others_is_that_of_another_trial_and_survives_a_forgotten_one() -> None:
    book = Book("maximize")
    assert book.best_of_others(1) is None
    for number, best in ((1, 0.5), (2, 0.9), (3, 0.7), (2, 0.1)):
        book.tell(number, best)
    assert book.best_of_others(1) == (0.9, 2)
    assert book.best_of_others(2) == (0.7, 3)
    book.forget(2)
    assert book.best_of_others(1) == (0.7, 3)
    assert book.best_of_others(3) == (0.5, 1)
    assert book.reporting == 2


def test_lanes_deal_the_trials_out_by_their_numbers() -> None:
    book, view = Book("minimize"), View("value", (0, 0, 1))
    for number in range(6):
        book.put(number, 3, Mark(float(-number), 0.0, 0.0))
    assert book.rung(3, view, 0).numbers == [4, 3, 1, 0]
    assert book.rung(3, view, 1).numbers == [5, 2]


@given(st.lists(VALUES, min_size=1, max_size=12), st.data())
def test_the_median_without_one_is_the_median_of_the_others(values: list[float], data: st.DataObject) -> None:
    rung = SortedRung()
    for number, value in enumerate(values):
        rung.add(value, number)
    place = data.draw(st.integers(0, len(values) - 1))
    others = values[:place] + values[place + 1 :]
    assert rung.median_without(values[place]) == (statistics.median(others) if others else None)


@given(st.integers(1, 20), st.floats(1.05, 5), st.integers(0, 500), st.integers(0, 500))
def test_a_ladder_says_the_same_as_its_rungs_counted_one_by_one(first: int, ratio: float, a: int, b: int) -> None:
    rungs = [rung for rung in islice(counted_up(first, ratio), 200) if rung < 600]
    ladder = Ladder(first, ratio, below=600)
    low, high = sorted((a, b))
    assert ladder.between(low, high) == tuple(rung for rung in rungs if low < rung <= high)
    assert ladder.reached(a) == max((rung for rung in rungs if rung <= a), default=None)
    assert ladder.above(a) == min((rung for rung in rungs if rung > a), default=None)
