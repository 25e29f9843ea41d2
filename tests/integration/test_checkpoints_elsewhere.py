"""Checkpoints reach the server with the agent that saved them, and the next agent, which shares no disk with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.folders import Folder
from tests.integration.test_cli_server import Served

from swath.agents.checkpoints import Carrier
from swath.agents.protocol import AgentInfo, Assignment, Lease
from swath.agents.testing.worlds import wait_for
from swath.sweeps import Workspace
from swath.sweeps.spec import parse_spec
from swath.tracking import layout
from swath.tracking.errors import LeaseLost, UsageError
from swath.tracking.runlog.history import read_history
from swath.tracking.runs.checkpoints import Checkpoints, Note
from swath.tracking.server import ServerThread, create_app
from swath.tracking.shipping.client import Client

#: Saves a file at step 5 and waits for its end; an attempt that finds it goes on to step 9.
TRAIN = """
import os, time
state = run.restore()
begin = 0 if state is None else int(open(state).read()) + 1
for step in range(begin, 10):
    run.log({"loss": 10.0 - step, "begin": begin})
    if begin == 0 and step == 5:
        open("model.bin", "w").write("5")
        run.checkpoint("model.bin")
        os.remove("model.bin")
    if begin == 0 and step == 7:
        time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "served").mkdir()
    made = Folder(tmp_path / "served")
    yield made
    made.end()


def worker(served: Served, folder: Folder, path: Path) -> Folder:
    """A machine with a temporary folder of its own."""
    (path / "tmp").mkdir(parents=True)
    made = Folder(path)
    made.env = folder.env | served.environment | {"TMPDIR": str(path / "tmp")}
    return made


def test_a_trial_goes_on_behind_its_checkpoint_with_an_agent_that_shares_no_disk_with_the_first(
    folder: Folder, tmp_path: Path
) -> None:
    folder.program(TRAIN, points=1)
    folder.env["SWATH_LEASE_S"] = "2"
    sweep_id = folder.sweep("create", "sweep.yaml").stdout.strip()
    served = Served(folder)
    first, second = (worker(served, folder, tmp_path / name) for name in ("first", "second"))
    run_dir = layout.run_dir(folder.path / ".swath", f"{sweep_id}-1")
    try:
        agent = first.start("agent", sweep_id)
        wait_for(lambda: Checkpoints(run_dir).newest(), "the checkpoint at the server")
        wait_for(lambda: len(read_history(run_dir)) >= 8, "the rows behind it")
        os.killpg(agent.pid, signal.SIGKILL)
        done = second.sweep("agent", sweep_id)
        assert done.returncode == 0, done.stderr
        assert "attempt 2" in done.stdout
    finally:
        served.end(signal.SIGTERM)
        first.end()
        second.end()
    rows = read_history(run_dir)
    assert [row.step for row in rows] == list(range(10))
    assert [row.values["begin"] for row in rows] == [0] * 6 + [6] * 4
    assert not [path for path in (tmp_path / "second" / "tmp").rglob("*") if "checkpoints" in path.parts]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Any]:
    """A workspace behind a real server that keeps checkpoints of up to 1 MiB, and a way to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWATH_CHECKPOINT_GIB", str(1 / 1024))
        with Workspace(tmp_path / ".swath") as workspace:
            server = ServerThread(create_app("t", workspace.routes())).start()
            with Client(server.url, "t") as client:
                yield workspace, client
            server.stop()


def test_what_a_zombie_saved_takes_no_place_and_the_last_whole_one_wins(served: Any, tmp_path: Path) -> None:
    workspace, client = served
    values: dict[str, Any] = {"method": "grid", "parameters": {"x": {"values": [1]}}}
    sweep = workspace.create(parse_spec(values), pickled=b"unused")
    source, carrier = workspace.source(sweep, remote=True), Carrier(client, sweep)
    leases = [taken(source, name) for name in ("a", "b")]
    saved = Checkpoints(tmp_path / "there")
    (tmp_path / "model" / "empty").mkdir(parents=True)
    (tmp_path / "model" / "weights").write_bytes(b"w" * 1000)
    saved.save(tmp_path / "model", Note(2, 7))
    newest = saved.newest()
    assert newest is not None
    with pytest.raises(LeaseLost):
        carrier.send(leases[0], newest)
    assert not carrier.fetch(leases[1].run_id, tmp_path / "here")
    for _ in range(2):  # the second time it is that already
        carrier.send(leases[1], newest)
    assert carrier.fetch(leases[1].run_id, tmp_path / "here")
    found = Checkpoints(tmp_path / "here").newest()
    assert found is not None
    assert found.note == Note(2, 7)
    assert (found.load() / "weights").read_bytes() == b"w" * 1000
    assert (found.load() / "empty").is_dir()
    (tmp_path / "model" / "weights").write_bytes(os.urandom(2**20 + 1))
    saved.save(tmp_path / "model", Note(2, 8))
    large = saved.newest()
    assert large is not None
    with pytest.raises(UsageError, match="more than the"):
        carrier.send(leases[1], large)
    assert [event.payload["step"] for event in workspace.events(sweep) if event.kind == "trial.checkpoint"] == [7]


def taken(source: Any, name: str) -> Lease:
    """The trial, also when another agent has it."""
    for other in ("a",) if name != "a" else ():
        source.leave(other, "gone")
    source.join(AgentInfo(name, name, "elsewhere", 1, 0.0))
    offer = source.acquire(name, f"{name}-1")
    assert isinstance(offer, Assignment)
    return offer.lease
