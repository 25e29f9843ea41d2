"""What one decision of early stopping costs beside 10,000 trials of 1,000 reports. Goal: half a millisecond.

    python benchmarks/stopping/bench_decision.py [--trials 10000]

Timed is what the controller does when a report comes to a checkpoint: put the mark into the book, ask the rule, and for
a rule that promotes also ask who goes on. The first question about a rung sorts it and is not counted.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

from swath.sweeps.spec.model import HyperbandSettings
from swath.sweeps.spec.stoppers import (
    AnyOf,
    AshaSettings,
    BohbSettings,
    CurveSettings,
    MedianSettings,
    PbtSettings,
    PlateauSettings,
    StopperSettings,
)
from swath.sweeps.stopping import Book, Mark, Standing, Stopper
from swath.sweeps.stopping.make import rule_for

REPORTS = 1000
RULES: dict[str, StopperSettings] = {
    "hyperband": HyperbandSettings(min_iter=1),
    "asha": AshaSettings(max_iter=REPORTS),
    "asha, promote": AshaSettings(max_iter=REPORTS, mode="promote"),
    "bohb": BohbSettings(max_iter=REPORTS),
    "median": MedianSettings(),
    "curve": CurveSettings(REPORTS),
    "plateau": PlateauSettings(50),
    "pbt": PbtSettings(50),
    "any of bohb, plateau": AnyOf((BohbSettings(max_iter=REPORTS), PlateauSettings(50))),
}


def filled(rule: Stopper, trials: int, dice: random.Random) -> Book:
    """A book in which all trials have made all their reports; half of them are paused."""
    book, checkpoints = Book("minimize"), rule.checkpoints(0, REPORTS)
    for number in range(trials):
        for at in checkpoints:
            value = dice.random()
            book.put(number, at, Mark(value, value, value))
        book.tell(number, 0.5 + dice.random())
    for number in range(0, trials, 2):
        book.park(number)
    return book


def samples(rule: Stopper, book: Book, trials: int, dice: random.Random) -> list[float]:
    """Milliseconds of some hundred decisions about a trial that comes to a checkpoint."""
    checkpoints = rule.checkpoints(0, REPORTS) or (600,)
    curve = [1 + 1 / at + dice.random() / 100 for at in range(1, REPORTS + 1)]

    def decide(number: int, at: int) -> None:
        value = dice.random()
        book.put(number, at, Mark(value, value, value))
        rule.judge(Standing(number, at, value, value, 0, 0, curve[:at] if rule.needs_curve else ()), book)
        rule.promote(book)

    for number in range(64):
        for at in checkpoints:
            decide(number, at)
    found = []
    for number in range(1, trials, max(trials // 500, 1)):
        at = dice.choice(checkpoints)
        start = time.perf_counter()
        decide(number, at)
        found.append((time.perf_counter() - start) * 1000)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    options = parser.parse_args()
    print("| rule | median ms | 95th percentile ms |\n|---|---:|---:|")
    for name, settings in RULES.items():
        rule, dice = rule_for(settings, "loss"), random.Random(1)
        found = samples(rule, filled(rule, options.trials, dice), options.trials, dice)
        print(f"| {name} | {statistics.median(found):.3f} | {sorted(found)[int(0.95 * len(found))]:.3f} |", flush=True)


if __name__ == "__main__":
    main()
