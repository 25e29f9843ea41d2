"""What a user waits for before anything happens: the import, `init()`, and the command's help; swath beside wandb.

Each figure is from a fresh process. The import and `init()` are timed inside it, without the start of Python itself;
the help is the whole command, from the shell's view.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import _harness
from _harness import Figures, Measure


def _milliseconds(start: float) -> float:
    return (time.perf_counter() - start) * 1000


def _help(command: str) -> float:
    program = Path(sys.executable).with_name(command)
    if not program.exists():
        raise _harness.NotInstalled(f"{program} is not there")
    start = time.perf_counter()
    subprocess.run([program, "--help"], check=True, capture_output=True)
    return _milliseconds(start)


def swath() -> Figures:
    start = time.perf_counter()
    import swath.tracking

    imported = _milliseconds(start)
    start = time.perf_counter()
    run = swath.tracking.init(project="bench")
    begun = _milliseconds(start)
    run.finish()
    whole = _milliseconds(start)
    return {"import_ms": imported, "init_ms": begun, "empty_ms": whole, "help_ms": _help("sweep")}


def wandb() -> Figures:
    start = time.perf_counter()
    module = _harness.peer("wandb")
    imported = _milliseconds(start)
    start = time.perf_counter()
    run = module.init(project="bench", mode="offline", settings=module.Settings(silent=True))
    begun = _milliseconds(start)
    run.finish()
    whole = _milliseconds(start)
    return {"import_ms": imported, "init_ms": begun, "empty_ms": whole, "help_ms": _help("wandb")}


def measures(results: Any) -> list[Measure]:
    def measure(name: str, figure: str, goal: float) -> Measure:
        own = _harness.best(results, "swath", figure, "lower")
        return Measure(name, "ms", "lower", own, _harness.bests(results, figure, "lower"), goal)

    return [
        measure("`import swath.tracking`; `import wandb`", "import_ms", 60),
        measure("first `init()` (wandb: offline)", "init_ms", 20),
        measure("a run with nothing logged, from `init()` to the end of `finish()`", "empty_ms", 30),
        measure("`sweep --help`; `wandb --help`", "help_ms", 200),
    ]


if __name__ == "__main__":
    _harness.main(__file__, {"swath": swath, "wandb": wandb}, measures, ["swath", "wandb"], rounds=10)
