"""Catch-up on read: takes runs that are no trial of this store over from their logs; trials are the controller's."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import sqlalchemy as sa

from swath.sweeps import ledger
from swath.sweeps.liveness import is_gone
from swath.sweeps.tables import trials
from swath.tracking import layout
from swath.tracking.apply import applied_to, fold
from swath.tracking.clock import Clock
from swath.tracking.errors import StoreCorrupt
from swath.tracking.runlog import HEADER_SIZE, read_from
from swath.tracking.store import Database, RunRow, runs
from swath.tracking.store.runs import Event, Position

logger = logging.getLogger("swath.sweeps")
replace = msgspec.structs.replace

#: Ends that were found out here, not read in the log: they hold until the log says more.
_GUESSED = ("lost", "damaged")


def take_over_runs(database: Database, root: Path, clock: Clock) -> int:
    """Apply what is new in the logs of runs that are no trials of this store; how many runs changed.

    A run whose process is gone without a recorded end becomes `lost`, or `damaged` when its log cannot be read. One
    that was resumed is running again. Trouble with one run's files is noted, and the others are taken over.
    """
    folder = root / "runs"
    if not folder.is_dir():
        return 0
    with database.read() as connection:
        own = set(connection.execute(sa.select(trials.c.run_id)).scalars())
        ended = runs.ended(connection, own)
    changed = 0
    for path in sorted(folder.iterdir()):
        if path.name in own or not layout.is_run_id(path.name) or not path.is_dir():
            continue
        try:
            if path.name not in ended or _has_more(path, ended[path.name]):
                changed += _take_over(database, path, clock)
        except OSError as error:
            logger.warning("run %s is not brought up to date: %s", path.name, error)
    return changed


def _has_more(path: Path, known: Position) -> bool:
    """Whether there is more in the log of an ended run. A killed process leaves segments longer than their content."""
    for segment in layout.segments(path):
        start = max(known.applied.get(segment.name, 0), HEADER_SIZE)
        if layout.attempt_of(segment.name) < known.attempt or segment.stat().st_size <= start:
            continue
        try:
            if read_from(segment, start):
                return True
        except StoreCorrupt:
            return True
    return False


def _take_over(database: Database, path: Path, clock: Clock) -> bool:
    with database.write() as connection:
        if ledger.get_trial(connection, path.name) is not None:
            return False
        known = runs.get(connection, path.name)
        run = _brought_up(known or RunRow(id=path.name, name=path.name), path)
        if run == known or (known is None and not run.applied and not run.error):
            return False
        (runs.insert if known is None else runs.update)(connection, run)
        payload = {"state": run.state, "rows": run.rows}
        runs.append_events(connection, clock.now(), [Event("run.updated", run.id, run.id, payload)])
        return True


def _brought_up(run: RunRow, path: Path) -> RunRow:
    """The run after all that its log holds; what a damaged frame hides is read when nobody writes any more."""
    if run.state in _GUESSED:
        run = replace(run, state="running", ended=None, error="")
    run, fault = _folded(run, path, final=False)
    gone = not run.pid or is_gone(run.host, run.pid, run.updated)
    if gone:
        run, fault = _folded(run, path, final=True)
    if fault:
        run = replace(run, error=run.error or fault)
    if not run.created:
        run = replace(run, created=path.stat().st_mtime)
    if run.ended is None and gone and (fault or run.pid):
        run = replace(run, state="damaged" if fault else "lost", ended=run.updated or run.created)
    return run


def _folded(run: RunRow, path: Path, final: bool) -> tuple[RunRow, str]:
    """The run with what its segments hold beyond what it knows, and what is wrong with the first damaged segment."""
    faults = []
    for segment in layout.segments(path):
        if layout.attempt_of(segment.name) < run.attempt:
            continue
        start = applied_to(run, segment.name)
        try:
            data = read_from(segment, start)
        except StoreCorrupt as error:
            faults.append(error.message)
            continue
        if data:
            run = fold(run, segment.name, start, data, final).run
    return run, faults[0] if faults else ""
