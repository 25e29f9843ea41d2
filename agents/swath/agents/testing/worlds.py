"""What the tests of agents share: programs to run, a source in memory, and waiting for something with a deadline."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from swath.agents import Agent, AgentInfo, AgentReport, Executor, Job, Task
from swath.agents.executors.command import CommandExecutor
from swath.agents.testing import MemorySource
from swath.tracking.clock import SYSTEM_CLOCK

DEADLINE_S = 60.0
INFO = AgentInfo("agent-1", "one", "here", os.getpid(), 0.0)


def job_of(task: Task, **changes: Any) -> Job:
    values: dict[str, Any] = {"metric": "loss", "grace_s": 1.0, "lease_s": 30.0}
    return Job("s1", "sweep", "tests", task, **(values | changes))


def program(folder: Path, text: str) -> Task:
    """A program with this text, run by the Python of the tests."""
    (folder / "train.py").write_text(text)
    return Task(program="train.py", cwd=str(folder))


def source_of(task: Task, trials: int = 1, **changes: Any) -> MemorySource:
    judge = {"judge": changes.pop("judge")} if "judge" in changes else {}
    configs = [{"x": number, "lr": 0.1} for number in range(1, trials + 1)]
    return MemorySource(job_of(task, **changes), configs, **judge)


def agent_of(source: MemorySource, executor: Executor, folder: Path, **changes: Any) -> Agent:
    return Agent(source, executor, INFO, run_root=folder / "runs", **changes)


def run_program(
    folder: Path, text: str, executor: Executor | None = None, **changes: Any
) -> tuple[MemorySource, AgentReport]:
    """Run a sweep of one trial of this program to its end."""
    source = source_of(program(folder, text), **changes)
    report = agent_of(source, executor or CommandExecutor(), folder).run()
    return source, report


def wait_for(condition: Callable[[], Any], what: str) -> None:
    until = SYSTEM_CLOCK.monotonic() + DEADLINE_S
    while not condition():
        assert SYSTEM_CLOCK.monotonic() < until, f"waited in vain for {what}"
        SYSTEM_CLOCK.sleep(0.01)


class InThread:
    """Runs an agent in a thread; `join` gives its report or raises its error."""

    def __init__(self, agent: Agent, count: int | None = None) -> None:
        self._agent = agent
        self._count = count
        self._report: AgentReport | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._report = self._agent.run(self._count)
        except BaseException as error:
            self._error = error

    def join(self) -> AgentReport:
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "the agent does not end"
        if self._error is not None:
            raise self._error
        assert self._report is not None
        return self._report


def gone(pids: Sequence[int]) -> bool:
    """Whether none of these processes runs any more (a zombie does not)."""
    return not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids_in(path: Path, count: int) -> list[int]:
    """The process numbers that a program has written into a file, one a line, once they are all there."""
    wait_for(lambda: path.exists() and path.read_text().count("\n") >= count, f"{count} pids in {path}")
    return [int(line) for line in path.read_text().split()]
