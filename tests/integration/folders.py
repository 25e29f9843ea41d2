"""What the tests of the command line share: a working folder with a program and a spec, and real `sweep` commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.commands import Command

from swath.sweeps import Workspace

DEADLINE_S = 90
TRACKED = "import sys\nimport swath.tracking as tracking\nrun = tracking.init()\n"


SLOW = """
import time
for step in range(1000):
    run.log({'loss': 1.0 / (step + 1)})
    if (open('go').read() if __import__('os').path.exists('go') else ''):
        break
    time.sleep(0.05)
"""


class Folder:
    """A working folder with programs and specs, and the command line run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        unwanted = ("SWATH_", "WANDB_", "RAY_ADDRESS")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        self.processes: list[Command | subprocess.Popen[str]] = []

    def spec(self, what: str, points: int = 3, metric: str = "loss") -> None:
        """sweep.yaml: a grid of `points` points that runs `what` (a line of the spec)."""
        values = list(range(1, points + 1))
        text = f"name: demo\nmethod: grid\nmetric: {{name: {metric}}}\n{what}\nparameters:\n  x: {{values: {values}}}\n"
        (self.path / "sweep.yaml").write_text(text)

    def program(self, code: str, points: int = 3) -> None:
        """train.py with `code` after the imports and `init()`, and a spec that runs it."""
        (self.path / "train.py").write_text(TRACKED + code)
        self.spec("program: train.py", points)

    def start(self, *arguments: str) -> Command:
        command = Command(arguments, self.path, self.env)
        self.processes.append(command)
        return command

    def sweep(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = self.start(*arguments)
        out, err = command.communicate(timeout=DEADLINE_S)
        return subprocess.CompletedProcess(command.args, command.wait(), out, err)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.sweep("run", "sweep.yaml", *arguments)

    def end(self) -> None:
        """Leave no process behind."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:  # not read to its end: an orphan may hold the other one
                    pipe.close()

    def shown(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.sweep("show", "last", "--json").stdout)
        return told

    def wait_for(self, what: Callable[[Workspace, str], bool]) -> None:
        """Until the newest sweep is as asked."""
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            with Workspace(self.path / ".swath") as workspace:
                views = workspace.sweeps()
                if views and what(workspace, views[-1].id):
                    return
            time.sleep(0.05)
        raise AssertionError("it did not come to that in time")


def running(count: int) -> Callable[[Workspace, str], bool]:
    return lambda workspace, sweep_id: workspace.show(sweep_id).trials["running"] >= count
