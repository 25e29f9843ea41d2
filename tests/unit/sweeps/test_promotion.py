"""What the controller makes of decisions other than to stop: pauses, promotions, and going on from another trial."""

from __future__ import annotations

from typing import Any

import pytest

from swath.agents.protocol import Assignment, Over, Wait
from swath.sweeps.states import SweepState, TrialState
from swath.tracking import layout
from swath.tracking.runs.checkpoints import Checkpoints, Note

ASHA: dict[str, Any] = {
    "method": "random",
    "parameters": {"x": {"min": 0.0, "max": 1.0}},
    "metric": {"name": "loss"},
    "seed": 1,
    "run_cap": 9,
    "early_terminate": {"type": "asha", "mode": "promote", "min_iter": 1, "max_iter": 9, "eta": 3},
}


def play(b: Any, most: int = 9) -> list[tuple[int, int]]:
    """Run the sweep with one agent to its end: each attempt reports its number as loss until it is told to stop.

    Returns number of the trial and reports of each attempt, in order.
    """
    attempts: list[tuple[int, int]] = []
    for _ in range(200):
        offer = b.offer()
        if isinstance(offer, Over):
            return attempts
        assert isinstance(offer, Assignment), offer
        count = 0
        while count < most:
            count += 1
            verdict = b.report(offer, float(offer.number))
            if verdict.action == "stop":
                break
        attempts.append((offer.number, count))
        b.finish(offer, ending="stopped" if verdict.action == "stop" else "finished")
    raise AssertionError("the sweep does not end")


def test_the_best_of_a_rung_go_on_and_the_others_end_as_stopped(bench: Any) -> None:
    b = bench(ASHA)
    attempts = play(b)
    trials = {trial.number: trial for trial in b.workspace.trials(b.sweep)}
    assert len(trials) == 9
    assert b.workspace.show(b.sweep).state is SweepState.FINISHED
    assert trials[1].state is TrialState.FINISHED
    assert trials[1].reports == 9
    assert {trial.state for trial in trials.values()} == {TrialState.FINISHED, TrialState.STOPPED}
    assert sum(count for _, count in attempts) < 9 * 9
    assert sorted(number for number, trial in trials.items() if trial.reports >= 3) == [
        1,
        2,
        3,
        4,
    ]  # a third of nine, and one
    assert all("rung" in trials[number].reason for number in range(4, 10))


def test_a_paused_trial_waits_and_is_shown_as_paused(bench: Any) -> None:
    b = bench(ASHA)
    first = b.take()
    assert b.report(first, 1.0).action == "stop"
    b.finish(first, ending="stopped")
    assert b.workspace.trials(b.sweep)[0].state is TrialState.PAUSED
    assert b.events("trial.decided")[0]["action"] == "pause"
    assert b.take().number == 2, "one trial is no rung: a new one is the better use of the slot"


def test_a_promoted_trial_keeps_its_id_and_is_not_judged_again_at_a_rung_it_passed(bench: Any) -> None:
    b = bench(ASHA)
    for loss in (1.0, 2.0, 3.0):
        trial = b.take()
        b.report(trial, loss)
        b.finish(trial, ending="stopped")
    again = b.take()
    assert (again.number, again.lease.attempt) == (1, 2)
    assert b.report(again, 1.0).action == "continue"
    assert b.report(again, 0.9).action == "continue"
    assert b.report(again, 0.8).action == "stop"
    assert b.events("trial.promoted")[0]["name"] == again.name


def test_a_new_controller_promotes_as_the_old_one_would(bench: Any) -> None:
    b = bench(ASHA)
    for loss in (3.0, 1.0, 2.0):
        trial = b.take()
        b.report(trial, loss)
        b.finish(trial, ending="stopped")
    b.workspace._sources.clear()
    b.source = b.workspace.source(b.sweep)
    assert b.take().number == 2


def test_a_paused_sweep_that_is_stopped_or_cancelled_leaves_nothing_paused(bench: Any) -> None:
    for end in ("stop", "cancel"):
        b = bench(ASHA)
        trial = b.take()
        b.report(trial, 1.0)
        b.finish(trial, ending="stopped")
        getattr(b.workspace, end)(b.sweep)
        view = b.workspace.show(b.sweep)
        assert view.trials["paused"] == 0
        assert view.state in (SweepState.FINISHED, SweepState.CANCELLED)


def test_a_lost_agent_of_a_trial_that_was_to_pause_leaves_it_paused(bench: Any) -> None:
    b = bench(ASHA)
    trial = b.take()
    b.report(trial, 1.0)
    b.clock.advance(1000)
    b.workspace.catch_up(b.sweep)
    assert b.workspace.trials(b.sweep)[0].state is TrialState.PAUSED


PBT = ASHA | {"run_cap": 4, "early_terminate": {"type": "pbt", "interval": 2, "quantile": 0.25}}


def test_a_bad_trial_goes_on_from_a_good_one_with_its_checkpoint_and_a_config_near_its(bench: Any) -> None:
    b = bench(PBT)
    trials = [b.take() for _ in range(4)]
    for trial in trials[:3]:
        b.report(trial, *[float(trial.number)] * 2)
    root = b.workspace.root
    Checkpoints(layout.run_dir(root, trials[0].lease.run_id)).save({"from": 1}, Note(1, 1))
    assert b.report(trials[3], 4.0, 4.0).action == "stop"
    b.finish(trials[3], ending="stopped")
    again = b.take()
    assert (again.number, again.lease.attempt) == (4, 2)
    assert again.config != trials[3].config
    own = Checkpoints(layout.run_dir(root, again.lease.run_id)).newest()
    assert own is not None
    assert own.load() == {"from": 1}
    event = b.events("trial.exploited")[0]
    assert event["donor"] == trials[0].lease.run_id
    assert event["config"] == again.config
    assert b.workspace.trials(b.sweep)[3].config == again.config


@pytest.mark.parametrize(
    ("rule", "losses", "stops"),
    [
        ({"type": "threshold", "above": 10, "after": 2}, [20.0, 20.0], True),
        ({"type": "threshold", "above": 10, "after": 3}, [20.0, 20.0], False),
        ({"type": "plateau", "patience": 3}, [1.0, 1.0, 1.0, 1.0, 1.0], True),
        ({"type": "plateau", "patience": 3}, [1.0, 0.9, 0.8, 0.7, 0.6], False),
        ({"type": "threshold", "above": 10, "non_finite": "stop"}, [1.0, float("nan")], True),
        ({"any": [{"type": "plateau", "patience": 50}, {"type": "threshold", "above": 3}]}, [4.0], True),
    ],
)
def test_each_rule_reaches_the_running_trial(bench: Any, rule: Any, losses: list[float], stops: bool) -> None:
    b = bench(ASHA | {"early_terminate": rule})
    trial = b.take()
    verdicts = [b.report(trial, loss).action for loss in losses]
    assert ("stop" in verdicts) == stops
    if stops:
        b.finish(trial, ending="stopped")
        assert b.workspace.trials(b.sweep)[0].state is TrialState.STOPPED
        assert not isinstance(b.offer(), Wait)
