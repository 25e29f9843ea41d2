"""A sweep of 10,000 trials with 1,000 reports each: a stop decision, and a controller that begins anew after a crash.

A decision is that of `asha` about one more trial, with all others in its book, in memory. The new controller reads
the sweep from a store in a temporary folder, its trials and their rungs, and hands out the next trial of `tpe`; and
that of Optuna loads the same trials from its own SQLite storage and asks its TPE. Wall-clock time.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import Any

import _harness
from _harness import Figures, Measure

TRIALS, REPORTS, DECISIONS = 10_000, 1_000, 2_000
PARAMETERS = 10
METHODS = {"method": "tpe", "metric": {"name": "loss"}, "early_terminate": {"type": "asha", "max_iter": REPORTS}}
SPEC = METHODS | {
    "parameters": {f"p{axis}": {"min": 0.0, "max": 1.0} for axis in range(PARAMETERS)},
    "program": "train.py",
}


def decide() -> float:
    """Median milliseconds of a decision."""
    from swath.sweeps.spec import parse_spec
    from swath.sweeps.stopping import Book, Mark, Standing, make_stopper

    rule, book, dice = make_stopper(parse_spec(SPEC)), Book("minimize"), random.Random(1)
    assert rule is not None
    rungs = rule.checkpoints(0, REPORTS)
    for number in range(1, TRIALS + 1):
        for rung in rungs:
            value = dice.random() / rung
            book.put(number, rung, Mark(value, value, value))
    samples = []
    for number in range(TRIALS + 1, TRIALS + 1 + DECISIONS):
        rung, value = dice.choice(rungs), dice.random()
        start = time.perf_counter()
        book.put(number, rung, Mark(value, value, value))
        rule.judge(Standing(number, rung, value, value), book)
        samples.append((time.perf_counter() - start) * 1000)
    return _harness.percentile(samples, 0.5)


def rebuild() -> float:
    """Seconds from nothing to the next trial."""
    from swath.agents.protocol import AgentInfo, Assignment
    from swath.sweeps.workspace import Workspace

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / ".swath"
        sweep_id = _filled(root)
        start = time.perf_counter()
        with Workspace(root) as workspace:
            source = workspace.source(sweep_id)
            source.join(AgentInfo("a", "a", "elsewhere", 1, time.time()))
            offer = source.acquire("a", "1")
        took = time.perf_counter() - start
        assert isinstance(offer, Assignment)
        assert offer.number == TRIALS + 1
        return took


def _filled(root: Path) -> str:
    """A store with the finished trials of a sweep."""
    import msgspec

    from swath.sweeps import ledger
    from swath.sweeps.ledger import TrialRow
    from swath.sweeps.spec import parse_spec
    from swath.sweeps.states import SweepState, TrialState
    from swath.sweeps.stopping import Mark, make_stopper
    from swath.sweeps.workspace import Workspace

    spec, dice = parse_spec(SPEC), random.Random(1)
    rule = make_stopper(spec)
    assert rule is not None
    rungs = rule.checkpoints(0, REPORTS)
    with Workspace(root) as workspace:
        sweep_id = workspace.create(spec, pickled=b"unused")
        with workspace._database.write() as connection:
            sweep = ledger.get_sweep(connection, sweep_id)
            assert sweep is not None
            for number in range(1, TRIALS + 1):
                config, value = {f"p{axis}": dice.random() for axis in range(PARAMETERS)}, dice.random()
                trial = TrialRow(
                    run_id=f"{sweep_id}-{number}", sweep_id=sweep_id, number=number, name=f"t-{number}",
                    state=TrialState.FINISHED, reason="", suggested="", config=config, point="", setup=number,
                    repeat=0, version=number, attempt=1, reports=REPORTS, latest=value, best=value, ended=1.0,
                )  # fmt: skip
                ledger.insert_trial(connection, trial)
                for rung in rungs:
                    ledger.put_rung(connection, trial, rung, Mark(value, value, value))
            made = {"made": TRIALS, "version": TRIALS, "state": SweepState.RUNNING}
            ledger.update_sweep(connection, msgspec.structs.replace(sweep, **made))
    return sweep_id


def swath() -> Figures:
    return {"decide_ms": decide(), "rebuild_s": rebuild()}


def optuna() -> Figures:
    module = _harness.peer("optuna")
    module.logging.set_verbosity(module.logging.WARNING)
    axes = {f"p{axis}": module.distributions.FloatDistribution(0.0, 1.0) for axis in range(PARAMETERS)}
    dice = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/optuna.db"
        study = module.create_study(study_name="s", storage=url, pruner=module.pruners.NopPruner())
        study.add_trials(
            [
                module.trial.create_trial(
                    params={name: dice.random() for name in axes}, distributions=axes, value=dice.random()
                )
                for _ in range(TRIALS)
            ]
        )
        del study
        start = time.perf_counter()
        sampler = module.samplers.TPESampler(seed=1)
        study = module.load_study(study_name="s", storage=url, sampler=sampler, pruner=module.pruners.NopPruner())
        study.ask(axes)
        return {"rebuild_s": time.perf_counter() - start}


def measures(results: Any) -> list[Measure]:
    decided = _harness.best(results, "swath", "decide_ms", "lower")
    rebuilt = _harness.best(results, "swath", "rebuild_s", "lower")
    peers = _harness.bests(results, "rebuild_s", "lower")
    return [
        Measure("a stop decision beside 10,000 trials of 1,000 reports", "ms", "lower", decided, goal=0.5),
        Measure("from a crash to the next trial, after 10,000 trials", "s", "lower", rebuilt, peers, 3),
    ]


if __name__ == "__main__":
    _harness.main(__file__, {"swath": swath, "Optuna, SQLite": optuna}, measures, ["swath", "optuna"], rounds=3)
