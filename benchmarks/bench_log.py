"""`run.log()` of five metrics: what a call costs, alone and from four threads, and what millions leave and take.

All sides write to the local disk and to nothing else: swath online (which is a local file), wandb offline, trackio
without a Space, mlflow on a SQLite file, tensorboardX with a scalar for each metric. Slow peers make fewer calls; their
totals are scaled to a million.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _harness
from _harness import Figures, Measure

MILLION = 1_000_000
METRICS = {"train/loss": 0.5, "train/accuracy": 0.75, "val/loss": 0.6, "val/accuracy": 0.7, "lr": 1e-3}
THREADS = 4


def measured(log: Callable[[dict[str, float]], Any], finish: Callable[[], Any], calls: int) -> Figures:
    """Half a percent of the calls timed one by one; all of them and `finish` for the total, and what is on the disk."""
    samples = []
    timed = max(calls // 200, 100)
    before_disk = disk()
    start = time.perf_counter()
    for number in range(timed):
        row = {**METRICS, "val/loss": number * 1e-6}
        before = time.perf_counter_ns()
        log(row)
        samples.append(time.perf_counter_ns() - before)
    for number in range(timed, calls):
        log({**METRICS, "val/loss": number * 1e-6})
    finish()
    total = time.perf_counter() - start
    return {
        "p50_us": _harness.percentile(samples, 0.5) / 1000,
        "p99_us": _harness.percentile(samples, 0.99) / 1000,
        "million_s": total * MILLION / calls,
        "million_mb": (disk() - before_disk) * MILLION / calls / 1e6,
        "calls": calls,
    }


def disk() -> int:
    """Bytes of all files below the working directory."""
    return sum(path.stat().st_size for path in Path.cwd().rglob("*") if path.is_file())


def swath() -> Figures:
    import swath.tracking

    run = swath.tracking.init(project="bench")
    return measured(run.log, run.finish, MILLION)


def swath_threads(calls: int = 200_000) -> Figures:
    import swath.tracking

    run = swath.tracking.init(project="bench")

    def train() -> None:
        for number in range(calls // THREADS):
            run.log({**METRICS, "val/loss": number * 1e-6})

    threads = [threading.Thread(target=train) for _ in range(THREADS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    run.finish()
    return {"threads_us": seconds / calls * 1e6}


def swath_for_a_day(calls: int = 10 * MILLION) -> Figures:
    import swath.tracking

    run = swath.tracking.init(project="bench")
    early = 0
    for number in range(calls):
        run.log({**METRICS, "val/loss": number * 1e-6})
        if number == calls // 100:
            early = private_bytes()
    late = private_bytes()
    run.finish()
    return {"growth_mb": (late - early) / 1e6}


def private_bytes() -> int:
    """Memory that only this process has: pages of the log belong to the system, which may drop them."""
    rollup = Path("/proc/self/smaps_rollup")
    lines = rollup.read_text().splitlines() if rollup.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))


def wandb() -> Figures:
    module = _harness.peer("wandb")
    run = module.init(project="bench", mode="offline", settings=module.Settings(silent=True))
    return measured(run.log, run.finish, 50_000)


def trackio() -> Figures:
    module = _harness.peer("trackio")
    module.init(project="bench", embed=False)
    return measured(module.log, module.finish, 50_000)


def mlflow() -> Figures:
    module = _harness.peer("mlflow")
    module.set_tracking_uri("sqlite:///mlflow.db")
    module.set_experiment("bench")
    module.start_run()
    steps = iter(range(MILLION))
    return measured(lambda row: module.log_metrics(row, step=next(steps)), module.end_run, 1_000)


def tensorboard_x() -> Figures:
    writer = _harness.peer("tensorboardX").SummaryWriter("events")
    steps = iter(range(MILLION))

    def log(row: dict[str, float]) -> None:
        step = next(steps)
        for name, value in row.items():
            writer.add_scalar(name, value, step)

    return measured(log, writer.close, 20_000)


def measures(results: Any) -> list[Measure]:
    def measure(name: str, unit: str, figure: str, goal: float, side: str = "swath") -> Measure:
        own = _harness.best(results, side, figure, "lower")
        return Measure(name, unit, "lower", own, _harness.bests(results, figure, "lower"), goal)

    return [
        measure("one `log()` of 5 metrics, median", "us", "p50_us", 4),
        measure("one `log()`, 99th percentile", "us", "p99_us", 30),
        measure("one `log()` when 4 threads log at once", "us", "threads_us", 15, "swath, 4 threads"),
        measure("1,000,000 calls and `finish()`", "s", "million_s", 6),
        measure("what 1,000,000 rows take on the disk", "MB", "million_mb", 80),
        measure("memory that 10,000,000 rows add", "MB", "growth_mb", 5, "swath, 10,000,000 rows"),
    ]


if __name__ == "__main__":
    _harness.main(
        __file__,
        {
            "swath": swath,
            "wandb offline": wandb,
            "trackio": trackio,
            "mlflow on SQLite": mlflow,
            "tensorboardX": tensorboard_x,
            "swath, 4 threads": swath_threads,
            "swath, 10,000,000 rows": swath_for_a_day,
        },
        measures,
        ["swath", "wandb", "trackio", "mlflow-skinny", "tensorboardX"],
    )
