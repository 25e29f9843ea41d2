"""With SWATH_URL set a program's run is at the server as well as here, and Api reads it there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from swath.sweeps.workspace import Workspace
from swath.tracking.api import Api
from swath.tracking.server import ServerThread, create_app

PROGRAM = """
import numpy as np
import swath.tracking as wandb

with wandb.init(id="r1", project="online", config={"lr": 0.1}) as run:
    for step in range(100):
        run.log({"loss": 1 / (1 + step)})
    run.log({"weights": wandb.Histogram(np.arange(10.0))})
    (open("model.bin", "wb")).write(b"weights")
    run.save("model.bin", policy="now")
"""


def execute(folder: Path, url: str, mode: str = "online") -> subprocess.CompletedProcess[str]:
    (folder / "train.py").write_text(PROGRAM)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
    env |= {"SWATH_URL": url, "SWATH_TOKEN": "secret", "SWATH_MODE": mode}
    return subprocess.run(
        [sys.executable, "train.py"], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )


def test_a_run_is_delivered_and_read_at_the_server_as_it_is_here(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    with Workspace(there / ".swath") as workspace, ServerThread(create_app("secret", workspace.routes())) as server:
        done = execute(here, server.url)
        assert (done.returncode, done.stderr) == (0, "")
        with Api(root=here / ".swath") as local, Api(root=there / ".swath") as remote:
            (run,), (copy,) = local.runs("online"), remote.runs("online")
            assert list(copy.scan_history()) == list(run.scan_history())
            assert (copy.state, copy.config, copy.summary["loss"]) == ("finished", {"lr": 0.1}, 0.01)
            assert copy.file("model.bin").read() == b"weights"


def test_offline_contacts_nobody(tmp_path: Path) -> None:
    with Workspace(tmp_path / "there" / ".swath") as workspace:
        with ServerThread(create_app("secret", workspace.routes())) as server:
            done = execute(tmp_path, server.url, "offline")
        assert (done.returncode, done.stderr) == (0, "")
        assert workspace.runs() == []
    assert (tmp_path / ".swath" / "runs" / "r1").is_dir()


def test_without_the_server_the_training_ends_as_ever_and_the_run_is_whole_here(tmp_path: Path) -> None:
    done = execute(tmp_path, "http://127.0.0.1:9")
    shippers = [
        each for each in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(each.info["cmdline"] or [])
    ]
    for shipper in shippers:
        shipper.kill()
    assert (done.returncode, len(shippers)) == (0, 1)
    assert "is not at http://127.0.0.1:9 yet" in done.stderr
    with Api(root=tmp_path / ".swath") as api:
        assert (api.run("r1").state, len(list(api.run("r1").scan_history()))) == ("finished", 101)
