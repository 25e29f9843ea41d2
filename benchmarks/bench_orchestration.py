"""Trials a second when a trial does nothing but report once: swath beside Ray Tune and Optuna on SQLite.

Everything durable on all sides: swath's trials are run logs and rows of its store, Ray Tune's are checkpointed
experiments, Optuna's are rows of a SQLite file. The points are random, so that no sampler is measured. What starts once
and for all (imports, Optuna's study, Ray itself, its workers, swath's agents) is left out of a figure where the measure
says "once they stand"; everything else is the whole call.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import _harness
from _harness import Figures, Measure


def swath_spec(trials: int) -> dict[str, Any]:
    return {
        "name": "trivial",
        "method": "random",
        "seed": 1,
        "run_cap": trials,
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"x": {"min": 0.0, "max": 1.0}},
    }


def swath_train(config: Any) -> None:
    from swath import tracking

    with tracking.init() as run:
        run.log({"loss": config["x"]})


def swath_inline(trials: int = 5_000) -> Figures:
    from swath import sweeps

    sweep = sweeps.create(swath_spec(trials))
    sweeps.agent(sweep, swath_train, count=trials)
    return {"inline": standing_rate(trials), "trials": trials}


def swath_processes(trials: int = 600) -> Figures:
    from swath import sweeps

    start = time.perf_counter()
    sweeps.run(swath_spec(trials), swath_train, agents=2, on="local", executor="process", quiet=True)
    seconds = time.perf_counter() - start
    return {"processes": reported(trials) / seconds, "trials": trials}


def swath_ray(trials: int = 3_000) -> Figures:
    from swath import sweeps

    with started_ray():
        sweeps.run(swath_spec(trials), swath_train, agents=2, on="ray", executor="inline", quiet=True)
        return {"ray": standing_rate(trials), "trials": trials}


def report_times() -> list[float]:
    """The times of the reports of all runs in `.swath`, sorted; also the proof that each trial was kept."""
    from swath.tracking.runlog.history import read_history

    rows = [row for run in Path(".swath/runs").iterdir() for row in read_history(run)]
    return sorted(row.time for row in rows)


def reported(trials: int) -> int:
    """`trials`, when the disk holds just as many reports."""
    found = len(report_times())
    if found != trials:
        raise SystemExit(f"{found} reports on disk for {trials} trials")
    return found


def standing_rate(trials: int) -> float:
    """Trials a second between the first report and the last: agents that are still starting do not count."""
    reported(trials)
    times = report_times()
    return (trials - 1) / (times[-1] - times[0])


@contextmanager
def started_ray() -> Iterator[Any]:
    """A local Ray with two cores, started before the clock."""
    ray = _harness.peer("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        yield ray
    finally:
        ray.shutdown()


def ray_tune(trials: int = 6, reuse: bool = False) -> Figures:
    tune = _harness.peer("ray.tune")

    def train(config: dict[str, float]) -> None:
        tune.report({"loss": config["x"]})

    with started_ray():
        tuner = tune.Tuner(
            train,
            param_space={"x": tune.uniform(0.0, 1.0)},
            tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=2, reuse_actors=reuse),
            run_config=tune.RunConfig(storage_path=str(Path.cwd() / "tune"), name="trivial", verbose=0),
        )
        start = time.perf_counter()
        finished = sum(result.error is None for result in tuner.fit())
        seconds = time.perf_counter() - start
    if finished != trials:
        raise SystemExit(f"{finished} of {trials} trials finished")
    return {"rate": trials / seconds, "trials": trials}


def ray_tune_reusing_actors() -> Figures:
    return ray_tune(trials=60, reuse=True)


def optuna_sqlite(trials: int = 300) -> Figures:
    optuna = _harness.peer("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage="sqlite:///optuna.db", sampler=optuna.samplers.RandomSampler(seed=1), pruner=optuna.pruners.NopPruner()
    )
    start = time.perf_counter()
    for _ in range(trials):
        trial = study.ask()
        x = trial.suggest_float("x", 0.0, 1.0)
        trial.report(x, 0)
        study.tell(trial, x)
    return {"rate": trials / (time.perf_counter() - start), "trials": trials}


def measures(results: Any) -> list[Measure]:
    optuna = {"Optuna": _harness.best(results, "Optuna", "rate", "higher")}
    tune = {name: _harness.best(results, name, "rate", "higher") for name in ("Ray Tune", "Ray Tune, actors reused")}

    def measure(name: str, side: str, figure: str, goal: float, peers: dict[str, float | None]) -> Measure:
        known = {peer: value for peer, value in peers.items() if value is not None}
        return Measure(name, "trials/s", "higher", _harness.best(results, side, figure, "higher"), known, goal)

    return [
        measure("local, in the agent's process, 1 agent, once it stands", "swath inline", "inline", 1_000, optuna),
        measure("local, a process a trial, 2 agents", "swath processes", "processes", 50, tune | optuna),
        measure("Ray, 2 agents, once they stand", "swath on Ray", "ray", 400, tune),
    ]


SIDES = {
    "swath inline": swath_inline,
    "Optuna": optuna_sqlite,
    "swath processes": swath_processes,
    "swath on Ray": swath_ray,
    "Ray Tune, actors reused": ray_tune_reusing_actors,
    "Ray Tune": ray_tune,
}

if __name__ == "__main__":
    _harness.main(__file__, SIDES, measures, ["swath", "ray", "optuna"])
