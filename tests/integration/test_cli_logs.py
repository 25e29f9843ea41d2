"""`sweep logs` as a process of its own: what it prints of runs that go on and of ended ones, here and at a server."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.commands import Command
from tests.integration.folders import DEADLINE_S, Folder, running
from tests.integration.test_cli_server import Served

#: Prints a line for each thing that is put into the folder's file `say`, until that is "end".
TALKS = """
import os, time
print("begins", flush=True)
said = 0
while True:
    lines = open("say").read().splitlines() if os.path.exists("say") else []
    for line in lines[said:]:
        print(line, file=sys.stderr if line.startswith("!") else sys.stdout, flush=True)
        run.log({"loss": 1.0})
    said = len(lines)
    if "end" in lines:
        break
    time.sleep(0.02)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Folder]:
    """The folder of somebody who has nothing here but the address of a server."""
    (tmp_path / "mine").mkdir()
    made = Folder(tmp_path / "mine")
    yield made
    made.end()


def say(folder: Folder, *lines: str) -> None:
    with (folder.path / "say").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def next_line(process: Command) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def test_a_running_trial_is_followed_live_until_it_ends(folder: Folder) -> None:
    folder.program(TALKS, points=1)
    ran = folder.start("run", "sweep.yaml", "--json")
    folder.wait_for(running(1))
    following = folder.start("logs", "last/1", "-f")
    assert next_line(following) == "begins"
    say(folder, "one", "!two")
    assert [next_line(following), next_line(following)] == ["one", "!two"]
    say(folder, "end")
    out, err = following.communicate(timeout=DEADLINE_S)
    assert (following.returncode, out, err) == (0, "end\n", "")
    sweep_id = json.loads(ran.communicate(timeout=DEADLINE_S)[0])["sweep"]
    assert folder.sweep("logs", f"{sweep_id}-1").stdout == "begins\none\n!two\nend\n"
    assert folder.sweep("logs", f"{sweep_id[:4]}", "--lines", "2").stdout == "!two\nend\n"
    told = [json.loads(line) for line in folder.sweep("logs", "demo-1", "--stderr", "--json").stdout.splitlines()]
    assert [(each["attempt"], each["stream"], each["text"]) for each in told] == [(1, "stderr", "!two")]
    wrong = folder.sweep("logs", "last/1", "--attempt", "2")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "has no attempt 2" in wrong.stderr
    assert folder.sweep("logs", "nobody").returncode == 2


def test_ctrl_c_ends_the_following_alone_and_quietly(folder: Folder) -> None:
    folder.program(TALKS, points=1)
    ran = folder.start("run", "sweep.yaml", "--json")
    folder.wait_for(running(1))
    following = folder.start("logs", "last/1", "-f")
    assert next_line(following) == "begins"
    following.send_signal(signal.SIGINT)
    out, err = following.communicate(timeout=DEADLINE_S)
    assert (following.returncode, out, err) == (130, "", "")
    say(folder, "end")
    assert ran.wait(timeout=DEADLINE_S) == 0


def test_with_swath_url_the_runs_are_those_of_the_server(folder: Folder, mine: Folder) -> None:
    folder.program(TALKS, points=1)
    served = Served(folder)
    mine.env |= served.environment
    ran = folder.start("run", "sweep.yaml", "--json")
    folder.wait_for(running(1))
    following = mine.start("logs", "last/1", "--follow")
    assert next_line(following) == "begins"
    say(folder, "one", "end")
    out, err = following.communicate(timeout=DEADLINE_S)
    assert (following.returncode, out, err) == (0, "one\nend\n", "")
    sweep_id = json.loads(ran.communicate(timeout=DEADLINE_S)[0])["sweep"]
    assert mine.sweep("logs", f"{sweep_id[:5]}/1", "-n", "1").stdout == "end\n"
    assert mine.sweep("logs", "nobody/1").returncode == 2
    assert not (mine.path / ".swath").exists()
