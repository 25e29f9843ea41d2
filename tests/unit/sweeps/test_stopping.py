"""Hyperband's bands, thresholds and sentences."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.sweeps.spec import HyperbandSettings, parse_spec
from swath.sweeps.stopping import Book, Decision, Hyperband, Mark, Standing, make_stopper
from swath.sweeps.stopping.base import Goal

VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=30)
GOALS: st.SearchStrategy[Goal] = st.sampled_from(["minimize", "maximize"])


def decided(hyperband: Hyperband, goal: Goal, band: int, own: float, values: list[float]) -> Decision:
    """The decision about a trial with the value `own`, which is one of the `values` that trials had at the band."""
    book = Book(goal)
    for number, value in enumerate(values):
        book.put(number, band, Mark(value, value, value))
    return hyperband.judge(Standing(values.index(own), band, own, own), book)


@pytest.mark.parametrize(
    ("settings", "bands"),
    [
        (HyperbandSettings(min_iter=3), (3, 9, 27, 81, 243)),
        (HyperbandSettings(min_iter=1, eta=1.5), (1, 2, 3, 5, 7)),
        (HyperbandSettings(max_iter=27, s=2), (3, 9)),
        (HyperbandSettings(max_iter=100, s=4, eta=2), (6, 12, 25, 50)),
        (HyperbandSettings(max_iter=9, s=5), (1, 3)),
        (HyperbandSettings(max_iter=2, s=1), ()),
    ],
)
def test_bands(settings: HyperbandSettings, bands: tuple[int, ...]) -> None:
    assert tuple(islice(Hyperband(settings).bands(), 5)) == bands


def test_without_bands_no_trial_is_asked_about() -> None:
    hyperband = Hyperband(HyperbandSettings(max_iter=2, s=1))
    assert hyperband.next_check(0) is None
    assert hyperband.checkpoints(0, 1000) == ()
    assert hyperband.judge(Standing(1, 1000), Book("minimize")).action == "continue"


@given(GOALS, VALUES, st.sampled_from([2, 3, 4, 1.5]))
def test_the_best_one_in_eta_goes_on_and_never_all_stop(goal: Goal, values: list[float], eta: float) -> None:
    hyperband = Hyperband(HyperbandSettings(min_iter=1, eta=eta))
    going = [value for value in values if decided(hyperband, goal, 1, value, values).action == "continue"]
    assert len(going) >= int(len(values) / eta) + 1 or len(going) == len(values)
    if len(set(values)) == len(values):
        assert len(going) == int(len(values) / eta) + 1


@given(GOALS, VALUES, st.floats(-100, 100), st.floats(-100, 100))
def test_a_better_value_is_never_treated_worse(goal: Goal, values: list[float], a: float, b: float) -> None:
    hyperband = Hyperband(HyperbandSettings(min_iter=1))
    better, worse = (min(a, b), max(a, b)) if goal == "minimize" else (max(a, b), min(a, b))
    told = [decided(hyperband, goal, 1, own, [*values, a, b]).action for own in (worse, better)]
    assert told != ["continue", "stop"]


@given(GOALS, VALUES, st.floats(-100, 100))
def test_the_rank_counts_those_that_are_better(goal: Goal, values: list[float], own: float) -> None:
    decision = decided(Hyperband(HyperbandSettings(min_iter=1)), goal, 1, own, [*values, own])
    better = [value for value in values if (value < own if goal == "minimize" else value > own)]
    assert decision.rank == len(better) + 1


def test_the_reason_is_a_sentence() -> None:
    hyperband = Hyperband(HyperbandSettings(min_iter=9), "val/accuracy")
    values = [0.95, 0.93, 0.9, 0.88, 0.83, 0.8, 0.79, 0.75, 0.74, 0.73, 0.72, 0.71]
    decision = decided(hyperband, "maximize", 9, 0.71, values)
    assert decision.reason == (
        "stopped at band 9: val/accuracy 0.71 is worse than the threshold 0.83 (5th best of 12 runs there, eta 3)"
    )
    assert (decision.action, decision.threshold, decision.rank, decision.n) == ("stop", 0.83, 12, 12)
    alone = decided(hyperband, "maximize", 9, 0.71, [0.71])
    assert alone.reason.startswith(
        "goes on at band 9: val/accuracy 0.71 is not worse than the threshold 0.71 (the best"
    )


def test_strict_false_forgives_a_bad_last_value() -> None:
    histories = {"good": [1.0, 2.0, 3.0, 9.0], "fallen": [1.0, 5.0, 2.0, 0.0], "low": [0.0, 0.5, 0.0, 0.5]}
    stopped = {
        strict: Hyperband(HyperbandSettings(min_iter=3, strict=strict)).stop_all("maximize", histories, list(histories))
        for strict in (True, False)
    }
    assert stopped == {True: ["low"], False: ["low"]}
    settings = HyperbandSettings(min_iter=1, eta=4)
    late = {"a": [9.0] * 4, "fallen": [9.5, 9.0, 9.0, 0.0]}
    assert Hyperband(settings).stop_all("maximize", late, ["fallen"]) == ["fallen"]
    forgiving = HyperbandSettings(min_iter=1, eta=4, strict=False)
    assert Hyperband(forgiving).stop_all("maximize", late, ["fallen"]) == []


def test_a_spec_without_early_terminate_stops_nothing() -> None:
    source = {"method": "random", "parameters": {"a": {"value": 1}}, "metric": {"name": "m"}}
    assert make_stopper(parse_spec(source)) is None
    stopper = make_stopper(parse_spec({**source, "early_terminate": {"type": "hyperband", "min_iter": 3}}))
    assert stopper == Hyperband(HyperbandSettings(min_iter=3), "m")
