"""Stopping: verdicts, preemption, signals to the agent, a launcher that dies, and orphans of a killed agent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pytest

from swath.agents import Lease, Outcome, Verdict, reap_orphan
from swath.agents.executors.command import CommandExecutor
from swath.agents.executors.inline import InlineExecutor
from swath.agents.executors.process import ProcessExecutor
from swath.agents.protocol import Chunk, Offer, Task
from swath.agents.testing import MemorySource
from swath.agents.testing.worlds import InThread, agent_of, gone, job_of, pids_in, program, source_of, wait_for
from swath.tracking.errors import RetryLater
from swath.tracking.runlog.records import Row

LOGS_FOR_EVER = """
import os, sys, time
import swath.tracking as tracking
print(os.getpid(), file=open(os.path.join(os.path.dirname(__file__), 'pids'), 'a'), flush=True)
run = tracking.init()
while True:
    run.log({'loss': 1.0})
    time.sleep(0.01)
"""
IGNORES = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
print(f'{os.getpid()}\\n{child.pid}', file=open('pids', 'a'), flush=True)
import swath.tracking as tracking
run = tracking.init()
run.log({'loss': 1.0})
while True:
    time.sleep(0.05)
"""


def stop_at(rows_wanted: int, action: Literal["stop", "kill"] = "stop") -> Callable[[Lease, list[Row]], Verdict]:
    def judge(lease: Lease, rows: list[Row]) -> Verdict:
        return Verdict(action, "worse than the others") if len(rows) >= rows_wanted else Verdict()

    return judge


def outcome_of(source: MemorySource) -> Outcome:
    return source.trials[0].outcomes[-1][1]


def test_a_stop_verdict_ends_the_trial_as_stopped(tmp_path: Path) -> None:
    source = source_of(program(tmp_path, LOGS_FOR_EVER), decides=True, grace_s=60.0, judge=stop_at(1))
    report = agent_of(source, CommandExecutor(), tmp_path).run()
    assert report.trials == {"stopped": 1}
    assert outcome_of(source).error.startswith("worse than the others")
    assert outcome_of(source).exit_code == 0


def test_a_trial_that_ignores_everything_is_killed_with_its_children(tmp_path: Path) -> None:
    source = source_of(program(tmp_path, IGNORES), decides=True, grace_s=0.3, judge=stop_at(1))
    report = agent_of(source, CommandExecutor(), tmp_path).run()
    assert report.trials == {"stopped": 1}
    assert outcome_of(source).signal == signal.SIGKILL
    assert gone(pids_in(tmp_path / "pids", 2))


def test_a_kill_verdict_does_not_wait_for_a_row(tmp_path: Path) -> None:
    text = LOGS_FOR_EVER.replace("time.sleep(0.01)", "time.sleep(600)")
    source = source_of(program(tmp_path, text), decides=True, grace_s=60.0, judge=stop_at(1, "kill"))
    report = agent_of(source, CommandExecutor(), tmp_path).run()
    assert report.trials == {"killed": 1}
    assert outcome_of(source).signal == signal.SIGTERM


def test_an_inline_trial_is_stopped_at_the_very_row_that_decided_it(tmp_path: Path) -> None:
    def train() -> None:
        import swath.tracking as tracking

        with tracking.init() as run:
            for _ in range(100):
                run.log({"loss": 1.0})

    source = source_of(Task(function="given:here"), decides=True, judge=stop_at(3))
    report = agent_of(source, InlineExecutor(train), tmp_path).run()
    assert report.trials == {"stopped": 1}
    assert len(source.rows(1)) == 3


def test_a_lost_lease_kills_the_trial_and_nothing_of_it_is_written_any_more(tmp_path: Path) -> None:
    source = source_of(program(tmp_path, LOGS_FOR_EVER), decides=True, grace_s=60.0)
    running = InThread(agent_of(source, CommandExecutor(), tmp_path), count=1)
    pids = pids_in(tmp_path / "pids", 1)
    taken_by_another = source.leave
    taken_by_another("agent-1", "declared dead")
    report = running.join()
    assert report.trials == {"lost": 1}
    assert gone(pids)
    assert source.trials[0].outcomes == []


def test_abort_gives_the_trial_back_as_preempted(tmp_path: Path) -> None:
    source = source_of(program(tmp_path, LOGS_FOR_EVER), grace_s=60.0)
    agent = agent_of(source, CommandExecutor(), tmp_path)
    running = InThread(agent)
    pids = pids_in(tmp_path / "pids", 1)
    wait_for(lambda: source.rows(1), "a row")
    agent.abort("the machine is wanted back")
    report = running.join()
    assert report.trials == {"preempted": 1}
    assert [finish.stopped for finish in source.finishes(1)] == [True, True]  # the trial's word and the agent's
    assert report.reason == "the machine is wanted back"
    assert source.endings() == {}
    assert gone(pids)


def test_drain_finishes_the_running_trial_and_takes_no_other(tmp_path: Path) -> None:
    text = (
        "import os, time\nprint(os.getpid(), file=open('pids', 'a'), flush=True)\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
    )
    source = source_of(program(tmp_path, text), trials=3)
    agent = agent_of(source, CommandExecutor(), tmp_path)
    running = InThread(agent)
    pids_in(tmp_path / "pids", 1)
    agent.drain("enough")
    (tmp_path / "go").touch()
    report = running.join()
    assert report.trials == {"finished": 1}
    assert [trial.attempt for trial in source.trials] == [1, 0, 0]


def test_when_the_launcher_dies_the_trial_is_killed_and_given_back(tmp_path: Path) -> None:
    source = source_of(program(tmp_path, IGNORES), grace_s=60.0)
    agent = agent_of(source, CommandExecutor(), tmp_path)
    reading, writing = os.pipe()
    agent.watch_parent(reading)
    running = InThread(agent)
    pids = pids_in(tmp_path / "pids", 2)
    os.close(writing)
    report = running.join()
    os.close(reading)
    assert report.trials == {"preempted": 1}
    assert "launcher" in report.reason
    assert gone(pids)


class Lossy(MemorySource):
    """Every second finish and acquire is refused, every second one that is not takes effect and its answer is lost."""

    calls = 0

    def _lose(self) -> None:
        self.calls += 1
        if self.calls % 2:
            self.fail_next(RetryLater("busy"), after=self.calls % 4 == 1)

    def acquire(self, agent_id: str, request: str) -> Offer:
        self._lose()
        return super().acquire(agent_id, request)

    def finish(
        self, lease: Lease, outcome: Outcome, chunks: Sequence[Chunk], request: str | None = None
    ) -> Offer | None:
        self._lose()
        return super().finish(lease, outcome, chunks, request)


def test_answers_that_are_lost_or_late_lose_no_trial_and_count_none_twice(tmp_path: Path) -> None:
    task = program(tmp_path, "import swath.tracking as t\nwith t.init() as r: r.log({'loss': 1})")
    source = Lossy(job_of(task), [{"x": number} for number in range(6)])
    report = agent_of(source, CommandExecutor(), tmp_path).run()
    assert source.calls > 12
    assert report.trials == {"finished": 6}
    assert source.endings() == {"finished": 6}
    assert [trial.attempt for trial in source.trials] == [1] * 6
    assert [len(source.rows(number)) for number in range(1, 7)] == [1] * 6


def test_an_unforeseen_error_while_reporting_ends_the_agent_and_gives_the_trial_back(tmp_path: Path) -> None:
    class Broken(MemorySource):
        def report(self, lease: Lease, chunks: Sequence[Chunk]) -> Verdict:
            raise ZeroDivisionError("a fault of the source")

    source = Broken(source_of(program(tmp_path, LOGS_FOR_EVER)).job, [{"x": 1}])
    with pytest.raises(ZeroDivisionError):
        agent_of(source, CommandExecutor(), tmp_path).run()
    assert source.trials[0].holder is None
    assert gone(pids_in(tmp_path / "pids", 1))


def test_bytes_not_taken_are_sent_when_the_source_is_back(tmp_path: Path) -> None:
    class Away(MemorySource):
        away = True

        def report(self, lease: Lease, chunks: Sequence[Chunk]) -> Verdict:
            if self.away:
                raise RetryLater("away")
            return super().report(lease, chunks)

    text = LOGS_FOR_EVER.replace("while True", "for _ in range(50)")
    source = Away(source_of(program(tmp_path, text)).job, [{"x": 1}])
    report = agent_of(source, CommandExecutor(), tmp_path).run()
    assert report.trials == {"finished": 1}
    assert [row.step for row in source.rows(1)] == list(range(50))


AGENT = """
import os, sys
from pathlib import Path
from swath.agents import Task, install_signals
from swath.agents.testing.worlds import *
from swath.agents.executors.{module} import {executor}
folder = Path({folder!r})
what = dict(program="train.py") if {module!r} == "command" else dict(function="train:main")
task = Task(cwd=str(folder), **what)
source = source_of(task, grace_s=60.0, run_root=str(folder / "runs"))
agent = agent_of(source, {executor}(), folder)
install_signals(agent)
report = agent.run()
print(dict(report.trials), source.endings()["preempted"], flush=True)
"""
MAIN = """
import os, time
def main():
    import swath.tracking as tracking
    print(os.getpid(), file=open(os.path.join({folder!r}, 'pids'), 'a'), flush=True)
    run = tracking.init()
    run.log({{'loss': 1.0}})
    time.sleep(600)
if __name__ == '__main__':
    main()
"""
EXECUTORS = {"command": CommandExecutor, "process": ProcessExecutor, "inline": InlineExecutor}


def start_agent(folder: Path, module: str) -> subprocess.Popen[str]:
    (folder / "train.py").write_text(MAIN.format(folder=str(folder)))
    text = AGENT.format(folder=str(folder), module=module, executor=EXECUTORS[module].__name__)
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)


def ended(agent: subprocess.Popen[str]) -> str:
    out, _ = agent.communicate(timeout=60)
    return out.strip()


@pytest.mark.parametrize("module", EXECUTORS)
def test_sigterm_gives_the_trial_back_whatever_runs_it(tmp_path: Path, module: str) -> None:
    agent = start_agent(tmp_path, module)
    pids = pids_in(tmp_path / "pids", 1)
    row_is_there(tmp_path)
    agent.send_signal(signal.SIGTERM)
    if module != "inline":  # a sleeping child hears only the SIGTERM that would follow after the grace
        os.kill(pids[0], signal.SIGTERM)
    assert ended(agent) == "{'preempted': 1} 0"
    assert agent.returncode == 0
    assert gone(pids)


def test_sigints_after_the_first_stop_the_trial(tmp_path: Path) -> None:
    agent = start_agent(tmp_path, "inline")
    pids_in(tmp_path / "pids", 1)
    row_is_there(tmp_path)

    def asked_again() -> bool:
        agent.send_signal(signal.SIGINT)
        return agent.poll() is not None

    wait_for(asked_again, "the agent's end")
    assert ended(agent) == "{'preempted': 1} 0"


@pytest.mark.parametrize("module", ["command", "process"])
def test_the_orphan_of_a_killed_agent_is_found_and_killed(tmp_path: Path, module: str) -> None:
    agent = start_agent(tmp_path, module)
    pids = pids_in(tmp_path / "pids", 1)
    run_dir = tmp_path / "runs" / "run-1"
    wait_for((run_dir / "0001.pid").exists, "the pid file")
    agent.kill()
    agent.wait(timeout=60)  # its stdout stays open for as long as the orphan's fork server lives
    assert not gone(pids)
    assert not reap_orphan(run_dir, 2)
    assert reap_orphan(run_dir, 1)
    wait_for(lambda: gone(pids), "the orphan's end")
    agent.communicate(timeout=60)
    assert not reap_orphan(run_dir, 1)


def row_is_there(folder: Path) -> None:
    from swath.tracking.runlog.logfile import read_from

    wait_for(lambda: b"loss" in read_from(folder / "runs" / "run-1" / "0001.log", 0), "a row")
