"""What a trial logs and saves on another machine is in the store: pictures, tables and files as much as rows."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from swath import sweeps, tracking
from swath.agents.agent import Agent
from swath.agents.executors.inline import InlineExecutor
from swath.agents.http_source import HttpSource
from swath.agents.protocol import AgentInfo
from swath.sweeps.workspace import Workspace
from swath.tracking.api import Api
from swath.tracking.blobs import Blobs
from swath.tracking.runlog.references import digests_in
from swath.tracking.server import ServerThread, create_app

numpy = pytest.importorskip("numpy")
pytest.importorskip("PIL")
SPEC = {"method": "grid", "metric": {"name": "loss"}, "parameters": {"x": {"values": [1, 2, 3]}}}


def train(config: dict[str, int]) -> None:
    with tracking.init() as run:
        picture = numpy.full((4, 5), config["x"], dtype=numpy.uint8)
        table = tracking.Table(columns=["x", "picture"], data=[[config["x"], tracking.Image(picture)]])
        run.log({"loss": 1.0, "picture": tracking.Image(picture), "table": table})
        (Path(run.dir) / "model.bin").write_bytes(bytes([config["x"]]) * 100)


def test_media_and_files_of_trials_without_a_shared_disk_arrive_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SWATH_DIR", str(tmp_path / ".swath"))
    sweep_id = sweeps.create(SPEC, train)
    far = tmp_path / "far"
    far.mkdir()
    with Workspace(tmp_path / ".swath") as workspace:
        server = ServerThread(create_app("secret", workspace.routes()), "127.0.0.1")
        with server, HttpSource(server.url, "secret", sweep_id) as source:
            info = AgentInfo("agent-1", "far", "far", 1, 0.0)
            report = Agent(source, InlineExecutor(train), info, run_root=far).run()
        assert report.trials == {"finished": 3}
        trials = workspace.trials(sweep_id)
    assert not any(far.rglob("*.log"))
    assert not any(path.is_file() for path in far.rglob("blobs/**/*"))
    with Api(root=tmp_path / ".swath") as api:
        for trial in trials:
            run = api.run(trial.run_id)
            (row,) = run.scan_history()
            x = trial.config["x"]
            picture: Any = run.media(row["picture"])
            table: Any = run.media(row["table"])
            assert (picture.to_numpy() == x).all()
            assert [(number, cell.to_numpy().shape) for number, cell in table.data] == [(x, (4, 5))]
            assert run.file("model.bin").read() == bytes([x]) * 100


#: An agent on another machine that dies once a row with a picture is with the sweep, and one more is not.
DYING = """
import os, signal, sys
from pathlib import Path
import numpy
from swath import tracking
from swath.agents import Agent, AgentInfo
from swath.agents.executors.inline import InlineExecutor
from swath.agents.http_source import HttpSource
from swath.agents.testing.worlds import wait_for
from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.host import this_host

url, sweep_id, far, store = sys.argv[1:]

def train(config):
    run = tracking.init()
    run.log({"loss": 1.0, "picture": tracking.Image(numpy.full((4, 5), 7, dtype=numpy.uint8))})
    wait_for(lambda: any(b"image-file" in log.read_bytes() for log in Path(store).rglob("*.log")), "the first row")
    run.log({"loss": 1.0, "picture": tracking.Image(numpy.full((4, 5), 8, dtype=numpy.uint8))})
    os.kill(os.getpid(), signal.SIGKILL)

info = AgentInfo("agent-1", "far", this_host(), os.getpid(), SYSTEM_CLOCK.now())
Agent(HttpSource(url, "secret", sweep_id), InlineExecutor(train), info, run_root=Path(far)).run()
"""


def again(config: dict[str, int]) -> None:
    with tracking.init() as run:
        for level in (7, 9):
            run.log({"loss": 1.0, "picture": tracking.Image(numpy.full((4, 5), level, dtype=numpy.uint8))})


def test_what_delivered_records_name_is_in_the_store_also_when_an_agent_died_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = tmp_path / ".swath"
    monkeypatch.setenv("SWATH_DIR", str(store))
    sweep_id = sweeps.create({**SPEC, "parameters": {"x": {"values": [1]}}}, again)
    far = tmp_path / "far"
    far.mkdir()
    with Workspace(store) as workspace:
        server = ServerThread(create_app("secret", workspace.routes()), "127.0.0.1")
        with server, HttpSource(server.url, "secret", sweep_id) as source:
            dying = [sys.executable, "-c", DYING, server.url, sweep_id, str(far), str(store)]
            assert subprocess.run(dying, timeout=120).returncode == -signal.SIGKILL
            report = Agent(
                source, InlineExecutor(again), AgentInfo("agent-2", "far", "far", 1, 0.0), run_root=far
            ).run()
        assert report.trials == {"finished": 1}
        (trial,) = workspace.trials(sweep_id)
    logs = sorted((store / "runs" / trial.run_id).glob("000[12].log"))
    named = [digest for log in logs for digest in digests_in(log.read_bytes())]
    assert len(logs) == 2
    assert len(set(named)) >= 2
    assert all(Blobs(store / "blobs").read(digest) for digest in named)
    with Api(root=store) as api:
        run = api.run(trial.run_id)
        pictures: list[Any] = [run.media(row["picture"]) for row in run.scan_history()]
    assert [int(picture.to_numpy()[0, 0]) for picture in pictures] == [7, 9]
