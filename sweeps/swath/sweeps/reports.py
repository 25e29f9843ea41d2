"""What a trial reports of the sweep's metrics: folds rows into its row and its rungs, and asks the stopper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec

from swath.sweeps import ledger
from swath.sweeps.ledger import TrialRow
from swath.sweeps.spec import Metric
from swath.sweeps.step import Step
from swath.sweeps.stopping import Decision, Mark, Stopper, is_due
from swath.sweeps.stopping.base import Goal
from swath.sweeps.tallies import JointTally, Tally, Vector
from swath.sweeps.values import finite
from swath.tracking import layout
from swath.tracking.apply.fold import lookup
from swath.tracking.runlog import records
from swath.tracking.runlog.history import rows_as_written
from swath.tracking.store import runs

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


def take(
    step: Step, trial: TrialRow, rows: Sequence[records.Row], metrics: Sequence[Metric], final: bool = False
) -> Reported:
    """Count the finite values in `rows`, and note each of the stopper's checkpoints that they reach.

    What the trial's row holds is the first metric's; with several metrics and early stopping `told` has all of them.
    `final`: the trial reports nothing more.
    """
    found, faults = _values(rows, metrics[0].name)
    for metric in metrics[1:]:
        faults += _values(rows, metric.name)[1]
    unusable = trial.unusable + sum(fault.kind in _UNUSABLE for fault in faults)
    tally, told = Tally(trial.reports, trial.value_sum, trial.best), trial.told
    if len(metrics) > 1 and step.plan.stopper is not None:
        told = _take_jointly(step, trial, rows, metrics, step.plan.stopper, final)
        for value in found:
            tally.add(value, metrics[0].goal)
    elif found:
        _note(step, trial, trial.reports, marks(found, metrics[0].goal, step.plan.stopper, tally), found)
    if not found:
        same = unusable == trial.unusable and told == trial.told
        return Reported(trial if same else replace(trial, unusable=unusable, told=told), tuple(faults))
    counted = replace(
        trial, reports=tally.count, latest=found[-1], best=tally.best, value_sum=tally.total, unusable=unusable,
        told=told,
    )  # fmt: skip
    return Reported(counted, tuple(faults))


def _take_jointly(
    step: Step, trial: TrialRow, rows: Sequence[records.Row], metrics: Sequence[Metric], stopper: Stopper, final: bool
) -> str:
    tally, vectors = JointTally.of(trial.told, len(metrics)), list[Vector]()
    before = tally.count
    found = list(joint_marks(rows, metrics, stopper, tally, vectors, final))
    _note(step, trial, before, found, vectors)
    return tally.text()


def _note(
    step: Step, trial: TrialRow, before: int, found: Iterable[tuple[int, Mark]], values: Sequence[float | Vector]
) -> None:
    """Store the marks; `values` are the reports that were made after `before` of them."""
    standings = step.plan.standings
    for band, mark in found:
        ledger.put_rung(step.connection, trial, band, mark)
        if standings is not None:
            standings.put(trial, band, mark)
    if standings is not None:
        standings.extend(trial, before, values)


def marks(values: Sequence[float], goal: Goal, stopper: Stopper | None, tally: Tally) -> Iterator[tuple[int, Mark]]:
    """The checkpoints of `stopper` that a trial comes to with `values`, and its mark at each; `tally` is moved on."""
    for value in values:
        tally.add(value, goal)
        for band in stopper.checkpoints(tally.count - 1, tally.count) if stopper is not None else ():
            yield band, tally.mark(value)


def joint_marks(
    rows: Sequence[records.Row], metrics: Sequence[Metric], stopper: Stopper, tally: JointTally,
    vectors: list[Vector], final: bool = False,
) -> Iterator[tuple[int, Mark]]:  # fmt: skip
    """`marks` with several metrics; the reports are appended to `vectors`."""
    reported = chain.from_iterable(tally.add(row.values, metrics) for row in rows)
    for vector in chain(reported, tally.close(metrics) if final else ()):
        vectors.append(vector)
        for band in stopper.checkpoints(tally.count - 1, tally.count):
            yield band, tally.mark(vector)


def values_of(rows: Sequence[records.Row], metric: str) -> list[float]:
    """The finite values of a metric in `rows`."""
    return _values(rows, metric)[0]


def mark_again(step: Step, trial: TrialRow) -> None:
    """Note the marks of a trial at the checkpoints of other rules, from the rows of its attempt that were taken."""
    spec, stopper = step.plan.spec, step.plan.stopper
    run = runs.get(step.connection, trial.run_id)
    if spec.metric is None or stopper is None or run is None:
        return
    rows = rows_as_written(layout.run_dir(step.root, trial.run_id), trial.attempt, run.applied)
    tally = JointTally.of("", len(spec.metrics))
    if spec.metrics:
        found = joint_marks(rows, spec.metrics, stopper, tally, [], trial.ended is not None)
    else:
        values = _values(rows, spec.metric.name)[0][: trial.reports]
        found = marks(values, spec.metric.goal, stopper, Tally())
    for band, mark in found:
        ledger.put_rung(step.connection, trial, band, mark)
    if spec.metrics:
        step.save(replace(trial, told=tally.text()))


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
    trial = replace(trial, asked=standing.count)
    if standing.before < decision.band and standings.book.mark(trial.number, decision.band) is not None:
        ledger.note_decided(step.connection, trial, decision.band, _facts(decision))
    if decision.action == "continue":
        return trial
    step.event(
        "trial.decided", trial.run_id, name=trial.name, band=decision.band, peers=list(decision.peers),
        donor=decision.donor, **_facts(decision),
    )  # fmt: skip
    return replace(trial, verdict=decision.action, verdict_reason=decision.reason, donor=decision.donor)


def _facts(decision: Decision) -> dict[str, Any]:
    """What was decided, as events and rungs hold it."""
    among = decision.among
    several = {} if among is None else {key: getattr(among, key) for key in ("front", "dominated", "violation")}
    return {
        "action": decision.action, "rule": decision.rule, "reason": decision.reason, "threshold": decision.threshold,
        "rank": decision.rank, "n": decision.n, **several,
    }  # fmt: skip


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
