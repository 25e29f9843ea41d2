"""Takes new bytes of a trial's log over, into the rows of run, trial and rungs, and asks whether to stop the trial."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec

from swath.agents.protocol import Chunk
from swath.sweeps import reports, targets
from swath.sweeps.ledger import TrialRow
from swath.sweeps.states import TrialState
from swath.sweeps.step import Step
from swath.tracking import layout
from swath.tracking.apply.fold import applied_to, fold, restarted
from swath.tracking.apply.notices import notices
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
        runs.update(step.connection, run, known)
    if rows:
        _note_metrics(step, rows)
    if rows or (final and trial.told):
        trial = _count(step, trial, rows, final)
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
        for notice in notices(step.sweep.id, trial.run_id, applied.alerts):
            step.event(notice.kind, notice.subject, **notice.payload)
    return run, rows


def _note_metrics(step: Step, rows: list[records.Row]) -> None:
    new = {name for row in rows for name in reports.names(row.values)}.difference(step.sweep.metrics_seen)
    if new:
        step.change(metrics_seen=tuple(sorted({*step.sweep.metrics_seen, *new})))


def _count(step: Step, trial: TrialRow, rows: list[records.Row], final: bool) -> TrialRow:
    spec = step.plan.spec
    if spec.metric is None:
        return trial
    reported = reports.take(step, trial, rows, spec.metrics or (spec.metric,), final)
    for fault in reported.faults:
        step.warn(f"value:{fault.kind}", f"{trial.name}: {fault.message}")
    before, trial = trial, reported.trial
    if trial is before:
        return trial
    targets.note(step, trial)
    return reports.judge(step, trial, before) if trial.state is TrialState.RUNNING else trial
