"""The store follows the logs of runs that are no trials of its sweeps, whatever became of them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from swath.sweeps.workspace import Workspace
from swath.tracking.host import this_host
from swath.tracking.layout import database_path
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import AnyRecord, Finish, Header, Row
from swath.tracking.store import RunRow
from swath.tracking.testing.clock import FakeClock

BEGAN = 500_000.0
#: After the beginning of any process that a test asks for.
LATER = 4e9
#: A process that has ended, and so its pid; the tests' own process lives.
GONE = subprocess.Popen([sys.executable, "-c", ""])
GONE.wait()


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / ".swath", FakeClock()) as made:
        yield made


def header(pid: int = GONE.pid, time: float = BEGAN, attempt: int = 1, sweep: str = "") -> Header:
    return Header("r1", attempt, time, "name", sweep_id=sweep, host=this_host(), pid=pid)


def row(step: int, time: float = BEGAN) -> Row:
    return Row(step, time + step, {"loss": float(step)})


def write(workspace: Workspace, *records: AnyRecord, run: str = "r1", segment: str = "0001.log") -> Path:
    """Write records behind what the segment holds."""
    path = workspace.root / "runs" / run / segment
    writer = LogWriter(path)
    for record in records:
        writer.append(record)
    writer.close()
    return path


def damage(path: Path, frame: bytes) -> None:
    data = path.read_bytes()
    at = data.index(frame, HEADER_SIZE)
    path.write_bytes(data[:at] + b"\xff" + data[at + 1 :])


def only(workspace: Workspace) -> RunRow:
    found = workspace.runs()
    assert [run.id for run in found] == ["r1"]
    return found[0]


def test_a_run_is_as_old_as_its_log_says_whenever_it_is_looked_at(workspace: Workspace) -> None:
    write(workspace, header(), row(0), Finish(0, BEGAN + 9))
    run = only(workspace)
    assert (run.created, run.ended, run.state, run.rows) == (BEGAN, BEGAN + 9, "finished", 1)


def test_a_run_that_ended_and_was_resumed_is_running_again(workspace: Workspace) -> None:
    write(workspace, header(), row(0), Finish(1, BEGAN + 9, "boom"))
    assert only(workspace).state == "failed"
    write(workspace, header(os.getpid(), LATER), row(1, LATER))
    run = only(workspace)
    assert (run.state, run.ended, run.error, run.rows, run.created) == ("running", None, "", 2, BEGAN)
    write(workspace, Finish(0, LATER + 9))
    assert (only(workspace).state, only(workspace).exit_code) == ("finished", 0)


def test_a_run_that_was_resumed_before_anybody_looked_is_running(workspace: Workspace) -> None:
    write(workspace, header(), row(0), Finish(0, BEGAN + 9), header(os.getpid(), LATER))
    write(workspace, row(0), segment="0001-fork7.log")
    run = only(workspace)
    assert (run.state, run.created, run.rows) == ("running", BEGAN, 2)


def test_a_run_without_an_end_is_lost_until_it_is_resumed(workspace: Workspace) -> None:
    write(workspace, header(), row(3))
    run = only(workspace)
    assert (run.state, run.ended) == ("lost", BEGAN + 3)
    assert only(workspace) == run
    write(workspace, header(os.getpid(), LATER))
    assert only(workspace).state == "running"


def test_a_pid_that_another_process_has_by_now_is_no_sign_of_life(workspace: Workspace) -> None:
    write(workspace, header(os.getpid(), time=BEGAN), row(1))
    assert only(workspace).state == "lost"


def test_rows_of_a_forked_child_that_came_late_are_taken_over(workspace: Workspace) -> None:
    write(workspace, header(), row(0), Finish(0, BEGAN + 9))
    assert only(workspace).rows == 1
    write(workspace, row(1), segment="0001-fork7.log")
    assert (only(workspace).rows, only(workspace).state) == (2, "finished")


def test_nothing_is_written_when_nothing_is_new(workspace: Workspace) -> None:
    write(workspace, header(), row(0), Finish(0, BEGAN + 9))
    path = write(workspace, header(), row(0), run="r2")
    with path.open("ab") as segment:
        segment.write(bytes(8192))
    (workspace.root / "runs" / "bad").mkdir()
    (workspace.root / "runs" / "bad" / "0001.log").write_bytes(b"something else")
    assert len(workspace.runs()) == 3
    before = len(workspace_events(workspace))
    workspace.catch_up()
    assert len(workspace_events(workspace)) == before == 3


def workspace_events(workspace: Workspace) -> list[object]:
    with workspace._database.read() as connection:
        return list(connection.exec_driver_sql("SELECT id FROM events"))


def test_files_that_are_no_segments_are_left_alone(workspace: Workspace) -> None:
    write(workspace, header(), Finish(0, BEGAN))
    (workspace.root / "runs" / "r1" / "notes.log").write_text("mine")
    (workspace.root / "runs" / "bad").mkdir()
    (workspace.root / "runs" / "bad" / "notes.log").write_text("mine")
    (workspace.root / "runs" / "no run's name").mkdir()
    (workspace.root / "runs" / "no run's name" / "0001.log").write_text("mine")
    assert only(workspace).state == "finished"


def test_a_log_that_was_overwritten_damages_its_run_and_no_other(workspace: Workspace) -> None:
    write(workspace, header(), row(0), Finish(0, BEGAN))
    for name in ("a", "z"):
        write(workspace, header(), run=name).write_bytes(b"something else entirely")
    told = {run.id: run for run in workspace.runs()}
    assert [told[name].state for name in ("a", "r1", "z")] == ["damaged", "finished", "damaged"]
    assert "not a run log" in told["a"].error
    assert told["a"].created > 0
    assert told["a"].ended == told["a"].created


def test_a_segment_that_is_damaged_hides_none_of_the_others(workspace: Workspace) -> None:
    write(workspace, header(), row(0))
    write(workspace, row(1), segment="0001-fork1.log").write_bytes(b"something else")
    write(workspace, row(2), segment="0001-fork2.log")
    run = only(workspace)
    assert (run.state, run.rows, run.created) == ("damaged", 2, BEGAN)
    write(workspace, Finish(0, BEGAN + 9))
    run = only(workspace)
    assert (run.state, run.rows) == ("finished", 2)
    assert "fork1" in run.error


def test_a_file_that_cannot_be_read_stops_nothing_and_is_told(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    write(workspace, header(), Finish(0, BEGAN))
    (workspace.root / "runs" / "a").mkdir()
    (workspace.root / "runs" / "a" / "0001.log").mkdir()
    with caplog.at_level(logging.WARNING):
        assert only(workspace).state == "finished"
    assert "run a " in caplog.text


@pytest.mark.parametrize("alive", [True, False])
def test_a_damaged_frame_hides_the_rest_only_while_somebody_writes(workspace: Workspace, alive: bool) -> None:
    opening = header(os.getpid(), LATER) if alive else header()
    path = write(workspace, opening, row(0), row(1), Finish(0, BEGAN + 9))
    damage(path, b"loss")
    run = only(workspace)
    assert (run.state, run.rows, run.ended) == (("running", 0, None) if alive else ("finished", 1, BEGAN + 9))


def test_a_run_whose_first_frame_is_damaged_is_listed(workspace: Workspace) -> None:
    path = write(workspace, header(), row(0), Finish(0, BEGAN + 9))
    damage(path, b"name")
    run = only(workspace)
    assert (run.state, run.rows) == ("finished", 1)
    assert run.created > 0


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_new_store_takes_over_the_runs_of_sweeps_it_does_not_know(workspace: Workspace, attempts: int) -> None:
    for attempt in range(1, attempts + 1):
        write(workspace, header(attempt=attempt, sweep="s1"), row(attempt), segment=f"000{attempt}.log")
    write(workspace, Finish(None, BEGAN + 9, "killed", 0, 9), segment=f"000{attempts}-agent.log")
    run = only(workspace)
    assert (run.sweep_id, run.state, run.rows, run.attempt) == ("s1", "failed", 1, attempts)
    assert (run.created, run.summary) == (BEGAN, {"loss": float(attempts)})


PROGRAM = "import swath.tracking as t\nwith t.init() as run: run.log({'loss': run.config.lr})\n"
SWEEP = "method: grid\nparameters: {lr: {values: [1, 2]}}\nmetric: {name: loss}\nprogram: train.py\n"


def test_the_trials_of_a_sweep_are_the_controllers_until_its_store_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swath import sweeps

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWATH_DIR", raising=False)
    (tmp_path / "train.py").write_text(PROGRAM)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    sweep_id = sweeps.run("sweep.yaml", quiet=True).id
    root = tmp_path / ".swath"
    with Workspace(root) as workspace:
        before = {run.id: run for run in workspace.runs()}
        trials = workspace.trials(sweep_id)
    assert before.keys() == {trial.run_id for trial in trials}
    for path in root.glob(f"{database_path(root).name}*"):
        path.unlink()
    with Workspace(root) as workspace:
        after = {run.id: run for run in workspace.runs()}
    assert after.keys() == before.keys()
    for run_id, run in after.items():
        assert (run.state, run.summary, run.sweep_id) == ("finished", before[run_id].summary, sweep_id)


HOLDING = """
import sys, swath.tracking as tracking
run = tracking.init(id="r1", resume="allow")
run.log({"loss": 1})
print(flush=True)
sys.stdin.read()
"""


def start_holding(root: Path) -> subprocess.Popen[str]:
    """A process that has logged one row of run r1, and ends when it is told to."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDING],
        env={**kept, "SWATH_DIR": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_a_killed_process_leaves_a_lost_run_that_another_one_goes_on_with(workspace: Workspace) -> None:
    first = start_holding(workspace.root)
    assert only(workspace).state == "running"
    first.kill()
    first.communicate()
    assert only(workspace).state == "lost"
    second = start_holding(workspace.root)
    assert (only(workspace).state, only(workspace).rows) == ("running", 2)
    second.communicate("")
    assert (only(workspace).state, only(workspace).rows) == ("finished", 2)
