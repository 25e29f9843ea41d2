"""What bounds a sweep, what it begins from, and what it makes of several metrics."""

from __future__ import annotations

from typing import Any

import pytest

from swath.agents.protocol import Over
from swath.sweeps.results import weights_of
from swath.sweeps.spec import SpecFaults, parse_spec
from swath.sweeps.states import SweepState
from swath.tracking.errors import NotFound, UsageError

RANDOM: dict[str, Any] = {
    "method": "random",
    "parameters": {"x": {"min": 0.0, "max": 1.0}, "kind": {"values": ["a", "b"]}},
    "metric": {"name": "loss"},
    "seed": 1,
}


def test_a_budget_of_trials_is_met_exactly(bench: Any) -> None:
    b = bench(RANDOM | {"budget": {"trials": 2}})
    for _ in range(2):
        b.finish(b.take(), 0.5)
    assert isinstance(b.offer(), Over)
    assert b.workspace.show(b.sweep).total == 2


def test_a_budget_of_time_lets_running_trials_end(bench: Any) -> None:
    b = bench(RANDOM | {"budget": {"time": "0.2m 8s"}})
    first, second = b.take(), b.take()
    b.clock.advance(19)
    b.finish(first, 0.5)
    third = b.take()
    b.clock.advance(1)
    b.finish(second, 0.5)
    assert not isinstance(b.offer(), Over), "the third trial still runs"
    b.finish(third, 0.5)
    assert isinstance(b.offer(), Over)
    assert "budget of time" in b.workspace.show(b.sweep).reason


@pytest.mark.parametrize("resources", [{"gpu": 0.5}, {"gpu": 0.25, "nodes": 2}])
def test_a_budget_of_gpu_hours_counts_every_attempt(bench: Any, resources: dict[str, Any]) -> None:
    spec = RANDOM | {"budget": {"gpu_hours": 1}, "resources": resources}
    b = bench(spec)
    crashed = b.take()
    b.clock.advance(3600)
    b.finish(crashed, ending="crashed", signal=9)
    again = b.take()
    assert again.lease.attempt == 2
    b.clock.advance(3599)
    b.finish(again, 0.5)
    last = b.take()
    b.clock.advance(2)
    b.finish(last, 0.5)
    assert isinstance(b.offer(), Over)
    assert "GPU hours" in b.workspace.show(b.sweep).reason


def test_a_sweep_without_progress_ends_and_progress_starts_the_count_anew(bench: Any) -> None:
    b = bench(RANDOM | {"budget": {"no_improvement": 2}})
    for loss in (0.5, 0.6, 0.4, 0.4, 0.7):
        b.finish(b.take(), loss)
    assert isinstance(b.offer(), Over)
    view = b.workspace.show(b.sweep)
    assert view.trials["finished"] == 5
    assert "2 trials in a row" in view.reason


def test_given_points_come_first_and_what_they_leave_out_is_drawn(bench: Any) -> None:
    spec = RANDOM | {"warm_start": {"points": [{"x": 0.25, "kind": "b"}, {"x": 0.75}]}}
    configs = []
    b = bench(spec)
    for _ in range(3):
        trial = b.take()
        configs.append(trial.config)
        b.finish(trial, 0.5)
    assert configs[0] == {"x": 0.25, "kind": "b"}
    assert configs[1]["x"] == 0.75
    assert configs[1]["kind"] in ("a", "b")
    assert configs[2]["x"] not in (0.25, 0.75)
    first = b.workspace.trials(b.sweep)[0]
    assert "given point 1 of 2" in first.suggested


def test_a_point_given_twice_in_a_countable_space_is_run_once(bench: Any) -> None:
    parameters = {"kind": {"values": ["a", "b", "c"]}}
    b = bench(RANDOM | {"parameters": parameters, "warm_start": {"points": [{"kind": "b"}, {"kind": "b"}]}})
    kinds = []
    for _ in range(3):
        trial = b.take()
        kinds.append(trial.config["kind"])
        b.finish(trial, 0.5)
    assert kinds[0] == "b"
    assert sorted(kinds) == ["a", "b", "c"]


@pytest.mark.parametrize("point", [{"x": 2.0}, {"y": 1}, {"kind": "c"}, {"x": {"deep": 1}}])
def test_a_given_point_outside_the_space_is_a_fault(point: dict[str, Any]) -> None:
    with pytest.raises(SpecFaults) as caught:
        parse_spec(RANDOM | {"warm_start": {"points": [point]}})
    assert caught.value.faults[0].path.startswith("warm_start.points[0]")


def test_earlier_results_count_from_the_first_trial_on(bench: Any) -> None:
    early = bench(RANDOM | {"budget": {"trials": 30}})
    for _ in range(30):
        trial = early.take()
        early.finish(trial, (trial.config["x"] - 0.3) ** 2)
    spec = RANDOM | {"method": "bayes", "warm_start": {"sweeps": [early.sweep]}}
    spec["parameters"] = RANDOM["parameters"] | {"new": {"values": [1, 2, 3]}}
    late = early.workspace.create(parse_spec(spec), pickled=b"unused")
    early.sweep, early.source = late, early.workspace.source(late)
    early.join("b")
    distances = []
    for _ in range(5):
        trial = early.take("b")
        distances.append(abs(trial.config["x"] - 0.3))
        early.finish(trial, (trial.config["x"] - 0.3) ** 2)
    assert min(distances) < 0.1
    assert "random draw" not in early.workspace.trials(late)[0].suggested


def test_what_does_not_fit_is_refused_by_name(bench: Any) -> None:
    b = bench(RANDOM)
    b.finish(b.take(), 0.5)
    with pytest.raises(NotFound, match="nowhere"):
        b.workspace.create(parse_spec(RANDOM | {"warm_start": {"sweeps": ["nowhere"]}}), pickled=b"unused")
    with pytest.raises(NotFound, match="no run"):
        b.workspace.create(parse_spec(RANDOM | {"warm_start": {"runs": ["none"]}}), pickled=b"unused")
    other = RANDOM | {"metric": {"name": "accuracy"}, "warm_start": {"sweeps": [b.sweep]}}
    with pytest.raises(UsageError, match="accuracy"):
        b.workspace.create(parse_spec(other), pickled=b"unused")


TWO: dict[str, Any] = {key: value for key, value in RANDOM.items() if key != "metric"} | {
    "metrics": [
        {"name": "acc", "goal": "maximize", "target": 0.9},
        {"name": "latency", "limit": 20, "target": 15},
    ]
}


def test_several_metrics_are_kept_with_the_trial(bench: Any) -> None:
    b = bench(TWO)
    b.finish(b.take(), {"acc": 0.7, "latency": 30.0}, {"acc": 0.8, "latency": 25.0})
    b.finish(b.take(), {"acc": 0.6})
    trials = b.workspace.trials(b.sweep)
    assert [trial.objectives for trial in trials] == [(0.8, 25.0), (0.6, None)]


def test_the_targets_of_several_metrics_are_reached_together(bench: Any) -> None:
    b = bench(TWO)
    b.finish(b.take(), {"acc": 0.95, "latency": 30.0})
    b.finish(b.take(), {"acc": 0.5, "latency": 10.0})
    assert b.workspace.show(b.sweep).state is SweepState.RUNNING
    b.finish(b.take(), {"acc": 0.91, "latency": 14.0})
    assert isinstance(b.offer(), Over)
    assert "targets" in b.workspace.show(b.sweep).reason


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"budget": {}}, "budget"),
        ({"budget": {"time": 90}}, "budget.time"),
        ({"budget": {"time": "soon"}}, "budget.time"),
        ({"budget": {"trials": 3}, "run_cap": 3}, "budget.trials"),
        ({"metrics": [{"name": "a"}, {"name": "b"}]}, "metrics"),
        ({"warm_start": {"points": [3]}}, "warm_start.points"),
        ({"warm_start": {"sweeps": [3]}}, "warm_start.sweeps"),
    ],
)
def test_a_wrong_bound_or_start_is_a_fault_of_its_key(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecFaults) as caught:
        parse_spec(RANDOM | changes)
    assert [fault.path for fault in caught.value.faults] == [path]


REPEATED = RANDOM | {"repeats": {"count": 3}, "parameters": {"x": {"values": [0, 1, 2, 3]}}}


def run_all(b: Any, loss: Any) -> list[dict[str, Any]]:
    """Run the sweep to its end one trial after the other; the configs in order."""
    configs = []
    while not isinstance(offer := b.offer(), Over):
        configs.append(offer.config)
        b.finish(offer, loss(offer.config))
    return configs


def test_each_configuration_is_run_as_often_as_asked_with_the_repeats_number(bench: Any) -> None:
    b = bench(REPEATED | {"repeats": {"count": 3, "over": "fold", "early": False}})
    configs = run_all(b, lambda config: config["x"])
    assert sorted((config["x"], config["fold"]) for config in configs) == [
        (x, fold) for x in range(4) for fold in range(3)
    ]
    view = b.workspace.show(b.sweep)
    assert (view.state, view.total) == (SweepState.FINISHED, 12)
    assert view.best is not None
    assert view.best.config["x"] == 0


@pytest.mark.parametrize(("aggregate", "best"), [("mean", 1), ("median", 0), ("lower", 1)])
def test_results_are_taken_together_as_asked(bench: Any, aggregate: str, best: int) -> None:
    losses = {0: [1.0, 1.0, 10.0], 1: [3.0, 3.0, 3.0], 2: [9.0] * 3, 3: [9.0] * 3}
    b = bench(REPEATED | {"repeats": {"count": 3, "aggregate": aggregate, "early": False}})
    run_all(b, lambda config: losses[config["x"]][config["seed"]])
    view = b.workspace.show(b.sweep)
    assert view.best is not None
    assert view.best.config["x"] == best
    assert view.best.value == pytest.approx(1.0 if aggregate == "median" else 3.0)


def test_the_lower_bound_holds_a_spread_against_a_configuration(bench: Any) -> None:
    losses = {0: [1.0, 1.0, 4.0], 1: [2.5, 2.5, 2.5], 2: [9.0] * 3, 3: [9.0] * 3}
    b = bench(REPEATED | {"repeats": {"count": 3, "aggregate": "lower", "early": False}})
    run_all(b, lambda config: losses[config["x"]][config["seed"]])
    best = b.workspace.show(b.sweep).best
    assert best is not None
    assert (best.config["x"], best.value) == (1, 2.5)


def test_a_configuration_that_is_clearly_worse_is_given_up_early_with_the_reason(bench: Any) -> None:
    b = bench(REPEATED | {"repeats": {"count": 5}, "seed": 3})
    noise = [0.0, 0.01, -0.01, 0.02, -0.02]
    configs = run_all(b, lambda config: config["x"] + noise[config["seed"]] * (1 + config["x"]))
    counts = [sum(config["x"] == x for config in configs) for x in range(4)]
    assert counts[0] == 5
    assert sum(counts) < 20
    view = b.workspace.show(b.sweep)
    assert view.best is not None
    assert view.best.config["x"] == 0
    assert view.state is SweepState.FINISHED
    reasons = [event["reason"] for event in b.events("setup.given_up")]
    assert reasons
    assert all("paired t test" in reason for reason in reasons)


def test_repeats_of_one_setup_run_one_after_the_other_while_there_are_new_ones(bench: Any) -> None:
    b = bench(REPEATED)
    first, second = b.take(), b.take()
    assert first.config["x"] != second.config["x"]
    b.finish(first, 1.0)
    third = b.take()
    assert third.config == {"x": first.config["x"], "seed": 1}


def test_a_restarted_controller_goes_on_with_the_same_repeats(bench: Any) -> None:
    b = bench(REPEATED)
    for loss in (0.5, 0.6, 0.7, 0.8):
        b.finish(b.take(), loss)
    expected = b.take().config
    again = bench(REPEATED)
    for loss in (0.5, 0.6, 0.7, 0.8):
        again.finish(again.take(), loss)
    again.workspace._sources.clear()
    again.source = again.workspace.source(again.sweep)
    assert again.take().config == expected


def test_the_search_learns_from_setups_and_not_from_their_runs(bench: Any) -> None:
    spec = RANDOM | {"method": "bayes", "repeats": {"count": 2}, "parameters": {"x": {"min": 0.0, "max": 1.0}}}
    b = bench(spec | {"run_cap": 60})
    configs = run_all(b, lambda config: (config["x"] - 0.3) ** 2 + 0.01 * config["seed"])
    assert len(configs) == 60
    best = b.workspace.show(b.sweep).best
    assert best is not None
    assert abs(best.config["x"] - 0.3) < 0.1


def test_a_target_must_be_reached_by_all_repeats_together(bench: Any) -> None:
    b = bench(REPEATED | {"metric": {"name": "loss", "target": 1.0}, "repeats": {"count": 2, "early": False}})
    losses = iter([0.0, 3.0, 0.5, 1.0])
    run_all(b, lambda config: next(losses))
    view = b.workspace.show(b.sweep)
    assert sum(view.trials.values()) == 4
    assert "reached the target" in view.reason


def test_the_name_of_the_repeat_is_no_parameter() -> None:
    with pytest.raises(SpecFaults) as caught:
        parse_spec(RANDOM | {"repeats": {"count": 2, "over": "x"}})
    assert caught.value.faults[0].path == "repeats.over"


def test_what_matters_can_be_told_of_a_sweep_with_repeats(bench: Any) -> None:
    spec = RANDOM | {"repeats": {"count": 2, "early": False}, "run_cap": 60}
    b = bench(spec)
    run_all(b, lambda config: config["x"] + 0.01 * config["seed"])
    weights = weights_of(b.workspace.trials(b.sweep), parse_spec(spec))
    assert weights[0].trials == 60
    assert max(weights[0].parameters, key=lambda each: each.share).name == "x"
