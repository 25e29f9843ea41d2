"""The laws of `Launcher`, as tests: subclass `LauncherLaws` in a test file and say how to make one and its server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from swath.agents.launchers.base import AgentEvent, Launcher
from swath.agents.protocol import Job, Task
from swath.agents.testing.memory import MemorySource
from swath.agents.testing.worlds import gone, wait_for
from swath.tracking.clock import SYSTEM_CLOCK

#: One module for all laws. A trial that holds says so with a file and goes on when it finds another one.
TRAIN = """
import os, time
import swath.tracking as tracking

HERE = os.path.dirname(__file__)

def quick(config):
    with tracking.init() as run:
        run.log({"loss": config["x"]})

def holds(config):
    with tracking.init() as run:
        open(os.path.join(HERE, "held"), "a").write(f"{os.getpid()}\\n")
        while not os.path.exists(os.path.join(HERE, "go")):
            run.log({"loss": config["x"]})
            time.sleep(0.02)

def breaks(config):
    raise ValueError("the data set is gone")
"""


class LauncherWorld(Protocol):
    """A server of `source`, and launchers whose agents ask it."""

    source: MemorySource

    def launcher(self, agents: int, **options: Any) -> Launcher:
        """A launcher, not started yet; `executor` is one of its options."""
        ...

    def close_server(self) -> None:
        """Stop serving."""
        ...

    def open_server(self) -> None:
        """Serve again at the same address."""
        ...


Worlds = Callable[[MemorySource], LauncherWorld]


class LauncherLaws:
    """Subclass it as `TestX`, and give it a fixture `world_of: Worlds`."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        (tmp_path / "laws_train.py").write_text(TRAIN)
        self.folder = tmp_path

    def trials(self, function: str, count: int, **changes: Any) -> MemorySource:
        task = Task(function=f"laws_train:{function}", cwd=str(self.folder))
        values: dict[str, Any] = {"lease_s": 5.0, "grace_s": 5.0, "metric": "loss"} | changes
        job = Job(sweep_id="s1", sweep_name="laws", project="tests", task=task, **values)
        return MemorySource(job, [{"x": number} for number in range(count)])

    def held(self) -> list[int]:
        """The processes of trials that have begun to hold."""
        path = self.folder / "held"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def let_go(self) -> None:
        (self.folder / "go").touch()

    def test_every_trial_is_run_once_and_then_no_agent_is_left(self, world_of: Worlds) -> None:
        source = self.trials("quick", 20)
        with world_of(source).launcher(2, executor="inline") as launcher:
            launcher.start()
            events = until(launcher, lambda: not launcher.alive)
        assert source.endings() == {"finished": 20}
        assert [trial.attempt for trial in source.trials] == [1] * 20
        assert sorted(event.kind for event in events) == ["ended", "ended", "started", "started"]
        assert {event.exit_code for event in events if event.kind == "ended"} == {0}
        assert launcher.broken is None

    def test_an_agent_that_is_killed_is_replaced_and_its_trial_is_not_lost(self, world_of: Worlds) -> None:
        source = self.trials("holds", 3)
        with world_of(source).launcher(1, executor="process") as launcher:
            launcher.start()
            until(launcher, self.held)
            psutil.Process(next(iter(source.agents.values())).pid).kill()
            events = until(launcher, lambda: len(source.agents) == 2)
            self.let_go()
            until(launcher, lambda: not launcher.alive)
        assert [event.kind for event in events if event.kind != "started"] == ["ended", "replaced"]
        assert source.endings() == {"finished": 3}
        assert sorted(trial.attempt for trial in source.trials) == [1, 1, 2]

    def test_a_broken_program_is_named_and_its_agent_not_replaced(self, world_of: Worlds) -> None:
        source = self.trials("breaks", 20)
        with world_of(source).launcher(1, executor="process") as launcher:
            launcher.start()
            events = until(launcher, lambda: not launcher.alive)
        assert [event.kind for event in events] == ["started", "ended"]
        assert "the data set is gone" in (launcher.broken or "")
        assert source.endings() == {"failed": 3}

    def test_a_function_that_is_not_there_is_named_and_its_agent_not_replaced(self, world_of: Worlds) -> None:
        source = self.trials("no_such_function", 2)
        with world_of(source).launcher(1) as launcher:
            launcher.start()
            until(launcher, lambda: not launcher.alive)
        assert "no_such_function" in (launcher.broken or "")
        assert source.endings() == {}

    def test_a_graceful_stop_lets_the_running_trial_end_and_starts_no_other(self, world_of: Worlds) -> None:
        source = self.trials("holds", 3)
        with world_of(source).launcher(1, executor="process") as launcher:
            launcher.start()
            until(launcher, self.held)
            launcher.stop()
            launcher.stop()
            self.let_go()
            until(launcher, lambda: not launcher.alive)
        assert source.endings() == {"finished": 1}
        assert len(source.left) == 1

    def test_a_stop_that_is_not_graceful_gives_the_trial_back(self, world_of: Worlds) -> None:
        source = self.trials("holds", 2)
        with world_of(source).launcher(1, executor="process") as launcher:
            launcher.start()
            until(launcher, self.held)
            launcher.stop(graceful=False)
            until(launcher, lambda: not launcher.alive)
        assert [outcome.ending for _, outcome in source.trials[0].outcomes] == ["preempted"]
        assert source.endings() == {}
        wait_for(lambda: gone(self.held()), "the trials' ends")

    def test_a_kill_leaves_neither_agent_nor_trial(self, world_of: Worlds) -> None:
        source = self.trials("holds", 2)
        with world_of(source).launcher(1, executor="process") as launcher:
            launcher.start()
            until(launcher, self.held)
            launcher.kill()
            until(launcher, lambda: not launcher.alive)
        agents = [info.pid for info in source.agents.values()]
        wait_for(lambda: gone([*agents, *self.held()]), "the end of agent and trial")

    def test_leaving_the_block_leaves_no_agent_behind(self, world_of: Worlds) -> None:
        source = self.trials("holds", 2)
        with world_of(source).launcher(2, executor="process") as launcher:
            launcher.start()
            until(launcher, lambda: len(self.held()) == 2)
        assert not launcher.alive
        wait_for(lambda: gone(self.held()), "the trials' ends")
        assert len(source.left) == 2

    def test_a_server_that_goes_away_and_comes_back_costs_no_trial(self, world_of: Worlds) -> None:
        source = self.trials("holds", 6, lease_s=60.0)
        world = world_of(source)
        with world.launcher(2, executor="process") as launcher:
            launcher.start()
            until(launcher, lambda: len(self.held()) == 2)
            world.close_server()
            self.let_go()
            until(launcher, lambda: gone(self.held()))
            world.open_server()
            until(launcher, lambda: not launcher.alive)
        assert source.endings() == {"finished": 6}
        assert [trial.attempt for trial in source.trials] == [1] * 6


def until(launcher: Launcher, condition: Callable[[], object], deadline_s: float = 90.0) -> list[AgentEvent]:
    """Poll until `condition` holds; what happened meanwhile."""
    events: list[AgentEvent] = []
    end = SYSTEM_CLOCK.monotonic() + deadline_s
    while True:
        events += launcher.poll()
        if condition():
            return events
        assert SYSTEM_CLOCK.monotonic() < end, f"not within {deadline_s:.0f} s; so far: {events}"
        SYSTEM_CLOCK.sleep(0.02)
