"""Early stopping in several metrics at once: what a report is, what rules say, what the controller makes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from swath.agents.protocol import Assignment, Over
from swath.sweeps.explaining import explain
from swath.sweeps.pareto import spread
from swath.sweeps.spec import Metric, SpecFaults, parse_spec
from swath.sweeps.spec.stoppers import (
    AshaSettings,
    Guarded,
    MedianSettings,
    PlateauSettings,
    StopperSettings,
    ThresholdSettings,
)
from swath.sweeps.states import SweepState, TrialState
from swath.sweeps.stopping import Decision, Joint, Mark, Standing
from swath.sweeps.stopping.make import rule_for
from swath.sweeps.tallies import JointTally

TWO = (Metric("loss"), Metric("ms"))
LIMITED = (Metric("loss"), Metric("ms", limit=10.0))
SPEC: dict[str, Any] = {
    "method": "random",
    "parameters": {"x": {"min": 0.0, "max": 1.0}},
    "metrics": [{"name": "loss"}, {"name": "ms"}],
    "seed": 1,
    "run_cap": 6,
    "early_terminate": {"type": "asha", "min_iter": 1, "max_iter": 9, "eta": 3},
}
PROMOTE = SPEC | {"early_terminate": {**SPEC["early_terminate"], "mode": "promote"}}


def book(points: Sequence[tuple[float, float]], at: int = 3, metrics: Sequence[Metric] = TWO) -> Joint:
    """A book in which trial 0, 1, ... has these values at `at`."""
    made = Joint(metrics)
    for number, (one, other) in enumerate(points):
        made.put(number, at, Mark(one, one, one, (Mark(other, other, other),)))
    return made


ASHA = AshaSettings(min_iter=3, max_iter=27, compare="value")


def judged(number: int, there: Joint, settings: StopperSettings = ASHA) -> Decision:
    return rule_for(settings, "loss", there.metrics).judge(Standing(number, 3), there)


# The order at a rung.


def test_a_front_is_taken_from_its_ends_to_its_middle() -> None:
    line = [(float(place), 10.0 - place) for place in range(11)]
    assert spread(line)[:3] == [0, 10, 5]
    assert sorted(spread(line)) == list(range(11))


def test_the_order_is_by_fronts_then_by_cover_then_by_violation() -> None:
    there = book([(1, 9), (5, 5), (9, 1), (6, 6), (0, 20), (0, 12)], metrics=LIMITED)
    assert list(there.rung(3).numbers) == [0, 2, 1, 3, 5, 4]
    assert there.rung(3).front == 3


def test_where_nobody_keeps_the_limits_the_front_is_who_oversteps_them_least() -> None:
    there = book([(1, 30), (5, 12), (9, 12)], metrics=LIMITED)
    assert list(there.rung(3).numbers) == [1, 2, 0]
    assert there.rung(3).front == 2


def test_trials_at_one_point_have_one_place() -> None:
    assert list(book([(2, 2), (1, 1), (1, 1)]).rung(3).costs) == [1, 1, 3]


# What is said.


def test_a_stop_says_how_many_peers_dominate_the_trial() -> None:
    there = book([(1, 9), (5, 5), (9, 1), (6, 6), (7, 7), (8, 8)])
    told = judged(5, there)
    assert told.action == "stop"
    assert told.reason == (
        "stopped at rung 3: 3 of 5 peers dominate it (front 4), by fronts it is 6th best of 6; "
        "the best 1 in 3 go on (2 of 6)"
    )
    assert (told.threshold, told.rank, told.n, told.peers) == (None, 6, 6, (1, 3, 4))


def test_the_front_goes_on_though_it_is_more_than_a_third() -> None:
    there = book([(1, 9), (5, 5), (9, 1), (6, 6)])
    assert [judged(number, there).action for number in range(4)] == ["continue", "continue", "continue", "stop"]
    assert "none of 3 peers dominates it" in judged(1, there).reason


def test_a_trial_that_oversteps_a_limit_is_behind_all_that_keep_them() -> None:
    told = judged(3, book([(1, 9), (5, 5), (9, 1), (0, 12)], metrics=LIMITED))
    assert told.action == "stop"
    assert "it oversteps limits by 2 in all, and 3 of 3 peers dominate it" in told.reason


def test_the_median_is_that_of_the_fronts() -> None:
    there = book([(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)])
    actions = [judged(number, there, MedianSettings()).action for number in range(5)]
    assert actions == ["continue"] * 3 + ["stop"] * 2


def test_a_rule_looks_at_one_metric_where_it_names_it() -> None:
    there = book([(1, 9), (5, 5), (9, 1)])
    told = judged(0, there, Guarded(AshaSettings(min_iter=3, compare="value"), metric="ms"))
    assert told.action == "stop"
    assert told.reason.startswith("stopped at rung 3: ms 9 is 3rd best of 3")


@pytest.mark.parametrize(("named", "stopped"), [(None, False), ("ms", True)])
def test_a_threshold_and_a_plateau_look_at_the_first_metric_or_at_the_one_named(
    named: str | None, stopped: bool
) -> None:
    there = book([(1, 9)])
    facts = Standing(0, 3, 1.0, 1.0, latests=[1.0, 9.0], bests=[1.0, 9.0], curves=[(3.0, 2.0, 1.0), (9.0, 9.0, 9.0)])
    for settings in (ThresholdSettings(above=5.0), PlateauSettings(patience=2)):
        told = rule_for(Guarded(settings, metric=named), "loss", TWO).judge(facts, there)
        assert (told.action == "stop") is stopped
        assert ("ms 9" if stopped else "loss 1") in told.reason


# The spec.


def test_a_rule_of_a_sweep_with_several_metrics_compares_values_unless_it_says_best() -> None:
    assert parse_spec(SPEC | {"program": "t.py"}).early_terminate == AshaSettings(1, 9, 3, compare="value")
    best = SPEC | {"early_terminate": {"type": "asha", "compare": "best"}}
    assert parse_spec(best).early_terminate == AshaSettings()


def test_a_metric_that_the_sweep_has_not_is_a_fault_with_the_nearest_name() -> None:
    with pytest.raises(SpecFaults) as raised:
        parse_spec(SPEC | {"early_terminate": {"any": [{"type": "threshold", "above": 3, "metric": "mz"}]}})
    (fault,) = raised.value.faults
    assert fault.path == "early_terminate.any[0].metric"
    assert "'mz' is no metric of the sweep" in fault.message
    assert "ms" in (fault.hint or "")


def test_a_named_metric_is_written_back() -> None:
    settings = {"type": "threshold", "above": 3.0, "after": 1, "metric": "ms"}
    spec = parse_spec(SPEC | {"early_terminate": settings})
    assert spec.early_terminate == Guarded(ThresholdSettings(above=3.0), metric="ms")
    assert parse_spec(spec.to_dict()).early_terminate == spec.early_terminate
    one = {key: value for key, value in SPEC.items() if key != "metrics"} | {"metric": {"name": "ms"}}
    assert parse_spec(one | {"early_terminate": settings}).early_terminate == ThresholdSettings(above=3.0)


# What a report is.


def reports(*rows: dict[str, Any], closed: bool = True) -> list[tuple[float, ...]]:
    tally = JointTally.of("", 2)
    found = []
    for row in rows:
        tally = JointTally.of(tally.text(), 2)
        found += list(tally.add(row, TWO))
    return [*found, *(tally.close(TWO) if closed else ())]


def test_a_report_waits_until_each_metric_has_come() -> None:
    assert reports({"loss": 1}, {"loss": 2}, {"ms": 5}, closed=False) == [(2, 5)]
    assert reports({"loss": 1}, {"loss": 2}) == []


def test_metrics_of_one_step_may_come_in_rows_of_their_own() -> None:
    assert reports({"loss": 1}, {"ms": 5}, {"loss": 2}, {"ms": 6}, closed=False) == [(1, 5), (2, 6)]


def test_a_metric_that_is_logged_seldom_counts_with_its_latest_value() -> None:
    rows = [{"loss": 3, "ms": 5}, {"loss": 2}, {"loss": 1}, {"loss": 0, "ms": 6}]
    assert reports(*rows) == [(3, 5), (2, 5), (1, 5), (0, 6)]
    assert reports({"ms": 5}, {"loss": 3}, {"loss": 2}) == [(3, 5), (2, 5)]


def test_a_value_that_is_no_number_makes_the_metric_unknown_until_it_is_one_again() -> None:
    rows: list[dict[str, Any]] = [{"loss": 1, "ms": 5}, {"loss": math.nan, "ms": 5}, {"ms": 6}, {"loss": 2}]
    assert reports(*rows, closed=False) == [(1, 5), (2, 6)]


def test_a_mark_holds_value_best_and_mean_of_each_metric() -> None:
    tally = JointTally.of("", 2)
    for row in ({"loss": 1, "ms": 8}, {"loss": 3, "ms": 4}):
        (last,) = tally.add(row, TWO)
    assert tally.mark(last) == Mark(3, 1, 2, (Mark(4, 4, 6),))


# The controller.


def run_to_the_end(b: Any, points: Sequence[tuple[float, float]], most: int = 9) -> dict[int, int]:
    """One agent runs the sweep; trial n reports point n. Reports of each trial in its last attempt."""
    made = dict[int, int]()
    for _ in range(100):
        offer = b.offer()
        if isinstance(offer, Over):
            return made
        assert isinstance(offer, Assignment), offer
        loss, ms = points[offer.number - 1]
        count, verdict = 0, "continue"
        while count < most and verdict == "continue":
            count += 1
            b.report(offer, {"loss": float(loss)})
            verdict = b.report(offer, {"ms": float(ms)}).action
        made[offer.number] = count
        b.finish(offer, ending="stopped" if verdict == "stop" else "finished")
    raise AssertionError("the sweep does not end")


POINTS = [(1, 9), (5, 5), (9, 1), (6, 6), (0, 20), (7, 7)]


def test_trials_that_others_dominate_are_stopped_and_the_front_is_not(bench: Any) -> None:
    b = bench(SPEC)
    made = run_to_the_end(b, POINTS)
    states = {trial.number: trial.state for trial in b.workspace.trials(b.sweep)}
    assert [number for number, state in states.items() if state is TrialState.STOPPED] == [4, 6]
    assert (made[4], made[6], made[5]) == (1, 1, 9)
    (first, _) = b.events("trial.decided")
    assert (first["front"], first["dominated"], first["threshold"]) == (2, 1, None)
    told = explain(b.workspace, b.sweep, 6)
    assert told.decisions[0].reason.startswith("stopped at rung 1: 2 of 5 peers dominate it")
    assert [peer.values for peer in told.decisions[0].peers] == [{"loss": 5.0, "ms": 5.0}, {"loss": 6.0, "ms": 6.0}]
    assert told.decisions[0].values == {"loss": 7.0, "ms": 7.0}


def test_with_promotion_the_whole_front_of_a_rung_comes_to_its_end(bench: Any) -> None:
    b = bench(PROMOTE)
    made = run_to_the_end(b, POINTS)
    states = {trial.number: trial.state for trial in b.workspace.trials(b.sweep)}
    assert b.workspace.show(b.sweep).state is SweepState.FINISHED
    assert {number for number, state in states.items() if state is TrialState.FINISHED} == {1, 2, 3, 5}
    assert made[1] == made[5] == 9
    promoted = b.events("trial.promoted")
    assert any("none of" in event["reason"] for event in promoted)


def test_a_new_controller_decides_as_the_old_one_would(bench: Any) -> None:
    answers = []
    for again in (False, True):
        b = bench(SPEC)
        trials = [b.take() for _ in range(4)]
        for trial, (loss, ms) in zip(trials, POINTS, strict=False):
            b.report(trial, {"loss": float(loss)})
            if again:
                b.workspace._sources.clear()
                b.source = b.workspace.source(b.sweep)
            answers.append((again, b.report(trial, {"ms": float(ms)}).action))
    assert [action for again, action in answers if again] == [action for again, action in answers if not again]
    assert answers[3][1] == "stop"


def test_a_metric_that_diverges_stops_a_trial_where_that_is_asked_for(bench: Any) -> None:
    b = bench(SPEC | {"early_terminate": {"type": "threshold", "above": 100, "metric": "ms", "non_finite": "stop"}})
    one, other = b.take(), b.take()
    assert b.report(one, {"loss": 1.0, "ms": 3.0}, {"ms": math.inf}).action == "stop"
    assert b.report(other, {"loss": 500.0, "ms": 3.0}).action == "continue"
    assert b.report(other, {"loss": 1.0, "ms": 101.0}).action == "stop"


def test_a_trial_that_never_logs_one_of_the_metrics_is_told_of(bench: Any) -> None:
    b = bench(SPEC)
    b.finish(b.take(), {"loss": 1.0})
    assert any("no finite value of 'ms'" in event["message"] for event in b.events("sweep.warning"))


def test_rules_that_are_given_to_a_live_sweep_know_what_was_reported_before(bench: Any) -> None:
    b = bench(SPEC | {"early_terminate": {"type": "threshold", "above": 1e9}})
    trials = [b.take() for _ in range(4)]
    for trial, (loss, ms) in zip(trials, POINTS, strict=False):
        b.report(trial, {"loss": float(loss), "ms": float(ms)})
    b.workspace.edit(b.sweep, parse_spec(SPEC))
    marks = b.workspace.marks(b.sweep)
    assert [(mark.number, mark.band, mark.value, mark.others[0][0]) for mark in marks] == [
        (number, 1, float(loss), float(ms)) for number, (loss, ms) in enumerate(POINTS[:4], 1)
    ]
