"""What a trial reports of the sweep's metric: folds rows into its row and its rungs, and asks the stopper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from swath.sweeps import ledger
from swath.sweeps.ledger import TrialRow
from swath.sweeps.spec import Metric
from swath.sweeps.step import Step
from swath.sweeps.stopping import Mark, Stopper, is_due
from swath.sweeps.stopping.base import Goal
from swath.sweeps.values import better, finite
from swath.tracking.apply.fold import lookup
from swath.tracking.runlog import records

replace = msgspec.structs.replace

_UNUSABLE = frozenset({"nan", "inf", "-inf"})


class ValueFault(msgspec.Struct, frozen=True):
    """A logged value of the metric that counts as no report: what `kind` of value, and a sentence about it."""

    kind: str
    message: str


class Reported(msgspec.Struct, frozen=True):
    """The trial after its new rows, and the values among them that could not be used."""

    trial: TrialRow
    faults: tuple[ValueFault, ...] = ()


@dataclass
class Tally:
    """What a trial has reported in all: how many values, their sum, and the best."""

    count: int = 0
    total: float = 0.0
    best: float | None = None

    def add(self, value: float, goal: Goal) -> None:
        """One more value."""
        self.count += 1
        self.total += value
        if self.best is None or better(goal, value, self.best):
            self.best = value


def take(step: Step, trial: TrialRow, rows: Sequence[records.Row], metric: Metric) -> Reported:
    """Count the metric's finite values in `rows` and note each of the stopper's checkpoints that they reach."""
    found, faults = _values(rows, metric.name)
    unusable = trial.unusable + sum(fault.kind in _UNUSABLE for fault in faults)
    if not found:
        changed = trial if unusable == trial.unusable else replace(trial, unusable=unusable)
        return Reported(changed, tuple(faults))
    tally, standings = Tally(trial.reports, trial.value_sum, trial.best), step.plan.standings
    for band, mark in marks(found, metric.goal, step.plan.stopper, tally):
        ledger.put_rung(step.connection, trial, band, mark)
        if standings is not None:
            standings.put(trial, band, mark)
    if standings is not None:
        standings.extend(trial, found)
    counted = replace(
        trial, reports=tally.count, latest=found[-1], best=tally.best, value_sum=tally.total, unusable=unusable
    )
    return Reported(counted, tuple(faults))


def marks(values: Sequence[float], goal: Goal, stopper: Stopper | None, tally: Tally) -> Iterator[tuple[int, Mark]]:
    """The checkpoints of `stopper` that a trial comes to with `values`, and its mark at each; `tally` is moved on."""
    for value in values:
        tally.add(value, goal)
        for band in stopper.checkpoints(tally.count - 1, tally.count) if stopper is not None else ():
            yield band, Mark(value, tally.best if tally.best is not None else value, tally.total / tally.count)


def values_of(rows: Sequence[records.Row], metric: str) -> list[float]:
    """The finite values of a metric in `rows`."""
    return _values(rows, metric)[0]


def _values(rows: Sequence[records.Row], metric: str) -> tuple[list[float], list[ValueFault]]:
    values: list[float] = []
    faults: list[ValueFault] = []
    for row in rows:
        value = lookup(row.values, metric)
        if value is None:
            continue
        if finite(value):
            values.append(float(value))
        else:
            faults.append(_fault(metric, value))
    return values, faults


def judge(step: Step, trial: TrialRow, before: TrialRow) -> TrialRow:
    """Ask the stopper about a running trial; the trial with its verdict, which stays once it is not "continue".

    `before` is the trial as it was before its last reports.
    """
    stopper, standings = step.plan.stopper, step.plan.standings
    if stopper is None or standings is None or trial.verdict != "continue":
        return trial
    standing = standings.standing(trial, step.root, stopper.needs_curve)
    spoilt = stopper.watches_unusable and trial.unusable > before.unusable
    if not (spoilt or is_due(stopper, standing)):
        return trial
    decision = stopper.judge(standing, standings.book)
    trial = replace(trial, asked=trial.reports)
    if decision.action == "continue":
        return trial
    step.event(
        "trial.decided", trial.run_id, name=trial.name, action=decision.action, reason=decision.reason,
        rule=decision.rule, band=decision.band, threshold=decision.threshold, rank=decision.rank, n=decision.n,
        peers=list(decision.peers), donor=decision.donor,
    )  # fmt: skip
    return replace(trial, verdict=decision.action, verdict_reason=decision.reason, donor=decision.donor)


def names(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The names of all metrics in a row, nested ones joined by dots."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from names(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def _fault(name: str, value: Any) -> ValueFault:
    if isinstance(value, float):
        return ValueFault(str(value), f"{name} was logged as {value}: such a value counts as no report")
    kind = type(value).__name__
    return ValueFault(kind, f"{name} was logged as {kind} ({value!r:.60}): only numbers count as reports")
