"""Bad programs: whatever a trial's program does, the agent reports it and leaves no process behind."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from swath.agents import Agent, AgentReport, Executor, Task, TaskError
from swath.agents.executors.command import CommandExecutor
from swath.agents.executors.program import ProgramExecutor
from swath.agents.testing import MemorySource
from swath.agents.testing.worlds import INFO, agent_of, gone, job_of, pids_in, program, run_program, source_of

Run = Callable[..., tuple[MemorySource, AgentReport]]
INIT = "import os, sys, time, signal\nimport swath.tracking as tracking\nrun = tracking.init()\n"


@pytest.fixture(params=[CommandExecutor, ProgramExecutor], ids=["cold", "warm"])
def executor(request: pytest.FixtureRequest) -> Executor:
    made: Executor = request.param()
    return made


@pytest.fixture
def run(executor: Executor) -> Run:
    return functools.partial(run_program, executor=executor)


def test_a_good_program_is_finished_with_its_rows_and_output(run: Run, tmp_path: Path) -> None:
    text = INIT + "print('hello', run.config.x)\nrun.log({'loss': 0.5})\n"
    source, report = run(tmp_path, text)
    assert report.trials == {"finished": 1}
    assert [row.values for row in source.rows(1)] == [{"loss": 0.5}]
    assert source.output(1) == "hello 1\n"
    assert source.left[INFO.id] == report.reason == "all trials have ended"


def test_a_program_gets_its_parameters_as_arguments(run: Run, tmp_path: Path) -> None:
    source, _ = run(tmp_path, "import sys; print(sys.argv[1:])")
    assert source.output(1) == "['--x=1', '--lr=0.1']\n"


def test_a_program_that_does_not_exist_is_said_before_the_first_trial(tmp_path: Path) -> None:
    source = source_of(Task(program="nowhere.py", cwd=str(tmp_path)))
    with pytest.raises(TaskError, match=r"'nowhere\.py' does not exist .*looked at"):
        agent_of(source, CommandExecutor(), tmp_path).run()
    assert source.trials[0].attempt == 0
    assert source.left


def test_a_program_that_prints_nothing_and_logs_nothing_is_finished(run: Run, tmp_path: Path) -> None:
    source, report = run(tmp_path, "pass")
    assert report.trials == {"finished": 1}
    assert source.records(1) == []


def test_a_program_that_fails_at_once_is_failed_with_its_last_lines(run: Run, tmp_path: Path) -> None:
    source, report = run(tmp_path, "raise ValueError('no data')")
    assert report.trials == {"failed": 1}
    assert not report.broken
    outcome = source.trials[0].outcomes[0][1]
    assert outcome.exit_code == 1
    assert outcome.error.endswith("ValueError: no data")
    assert source.finishes(1)[0].exit_code == 1


def test_three_failures_at_the_start_stop_the_agent_with_the_programs_last_lines(run: Run, tmp_path: Path) -> None:
    source, report = run(tmp_path, "raise ValueError('no data')", trials=10)
    assert report.broken
    assert report.trials == {"failed": 3}
    assert "ValueError: no data" in report.reason
    assert source.left[INFO.id] == report.reason


def test_a_nan_is_a_row(run: Run, tmp_path: Path) -> None:
    source, report = run(tmp_path, INIT + "run.log({'loss': float('nan')})")
    assert report.trials == {"finished": 1}
    assert math.isnan(source.rows(1)[0].values["loss"])


def test_a_string_is_a_row_or_a_clear_failure(run: Run, tmp_path: Path) -> None:
    source, _ = run(tmp_path, INIT + "run.log({'loss': 'low'})")
    ended = source.trials[0].outcomes[0][1]
    assert ended.ending == "finished" or "low" in ended.error


def test_output_that_is_not_utf_8_is_kept_with_replacement_characters(run: Run, tmp_path: Path) -> None:
    text = "import sys; sys.stdout.buffer.write(b'caf\\xe9 \\xff\\n'); sys.stdout.buffer.write('ö'.encode()[:1])"
    source, report = run(tmp_path, text)
    assert report.trials == {"finished": 1}
    assert source.output(1) == "caf� �\n�"


def test_huge_output_is_kept_whole(run: Run, tmp_path: Path) -> None:
    text = "import sys\nfor _ in range(12): sys.stdout.write('x' * 999_999 + '\\n')\nprint('end', file=sys.stderr)"
    source, report = run(tmp_path, text)
    assert report.trials == {"finished": 1}
    assert len(source.output(1)) == 12 * 1_000_000 + len("end\n")
    assert max(size for _, _, size in source.trials[0].received) <= 4 * 1024 * 1024


def test_forked_children_are_gone_when_the_trial_is_over(run: Run, tmp_path: Path) -> None:
    text = (
        "import os, subprocess, sys\n"
        "for _ in range(2):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    print(child.pid, file=open('pids', 'a'), flush=True)\n"
    )
    _, report = run(tmp_path, text)
    assert report.trials == {"finished": 1}
    pids = pids_in(tmp_path / "pids", 2)
    assert gone(pids)


def test_a_daemon_that_left_the_group_and_holds_the_pipe_does_not_hold_the_agent(run: Run, tmp_path: Path) -> None:
    text = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "print(child.pid, file=open('pids', 'a'), flush=True)\n"
    )
    _, report = run(tmp_path, text)
    (pid,) = pids_in(tmp_path / "pids", 1)
    os.kill(pid, 9)
    assert report.trials == {"finished": 1}


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
def test_death_by_a_signal_of_its_own_is_a_crash_that_names_it(executor: Executor, tmp_path: Path, name: str) -> None:
    text = INIT + f"run.log({{'loss': 1}}); print('before', flush=True); os.kill(os.getpid(), signal.{name})"
    task = program(tmp_path, text)
    source = MemorySource(job_of(task), [{"x": 1}], most_attempts=1)
    report = agent_of(source, executor, tmp_path).run()
    outcome = source.trials[0].outcomes[0][1]
    assert report.trials == {"crashed": 1}
    assert outcome.exit_code is None
    assert name in outcome.error
    assert "before" in outcome.error
    assert len(source.rows(1)) == 1


def test_a_command_that_cannot_be_executed_is_a_failure_that_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "tool"
    broken.write_text("not a program")
    broken.chmod(0o755)
    source = source_of(Task(command=(str(broken),), cwd=str(tmp_path)))
    report = Agent(source, CommandExecutor(), INFO, run_root=tmp_path / "runs").run()
    assert report.trials == {"failed": 1}
    assert "could not start" in source.trials[0].outcomes[0][1].error


def test_the_local_logs_are_removed_once_they_are_delivered(run: Run, tmp_path: Path) -> None:
    source, _ = run(tmp_path, INIT + "run.log({'loss': 1})")
    assert len(source.rows(1)) == 1
    assert list((tmp_path / "runs").iterdir()) == []


def test_where_the_sources_disk_is_shared_the_logs_stay(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "shared" / "runs"
    run(tmp_path, INIT + "run.log({'loss': 1})", run_root=str(root))
    assert (root / "run-1" / "0001.log").exists()
    assert not (root / "run-1" / "0001.pid").exists()
