"""What the acceptance tests share: a folder with a small training program, the real `sweep` command, and real kills."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from tests.commands import Command

from swath.sweeps.views import SweepView, TrialView
from swath.sweeps.workspace import Workspace
from swath.tracking.layout import run_dir
from swath.tracking.runlog.history import read_history

STEPS = 4

TRAIN = f"""
import sys, time
from swath import tracking

def train(config):
    with tracking.init() as run:
        for epoch in range({STEPS}):
            run.log({{"loss": config["x"] + 1 / (epoch + 1), "epoch": epoch}})
            time.sleep(config["pause"])

if __name__ == "__main__":
    pairs = dict(arg[2:].split("=", 1) for arg in sys.argv[1:])
    train({{"x": int(pairs["x"]), "pause": float(pairs["pause"])}})
"""


class Folder:
    """A user's folder with `train.py` and `sweep.yaml` in it."""

    def __init__(self, path: Path, points: int, pause: float, **keys: Any) -> None:
        self.path = path
        self.points = points
        (path / "train.py").write_text(TRAIN)
        spec = {
            "method": "grid",
            "metric": {"name": "loss"},
            "parameters": {"x": {"values": list(range(points))}, "pause": {"value": pause}},
            **keys,
        }
        (path / "sweep.yaml").write_text(json.dumps(spec))

    @property
    def root(self) -> Path:
        return self.path / ".swath"

    def sweep(self, *words: str, **variables: str) -> Command:
        """Start the real command here, with these variables besides."""
        return Command(words, self.path, os.environ | {"NO_COLOR": "1"} | variables)

    def cold(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """As `sweep` in a new Python, behind the words of `within` if there are any."""
        return subprocess.Popen(
            [*options.pop("within", ()), sys.executable, "-m", "swath.sweeps", *words],
            cwd=self.path,
            env=options.pop("env", os.environ) | {"NO_COLOR": "1"},
            text=True,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.STDOUT),
            **options,
        )

    def output(self, *words: str) -> str:
        """Run the real command to its good end."""
        command = self.sweep(*words)
        out, err = command.communicate(timeout=120)
        assert command.returncode == 0, out + err
        return out

    def create(self) -> str:
        return str(json.loads(self.output("create", "sweep.yaml", "--json"))["sweep"])

    def view(self, sweep_id: str) -> SweepView:
        with Workspace(self.root) as workspace:
            return workspace.show(sweep_id)

    def trials(self, sweep_id: str) -> list[TrialView]:
        with Workspace(self.root) as workspace:
            return workspace.trials(sweep_id)

    def check_exact(self, sweep_id: str) -> None:
        """Every point was finished exactly once, with a whole history of its last attempt, and nothing else exists."""
        view, trials = self.view(sweep_id), self.trials(sweep_id)
        counts = {state: count for state, count in view.trials.items() if count}
        assert counts == {"finished": self.points}, (counts, [(t.number, t.state, t.reason) for t in trials])
        assert view.state == "finished"
        assert sorted(trial.config["x"] for trial in trials) == list(range(self.points))
        for trial in trials:
            rows = read_history(run_dir(self.root, trial.run_id), trial.attempt)
            assert [row.values["epoch"] for row in rows] == list(range(STEPS)), trial
            assert trial.reports == STEPS


class Server:
    """A `sweep server` that comes back under the same address."""

    def __init__(self, folder: Folder, env: dict[str, str], log: Path, host: str = "127.0.0.1", **options: Any) -> None:
        self._folder = folder
        self._host = host
        self._options = options
        self._env = env
        self._log = log
        self._port = 0
        self.process = self._start()
        said = wait_until(lambda: re.findall(r"export (\w+)=(\S+)\n", log.read_text()), "the server stands")
        self.variables = dict(said)
        self._port = int(self.variables["SWATH_URL"].rpartition(":")[2])

    def _start(self) -> subprocess.Popen[str]:
        with self._log.open("a") as file:
            words = ("server", "--host", self._host, "--port", str(self._port))
            return self._folder.cold(*words, env=self._env, stdout=file, stderr=file, **self._options)

    def kill(self) -> None:
        end(self.process)

    def restart(self) -> None:
        self.process = self._start()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """The first true answer of `condition`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain: {what}")


def processes(folder: Path, *words: str) -> Iterator[psutil.Process]:
    """Living processes that work in `folder` and have all `words` in their command line."""
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            lives_here = process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(folder)
            if lives_here and all(word in line for word in words):
                yield process
        except psutil.Error:
            continue


def kill(process: psutil.Process) -> bool:
    """SIGKILL; False when it was gone already."""
    try:
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return False
    return True
