"""What a trial waits for before its own first line: its Python and its libraries, loaded anew or forked from an agent.

The programs import torch or scikit-learn as training programs do, and say when they are done. A trial's start is the
time from the agent's call to then, without the agent's first trial. The other side starts a new Python for each trial,
as W&B's agent does for every program.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

import _harness
from _harness import Figures, Measure

TRIALS = 8
PROGRAMS = {
    "torch": "import torch\nfrom torch import nn\n",
    "sklearn": "from sklearn.datasets import load_digits\nfrom sklearn.neural_network import MLPClassifier\n",
    "nothing": "",
}
SAYS_WHEN = "import time\nprint('begun', time.clock_gettime(time.CLOCK_MONOTONIC), flush=True)\n"


def _starts(kind: str, name: str) -> float:
    """Median milliseconds from the executor's start to the program's own first line."""
    from swath.agents.executors.choice import executor_for
    from swath.agents.protocol import Assignment, Job, Lease, Task
    from swath.tracking.context import TrialContext

    folder = Path.cwd()
    (folder / "train.py").write_text("import swath.tracking\n" + PROGRAMS[name] + SAYS_WHEN)
    job = Job("s", "sweep", "bench", Task(program="train.py", cwd=str(folder)))
    executor = executor_for(job.task, kind)
    executor.prepare(job)
    took = []
    for number in range(1, TRIALS + 2):
        run = f"{name}-{number}"
        context = TrialContext(run, 1, "s", folder / run, run, "bench", config={}, capture_console=False)
        start = time.clock_gettime(time.CLOCK_MONOTONIC)
        execution = executor.start(Assignment(Lease(run, 1, "a"), number, run, {}), job, folder / run, context)
        if execution.wait().ending != "finished":
            raise _harness.NotInstalled("the program cannot import its library")
        took.append((_said(folder / run) - start) * 1000)
    executor.close()
    return statistics.median(took[1:])


def _said(run_dir: Path) -> float:
    from swath.tracking.runlog.frames import decode
    from swath.tracking.runlog.logfile import read_from
    from swath.tracking.runlog.records import Output

    records = [record for path in run_dir.glob("*.log") for record in decode(read_from(path, 0))[0]]
    text = "".join(record.text for record in records if isinstance(record, Output))
    return float(text.split()[1])


def side(kind: str) -> Figures:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return {f"{name}_ms": _starts(kind, name) for name in PROGRAMS}


def measures(results: Any) -> list[Measure]:
    def measure(name: str, figure: str, goal: float | None) -> Measure:
        own = _harness.best(results, "swath", figure, "lower")
        return Measure(name, "ms", "lower", own, _harness.bests(results, figure, "lower"), goal)

    return [
        measure("start of a trial whose program imports torch", "torch_ms", 60),
        measure("start of a trial whose program imports scikit-learn", "sklearn_ms", 60),
        measure("start of a trial whose program imports only swath", "nothing_ms", None),
    ]


if __name__ == "__main__":
    sides = {"swath": lambda: side("process"), "a new Python": lambda: side("cold")}
    _harness.main(__file__, sides, measures, ["swath", "torch", "scikit-learn"], rounds=3)
