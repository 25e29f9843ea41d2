"""What a trial reports of the sweep's metric: folds rows into its row and its rungs, and asks the stopper."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from swath.sweeps import ledger
from swath.sweeps.ledger import TrialRow
from swath.sweeps.spec import Metric
from swath.sweeps.stopping import Stopper
from swath.sweeps.stopping.base import Goal
from swath.tracking.apply.fold import lookup
from swath.tracking.runlog import records


class ValueFault(msgspec.Struct, frozen=True):
    """A logged value of the metric that counts as no report: what `kind` of value, and a sentence about it."""

    kind: str
    message: str


class Reported(msgspec.Struct, frozen=True):
    """The trial after its new rows, and the values among them that could not be used."""

    trial: TrialRow
    faults: tuple[ValueFault, ...] = ()


def finite(value: Any) -> bool:
    """Whether a logged value counts as a report: a finite number that is not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def better(goal: str, value: float, than: float | None) -> bool:
    """Whether `value` is better than `than` for `goal`; anything is better than nothing."""
    return than is None or (value < than if goal == "minimize" else value > than)


def take(
    connection: sa.Connection,
    trial: TrialRow,
    rows: Sequence[records.Row],
    metric: Metric,
    stopper: Stopper | None,
) -> Reported:
    """Count the metric's finite values in `rows` and note each rung that they reach."""
    count, latest, best = trial.reports, trial.latest, trial.best
    faults: list[ValueFault] = []
    for row in rows:
        value = lookup(row.values, metric.name)
        if value is None:
            continue
        if not finite(value):
            faults.append(_fault(metric.name, value))
            continue
        count, latest = count + 1, float(value)
        if best is None or better(metric.goal, latest, best):
            best = latest
        for band in stopper.crossed(count - 1, count) if stopper is not None else ():
            ledger.insert_rung(connection, trial, band, latest, best)
    if count == trial.reports:
        return Reported(trial, tuple(faults))
    return Reported(msgspec.structs.replace(trial, reports=count, latest=latest, best=best), tuple(faults))


def judge(connection: sa.Connection, trial: TrialRow, goal: Goal, stopper: Stopper) -> TrialRow:
    """Ask the stopper about a running trial; the trial with its verdict, sticky once it is "stop"."""
    band = stopper.band_reached(trial.reports)
    if band is None or trial.verdict != "continue" or trial.best is None:
        return trial
    peers = ledger.rung_values(connection, trial.sweep_id, band)
    own = trial.best if stopper.uses_best else peers[trial.run_id]
    decision = stopper.decide(goal, band, own, list(peers.values()))
    if decision.action == "continue":
        return trial
    return msgspec.structs.replace(trial, verdict="stop", verdict_reason=decision.reason)


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
