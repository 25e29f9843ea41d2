"""The laws of `Executor`, as tests: subclass `ExecutorLaws` in a test file and say how to make one and its task."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from swath.agents.executors.base import Execution, Executor
from swath.agents.protocol import Assignment, Ending, Job, Lease, Outcome, Task
from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.context import TrialContext
from swath.tracking.layout import segments
from swath.tracking.runlog.frames import decode
from swath.tracking.runlog.logfile import read_from
from swath.tracking.runlog.records import AnyRecord, Config, Row

#: A trial that every executor can run; the bodies below are all one module, so that one file serves all laws.
TRAIN = """
import os, sys, time
import swath.tracking as tracking

def finishes(config):
    with tracking.init() as run:
        for epoch in range(config["epochs"]):
            run.log({"loss": 1.0 / (1 + epoch)})

def left_open(config):
    tracking.init()
    tracking.log({"loss": 1.0})

def no_argument():
    with tracking.init() as run:
        run.log({"epochs_seen": run.config.epochs})

def returns_a_dict(config):
    return {"loss": 0.25, "text": "not a number"}

def raises(config):
    tracking.init()
    raise ValueError("the learning rate is wrong")

def exits(config):
    sys.exit(7)

def logs_for_ever(config):
    with tracking.init() as run:
        while True:
            run.log({"loss": 1.0})
            time.sleep(0.01)

def logs_nan(config):
    with tracking.init() as run:
        run.log({"loss": float("nan")})

def logs_a_string(config):
    with tracking.init() as run:
        run.log({"loss": "low"})

def silent(config):
    pass
"""


class _Start(Protocol):
    def __call__(self, function: str, grace_s: float = 2.0) -> Running: ...


@dataclass
class Running:
    """One started attempt."""

    execution: Execution
    run_dir: Path

    def records(self) -> list[AnyRecord]:
        return [record for path in segments(self.run_dir) for record in decode(read_from(path, 0))[0]]

    def rows(self) -> list[Row]:
        return [record for record in self.records() if isinstance(record, Row)]

    def wait_for_row(self) -> None:
        until = SYSTEM_CLOCK.monotonic() + 30
        while not self.rows():
            assert SYSTEM_CLOCK.monotonic() < until, "no row came"
            SYSTEM_CLOCK.sleep(0.01)


class ExecutorLaws:
    """Subclass it as `TestX` and implement `make` and `task`."""

    def make(self) -> Executor:
        raise NotImplementedError

    def task(self, function: str, folder: Path) -> Task:
        """The task that runs this function of the module `lawful_train` in `folder`."""
        raise NotImplementedError

    @pytest.fixture
    def start(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Start]:
        (tmp_path / "lawful_train.py").write_text(TRAIN)
        monkeypatch.syspath_prepend(str(tmp_path))
        executor = self.make()

        def begin(function: str, grace_s: float = 2.0) -> Running:
            job = self._job(function, tmp_path, grace_s)
            run_dir = tmp_path / "runs" / function
            config = {"epochs": 3, "lr": 0.1}
            assignment = Assignment(Lease(function, 1, "agent"), 1, "trial-1", config)
            context = TrialContext(function, 1, "s1", run_dir, "trial-1", "tests", config=config, capture_console=False)
            executor.prepare(job)
            return Running(executor.start(assignment, job, run_dir, context), run_dir)

        yield begin
        executor.close()

    def _job(self, function: str, folder: Path, grace_s: float) -> Job:
        return Job("s1", "laws", "tests", self.task(function, folder), metric="loss", grace_s=grace_s)

    def test_a_trial_that_ends_well_is_finished_and_its_rows_are_in_the_log(self, start: _Start) -> None:
        running = start("finishes")
        assert running.execution.wait() == Outcome("finished", 0)
        assert [row.values["loss"] for row in running.rows()] == [1.0, 0.5, 1.0 / 3]

    def test_the_trial_sees_its_config(self, start: _Start) -> None:
        running = start("no_argument")
        assert running.execution.wait().ending == "finished"
        assert running.rows()[0].values == {"epochs_seen": 3}
        configs = [record.values for record in running.records() if isinstance(record, Config)]
        assert configs == [{"epochs": 3, "lr": 0.1}]

    def test_a_run_left_open_is_finished(self, start: _Start) -> None:
        running = start("left_open")
        assert running.execution.wait().ending == "finished"
        assert any(type(record).__name__ == "Finish" for record in running.records())

    def test_an_exception_is_a_failure_with_its_traceback(self, start: _Start) -> None:
        outcome = start("raises").execution.wait()
        assert (outcome.ending, outcome.exit_code) == ("failed", 1)
        assert "ValueError: the learning rate is wrong" in outcome.error
        assert "in raises" in outcome.error

    def test_an_exit_code_is_reported(self, start: _Start) -> None:
        outcome = start("exits").execution.wait()
        assert (outcome.ending, outcome.exit_code) == ("failed", 7)

    def test_a_stop_ends_the_trial_at_its_next_row(self, start: _Start) -> None:
        running = start("logs_for_ever", grace_s=60.0)
        stopper = _once_it_logs(running, "too slow", "stopped")
        outcome = running.execution.wait()
        stopper.join()
        assert (outcome.ending, outcome.exit_code) == ("stopped", 0)
        assert "too slow" in outcome.error

    def test_a_stop_for_preemption_is_preempted(self, start: _Start) -> None:
        running = start("logs_for_ever", grace_s=60.0)
        stopper = _once_it_logs(running, "leaving", "preempted")
        assert running.execution.wait().ending == "preempted"
        stopper.join()

    def test_a_stop_before_the_first_segment_is_not_forgotten(self, start: _Start) -> None:
        running = start("logs_for_ever", grace_s=60.0)
        running.execution.stop("at once")
        assert running.execution.wait().ending == "stopped"

    def test_a_stop_after_the_end_changes_nothing(self, start: _Start) -> None:
        running = start("finishes")
        outcome = running.execution.wait()
        running.execution.stop("late")
        running.execution.kill("later")
        assert outcome.ending == "finished"

    def test_a_nan_is_recorded_and_is_no_failure(self, start: _Start) -> None:
        running = start("logs_nan")
        assert running.execution.wait().ending == "finished"
        assert running.rows()[0].values["loss"] != running.rows()[0].values["loss"]

    def test_a_trial_that_does_nothing_is_finished(self, start: _Start) -> None:
        running = start("silent")
        assert running.execution.wait().ending == "finished"

    def test_one_executor_runs_trials_one_after_the_other(self, start: _Start) -> None:
        assert [start(name).execution.wait().ending for name in ("finishes", "exits", "left_open")] == [
            "finished",
            "failed",
            "finished",
        ]


class FunctionLaws(ExecutorLaws):
    """More laws, for executors that call a function themselves."""

    def test_a_returned_dict_is_logged_as_a_row_of_its_numbers(self, start: _Start) -> None:
        running = start("returns_a_dict")
        assert running.execution.wait().ending == "finished"
        assert [row.values for row in running.rows()] == [{"loss": 0.25}]


def _once_it_logs(running: Running, reason: str, ending: Ending) -> threading.Thread:
    """Stop the trial, from another thread, when its first row is in the log."""

    def work() -> None:
        running.wait_for_row()
        running.execution.stop(reason, ending)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
