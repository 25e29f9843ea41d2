"""Catch-up on read: takes runs over from their logs into the store; trials are left to their sweep's controller."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from swath.tracking import layout
from swath.tracking.apply.fold import applied_to, fold
from swath.tracking.apply.liveness import is_gone
from swath.tracking.apply.notices import notices
from swath.tracking.clock import Clock
from swath.tracking.errors import StoreCorrupt
from swath.tracking.host import this_host
from swath.tracking.runlog import records
from swath.tracking.runlog.frames import FRAME, HEADER_SIZE, decode
from swath.tracking.runlog.logfile import read_from
from swath.tracking.store import Database, RunRow, runs
from swath.tracking.store.runs import Event, Position

logger = logging.getLogger("swath.tracking")
replace = msgspec.structs.replace

#: Ends that were found out here, not read in the log: they hold until the log says more.
_GUESSED = ("lost", "damaged")
#: A run is sampled every few seconds; one of another machine that was silent for so many seconds counts as lost.
SILENT_S = 600.0
_AGENT = "agent"
#: So many runs are taken over in one transaction, and it holds the store's write lock no longer than that.
_BATCH = 100
_HOLD_S = 0.05
#: The header of a run is the first record of its segment; notes may make it long.
_OPENING = 4 * 1024
_MOST_OPENING = 16 * 1024 * 1024


class Trials(NamedTuple):
    """Which runs are trials, whose rows are made and changed by a controller alone.

    `known`: those that are worth no look at all. `has`: whether a run is one now, asked before each change of a row.
    """

    known: Callable[[sa.Connection], Set[str]]
    has: Callable[[sa.Connection, str], bool]


def trials_by_log(root: Path) -> Trials:
    """For those who know no sweeps: a run is a trial when its row or its log names a sweep, or an agent wrote to it.

    Nobody but an agent writes an agent's segment, and a trial whose program says nothing has no other.
    """

    def has(connection: sa.Connection, run_id: str) -> bool:
        known = runs.get(connection, run_id)
        return bool(known.sweep_id) if known is not None else _of_a_sweep(layout.run_dir(root, run_id))

    return Trials(runs.of_sweeps, has)


def take_over_runs(database: Database, root: Path, clock: Clock, trials: Trials) -> int:
    """Apply what is new in the logs of runs that are no trials; how many runs changed.

    A run whose process is gone without a recorded end becomes `lost`, `preempted` when it said that it would be, or
    `damaged` when its log cannot be read. One that was resumed is running again. Trouble with one run's files is noted,
    and the others are taken over.
    """
    folder = root / "runs"
    if not folder.is_dir():
        return 0
    with database.read() as connection:
        own = trials.known(connection)
        ended = runs.ended(connection, own)
    names = (name for name in sorted(os.listdir(folder)) if name not in own and layout.is_run_id(name))
    waiting = [name for name in names if _has_news(f"{folder}/{name}", ended.get(name))]
    changed = 0
    while waiting:
        with database.write() as connection:
            until = clock.monotonic() + _HOLD_S
            for name in _taken(waiting):
                changed += _take_over_or_warn(connection, folder / name, clock, trials)
                if clock.monotonic() > until:
                    break
    return changed


def take_over_run(database: Database, root: Path, clock: Clock, trials: Trials, run_id: str) -> bool:
    """`take_over_runs` for one run; its trouble is raised."""
    path = layout.run_dir(root, run_id)
    with database.read() as connection:
        known = runs.get(connection, run_id)
    ended = None if known is None or known.ended is None else Position(known.attempt, known.applied)
    if not path.is_dir() or not _has_more(str(path), ended):
        return False
    with database.write() as connection:
        return _take_over(connection, path, clock, trials)


def _taken(waiting: list[str]) -> Iterator[str]:
    """Up to `_BATCH` names from the front of the list, which loses each as it is given."""
    for name in waiting[:_BATCH]:
        del waiting[0]
        yield name


def _has_news(folder: str, ended: Position | None) -> bool:
    try:
        return _has_more(folder, ended)
    except NotADirectoryError:
        return False
    except OSError as error:
        _warn(folder, error)
        return False


def _has_more(folder: str, ended: Position | None) -> bool:
    """Whether there is more in the log of a run than is known; always, unless it has ended.

    This is asked of every run that ever was. A killed process leaves segments that are longer than their content.
    """
    with os.scandir(folder) as entries:
        if ended is None:
            return True
        for entry in entries:
            name = entry.name
            if layout.is_segment(name):
                start = max(ended.applied.get(name, 0), HEADER_SIZE)
                longer = entry.stat().st_size > start and layout.attempt_of(name) >= ended.attempt
                if longer and _is_more(entry.path, start):
                    return True
    return False


def _is_more(segment: str, start: int) -> bool:
    try:
        return bool(read_from(segment, start))
    except StoreCorrupt:
        return True


def _of_a_sweep(path: Path) -> bool:
    segments = layout.segments(path)
    if any(layout.writer_of(segment.name) == _AGENT for segment in segments):
        return True
    for segment in segments:
        opening = _opening(segment)
        if opening is not None:
            return bool(opening.sweep_id)
    return False


def _opening(segment: Path) -> records.Header | None:
    """The header that a segment begins with; None where it begins with something else, or is damaged there."""
    try:
        with segment.open("rb") as file:
            file.seek(HEADER_SIZE)
            data = file.read(_OPENING)
            length = FRAME.unpack_from(data)[0] if len(data) >= FRAME.size else 0
            missing = FRAME.size + length - len(data)
            data += file.read(min(missing, _MOST_OPENING)) if missing > 0 else b""
    except OSError:
        return None
    found = decode(data[: FRAME.size + length])[0]
    return found[0] if found and isinstance(found[0], records.Header) else None


def _take_over_or_warn(connection: sa.Connection, path: Path, clock: Clock, trials: Trials) -> bool:
    try:
        return _take_over(connection, path, clock, trials)
    except OSError as error:
        _warn(path, error)
        return False


def _warn(path: Path | str, error: OSError) -> None:
    logger.warning("run %s is not brought up to date: %s", os.path.basename(path), error)


def _take_over(connection: sa.Connection, path: Path, clock: Clock, trials: Trials) -> bool:
    if trials.has(connection, path.name):
        return False
    known = runs.get(connection, path.name)
    alerts: list[records.Alert] = []
    run = _brought_up(known or RunRow(id=path.name, name=path.name), path, clock.now(), alerts)
    if run == known or (known is None and not run.applied and not run.error):
        return False
    (runs.insert if known is None else runs.update)(connection, run)
    payload = {"state": run.state, "rows": run.rows}
    told = [Event("run.updated", run.id, run.id, payload), *notices(run.id, run.id, alerts)]
    runs.append_events(connection, clock.now(), told)
    return True


def _brought_up(run: RunRow, path: Path, now: float, alerts: list[records.Alert]) -> RunRow:
    """The run after all that its log holds; what a damaged frame hides is read when nobody writes any more.

    Alerts that are read for the first time are added to `alerts`.
    """
    if run.state in _GUESSED:
        run = replace(run, state="running", ended=None, error="")
    segments = layout.segments(path)
    run, fault, rest = _folded(run, path, segments, alerts, final=False)
    if run.created and run.ended is not None and not fault and not rest:
        return run
    gone = not run.pid or is_gone(run.host, run.pid, run.updated) or _is_silent(run, now)
    if gone:
        run, fault, _ = _folded(run, path, segments, alerts, final=True)
    if fault:
        run = replace(run, error=run.error or fault)
    if not run.created:
        run = replace(run, created=path.stat().st_mtime)
    if run.ended is None and gone and (fault or run.pid):
        state = "damaged" if fault else "preempted" if run.state == "preempting" else "lost"
        run = replace(run, state=state, ended=run.updated or run.created)
    return run


def _is_silent(run: RunRow, now: float) -> bool:
    """Whether a run of another machine was not heard of for long: the machine may be gone, and nobody there tells."""
    return run.host != this_host() and now - run.updated > SILENT_S


def _folded(
    run: RunRow, path: Path, segments: Sequence[Path], alerts: list[records.Alert], final: bool
) -> tuple[RunRow, str, bool]:
    """The run with what its segments hold beyond what it knows.

    Also what is wrong with the first damaged segment, and whether anything was left because a frame is damaged.
    """
    faults = []
    rest = False
    for segment in segments:
        if layout.attempt_of(segment.name) < run.attempt:
            continue
        start = applied_to(run, segment.name)
        try:
            data = read_from(segment, start)
        except StoreCorrupt as error:
            faults.append(error.message)
            continue
        if data:
            applied = fold(run, segment.name, start, data, final, lambda: path)
            run = applied.run
            alerts += applied.alerts
            rest = rest or applied_to(run, segment.name) < start + len(data)
    return run, faults[0] if faults else "", rest
