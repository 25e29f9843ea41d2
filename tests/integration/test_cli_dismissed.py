"""`sweep agents`: real agents are seen at work, and asked to leave while their trials run, here and at a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.folders import DEADLINE_S, SLOW, Folder, running
from tests.integration.test_cli_server import Served

from swath.sweeps import Workspace


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Folder]:
    """The folder of an agent that has nothing but the address of a server."""
    (tmp_path / "mine").mkdir()
    made = Folder(tmp_path / "mine")
    yield made
    made.end()


def crew(folder: Folder) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(folder.sweep("agents", "last", "--json").stdout)
    return told


def gone(count: int) -> Any:
    def enough(workspace: Workspace, sweep_id: str) -> bool:
        return sum(agent.state == "left" for agent in workspace.agents(sweep_id)) >= count

    return enough


def test_local_agents_drain_and_stop_and_nobody_is_started_in_their_place(folder: Folder) -> None:
    folder.program(SLOW, points=3)
    ran = folder.start("run", "sweep.yaml", "--agents", "2", "--json")
    folder.wait_for(running(2))
    first, second = crew(folder)
    assert {first["standing"], second["standing"]} == {"working"}
    assert sorted([first["trial"], second["trial"]]) == [1, 2]
    table = folder.sweep("agents", "last").stdout
    assert all(agent["name"] in table and f"trial {agent['trial']} for " in table for agent in (first, second))
    stopped = folder.sweep("agents", "last", "--stop", first["name"])
    assert stopped.stdout == f"agent {first['name']} gives its trial back and leaves\n"
    folder.wait_for(gone(1))
    again = folder.sweep("agents", "last", "--stop", first["name"])
    assert (again.returncode, "is gone: it left" in again.stdout) == (0, True)
    drained = json.loads(folder.sweep("agents", "last", "--drain", "all", "--json").stdout)
    assert [(each["name"], each["outcome"]) for each in drained["agents"]] == [(second["name"], "asked")]
    (folder.path / "go").write_text("1")
    out, err = ran.communicate(timeout=DEADLINE_S)
    told = json.loads(out)
    assert ran.returncode == 1, err
    assert (told["trials"]["finished"], told["trials"]["queued"]) == (1, 1)
    assert "died" not in err
    assert len(crew(folder)) == 2
    unknown = folder.sweep("agents", "last", "--stop", "nobody")
    assert (unknown.returncode, "has no agent 'nobody'" in unknown.stderr) == (2, True)
    assert folder.sweep("run", "--resume", told["sweep"], "--quiet").returncode == 0


def test_an_agent_elsewhere_gives_its_trial_back_and_leaves_with_exit_code_0(folder: Folder, mine: Folder) -> None:
    folder.program(SLOW, points=1)
    (mine.path / "train.py").write_text((folder.path / "train.py").read_text())
    sweep_id = folder.sweep("create", "sweep.yaml").stdout.strip()
    mine.env |= Served(folder).environment
    agent = mine.start("agent", sweep_id, "--name", "far")
    folder.wait_for(running(1))
    assert folder.sweep("agents", sweep_id, "--stop", "fa").stdout == "agent far gives its trial back and leaves\n"
    out, err = agent.communicate(timeout=DEADLINE_S)
    assert agent.returncode == 0, err
    assert "it was asked to give its trial back and leave (1 preempted)" in out
    assert folder.shown()["trials"]["queued"] == 1


def test_a_server_is_asked_for_the_agents_of_its_sweeps_and_for_what_trials_printed(
    folder: Folder, mine: Folder
) -> None:
    folder.program("print('said')\n" + SLOW, points=1)
    (mine.path / "train.py").write_text((folder.path / "train.py").read_text())
    sweep_id = folder.sweep("create", "sweep.yaml").stdout.strip()
    mine.env |= Served(folder).environment
    agent = mine.start("agent", sweep_id, "--name", "far")
    folder.wait_for(running(1))
    assert [(each["name"], each["standing"]) for each in crew(mine)] == [("far", "working")]
    assert mine.sweep("agents", "demo", "--drain", "all").stdout == "agent far finishes its trial and leaves\n"
    unknown = mine.sweep("agents", sweep_id, "--stop", "nobody")
    assert (unknown.returncode, "has no agent 'nobody'" in unknown.stderr) == (2, True)
    followed = mine.start("logs", "demo/1", "--follow")
    (mine.path / "go").write_text("1")
    assert agent.communicate(timeout=DEADLINE_S)[1] == ""
    assert followed.communicate(timeout=DEADLINE_S)[0] == "said\n"
    assert [each["standing"] for each in crew(mine)] == ["left"]
    missing = mine.sweep("logs", "last/7")
    assert (missing.returncode, f"{sweep_id}-7" in missing.stderr) == (2, True)
