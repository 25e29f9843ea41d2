"""What a trial logs and saves on another machine is in the store: pictures, tables and files as much as rows."""

from __future__ import annotations

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
