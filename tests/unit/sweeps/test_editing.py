"""A live sweep can be changed: what was run stays and counts, and what follows is exact."""

from __future__ import annotations

from typing import Any

import pytest

from swath.agents.protocol import Over
from swath.sweeps.spec import parse_spec
from swath.sweeps.states import SweepState, TrialState
from swath.tracking.errors import NotAllowed

GRID: dict[str, Any] = {
    "method": "grid",
    "parameters": {"x": {"values": [0, 1, 2]}, "y": {"values": ["a", "b"]}},
    "metric": {"name": "loss"},
    "seed": 1,
}
RANDOM: dict[str, Any] = {
    "method": "random",
    "parameters": {"x": {"min": 0.0, "max": 1.0}},
    "metric": {"name": "loss"},
    "seed": 1,
    "run_cap": 4,
}


def rest(b: Any) -> list[dict[str, Any]]:
    """Run what is left; the configs in order."""
    configs = []
    while not isinstance(offer := b.offer(), Over):
        configs.append(offer.config)
        b.finish(offer, 0.5)
    return configs


def test_a_changed_grid_runs_each_of_its_points_once_in_all(bench: Any) -> None:
    b = bench(GRID)
    done = []
    for _ in range(3):
        trial = b.take()
        done.append(trial.config)
        b.finish(trial, 0.5)
    wider = GRID | {"parameters": {"x": {"values": [1, 2, 3]}, "y": {"values": ["a", "b"]}}}
    edited = b.workspace.edit(b.sweep, parse_spec(wider))
    assert (edited.kept, edited.apart) == (1, 2)
    assert edited.changes == {"parameters.x.values": ([0, 1, 2], [1, 2, 3])}
    assert edited.total == 3 + 5
    left = rest(b)
    fitting = [config for config in [*done, *left] if config["x"] in (1, 2, 3)]
    assert sorted((c["x"], c["y"]) for c in fitting) == [(x, y) for x in (1, 2, 3) for y in "ab"]
    view = b.workspace.show(b.sweep)
    assert (view.state, sum(view.trials.values())) == (SweepState.FINISHED, 8)


def test_narrower_bounds_hold_for_new_trials_and_old_ones_stay(bench: Any) -> None:
    b = bench(RANDOM)
    b.finish(b.take(), 0.5)
    narrow = RANDOM | {"parameters": {"x": {"min": 0.4, "max": 0.6}}, "run_cap": 10}
    b.workspace.edit(b.sweep, parse_spec(narrow))
    assert all(0.4 <= config["x"] <= 0.6 for config in rest(b))
    assert len(b.workspace.trials(b.sweep)) == 10


def test_a_finished_sweep_goes_on_when_its_budget_grows(bench: Any) -> None:
    b = bench(RANDOM)
    rest(b)
    assert b.workspace.show(b.sweep).state is SweepState.FINISHED
    b.workspace.edit(b.sweep, parse_spec(RANDOM | {"run_cap": 6}))
    assert b.workspace.show(b.sweep).state is SweepState.RUNNING
    assert len(rest(b)) == 2


def test_a_smaller_cap_than_what_was_made_ends_the_sweep(bench: Any) -> None:
    b = bench(RANDOM)
    running = b.take()
    b.finish(b.take(), 0.5)
    edited = b.workspace.edit(b.sweep, parse_spec(RANDOM | {"run_cap": 1}))
    assert edited.total == 2
    b.finish(running, 0.5)
    assert isinstance(b.offer(), Over)


def test_a_queued_trial_that_no_longer_fits_is_dropped_by_name(bench: Any) -> None:
    b = bench(RANDOM)
    trial = b.take()
    b.finish(trial, ending="preempted")
    x = trial.config["x"]
    bounds = {"min": 0.0, "max": x / 2} if x > 0.5 else {"min": (1 + x) / 2, "max": 1.0}
    edited = b.workspace.edit(b.sweep, parse_spec(RANDOM | {"parameters": {"x": bounds}}))
    assert edited.dropped == [trial.name]
    assert b.workspace.trials(b.sweep)[0].state is TrialState.KILLED
    assert len(rest(b)) == 3


def test_another_rule_compares_what_was_reported_before(bench: Any) -> None:
    b = bench(RANDOM | {"run_cap": 10})
    good = b.take()
    b.report(good, 0.3, 0.2, 0.1)
    b.finish(good)
    running = b.take()
    assert b.report(running, 3.0, 3.0).action == "continue"
    rule = {"type": "hyperband", "min_iter": 2, "eta": 2}
    b.workspace.edit(b.sweep, parse_spec(RANDOM | {"run_cap": 10, "early_terminate": rule}))
    another = b.take()
    b.report(another, 2.0, 2.0)
    assert b.report(running, 3.0).action == "stop"


def test_trials_at_the_rungs_of_a_rule_that_is_gone_go_on(bench: Any) -> None:
    asha = {"type": "asha", "mode": "promote", "min_iter": 1, "max_iter": 9, "eta": 3}
    b = bench(RANDOM | {"early_terminate": asha})
    trial = b.take()
    b.report(trial, 1.0)
    b.finish(trial, ending="stopped")
    assert b.workspace.trials(b.sweep)[0].state is TrialState.PAUSED
    b.workspace.edit(b.sweep, parse_spec(RANDOM))
    assert b.take().number == trial.number


@pytest.mark.parametrize(
    "change",
    [{"metric": {"name": "acc"}}, {"metric": {"name": "loss", "goal": "maximize"}}, {"repeats": 3}, {"seed": 2}],
)
def test_what_would_make_results_incomparable_cannot_be_changed(bench: Any, change: dict[str, Any]) -> None:
    b = bench(RANDOM)
    with pytest.raises(NotAllowed, match=next(iter(change))):
        b.workspace.edit(b.sweep, parse_spec(RANDOM | change))


def test_an_edit_is_on_record_and_one_that_changes_nothing_is_not(bench: Any) -> None:
    b = bench(RANDOM)
    b.workspace.edit(b.sweep, parse_spec(RANDOM))
    b.workspace.edit(b.sweep, parse_spec(RANDOM | {"run_cap": 7}))
    events = b.events("sweep.edited")
    assert [event["version"] for event in events] == [1]
    assert events[0]["changes"] == {"run_cap": [4, 7]}
