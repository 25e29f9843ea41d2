"""Which attempts are run again, when, and when a trial is set aside; the clock is a fake one."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from swath.agents.protocol import Assignment, Outcome, Over, Wait
from swath.sweeps import tables
from swath.sweeps.explaining import explain
from swath.sweeps.ledger import TrialRow
from swath.sweeps.settling import settle
from swath.sweeps.spec import parse_spec
from swath.sweeps.spec.model import Retry
from swath.sweeps.states import TrialState

ONE: dict[str, Any] = {
    "method": "grid", "metric": {"name": "loss"}, "parameters": {"x": {"values": [1]}}, "program": "train.py",
}  # fmt: skip


def of(**retry: Any) -> dict[str, Any]:
    return {**ONE, "retry": retry}


def test_a_crashed_trial_waits_twice_as_long_each_time_up_to_the_longest_wait(bench: Any) -> None:
    b = bench(of(backoff="30s", backoff_max="100s", max=4))
    for wait in (30, 60, 100, 100):
        b.finish(b.take(), ending="crashed", signal=11)
        assert f"in {wait} s" in b.workspace.trial(f"{b.sweep}-1").reason
        b.clock.advance(wait - 1)
        assert isinstance(b.offer(), Wait)
        b.clock.advance(1)
    b.finish(b.take(), 1.0)
    assert isinstance(b.offer(), Over)


def test_other_trials_are_handed_out_while_one_waits(bench: Any) -> None:
    b = bench({**of(backoff="30s"), "parameters": {"x": {"values": [1, 2]}}})
    b.finish(b.take(), ending="crashed", signal=11)
    second = b.take()
    assert second.number == 2
    b.clock.advance(30)
    b.join("b")
    assert b.take("b").number == 1


def test_a_preempted_trial_and_one_retried_by_hand_do_not_wait(bench: Any) -> None:
    b = bench(of(backoff="1h", max=1))
    b.finish(b.take(), ending="preempted")
    b.finish(b.take(), ending="crashed", signal=11)
    b.clock.advance(3600)
    b.finish(b.take(), ending="crashed", signal=11)
    assert b.workspace.trial(f"{b.sweep}-1").state is TrialState.FAILED
    b.workspace.retry(b.sweep)
    assert isinstance(b.offer(), Assignment)


def test_a_trial_whose_agents_die_waits_too(bench: Any) -> None:
    b = bench(of(backoff="50s"))
    b.take()
    b.join("b")
    b.lapse()
    assert isinstance(b.offer("b"), Wait)
    b.clock.advance(50)
    assert b.take("b").lease.attempt == 2


@pytest.mark.parametrize(
    ("on", "outcome", "again"),
    [
        (["crashed"], Outcome("crashed", None, 9, "", "oom"), True),
        (["crashed"], Outcome("failed", 1, None, "MemoryError", "oom"), False),
        (["oom"], Outcome("failed", 1, None, "MemoryError", "oom"), True),
        (["oom"], Outcome("crashed", None, 9, "", "oom"), True),
        (["oom"], Outcome("crashed", None, 11), False),
        (["hung"], Outcome("crashed", None, 15, "silent", "hung"), True),
        (["crashed"], Outcome("crashed", None, 15, "silent", "hung"), True),
        (["failed"], Outcome("crashed", None, 15, "silent", "hung"), False),
    ],
)
def test_an_attempt_is_retried_where_its_ending_or_its_cause_is_named(
    on: list[str], outcome: Outcome, again: bool
) -> None:
    trial = TrialRow("s-1", "s", 1, "t", TrialState.RUNNING, "", "", {}, "", 1, 0, 1)
    settled = settle(trial, outcome, Retry(on=frozenset(on)), False)
    assert settled.state is (TrialState.QUEUED if again else TrialState.FAILED)
    if not again:
        assert "retry.on does not name" in settled.reason


def test_a_poisoned_configuration_is_set_aside_after_so_many_attempts_whoever_died(bench: Any) -> None:
    b = bench(of(set_aside=3, max=10))
    b.finish(b.take(), ending="crashed", signal=11)
    b.take()
    b.join("b")
    b.lapse()
    b.finish(b.take("b"), ending="crashed", signal=9, cause="oom")
    trial = b.workspace.trial(f"{b.sweep}-1")
    assert trial.state is TrialState.FAILED
    assert trial.reason == (
        "the trial ran out of memory (the kernel killed it); "
        "3 attempts of it ended badly, so its configuration is set aside as poisoned"
    )


def test_a_hung_process_whose_run_was_done_counts_as_finished(bench: Any) -> None:
    from swath.tracking.runlog.records import Finish

    b = bench(of(hang_after="10m"))
    trial = b.take()
    chunks = b.log(trial, 0.5, end=Finish(0, b.clock.now()))
    b.source.finish(trial.lease, Outcome("crashed", None, 15, "silent", "hung"), chunks)
    assert b.workspace.trial(trial.lease.run_id).state is TrialState.FINISHED


def test_each_attempt_is_explained_with_its_cause(bench: Any) -> None:
    b = bench(of(max=2, on=["oom", "hung"], hang_after="10m"))
    assert b.source.join(_agent(b)).hang_after_s == 600
    silent = "no report and no output for 600 s: the program hangs"
    b.finish(b.take(), ending="crashed", signal=15, error=f"{silent}\nepoch 1", cause="hung")
    b.finish(b.take(), ending="failed", exit_code=1, error="MemoryError", cause="oom")
    b.finish(b.take(), ending="failed", exit_code=1, error="ValueError")
    told = explain(b.workspace, b.sweep, 1).attempts
    assert [attempt.cause for attempt in told] == ["hung", "oom", "failed"]
    assert told[0].reason == f"{silent}; retry 1 of 2"
    assert told[1].reason == "the trial ran out of memory (exit code 1); retry 2 of 2"


def _agent(b: Any) -> Any:
    from swath.agents.protocol import AgentInfo

    return AgentInfo("c", "c", "elsewhere", 1, b.clock.now())


def test_the_keys_of_retry_survive_the_spec_s_own_dict() -> None:
    spec = parse_spec(of(backoff="1.5s", backoff_max="20d", hang_after="1h 30m", set_aside=4, on=["oom"]))
    assert spec.retry == Retry(5, frozenset({"oom"}), 1.5, 1_728_000.0, 5400.0, 4)
    assert parse_spec(spec.to_dict()).retry == spec.retry


def test_a_store_without_waits_gets_the_column_and_one_that_has_it_is_left_alone() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        tables.MIGRATIONS[0](connection)
        connection.exec_driver_sql("ALTER TABLE trials DROP COLUMN not_before")
        for _ in range(2):
            tables.MIGRATIONS[2](connection)
        assert "not_before" in {column["name"] for column in sa.inspect(connection).get_columns("trials")}
    engine.dispose()
