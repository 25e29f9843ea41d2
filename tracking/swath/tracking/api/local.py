"""`LocalSource`: the runs of a `.swath` folder, from its database, the run logs and the blobs."""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

from swath.tracking import layout
from swath.tracking.api import pushdown
from swath.tracking.api.filters import columns_of, parse
from swath.tracking.api.query import DEFAULT_ORDER, Query, arranged, parse_order
from swath.tracking.api.source import Change, FileInfo
from swath.tracking.apply.catchup import take_over_run, take_over_runs, trials_by_log
from swath.tracking.apply.fold import applied_to, fold
from swath.tracking.blobs import Blobs
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.errors import NotAllowed, NotFound, UsageError
from swath.tracking.runlog.history import read_records
from swath.tracking.runlog.logfile import LogWriter, end_of, read_from
from swath.tracking.runlog.records import AnyRecord, Row, Saved
from swath.tracking.runlog.streaming import stream_history
from swath.tracking.store import Database, RunRow, runs
from swath.tracking.store.runs import Event
from swath.tracking.store.selection import select_columns, select_ids
from swath.tracking.store.tables import MIGRATIONS

#: Who writes the segment that changes go to.
_WRITER = "api"
#: A run's folder has this before its id while it is removed; no run can be called so.
_REMOVED = "~"
#: How much of a segment is read at a time.
_PART = 4 * 1024 * 1024


class LocalSource:
    """Implements `RunSource` for the folder `root`, which need not exist.

    The logs of runs are taken over before each question; those of a sweep's trials by the sweep's controller, when it
    runs. The database checks what of a filter is about state, project, entity, group, job type, sweep, host, id and
    times; the rest is checked here, run by run, with only the columns that are asked about.
    """

    def __init__(self, root: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        self.root = root
        self._clock = clock
        self._trials = trials_by_log(root)
        self._database = Database(layout.database_path(root), {"tracking": MIGRATIONS}, clock)
        self._finalizer = weakref.finalize(self, self._database.close)

    @property
    def place(self) -> str:
        return str(self.root)

    def find(self, query: Query) -> list[str]:
        clauses, rest = pushdown.split(parse(query.filters))
        order = parse_order(query.order)
        by_age = order == parse_order(DEFAULT_ORDER)
        wanted = columns_of(rest) | (set() if by_age else set(order.field.columns))
        if not self.root.is_dir():
            return []
        take_over_runs(self._database, self.root, self._clock, self._trials)
        with self._database.read() as connection:
            if not wanted:
                return select_ids(connection, clauses)
            found = [pair for pair in select_columns(connection, wanted, clauses) if rest.matches(pair[1])]
        return [run_id for run_id, _ in found] if by_age else arranged(found, order)

    def rows(self, ids: Sequence[str]) -> dict[str, RunRow]:
        if not self.root.is_dir():
            return {}
        with self._database.read() as connection:
            return runs.get_many(connection, ids)

    def row(self, run_id: str) -> RunRow:
        if not layout.is_run_id(run_id) or not self.root.is_dir():
            raise self._not_found(run_id)
        take_over_run(self._database, self.root, self._clock, self._trials, run_id)
        with self._database.read() as connection:
            found = runs.get(connection, run_id)
        if found is None:
            raise self._not_found(run_id)
        return found

    def history(
        self, run_id: str, first: int | None = None, end: int | None = None, page_size: int = 1000
    ) -> Iterator[Row]:
        for row in stream_history(self._folder(run_id)):
            if (first is None or row.step >= first) and (end is None or row.step < end):
                yield row

    def records(self, run_id: str, kinds: tuple[type[AnyRecord], ...], every_attempt: bool = False) -> list[AnyRecord]:
        folder = self._folder(run_id)
        last = layout.last_attempt(folder)
        attempts = range(1, last + 1) if every_attempt else [last] if last else []
        return [each for attempt in attempts for each in read_records(folder, attempt) if isinstance(each, kinds)]

    def segments(self, run_id: str) -> dict[str, int]:
        return {path.name: end_of(path) for path in layout.segments(self._folder(run_id))}

    def segment(self, run_id: str, name: str, offset: int) -> bytes:
        layout.attempt_of(name)  # raises when it is no segment's name
        return read_from(self._folder(run_id) / name, offset, _PART)

    def files(self, run_id: str) -> list[FileInfo]:
        found: dict[str, FileInfo] = {}
        folder = layout.files_dir(self._folder(run_id))
        for path in _files_below(folder):
            status = path.stat()
            name = path.relative_to(folder).as_posix()
            found[name] = FileInfo(name, status.st_size, "", status.st_mtime)
        saved = [each for each in self.records(run_id, (Saved,), every_attempt=True) if isinstance(each, Saved)]
        for record in sorted(saved, key=lambda record: record.time):
            found[record.path] = FileInfo(record.path, record.size, record.sha256, record.time)
        return [found[name] for name in sorted(found)]

    def read_file(self, run_id: str, file: FileInfo) -> bytes:
        try:
            return self._path(run_id, file).read_bytes()
        except FileNotFoundError:
            raise self._no_file(run_id, file) from None

    def copy_file(self, run_id: str, file: FileInfo, target: Path) -> None:
        try:
            shutil.copyfile(self._path(run_id, file), target)
        except FileNotFoundError:
            raise self._no_file(run_id, file) from None

    def blobs(self, run_id: str) -> Blobs:
        return Blobs(layout.blobs_dir(layout.run_dir(self.root, run_id)))

    def change(self, run_id: str, changes: Sequence[Change]) -> RunRow:
        self.row(run_id)
        folder = layout.run_dir(self.root, run_id)
        with self._database.write() as connection:
            run = runs.get(connection, run_id)
            if run is None:
                raise self._not_found(run_id)
            path = folder / layout.segment_name(run.attempt, _WRITER)
            _append(path, changes)
            start = applied_to(run, path.name)
            run = fold(run, path.name, start, read_from(path, start), True, lambda: folder).run
            runs.update(connection, run)
            payload = {"state": run.state, "rows": run.rows}
            runs.append_events(connection, self._clock.now(), [Event("run.updated", run_id, run_id, payload)])
        return run

    def delete(self, run_id: str) -> None:
        self.row(run_id)
        removed = self.root / "runs" / f"{_REMOVED}{run_id}"
        with self._database.write() as connection:
            run = runs.get(connection, run_id)
            if run is None:
                raise self._not_found(run_id)
            _check_deletable(run)
            runs.delete(connection, run_id)
            runs.append_events(connection, self._clock.now(), [Event("run.deleted", run_id, run_id, {})])
            shutil.rmtree(removed, ignore_errors=True)
            if layout.run_dir(self.root, run_id).exists():
                os.rename(layout.run_dir(self.root, run_id), removed)
        shutil.rmtree(removed, ignore_errors=True)

    def url(self, run_id: str) -> str:
        return layout.run_dir(self.root, run_id).as_uri()

    def close(self) -> None:
        self._database.close()

    def _folder(self, run_id: str) -> Path:
        """The folder of a run that there is. A trial that waits, or ran elsewhere, may have a row alone."""
        if layout.is_run_id(run_id):
            folder = layout.run_dir(self.root, run_id)
            if folder.is_dir() or self.rows([run_id]):
                return folder
        raise self._not_found(run_id)

    def _path(self, run_id: str, file: FileInfo) -> Path:
        if file.sha256:
            return self.blobs(run_id).path(file.sha256)
        if Path(file.name).is_absolute() or ".." in Path(file.name).parts:
            raise UsageError(f"{file.name!r} does not lie among the files of a run", "list them with run.files()")
        return layout.files_dir(self._folder(run_id)) / file.name

    def _not_found(self, run_id: str) -> NotFound:
        return NotFound(f"there is no run {run_id!r} in {self.root}", "list the runs with Api().runs()")

    def _no_file(self, run_id: str, file: FileInfo) -> NotFound:
        return NotFound(f"the file {file.name!r} of run {run_id} is not in {self.root}", "it was moved or deleted")


def _append(path: Path, changes: Sequence[Change]) -> None:
    writer = LogWriter(path)
    try:
        for change in changes:
            writer.append(change)
    finally:
        writer.close()


def _check_deletable(run: RunRow) -> None:
    if run.sweep_id:
        raise NotAllowed(
            f"run {run.id} is a trial of sweep {run.sweep_id}, which counts its trials", "it stays as long as its sweep"
        )
    if run.ended is None:
        raise NotAllowed(f"run {run.id} is {run.state}", "delete it when it has ended")


def _files_below(folder: Path) -> Iterator[Path]:
    for where, names, files in os.walk(folder):
        names.sort()
        yield from (path for name in files if (path := Path(where, name)).is_file())
