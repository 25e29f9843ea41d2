"""What the controller decides: counts, early stopping with its reason, targets, retries, warnings, lost agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from swath.agents.protocol import AgentInfo, Assignment, Chunk, Outcome, Over, Wait
from swath.sweeps.ledger import SweepRow
from swath.sweeps.plan import Plan
from swath.sweeps.spec import parse_spec
from swath.sweeps.states import SweepState, TrialState
from swath.sweeps.workspace import Workspace
from swath.tracking.errors import LeaseLost, NotAllowed, NotFound, UsageError
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.records import Finish
from swath.tracking.runs.checkpoints import Manifest, Note

GRID = {"method": "grid", "parameters": {"x": {"values": [0, 1, 2]}}, "metric": {"name": "loss"}}
RANDOM = {"method": "random", "parameters": {"x": {"min": 0.0, "max": 1.0}}, "metric": {"name": "loss"}, "seed": 1}


def test_a_grid_ends_with_each_point_once_and_then_the_sweep_is_finished(bench: Any) -> None:
    b = bench(GRID)
    for _ in range(3):
        b.finish(b.take(), 1.0)
    assert isinstance(b.offer(), Over)
    view = b.workspace.show(b.sweep)
    assert view.state is SweepState.FINISHED
    assert view.trials["finished"] == 3
    assert sorted(trial.config["x"] for trial in b.workspace.trials(b.sweep)) == [0, 1, 2]


def test_run_cap_is_met_exactly_with_several_agents(bench: Any) -> None:
    b = bench(RANDOM | {"run_cap": 4})
    b.join("b")
    first = [b.take("a"), b.take("b")]
    for trial in first:
        b.finish(trial, 1.0)
    second = [b.take("a"), b.take("b")]
    assert isinstance(b.offer("a"), Wait), "two trials still run and may come back"
    for trial in second:
        b.finish(trial, 1.0)
    assert isinstance(b.offer("b"), Over)
    assert b.workspace.show(b.sweep).trials["finished"] == 4


def test_the_best_trial_is_the_one_with_the_best_value_for_the_goal(bench: Any) -> None:
    b = bench(RANDOM | {"run_cap": 3, "metric": {"name": "loss", "goal": "maximize"}})
    for values in ([1.0, 5.0, 2.0], [4.0], [float("nan"), 3.0]):
        b.finish(b.take(), *values)
    best = b.workspace.show(b.sweep).best
    assert (best.number, best.value, best.metric) == (1, 5.0, "loss")


def test_a_bad_trial_is_stopped_with_a_stored_reason(bench: Any) -> None:
    b = bench(RANDOM | {"early_terminate": {"type": "hyperband", "min_iter": 2}})
    for value in (0.1, 0.2, 0.3, 0.4):
        trial = b.take()
        b.report(trial, value, value)
        b.finish(trial)
    trial = b.take()
    assert b.report(trial, 9.0).action == "continue", "the first band is at 2 reports"
    verdict = b.report(trial, 9.0)
    assert verdict.action == "stop"
    assert "band 2" in verdict.reason
    b.finish(trial, ending="stopped")
    view = b.workspace.trial(trial.lease.run_id)
    assert view.state is TrialState.STOPPED
    assert view.reason == verdict.reason
    assert b.events("trial.decided")[-1]["reason"] == verdict.reason


def test_reports_are_counted_by_finite_values_not_by_rows(bench: Any) -> None:
    b = bench(RANDOM | {"early_terminate": {"type": "hyperband", "min_iter": 2}})
    trial = b.take()
    b.report(trial, 1.0, float("nan"), "text", 2.0)
    view = b.workspace.trial(trial.lease.run_id)
    assert (view.reports, view.latest, view.best) == (2, 2.0, 1.0)
    warnings = " ".join(payload["message"] for payload in b.events("sweep.warning"))
    assert "nan" in warnings
    assert "str" in warnings


def test_the_same_bytes_are_counted_once(bench: Any) -> None:
    b = bench(RANDOM)
    trial = b.take()
    chunks = b.log(trial, 1.0, 2.0)
    for _ in range(3):
        b.source.report(trial.lease, chunks)
    assert b.workspace.trial(trial.lease.run_id).reports == 2


def test_a_reached_target_ends_the_sweep_after_the_running_trials(bench: Any) -> None:
    b = bench(RANDOM | {"metric": {"name": "loss", "target": 0.5}})
    b.join("b")
    one, two = b.take("a"), b.take("b")
    assert b.report(one, 0.4).action == "continue"
    assert isinstance(b.offer("a"), Wait), "no new trials, but a running one may come back"
    b.finish(one)
    assert b.workspace.show(b.sweep).state is SweepState.FINISHING
    b.finish(two, 0.9)
    view = b.workspace.show(b.sweep)
    assert view.state is SweepState.FINISHED
    assert "target" in view.reason


def test_a_crash_is_retried_as_often_as_the_spec_says_and_a_failure_only_when_asked(bench: Any) -> None:
    b = bench(GRID | {"retry": {"max": 1}})
    first = b.take()
    b.finish(first, ending="crashed", signal=9)
    again = b.take()
    assert (again.lease.run_id, again.lease.attempt, again.config) == (first.lease.run_id, 2, first.config)
    b.finish(again, ending="crashed", signal=9)
    assert b.workspace.trial(first.lease.run_id).state is TrialState.FAILED
    failed = b.take()
    b.finish(failed, ending="failed", exit_code=3, error="Traceback: boom")
    view = b.workspace.trial(failed.lease.run_id)
    assert view.state is TrialState.FAILED
    assert "exit code 3" in view.reason
    assert view.error == "Traceback: boom"


def test_a_retried_trial_starts_its_history_over(bench: Any) -> None:
    b = bench(GRID | {"early_terminate": {"type": "hyperband", "min_iter": 1}})
    first = b.take()
    b.report(first, 0.1, 0.2)
    b.finish(first, ending="preempted")
    again = b.take()
    b.report(again, 0.7)
    view = b.workspace.trial(again.lease.run_id)
    assert (view.reports, view.best, view.summary["loss"]) == (1, 0.7, 0.7)


def test_a_trial_whose_agent_fell_silent_is_run_again_and_the_old_agent_can_write_no_more(bench: Any) -> None:
    b = bench(GRID)
    b.join("b")
    old = b.take("a")
    b.lapse()
    new = b.take("b")
    assert (new.lease.run_id, new.lease.attempt) == (old.lease.run_id, 2)
    with pytest.raises(LeaseLost):
        b.report(old, 5.0)
    with pytest.raises(LeaseLost):
        b.finish(old, 5.0)
    assert b.workspace.trial(new.lease.run_id).reports == 0


def test_a_trial_that_had_told_its_end_before_its_agent_died_is_finished_not_repeated(bench: Any) -> None:
    b = bench(GRID)
    trial = b.take()
    b.log(trial, 0.25, end=Finish(0, b.clock.now()))
    b.lapse()
    b.workspace.catch_up(b.sweep)
    view = b.workspace.trial(trial.lease.run_id)
    assert (view.state, view.value, view.attempt) == (TrialState.FINISHED, 0.25, 1)


def test_a_trial_that_kills_every_agent_is_set_aside_in_the_end(bench: Any) -> None:
    b = bench(GRID | {"parameters": {"x": {"values": [0]}}})
    for _ in range(20):
        b.take()
        b.lapse()
        b.workspace.catch_up(b.sweep)
    assert isinstance(b.offer(), Over)
    [view] = b.workspace.trials(b.sweep)
    assert view.state is TrialState.FAILED
    assert "set aside" in view.reason


def test_a_sweep_whose_trials_never_log_its_metric_says_so_with_what_they_did_log(bench: Any) -> None:
    b = bench(GRID)
    b.finish(b.take(), 1.0, key="accuracy")
    [warning] = b.events("sweep.warning")
    assert "'loss'" in warning["message"]
    assert "accuracy" in warning["message"]
    view = b.workspace.show(b.sweep)
    assert view.best is None
    assert view.metrics_seen == ["accuracy", "epoch"]


def test_a_target_reached_during_a_pause_or_before_a_revival_ends_the_sweep_all_the_same(bench: Any) -> None:
    b = bench(RANDOM | {"metric": {"name": "loss", "target": 0.5}})
    trial = b.take()
    b.workspace.pause(b.sweep)
    b.report(trial, 0.1)
    b.workspace.unpause(b.sweep)
    assert isinstance(b.offer(), Wait)
    b.finish(trial)
    assert isinstance(b.offer(), Over)
    b.workspace.revive(b.sweep)
    assert isinstance(b.offer(), Over)
    view = b.workspace.show(b.sweep)
    assert (view.state, view.trials["finished"], sum(view.trials.values())) == (SweepState.FINISHED, 1, 1)


def test_a_trial_that_an_agent_never_began_goes_back_at_no_cost(bench: Any) -> None:
    b = bench(GRID | {"retry": {"on": []}})
    trial = b.take()
    b.source.leave("a", "drained")
    view = b.workspace.trial(trial.lease.run_id)
    assert view.state is TrialState.QUEUED
    b.join("b")
    again = b.take("b")
    assert again.lease.run_id == trial.lease.run_id
    b.report(again, 1.0)
    b.source.leave("b", "drained")
    assert b.workspace.trial(trial.lease.run_id).state is TrialState.FAILED, "begun, and retry.on is empty"


def test_a_crashed_trial_is_run_again_by_the_agents_of_a_sweep_that_is_ending(bench: Any) -> None:
    b = bench(GRID)
    b.join("b")
    one, two = b.take("a"), b.take("b")
    b.workspace.stop(b.sweep)
    b.finish(one, ending="crashed", signal=9)
    again = b.take("a")
    assert again.lease.run_id == one.lease.run_id
    b.finish(again, 1.0)
    b.finish(two, 1.0)
    assert isinstance(b.offer(), Over)
    assert b.workspace.show(b.sweep).trials["finished"] == 2


def test_a_sweep_that_is_ending_and_has_no_agents_any_more_drops_what_waits(bench: Any) -> None:
    b = bench(GRID)
    trial = b.take()
    b.workspace.stop(b.sweep)
    b.source.leave("a", "gone")
    view = b.workspace.show(b.sweep)
    assert (view.state, view.trials["killed"]) == (SweepState.FINISHED, 1)
    assert "before it could run again" in b.workspace.trial(trial.lease.run_id).reason


def test_a_trial_that_came_to_its_end_while_it_was_asked_to_leave_is_finished(bench: Any) -> None:
    b = bench(GRID)
    trial = b.take()
    chunks = b.log(trial, 1.0, end=Finish(0, b.clock.now()))
    b.source.finish(trial.lease, Outcome("preempted", 0), chunks)
    assert b.workspace.trial(trial.lease.run_id).state is TrialState.FINISHED


def test_a_cancelled_sweep_that_is_revived_runs_what_the_cancel_killed(bench: Any) -> None:
    b = bench(GRID)
    b.finish(b.take(), 1.0)
    killed, late = b.take(), None
    b.join("b")
    late = b.take("b")
    b.workspace.cancel(b.sweep)
    b.finish(killed, ending="killed")
    b.workspace.revive(b.sweep)
    b.finish(late, ending="killed")
    for _ in range(2):
        b.finish(b.take(), 1.0)
    view = b.workspace.show(b.sweep)
    assert (view.state, view.trials["finished"]) == (SweepState.FINISHED, 3)


def test_retry_leaves_a_paused_sweep_paused_and_forgets_the_value_of_what_starts_over(bench: Any) -> None:
    b = bench(GRID)
    b.finish(b.take(), 0.01, ending="failed")
    b.finish(b.take(), 5.0)
    b.workspace.pause(b.sweep)
    assert b.workspace.retry(b.sweep) == 1
    view = b.workspace.show(b.sweep)
    assert (view.state, view.best.value) == (SweepState.PAUSED, 5.0)
    b.workspace.unpause(b.sweep)
    b.finish(b.take(), 4.0)
    assert [payload["value"] for payload in b.events("sweep.best")] == [0.01, 4.0]


def test_bytes_are_only_taken_under_the_name_of_a_segment_of_the_attempt(bench: Any, tmp_path: Path) -> None:
    b = bench(GRID)
    source = b.workspace.source(b.sweep, remote=True)
    trial = b.take()
    for name in (str(tmp_path / "evil.txt"), "../0001.log", "0002.log"):
        with pytest.raises(UsageError):
            source.report(trial.lease, [Chunk(name, HEADER_SIZE, b"bytes")])
    assert not (tmp_path / "evil.txt").exists()


def test_a_metric_that_was_never_finite_is_said_to_be_that(bench: Any) -> None:
    b = bench(GRID)
    b.finish(b.take(), float("nan"))
    assert any("no finite value of 'loss'" in payload["message"] for payload in b.events("sweep.warning"))


def test_a_cancelled_sweep_kills_its_running_trials(bench: Any) -> None:
    b = bench(GRID)
    trial = b.take()
    b.workspace.cancel(b.sweep)
    assert b.report(trial, 1.0).action == "kill"
    b.finish(trial, ending="killed")
    assert b.workspace.trial(trial.lease.run_id).state is TrialState.KILLED
    assert isinstance(b.offer(), Over)


def test_a_paused_sweep_hands_out_nothing_until_it_goes_on(bench: Any) -> None:
    b = bench(GRID)
    b.take()
    b.workspace.pause(b.sweep)
    b.join("b")
    assert isinstance(b.offer("b"), Wait)
    b.workspace.unpause(b.sweep)
    assert isinstance(b.offer("b"), Assignment)


def test_a_stopped_sweep_ends_with_its_running_trials_and_can_be_revived(bench: Any) -> None:
    b = bench(GRID)
    trial = b.take()
    b.workspace.stop(b.sweep)
    assert isinstance(b.offer(), Wait)
    b.finish(trial, 1.0)
    assert isinstance(b.offer(), Over)
    assert b.workspace.show(b.sweep).state is SweepState.FINISHED
    b.workspace.revive(b.sweep)
    for _ in range(2):
        b.finish(b.take(), 1.0)
    assert b.workspace.show(b.sweep).trials["finished"] == 3
    b.workspace.revive(b.sweep)
    assert b.workspace.show(b.sweep).state is SweepState.FINISHED, "a complete sweep stays finished"


def test_retry_requeues_failed_trials_of_a_finished_sweep(bench: Any) -> None:
    b = bench(GRID)
    for ending in ("failed", "finished", "failed"):
        b.finish(b.take(), 1.0, ending=ending)
    assert b.workspace.retry(b.sweep) == 2
    for _ in range(2):
        b.finish(b.take(), 1.0)
    view = b.workspace.show(b.sweep)
    assert (view.state, view.trials["finished"]) == (SweepState.FINISHED, 3)


def test_illegal_moves_are_refused_with_the_legal_ones(bench: Any) -> None:
    b = bench(GRID)
    with pytest.raises(NotAllowed, match="not paused"):
        b.workspace.unpause(b.sweep)
    b.workspace.cancel(b.sweep)
    with pytest.raises(NotAllowed, match="cannot become paused"):
        b.workspace.pause(b.sweep)


def test_two_agents_of_one_name_are_told_apart(bench: Any) -> None:
    b = bench(GRID)
    b.source.join(AgentInfo("id-2", "a", "elsewhere", 2, b.clock.now() + 1))
    assert [agent.name for agent in b.workspace.agents(b.sweep)] == ["a", "a-2"]


def test_a_sweep_is_found_by_id_prefix_name_or_last_and_else_the_nearest_is_named(bench: Any) -> None:
    b = bench(GRID | {"name": "digits"})
    for text in (b.sweep, b.sweep[:5], "digits", "last"):
        assert b.workspace.resolve(text) == b.sweep
    with pytest.raises(NotFound) as caught:
        b.workspace.resolve("digist")
    assert "digits" in caught.value.hint


def test_a_discrete_space_is_never_sampled_twice_and_ends_the_sweep(bench: Any) -> None:
    for method in ("random", "bayes"):
        b = bench(RANDOM | {"method": method, "parameters": {"x": {"values": [1, 2, 3]}, "y": {"values": ["a", "b"]}}})
        seen = []
        while isinstance(trial := b.offer(), Assignment):
            seen.append((trial.config["x"], trial.config["y"]))
            b.finish(trial, float(len(seen)))
        assert sorted(seen) == [(x, y) for x in (1, 2, 3) for y in "ab"]
        assert b.workspace.show(b.sweep).state is SweepState.FINISHED


def test_the_same_seed_and_history_give_the_same_trials_even_after_a_restart(bench: Any, tmp_path: Path) -> None:
    spec = RANDOM | {"method": "bayes", "run_cap": 16}

    def configs(restart: bool) -> list[Any]:
        b = bench(spec)
        found = []
        for number in range(16):
            if restart and number % 5 == 4:
                b.workspace.close()
                b.workspace = Workspace(b.workspace.root, b.clock)
                b.source = b.workspace.source(b.sweep)
            trial = b.take()
            found.append(trial.config)
            b.finish(trial, trial.config["x"] ** 2)
        return found

    assert configs(restart=False) == configs(restart=True)


def test_a_program_that_is_not_there_is_refused_at_creation(tmp_path: Path) -> None:
    with Workspace(tmp_path / ".swath") as workspace:
        spec = parse_spec(GRID | {"program": "no_such.py"})
        with pytest.raises(UsageError, match=r"no_such\.py"):
            workspace.create(spec, cwd=str(tmp_path))
        assert workspace.sweeps() == []


BANDS = RANDOM | {"early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 10}}


def test_a_refused_call_costs_the_controller_nothing_of_its_memory(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    b = bench(BANDS)
    loaded: list[Plan] = []
    load = Plan.load

    def counted(sweep: SweepRow, root: Path) -> Plan:
        loaded.append(load(sweep, root))
        return loaded[-1]

    monkeypatch.setattr(Plan, "load", counted)
    b.source = Workspace(b.workspace.root, b.clock).source(b.sweep)
    lost = b.take()
    b.lapse()
    held = b.take()
    for refused in (b.report, b.finish):
        with pytest.raises(LeaseLost):
            refused(lost, 5.0)
    with pytest.raises(LeaseLost):
        b.source.keep_checkpoint(lost.lease, Manifest(Note(1, 0), ()))
    with pytest.raises(NotFound):
        b.offer("nobody")
    with pytest.raises(UsageError):
        b.source.report(held.lease, [Chunk("0009.log", HEADER_SIZE, b"x")])
    b.report(held, 1.0)
    assert len(loaded) == 1


def test_what_another_controller_stores_after_a_refused_call_is_seen(bench: Any) -> None:
    """It gets the version that the refused call would have made: taken for the own one, it would be missed."""
    b = bench(BANDS)
    lost = b.take()
    b.lapse()
    worse, other, judged = [b.take() for _ in range(3)], b.take(), b.take()
    for trial, value in zip(worse, (5.0, 6.0, 7.0), strict=True):
        b.report(trial, value)
    with pytest.raises(LeaseLost):
        b.report(lost, 9.0)
    with Workspace(b.workspace.root, b.clock) as elsewhere:
        elsewhere.source(b.sweep).report(other.lease, b.log(other, 0.1))
    assert b.report(judged, 4.0).action == "stop", "only the best of five goes on, and 0.1 is better"


def test_leases_do_not_run_out_while_nobody_at_all_is_heard(bench: Any) -> None:
    """The store's server was away: whoever comes first takes nothing from those who will be heard in a moment."""
    b = bench(GRID)
    b.join("b")
    held = [b.take("a"), b.take("b")]
    b.clock.advance(60)
    b.workspace.catch_up(b.sweep)
    b.join("c")
    assert b.take("c").number == 3, "no lease was taken over"
    for trial in held:
        b.report(trial, 1.0)
    b.clock.advance(25)
    b.join("c")
    b.clock.advance(25)
    assert isinstance(b.offer("c"), Wait), "25 s without anybody is a hush again"


def test_who_looks_on_takes_back_what_all_agents_together_have_left_for_long(bench: Any) -> None:
    b = bench(GRID)
    trial = b.take()
    for seconds, state in ((60, TrialState.RUNNING), (61, TrialState.QUEUED)):
        b.clock.advance(seconds)
        b.workspace.catch_up(b.sweep)
        assert b.workspace.trial(trial.lease.run_id).state is state
