"""Catch-up on read: takes runs that belong to no live agent over from their logs into the store."""

from __future__ import annotations

from pathlib import Path

import msgspec

from swath.sweeps.liveness import is_gone
from swath.tracking import layout
from swath.tracking.apply import applied_to, fold
from swath.tracking.clock import Clock
from swath.tracking.host import this_host
from swath.tracking.runlog import HEADER_SIZE, read_from
from swath.tracking.store import Database, RunRow, runs
from swath.tracking.store.runs import Event


def take_over_runs(database: Database, root: Path, clock: Clock) -> int:
    """Apply what is new in the logs of runs outside of sweeps; how many runs changed.

    A run whose process is gone without a recorded end becomes `lost`.
    """
    folder = root / "runs"
    if not folder.is_dir():
        return 0
    with database.read() as connection:
        settled = runs.ended_ids(connection)
    changed = 0
    for path in sorted(folder.iterdir()):
        if path.name not in settled and path.is_dir():
            changed += _take_over(database, path, clock)
    return changed


def _take_over(database: Database, path: Path, clock: Clock) -> bool:
    segments = sorted(path.glob("*.log"), key=lambda segment: (layout.attempt_of(segment.name), segment.name))
    with database.write() as connection:
        known = runs.get(connection, path.name)
        if known is not None and known.sweep_id:
            return False
        run = known or RunRow(id=path.name, name=path.name, created=clock.now())
        for segment in segments:
            start = applied_to(run, segment.name)
            data = read_from(segment, start)
            if data:
                run = fold(run, segment.name, max(start, HEADER_SIZE), data).run
        if run.sweep_id:
            return False
        if run.ended is None and run.pid and _is_lost(run):
            run = msgspec.structs.replace(run, state="lost", ended=run.updated)
        if run == known or (known is None and not run.applied):
            return False
        (runs.insert if known is None else runs.update)(connection, run)
        payload = {"state": run.state, "rows": run.rows}
        runs.append_events(connection, clock.now(), [Event("run.updated", run.id, run.id, payload)])
        return True


def _is_lost(run: RunRow) -> bool:
    return run.host == this_host() and is_gone(run.host, run.pid, run.created)
