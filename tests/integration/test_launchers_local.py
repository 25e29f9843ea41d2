"""Agents as processes of this machine: the laws of launchers, their output, and the death of the launcher itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from swath.agents.launchers.base import AgentEvent, Deaths, Ended
from swath.agents.launchers.local import LocalLauncher
from swath.agents.testing.launchers import LauncherLaws, Worlds, until
from swath.agents.testing.memory import MemorySource
from swath.agents.testing.worlds import gone, pids_in, wait_for
from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.errors import UsageError

if TYPE_CHECKING:
    from tests.integration.conftest import ServerMaker

#: An agent as `sweep agent` is one: the exit codes, the signals and `--watch-parent`.
AGENT = """
import os, sys
from swath.agents import Agent, AgentInfo, install_signals
from swath.agents.http_source import HttpSource
from swath.agents.executors.choice import executor_for
from swath.tracking.errors import UsageError

url, token, kind, _, fd = sys.argv[1:]
info = AgentInfo(f"agent-{os.getpid()}", "local", "here", os.getpid(), 0.0)
try:
    with HttpSource(url, token, "s1") as source:
        agent = Agent(source, executor_for(source.join(info).task, kind or None), info)
        agent.watch_parent(int(fd))
        install_signals(agent)
        report = agent.run()
except UsageError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
if report.broken:
    print(report.reason, file=sys.stderr)
sys.exit(3 if report.broken else 0)
"""


class LocalWorld:
    def __init__(self, source: MemorySource, servers: ServerMaker, folder: Path) -> None:
        self.source = source
        self._server = servers.serve(source)
        self._agent = folder / "agent.py"
        self._agent.write_text(AGENT)
        self._token = servers.TOKEN

    def argv(self, executor: str | None) -> list[str]:
        return [sys.executable, str(self._agent), self._server.url, self._token, executor or ""]

    def launcher(self, agents: int, *, executor: str | None = None, **options: Any) -> LocalLauncher:
        return LocalLauncher(self.argv(executor), agents, **options)

    def close_server(self) -> None:
        self._server.stop()

    def open_server(self) -> None:
        self._server.start()


@pytest.fixture
def local_world_of(servers: ServerMaker, tmp_path: Path) -> Callable[[MemorySource], LocalWorld]:
    return lambda source: LocalWorld(source, servers, tmp_path)


@pytest.mark.slow
class TestLocalLauncher(LauncherLaws):
    @pytest.fixture
    def world_of(self, local_world_of: Worlds) -> Worlds:
        return local_world_of

    def test_ctrl_c_in_the_terminal_does_not_reach_the_agents(self, world_of: Worlds) -> None:
        source = self.trials("holds", 1)
        with world_of(source).launcher(1, executor="process") as launcher:
            launcher.start()
            until(launcher, self.held)
            agent = next(iter(source.agents.values())).pid
            assert os.getpgid(agent) != os.getpgid(0)
            assert os.getsid(agent) != os.getsid(0)

    def test_when_the_launcher_is_killed_its_agents_give_their_trials_back_and_leave(
        self, local_world_of: Callable[[MemorySource], LocalWorld], tmp_path: Path
    ) -> None:
        source = self.trials("holds", 2, lease_s=600.0)
        launcher = subprocess.Popen(
            [sys.executable, "-c", LAUNCHES, *local_world_of(source).argv("process")], cwd=tmp_path
        )
        trials = pids_in(tmp_path / "held", 2)
        agents = [info.pid for info in source.agents.values()]
        launcher.kill()
        launcher.wait()
        wait_for(lambda: gone([*agents, *trials]), "the agents to leave")
        assert len(source.left) == 2
        assert [outcome.ending for trial in source.trials for _, outcome in trial.outcomes] == ["preempted"] * 2


LAUNCHES = """
import sys
from swath.agents.launchers.local import LocalLauncher
from swath.tracking.clock import SYSTEM_CLOCK
with LocalLauncher(sys.argv[1:], 2) as launcher:
    launcher.start()
    while True:
        launcher.poll()
        SYSTEM_CLOCK.sleep(0.02)
"""


def run(program: str, agents: int = 1, **options: Any) -> tuple[LocalLauncher, list[AgentEvent]]:
    """Launch a Python program as the agent until none of them lives."""
    with LocalLauncher([sys.executable, "-c", program], agents, **options) as launcher:
        launcher.start()
        return launcher, until(launcher, lambda: not launcher.alive)


def test_output_comes_line_by_line_with_the_name_of_its_agent() -> None:
    lines: list[tuple[str, str]] = []
    program = "import sys; print('one\\ntwo \\u00e9'); sys.stdout.write('no end'); print('oops', file=sys.stderr)"
    run(program, on_line=lambda agent, line: lines.append((agent, line)))
    assert sorted(lines) == [("agent-1", text) for text in ("no end", "one", "oops", "two é")]


def test_more_output_than_a_pipe_holds_does_not_block_an_agent() -> None:
    lines: list[str] = []
    run("for i in range(20000): print(f'line {i} ' + 'x' * 90)", on_line=lambda agent, line: lines.append(line))
    assert [line.split()[1] for line in lines] == [str(number) for number in range(20000)]


def test_an_agent_that_somebody_else_ended_is_replaced() -> None:
    with LocalLauncher([sys.executable, "-c", "import sys; sys.exit(143)"], 1) as launcher:
        launcher._deaths = Deaths(SYSTEM_CLOCK, lambda: 0, limit=1)
        launcher.start()
        events = until(launcher, lambda: not launcher.alive)
    assert [event.kind for event in events if event.kind != "started"] == ["ended", "replaced", "ended", "gave_up"]


@pytest.mark.parametrize(("code", "broken"), [(0, False), (130, False), (2, True), (3, True)])
def test_exit_codes_that_say_why_are_not_answered_with_another_agent(code: int, broken: bool) -> None:
    launcher, events = run(f"import sys; print('my reason', file=sys.stderr); sys.exit({code})")
    assert [(event.kind, event.exit_code) for event in events] == [("started", None), ("ended", code)]
    assert launcher.broken == ("my reason" if broken else None)


def test_agents_that_die_at_once_are_replaced_up_to_the_limit_and_then_given_up() -> None:
    program = "import sys; print('no room', file=sys.stderr); sys.exit(1)"
    with LocalLauncher([sys.executable, "-c", program], 1) as launcher:
        launcher._deaths = Deaths(SYSTEM_CLOCK, lambda: 0, limit=5)
        launcher.start()
        events = until(launcher, lambda: not launcher.alive)
    kinds = [event.kind for event in events if event.kind != "started"]
    assert kinds == ["ended", "replaced"] * 5 + ["ended", "gave_up"]
    assert "6 agents died" in (launcher.broken or "")
    assert "no room" in (launcher.broken or "")


def test_a_signal_that_killed_an_agent_is_named() -> None:
    _, events = run("import os; os.kill(os.getpid(), 9)")
    assert any("SIGKILL" in event.reason for event in events if event.kind == "ended")


def test_a_command_that_is_no_program_is_said_at_once() -> None:
    with pytest.raises(UsageError, match="no-such-python"), LocalLauncher(["no-such-python"], 1) as launcher:
        launcher.start()


def test_no_agents_are_refused() -> None:
    with pytest.raises(UsageError, match="0 agents"):
        LocalLauncher(["true"], 0)


def test_agents_that_do_not_leave_are_killed_at_the_end() -> None:
    stubborn = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('deaf')\ntime.sleep(600)"
    lines: list[str] = []
    with LocalLauncher(
        [sys.executable, "-u", "-c", stubborn], 1, leave_s=0.3, on_line=lambda agent, line: lines.append(line)
    ) as launcher:
        launcher.start()
        until(launcher, lambda: lines)
    assert not launcher.alive


class ManualClock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


DIED = Ended("died", "killed by SIGKILL", -signal.SIGKILL)


def test_deaths_far_apart_are_too_many_when_they_come_in_a_row() -> None:
    clock = ManualClock()
    deaths = Deaths(clock, lambda: 0, limit=5, window_s=60.0, in_a_row=25)
    for _ in range(25):
        assert deaths.died("agent-1", DIED) is None
        clock.sleep(12.1)
    enough = deaths.died("agent-1", DIED)
    assert enough is not None
    assert "26 agents died in a row" in enough
    assert "killed by SIGKILL" in enough


def test_deaths_far_apart_with_a_finished_trial_now_and_then_are_never_too_many() -> None:
    clock = ManualClock()
    deaths = Deaths(clock, lambda: int(clock.time) // 240, limit=5, window_s=60.0, in_a_row=25)
    for _ in range(100):
        assert deaths.died("agent-1", DIED) is None
        clock.sleep(12.1)


def test_who_is_replaced_is_told_with_its_reason_and_its_successor() -> None:
    with LocalLauncher([sys.executable, "-c", "import sys; sys.exit('no answer')"], 1) as launcher:
        launcher._deaths = Deaths(SYSTEM_CLOCK, lambda: 0, limit=1)
        launcher.start()
        events = until(launcher, lambda: not launcher.alive)
    assert [(e.agent, e.reason, e.successor) for e in events if e.kind == "replaced"] == [
        ("agent-1", "no answer", "agent-2")
    ]


def test_deaths_between_which_trials_finish_are_never_too_many() -> None:
    finished = iter(range(1, 51))
    deaths = Deaths(ManualClock(), lambda: next(finished), limit=5)
    assert all(deaths.died("agent-1", DIED) is None for _ in range(50))


def test_the_sixth_death_in_a_minute_without_a_finished_trial_is_one_too_many() -> None:
    deaths = Deaths(ManualClock(), lambda: 3, limit=5)
    assert [deaths.died("agent-1", DIED) is None for _ in range(6)] == [True] * 5 + [False]
