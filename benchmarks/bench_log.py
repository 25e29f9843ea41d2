"""`run.log()` of five metrics: what one call costs, and how long a million calls and `finish()` take.

All sides write to the local disk and to nothing else: swath online (which is a local file), wandb offline, trackio
without a Space, mlflow on a SQLite file. Slow peers make fewer calls; their total is scaled to a million.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import _harness
from _harness import Figures, Measure

MILLION = 1_000_000
METRICS = {"train/loss": 0.5, "train/accuracy": 0.75, "val/loss": 0.6, "val/accuracy": 0.7, "lr": 1e-3}


def measured(log: Callable[[dict[str, float]], Any], finish: Callable[[], Any], calls: int) -> Figures:
    """Half a percent of the calls timed one by one, for the median; all of them and `finish` for the total."""
    samples = []
    timed = max(calls // 200, 100)
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
        "million_s": total * MILLION / calls,
        "calls": calls,
    }


def swath() -> Figures:
    import swath.tracking

    run = swath.tracking.init(project="bench")
    return measured(run.log, run.finish, MILLION)


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


def measures(results: Any) -> list[Measure]:
    def measure(name: str, unit: str, figure: str, goal: float) -> Measure:
        own = _harness.best(results, "swath", figure, "lower")
        return Measure(name, unit, "lower", own, _harness.bests(results, figure, "lower"), goal)

    return [
        measure("one `log()` of 5 metrics, median", "us", "p50_us", 5),
        measure("1,000,000 calls and `finish()`", "s", "million_s", 8),
    ]


if __name__ == "__main__":
    _harness.main(
        __file__,
        {"swath": swath, "wandb offline": wandb, "trackio": trackio, "mlflow on SQLite": mlflow},
        measures,
        ["swath", "wandb", "trackio", "mlflow-skinny"],
    )
