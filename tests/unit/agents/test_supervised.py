"""No child is left without supervision, whatever fails when it has just been started."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from swath.agents.executors.command import CommandChild
from swath.agents.executors.group import mark_path, write_mark
from swath.agents.executors.supervised import Wake, supervise
from swath.agents.executors.unstarted import NotStarted
from swath.agents.testing.worlds import gone, run_program
from swath.tracking.clock import SYSTEM_CLOCK


def test_a_child_that_cannot_be_watched_is_killed_and_has_not_started(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    wake = Wake()
    no_such_pipe = {"stdout": 1_000_000}
    execution = supervise([(0, (CommandChild(process), no_such_pipe))], tmp_path, 1, 1.0, SYSTEM_CLOCK, wake)
    outcome = execution.wait()
    wake.close()
    assert outcome.ending == "failed"
    assert "cannot be watched" in outcome.error
    assert gone([process.pid])


def test_a_trial_whose_mark_cannot_be_written_is_run_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark_path(tmp_path / "runs" / "run-1", 1).mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        source, report = run_program(tmp_path, "print('ran')")
    assert report.trials == {"finished": 1}
    assert source.output(1) == "ran\n"
    assert "0001.pid" in caplog.text


def test_a_mark_that_cannot_be_written_leaves_no_draft(tmp_path: Path) -> None:
    mark_path(tmp_path, 1).mkdir()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    write_mark(tmp_path, 1, process.pid)
    process.communicate(b"\n", timeout=60)
    assert [path.name for path in tmp_path.iterdir()] == ["0001.pid"]


def test_what_could_not_start_and_is_not_wanted_any_more_is_no_failure(tmp_path: Path) -> None:
    execution = NotStarted("no room", tmp_path, 1, SYSTEM_CLOCK)
    execution.stop("the agent leaves", "preempted")
    execution.kill("again")
    assert execution.wait().ending == "preempted"
