"""Takes new bytes of a trial's log over, into the rows of run, trial and rungs, and asks whether to stop the trial."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec

from swath.agents.protocol import Chunk
from swath.sweeps import ledger, reports
from swath.sweeps.ledger import TrialRow
from swath.sweeps.states import SweepState, TrialState
from swath.sweeps.step import Step
from swath.tracking import layout
from swath.tracking.apply.fold import applied_to, fold, restarted
from swath.tracking.runlog import records
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.logfile import read_intact
from swath.tracking.store import RunRow, runs


class Taken(msgspec.Struct, frozen=True):
    """The trial after its new rows, not yet stored, and its run, stored."""

    trial: TrialRow
    run: RunRow


def take(step: Step, trial: TrialRow, chunks: Sequence[Chunk], final: bool = False) -> Taken:
    """Bring the run up to date with `chunks`, count the trial's reports, and decide about it while it runs.

    `final`: nothing more will be written to these segments, so that damage in them is stepped over.
    """
    known = runs.get(step.connection, trial.run_id) if trial.heard else None
    run = known or _blank(step, trial)
    if run.attempt < trial.attempt:
        run = restarted(run, trial.attempt)
    run, rows = _fold(step, run, trial, chunks, final)
    if known is None:
        runs.insert(step.connection, run)
        trial = msgspec.structs.replace(trial, heard=1)
    elif run is not known:
        runs.update(step.connection, run)
    if rows:
        _note_metrics(step, rows)
        trial = _count(step, trial, rows)
    return Taken(trial, run)


def on_disk(folder: Path, attempt: int) -> list[Chunk]:
    """All that an attempt's segments hold, as its agent would have shipped it."""
    found = [(path.name, read_intact(path, 0)) for path in layout.segments(folder, attempt)]
    return [Chunk(name, HEADER_SIZE, data) for name, data in found if data]


def _blank(step: Step, trial: TrialRow) -> RunRow:
    return RunRow(
        id=trial.run_id, name=trial.name, project=step.plan.spec.project or "", sweep_id=trial.sweep_id,
        config=trial.config, attempt=trial.attempt, created=step.now, updated=step.now,
    )  # fmt: skip


def _fold(
    step: Step, run: RunRow, trial: TrialRow, chunks: Sequence[Chunk], final: bool
) -> tuple[RunRow, list[records.Row]]:
    rows: list[records.Row] = []
    for chunk in chunks:
        start = applied_to(run, chunk.segment)
        if layout.attempt_of(chunk.segment) != trial.attempt or chunk.offset + len(chunk.data) <= start:
            continue
        if chunk.offset <= start:
            data = chunk.data[start - chunk.offset :]
        else:
            data = read_intact(layout.run_dir(step.root, trial.run_id) / chunk.segment, start)
        folder = partial(layout.run_dir, step.root, trial.run_id)
        applied = fold(run, chunk.segment, start, data, final, folder)
        run = applied.run
        rows += applied.rows
    return run, rows


def _note_metrics(step: Step, rows: list[records.Row]) -> None:
    new = {name for row in rows for name in reports.names(row.values)}.difference(step.sweep.metrics_seen)
    if new:
        step.change(metrics_seen=tuple(sorted({*step.sweep.metrics_seen, *new})))


def _count(step: Step, trial: TrialRow, rows: list[records.Row]) -> TrialRow:
    metric, stopper = step.plan.spec.metric, step.plan.stopper
    if metric is None:
        return trial
    reported = reports.take(step.connection, trial, rows, metric, stopper)
    for fault in reported.faults:
        step.warn(f"value:{fault.kind}", f"{trial.name}: {fault.message}")
    if reported.trial.reports == trial.reports:
        return trial
    trial = reported.trial
    _check_target(step, trial)
    if stopper is not None and trial.state is TrialState.RUNNING:
        trial = reports.judge(step.connection, trial, metric.goal, stopper)
    return trial


def _check_target(step: Step, trial: TrialRow) -> None:
    reached = _reaches_target(step, trial)
    if reached and step.sweep.state is SweepState.RUNNING:
        step.move(SweepState.FINISHING, reached)


def target_reached(step: Step) -> str:
    """A sentence about the trial that reached `metric.target`; "" where none has, or there is no target."""
    metric = step.plan.spec.metric
    if metric is None or metric.target is None:
        return ""
    best = ledger.best_trial(step.connection, step.sweep.id, metric.goal == "minimize")
    return _reaches_target(step, best) if best else ""


def _reaches_target(step: Step, trial: TrialRow) -> str:
    metric = step.plan.spec.metric
    if metric is None or metric.target is None or trial.best is None:
        return ""
    if reports.better(metric.goal, metric.target, trial.best):
        return ""
    return f"{trial.name} reached the target: {metric.name} {trial.best:g} (target {metric.target:g})"
