"""Real SIGKILLs of every kind of process, again and again: the counts are exact afterwards, every history is whole."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.acceptance.worlds import Folder, kill, processes, wait_until

from swath.sweeps.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

ROUNDS = 12


def test_sigkill_of_training_processes_loses_no_trial(tmp_path: Path) -> None:
    folder = Folder(tmp_path, points=16, pause=0.15, program="train.py", retry={"max": 100})
    sweep = folder.create()
    agents = [folder.sweep("agent", sweep) for _ in range(2)]
    killed = _kill_while_running(folder, sweep, lambda: list(processes(tmp_path, "train.py", "--x=")))
    for agent in agents:
        output = agent.communicate(timeout=120)
        assert agent.returncode == 0, output
    assert killed == ROUNDS
    folder.check_exact(sweep)


def test_sigkill_of_agents_loses_no_trial_and_they_are_replaced(tmp_path: Path) -> None:
    folder = Folder(tmp_path, points=24, pause=0.15, program="train.py")
    run = folder.sweep("run", "sweep.yaml", "--agents", "2", "--json")
    sweep = wait_until(lambda: _newest(folder), "the sweep is registered")
    killed = _kill_while_running(folder, sweep, lambda: _agents(folder, run.pid))
    output, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    assert json.loads(output)["trials"]["finished"] == 24
    assert killed == ROUNDS
    folder.check_exact(sweep)


def test_sigkill_of_sweep_run_itself_is_resumed_where_it_was(tmp_path: Path) -> None:
    folder = Folder(tmp_path, points=24, pause=0.1, function="train:train")
    sweep = folder.create()
    for _ in range(ROUNDS):
        run = folder.sweep("run", "--resume", sweep, "--agents", "2")
        _wait_for_progress(folder, sweep, lambda run=run: run.poll() is not None)  # type: ignore[misc]
        run.end()
    folder.output("run", "--resume", sweep, "--agents", "2")
    folder.check_exact(sweep)
    wait_until(lambda: not list(processes(tmp_path, "swath")), "no process is left behind")


def test_an_agent_killed_with_its_child_running_leaves_no_orphan_that_still_trains(tmp_path: Path) -> None:
    folder = Folder(tmp_path, points=1, pause=2.0, program="train.py")
    sweep = folder.create()
    first = folder.sweep("agent", sweep)
    [orphan] = wait_until(lambda: list(processes(tmp_path, "train.py", "--x=")), "training starts")
    first.end()
    assert orphan.is_running()
    folder.output("agent", sweep)
    assert not orphan.is_running()
    folder.check_exact(sweep)
    assert folder.trials(sweep)[0].attempt == 2


def test_eight_agents_at_once_on_a_grid_of_500_end_with_exactly_500(tmp_path: Path) -> None:
    folder = Folder(tmp_path, points=500, pause=0.0, function="train:train")
    sweep = folder.create()
    agents = [folder.sweep("agent", sweep, "--executor", "inline") for _ in range(8)]
    for agent in agents:
        output = agent.communicate(timeout=240)
        assert agent.returncode == 0, output
    folder.check_exact(sweep)


def _kill_while_running(folder: Folder, sweep: str, victims: Callable[[], list[psutil.Process]]) -> int:
    """Kill one victim after the other, each after something has happened since the last kill; how many died."""
    chance = random.Random(1)
    killed = 0
    while killed < ROUNDS:
        _wait_for_progress(folder, sweep)
        found = victims()
        if found and kill(chance.choice(found)):
            killed += 1
        assert folder.view(sweep).state != "finished", f"over after {killed} kills: give it more trials"
    return killed


def _wait_for_progress(folder: Folder, sweep: str, over: Callable[[], bool] = lambda: False) -> None:
    before = _progress(folder, sweep)
    wait_until(lambda: _progress(folder, sweep) > before or over(), "the sweep goes on")


def _progress(folder: Folder, sweep: str) -> int:
    with Workspace(folder.root) as workspace:
        return sum(event.kind.startswith("trial.") for event in workspace.events(sweep, limit=100_000))


def _newest(folder: Folder) -> str | None:
    if not folder.root.exists():
        return None
    with Workspace(folder.root) as workspace:
        found = workspace.sweeps()
    return found[-1].id if found else None


def _agents(folder: Folder, launcher: int) -> list[psutil.Process]:
    return [process for process in processes(folder.path, "swath", "agent") if process.ppid() == launcher]


def test_a_zombie_agent_that_wakes_up_after_its_lease_was_taken_over_changes_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path, points=2, pause=0.5, program="train.py")
    sweep = folder.create()
    zombie = folder.sweep("agent", sweep, SWATH_LEASE_S="1")
    [child] = wait_until(lambda: list(processes(tmp_path, "train.py", "--x=")), "training starts")
    zombie.send_signal(signal.SIGSTOP)
    child.send_signal(signal.SIGSTOP)
    folder.sweep("agent", sweep, SWATH_LEASE_S="1").communicate(timeout=60)
    folder.check_exact(sweep)
    before = folder.trials(sweep)
    zombie.send_signal(signal.SIGCONT)
    zombie.communicate(timeout=60)
    assert folder.trials(sweep) == before
    assert not child.is_running()
