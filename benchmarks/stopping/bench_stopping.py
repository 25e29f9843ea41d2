"""Early stopping replayed on recorded learning curves: what share of the budget each rule spends, and what it misses.

    python benchmarks/stopping/make_curves.py      # once: trains the models, a quarter of an hour
    python benchmarks/stopping/bench_stopping.py [--orders 20] [--slots 4] [--task sgd] [--json]

Every rule sees the same trials in the same shuffled orders, on a simulated clock. The share is of the reports that all
trials would make in full. The regret is by how many per cent the best accuracy found is below the best of all trials in
full. Peers decide by their own code, asked at every report: Ray Tune's AsyncHyperBandScheduler and Optuna's pruners;
W&B's Hyperband is the one of this house, tested against W&B's engine. A peer that is not installed is left out.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from swath.sweeps.recorded import Recorded, read_recorded
from swath.sweeps.simulate import simulate
from swath.sweeps.spec.model import HyperbandSettings
from swath.sweeps.spec.stoppers import (
    AshaSettings,
    BohbSettings,
    CurveSettings,
    Guard,
    Guarded,
    MedianSettings,
    first_rung,
)
from swath.sweeps.stopping.base import Decision, Promotion, Standing, Stopper
from swath.sweeps.stopping.book import Book
from swath.sweeps.stopping.make import rule_for

Lengths = dict[int, int]
Make = Callable[[int, Lengths], Stopper]


class Peer:
    """Another library's rule behind the protocol: it is asked at every report and keeps its own state."""

    name = "peer"
    needs_curve = False
    watches_unusable = False

    def __init__(self, stops: Callable[[int, int, float], bool]) -> None:
        self._stops = stops

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        return ()

    def next_check(self, count: int) -> int | None:
        return count + 1

    def judge(self, trial: Standing, book: Book) -> Decision:
        assert trial.latest is not None
        stops = self._stops(trial.number, trial.count, trial.latest)
        return Decision("stop" if stops else "continue", "so says the peer", trial.count, rule=self.name)

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        return None


def ray_asha(end: int, grace: int = 1, **options: Any) -> Stopper:
    from ray.tune.schedulers import AsyncHyperBandScheduler

    scheduler = AsyncHyperBandScheduler(
        time_attr="training_iteration", metric="accuracy", mode="max", max_t=end, grace_period=grace, **options
    )
    trials: dict[int, Any] = {}
    tune: Any = None

    def stops(number: int, count: int, value: float) -> bool:
        if number not in trials:
            trials[number] = types.SimpleNamespace(trial_id=str(number))
            scheduler.on_trial_add(tune, trials[number])
        result = {"training_iteration": count, "accuracy": value, "trial_id": str(number)}
        # At max_t Ray ends a trial, which is its end here as well.
        return scheduler.on_trial_result(tune, trials[number], result) == "STOP" and count < end

    return Peer(stops)


def optuna_pruner(lengths: Lengths, make: Callable[[Any], Any]) -> Stopper:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", pruner=make(optuna.pruners))
    trials: dict[int, Any] = {}

    def stops(number: int, count: int, value: float) -> bool:
        if number not in trials:
            trials[number] = study.ask()
        trials[number].report(value, count)
        stopped: bool = trials[number].should_prune()
        if stopped:
            study.tell(trials[number], state=optuna.trial.TrialState.PRUNED)
        elif count == lengths[number]:
            study.tell(trials[number], value)
        return stopped

    return Peer(stops)


def own(settings: Any) -> Stopper:
    return rule_for(settings, "accuracy")


RULES: dict[str, Make] = {
    "swath asha": lambda end, _: own(AshaSettings(max_iter=end)),
    "swath asha, promote": lambda end, _: own(AshaSettings(max_iter=end, mode="promote")),
    "swath bohb": lambda end, _: own(BohbSettings(end)),
    "swath median": lambda end, _: own(Guarded(MedianSettings(), Guard(min_peers=5))),
    "swath curve": lambda end, _: own(CurveSettings(end)),
    "W&B hyperband, strict": lambda end, _: own(HyperbandSettings(min_iter=1)),
    "Ray ASHA (defaults: factor 4)": lambda end, _: ray_asha(end),
    "Ray ASHA, factor 3": lambda end, _: ray_asha(end, reduction_factor=3),
    "Optuna HyperbandPruner": lambda end, lengths: optuna_pruner(lengths, lambda p: p.HyperbandPruner(1, end, 3)),
    "Optuna SuccessiveHalvingPruner": lambda end, lengths: optuna_pruner(
        lengths, lambda p: p.SuccessiveHalvingPruner(1, 3)
    ),
    "W&B hyperband, first at max / 40": lambda end, _: own(HyperbandSettings(min_iter=first_rung(None, end))),
    "Ray ASHA, factor 3, first at max / 40": lambda end, _: ray_asha(end, first_rung(None, end), reduction_factor=3),
    "Optuna HyperbandPruner, first at max / 40": lambda end, of: optuna_pruner(
        of, lambda p: p.HyperbandPruner(first_rung(None, end), end, 3)
    ),
    "Optuna SuccessiveHalvingPruner, first at max / 40": lambda end, of: optuna_pruner(
        of, lambda p: p.SuccessiveHalvingPruner(first_rung(None, end), 3)
    ),
    "Optuna MedianPruner": lambda end, lengths: optuna_pruner(lengths, lambda p: p.MedianPruner()),
}


def tasks(folder: Path) -> dict[str, list[Recorded]]:
    """The recorded trials of each task."""
    return {path.stem: read_recorded(path) for path in sorted(folder.glob("*.jsonl"))}


def orders(trials: Sequence[Recorded], count: int) -> list[list[Recorded]]:
    """The trials shuffled, and numbered in their new order."""
    found = []
    for seed in range(count):
        shuffled = list(trials)
        random.Random(seed).shuffle(shuffled)
        found.append([replace(trial, number=number) for number, trial in enumerate(shuffled, 1)])
    return found


def measured(make: Make, shuffles: Sequence[Sequence[Recorded]], slots: int) -> dict[str, float]:
    """The mean share of reports and of time, and the regret in per cent, over all orders."""
    end = max(len(trial.values) for trial in shuffles[0])
    replays = []
    for trials in shuffles:
        lengths = {trial.number: len(trial.values) for trial in trials}
        replays.append(simulate(trials, "maximize", make(end, lengths), slots))
    regrets = [100 * (replay.regret or 0.0) / abs(replay.full_best or 1.0) for replay in replays]
    return {
        "reports": 100 * statistics.fmean(replay.report_share for replay in replays),
        "time": 100 * statistics.fmean(replay.time_share for replay in replays),
        "regret": statistics.fmean(regrets),
        "worst": max(regrets),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--task", action="append")
    parser.add_argument("--rule", action="append", choices=RULES)
    parser.add_argument("--curves", type=Path, default=Path(__file__).with_name("curves"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, dict[str, dict[str, float]]] = {}
    wanted = options.rule or RULES
    for task, trials in tasks(options.curves).items():
        if options.task and task not in options.task:
            continue
        shuffles = orders(trials, options.orders)
        for name in wanted:
            print(f"{task}: {name} ...", file=sys.stderr, flush=True)
            try:
                found.setdefault(name, {})[task] = measured(RULES[name], shuffles, options.slots)
            except ImportError as error:
                print(f"  left out: {error}", file=sys.stderr)
                del found[name]
    print(json.dumps(found, indent=2) if options.json else table(found))


def table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """A line a rule, a column a task, and the means over the tasks."""
    names = list(next(iter(found.values())))
    heads = [*names, "mean"]
    lines = ["| rule | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for rule, by_task in found.items():
        mean = {key: statistics.fmean(each[key] for each in by_task.values()) for key in ("reports", "regret")}
        cells = [f"{each['reports']:.1f} / {each['regret']:.2f}" for each in [*by_task.values(), mean]]
        lines.append(f"| {rule} | " + " | ".join(cells) + " |")
    return "\n".join(["Per cent of all reports that were run / per cent by which the best found is worse.", "", *lines])


if __name__ == "__main__":
    main()
