"""`sweep agent` and the agents of `sweep run` when somebody ends them: exit codes, replacement, and what is left."""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.commands import Command
from tests.integration.folders import DEADLINE_S, SLOW, Folder, running

from swath.agents.testing.worlds import gone, pids_in, wait_for
from swath.sweeps import Workspace

HOLDS = "import os, time\nprint(os.getpid(), file=open('pids', 'a'), flush=True)\n" + SLOW


def agents_of(process: Command) -> list[psutil.Process]:
    """The agents that a `sweep run` has started."""
    return [child for child in psutil.Process(process.pid).children() if "agent" in child.cmdline()]


def go(folder: Folder) -> None:
    (folder.path / "go").write_text("1")


def test_an_agent_of_a_run_that_gets_sigterm_is_replaced_and_the_sweep_is_finished(folder: Folder) -> None:
    folder.program(HOLDS, points=2)
    process = folder.start("run", "sweep.yaml", "--json")
    folder.wait_for(running(1))
    [agent] = agents_of(process)
    agent.terminate()
    wait_for(lambda: gone([agent.pid]), "the agent's end")
    go(folder)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    assert json.loads(out)["trials"]["finished"] == 2
    assert "agent-1 died (the agent got SIGTERM) and was replaced by agent-2" in err


def test_a_run_whose_agents_leave_before_the_sweep_is_over_is_no_success(folder: Folder) -> None:
    folder.program(HOLDS, points=2)
    process = folder.start("run", "sweep.yaml", "--json")
    folder.wait_for(running(1))
    [agent] = agents_of(process)
    agent.send_signal(signal.SIGINT)
    pids_in(folder.path / "pids", 1)
    wait_for(lambda: not waits(agent.pid, signal.SIGINT), "the signal to be heard")
    go(folder)
    out, err = process.communicate(timeout=DEADLINE_S)
    told = json.loads(out)
    assert process.returncode == 1
    assert told["trials"]["finished"] == 1
    assert f"go on with: sweep run --resume {told['sweep']}" in err
    assert folder.sweep("run", "--resume", told["sweep"]).returncode == 0


def heard(process: Command, number: int) -> bool:
    return process.poll() is not None or not waits(process.pid, number)


def waits(pid: int, number: int) -> bool:
    """Whether a signal waits for a process to take it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pending = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd"))]
    return any(mask >> (number - 1) & 1 for mask in pending)


def test_an_agent_that_gets_sigterm_gives_its_trial_back_and_exits_with_143(folder: Folder) -> None:
    folder.program(HOLDS, points=1)
    sweep_id = folder.sweep("create", "sweep.yaml").stdout.strip()
    agent = folder.start("agent", sweep_id)
    folder.wait_for(running(1))
    pids = pids_in(folder.path / "pids", 1)
    agent.send_signal(signal.SIGTERM)
    out, _ = agent.communicate(timeout=DEADLINE_S)
    assert agent.returncode == 143
    assert "the agent got SIGTERM" in out
    assert gone(pids)
    assert folder.shown()["trials"]["queued"] == 1, (out, folder.shown())


def test_ctrl_c_ends_a_run_though_another_agent_still_finishes_a_stopped_sweep(folder: Folder) -> None:
    folder.program(HOLDS, points=4)
    process = folder.start("run", "sweep.yaml")
    folder.wait_for(running(1))
    other = folder.start("agent", "last")
    folder.wait_for(running(2))
    assert folder.sweep("stop", "last").returncode == 0
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert any("running trials finish" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert other.poll() is None
    assert folder.shown()["trials"]["running"] == 1


IMPORTS_FOR_LONG = """
import os, time
print(os.getpid(), file=open('importing', 'a'), flush=True)
for _ in range(2400):
    time.sleep(0.05)
def train(config): pass
"""


@pytest.mark.parametrize("executor", ["process", "inline"])
@pytest.mark.parametrize(
    ("numbers", "code"), [([signal.SIGTERM], 143), ([signal.SIGINT, signal.SIGINT], 130)], ids=["SIGTERM", "SIGINTs"]
)
def test_an_agent_can_be_ended_while_the_users_module_is_imported(
    folder: Folder, executor: str, numbers: list[signal.Signals], code: int
) -> None:
    (folder.path / "mod.py").write_text(IMPORTS_FOR_LONG)
    folder.spec("function: mod:train")
    sweep_id = folder.sweep("create", "sweep.yaml").stdout.strip()
    agent = folder.start("agent", sweep_id, "--executor", executor)
    pids = pids_in(folder.path / "importing", 1)
    for number in numbers:
        agent.send_signal(number)
        wait_for(partial(heard, agent, number), "the signal to be heard")
    _, err = agent.communicate(timeout=DEADLINE_S)
    assert agent.returncode == code
    assert "Traceback" not in err
    wait_for(lambda: gone(pids), "the end of the import")
    assert not [each for each in folder.shown()["runs"] if each["state"] == "running"]


def test_an_agent_whose_name_is_taken_says_what_it_is_called(folder: Folder) -> None:
    folder.program("run.log({'loss': 1})", points=2)
    sweep_id = folder.sweep("create", "sweep.yaml").stdout.strip()
    first = folder.sweep("agent", sweep_id, "--count", "1", "--name", "ann", "--quiet")
    second = folder.sweep("agent", sweep_id, "--name", "ann", "--quiet")
    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, second.stderr) == (0, "the name ann is taken: this agent is called ann-2\n")


def test_what_a_killed_agent_of_a_server_left_behind_is_ended_by_the_next_one(folder: Folder, servers: Any) -> None:
    folder.program(HOLDS, points=1)
    sweep_id = folder.sweep("create", "sweep.yaml").stdout.strip()
    temporary = folder.path / "tmp"
    temporary.mkdir()
    marks = temporary / f"swath-{os.getuid()}" / "marks"
    with Workspace(folder.path / ".swath") as workspace:
        server = servers.serve(workspace.source(sweep_id, remote=True))
        folder.env |= {"SWATH_URL": server.url, "SWATH_TOKEN": servers.TOKEN, "TMPDIR": str(temporary)}
        first = folder.start("agent", sweep_id, "--quiet")
        orphan = pids_in(folder.path / "pids", 1)
        wait_for(lambda: list(marks.glob("*.json")), "the mark")
        assert list(temporary.glob("swath-agent-*"))
        first.kill()
        first.wait(DEADLINE_S)
        assert not gone(orphan)
        second = folder.start("agent", sweep_id, "--quiet")
        wait_for(lambda: gone(orphan), "the orphan's end")
        pids_in(folder.path / "pids", 2)
        go(folder)
        _, err = second.communicate(timeout=DEADLINE_S)
        assert second.returncode == 0, err
        assert workspace.show(sweep_id).trials["finished"] == 1
        assert workspace.trials(sweep_id)[0].attempt == 2
    assert list(marks.iterdir()) == []
    assert list(temporary.glob("swath-agent-*")) == []


def test_the_children_of_a_living_agent_are_left_alone_by_the_next_one(folder: Folder, servers: Any) -> None:
    folder.program(HOLDS, points=2)
    sweep_id = folder.sweep("create", "sweep.yaml").stdout.strip()
    (folder.path / "tmp").mkdir()
    with Workspace(folder.path / ".swath") as workspace:
        server = servers.serve(workspace.source(sweep_id, remote=True))
        folder.env |= {"SWATH_URL": server.url, "SWATH_TOKEN": servers.TOKEN, "TMPDIR": str(folder.path / "tmp")}
        agents = [folder.start("agent", sweep_id, "--quiet")]
        pids_in(folder.path / "pids", 1)
        agents.append(folder.start("agent", sweep_id, "--quiet"))
        pids = pids_in(folder.path / "pids", 2)
        assert not any(gone([pid]) for pid in pids)
        go(folder)
        assert [agent.wait(DEADLINE_S) for agent in agents] == [0, 0]
        assert [trial.attempt for trial in workspace.trials(sweep_id)] == [1, 1]
