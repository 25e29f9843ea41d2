"""Fronts: what nothing dominates, what is next, and which trials take part."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swath.sweeps import pareto
from swath.sweeps.fronts import front_of
from swath.sweeps.pareto import nondominated, ranks
from swath.sweeps.spec import Metric
from swath.sweeps.states import TrialState
from swath.sweeps.stopping.base import Goal
from swath.sweeps.views import TrialView

GOALS: list[Goal] = ["minimize", "maximize"]


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[tuple[float, ...]], list[Goal]]:
    """Points with many ties, and goals."""
    goals = draw(st.lists(st.sampled_from(GOALS), min_size=1, max_size=4))
    number = st.integers(-3, 3).map(float) | st.floats(-2, 2)
    return draw(st.lists(st.tuples(*[number] * len(goals)), max_size=25)), goals


def dominates(one: Sequence[float], other: Sequence[float], goals: Sequence[Goal]) -> bool:
    signs = [-1.0 if goal == "maximize" else 1.0 for goal in goals]
    pairs = [(sign * a, sign * b) for sign, a, b in zip(signs, one, other, strict=True)]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@given(problems())
def test_the_front_is_what_brute_force_finds(problem: tuple[list[tuple[float, ...]], list[Goal]]) -> None:
    points, goals = problem
    free = [place for place, point in enumerate(points) if not any(dominates(p, point, goals) for p in points)]
    assert nondominated(points, goals) == free


@given(problems())
def test_each_further_front_is_that_of_what_is_left(problem: tuple[list[tuple[float, ...]], list[Goal]]) -> None:
    points, goals = problem
    found, left, front = ranks(points, goals), list(range(len(points))), 1
    while left:
        here = [left[place] for place in nondominated([points[place] for place in left], goals)]
        assert [place for place in left if found[place] == front] == here
        left, front = [place for place in left if place not in here], front + 1


def test_many_points_of_two_goals_are_sorted() -> None:
    points = [(float(place), float(place % 1000)) for place in range(50_000)]
    assert nondominated(points, ["minimize", "minimize"]) == [0]
    assert max(ranks([(float(x), -float(x)) for x in range(50_000)], ["minimize", "maximize"])) == 50_000


METRICS = (Metric("acc", "maximize"), Metric("ms", "minimize", limit=10.0))


def trial(number: int, *objectives: float | None, **fields: Any) -> TrialView:
    given: dict[str, Any] = {"state": TrialState.FINISHED, "ended": 1.0, "config": {"x": number}} | fields
    return TrialView(
        run_id=f"s-{number}", number=number, name=f"t-{number}", value=None, latest=None, best=None, reports=1,
        attempt=1, reason="", suggested="", agent="", summary={}, created=0.0, started=0.0, exit_code=0, error="",
        objectives=objectives, **given,
    )  # fmt: skip


def test_a_trial_beyond_a_limit_is_on_no_front_whatever_else_it_has() -> None:
    found = front_of([trial(1, 0.9, 12.0), trial(2, 0.5, 9.0), trial(3, 0.6, 8.0)], METRICS)
    assert [each.number for each in found.best] == [3]
    assert [(each.trial.number, each.front, each.violation) for each in found.ranked] == [
        (3, 1, 0.0), (2, 2, 0.0), (1, None, 2.0),
    ]  # fmt: skip


def test_when_none_keeps_the_limits_the_nearest_come_first() -> None:
    found = front_of([trial(1, 0.9, 30.0), trial(2, 0.5, 11.0)], METRICS)
    assert (found.keeps_limits, found.best, [each.trial.number for each in found.ranked]) == (False, (), [2, 1])


def test_trials_without_all_results_or_that_ended_badly_do_not_take_part() -> None:
    failed = trial(3, 0.99, 1.0, state=TrialState.FAILED)
    found = front_of([trial(1, 0.9, None), trial(2, 0.5, 9.0), failed, trial(4, ended=None)], METRICS)
    assert ([each.number for each in found.best], found.left_out) == ([2], 2)


def test_a_front_stands_in_the_order_of_the_first_metric() -> None:
    found = front_of([trial(1, 0.5, 1.0), trial(2, 0.9, 9.0), trial(3, 0.7, 5.0)], METRICS)
    assert [each.number for each in found.best] == [2, 3, 1]


def test_fronts_are_the_same_whichever_way_they_are_found() -> None:
    dice = random.Random(3)
    for goals in (3, 4):
        costs = sorted({tuple(float(dice.randrange(9)) for _ in range(goals)) for _ in range(200)})
        assert pareto._several(costs) == pareto._pairwise(costs)
