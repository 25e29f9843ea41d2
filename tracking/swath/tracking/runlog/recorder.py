"""Writes the records of one run into its segment of the log; its own trouble never reaches the training."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from swath.tracking import layout
from swath.tracking.clock import Clock
from swath.tracking.errors import NotAllowed, UsageError
from swath.tracking.host import this_host
from swath.tracking.runlog.encoding import pack
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import Alert, AnyRecord, Keys, Output, Record, Row, Saved, Values

_RETRY_EVERY = 64
#: Rows with the same metrics are written with their names so often; then without, and the names again now and then.
_NAMED_ROWS = 8
_NAMES_EVERY = 1000
_MOST_NAME_SETS = 256


#: Bytes of one row. What is larger belongs into a file: everybody who reads the run would have to read it.
MAX_ROW = 16 * 1024 * 1024


class _NameSet:
    """The names of the metrics of many rows: said under `id`, to be said again after `left` more rows."""

    __slots__ = ("id", "left", "named")

    def __init__(self) -> None:
        self.id = 0
        self.left = 0
        self.named = 0


class Recorder:
    """The writing side of a run, for any number of threads.

    The first process of a run writes its main segment. Another one that calls `init()` for the same run
    meanwhile, and every forked child that logs, writes a segment of its own: such a recorder is not `main`.
    With `shared` that holds for a main segment that is only there, too: it belongs to another process that may be
    over by now. A process of `rank` 1 and up writes a segment named for it, and of all records only output, alerts and
    files: what is the same in every rank is rank 0's to say.

    What cannot be written is counted in `dropped` and warned of once; a segment that could not be opened is tried
    again now and then.
    """

    def __init__(self, run_dir: Path, attempt: int, clock: Clock, *, shared: bool = False, rank: int = 0) -> None:
        self.lock = threading.RLock()
        self.main = not rank
        self._reports = not rank
        self.dropped = 0
        self.on_new_names: Callable[[tuple[str, ...]], None] | None = None
        self._dir = run_dir
        self._shared = shared
        self._attempt = attempt
        segment = layout.segment_name(attempt, f"rank{rank}" if rank else "")
        self._path = f"{run_dir}/{segment}"  # text: joining paths costs more than a row
        self._now = clock.now
        self._opening: Sequence[Record] = ()
        self._writer: LogWriter | None = None
        self._append: Callable[[bytes], int] = self._append_later
        self._name_sets: dict[tuple[str, ...], _NameSet] = {}
        self._warned = False

    def open(self) -> bool:
        """Open the segment; false when it was there already, with records to go on behind."""
        try:
            return self._open_writer().created
        except OSError as error:
            self._warn(error)
            return True

    def begin(self, opening: Sequence[AnyRecord]) -> None:
        """Write the first records of this part of the run; later, if the segment cannot be opened now."""
        self._opening = opening
        if self._writer is not None:
            self._write_opening()

    def append(self, record: Record) -> None:
        """Write one record."""
        if not self._reports and not isinstance(record, Output | Alert | Saved):
            return
        with self.lock:
            self._write(pack(record))

    def append_row(self, step: int, values: dict[str, Any]) -> int:
        """Write one row of plain values; the caller holds the lock. Not 0 when somebody asked the run to stop."""
        if not self._reports:
            return self.stop_reason is not None
        names = tuple(values)
        known = self._name_sets.get(names)
        try:
            if known is not None and known.left:
                known.left -= 1
                payload = pack(Values(known.id, step, self._now(), tuple(values.values())))
                if len(payload) > MAX_ROW:
                    raise _too_large(values, len(payload))
                return self._append(payload)
            payload = pack(Row(step, self._now(), values))
            if len(payload) > MAX_ROW:
                raise _too_large(values, len(payload))
            stop = self._append(payload)
            self._count(names, known)
            return stop
        except OSError as error:
            self.drop(error)
            return self.stop_reason is not None

    def _count(self, names: tuple[str, ...], known: _NameSet | None) -> None:
        """Say the names once for the rows to come, when many rows have had the same."""
        writer = self._writer
        if known is None:
            if self.on_new_names is not None:
                self.on_new_names(names)
            if len(self._name_sets) < _MOST_NAME_SETS:
                self._name_sets[names] = _NameSet()
            return
        known.named += 1
        if known.named >= _NAMED_ROWS and writer is not None:
            known.id = known.id or writer.offset
            self._append(pack(Keys(known.id, names)))
            known.left = _NAMES_EVERY

    def output(self, stream: str, text: str) -> None:
        """Write console output."""
        self.append(Output(stream, self._now(), text))

    @property
    def path(self) -> Path:
        """The segment that this recorder writes."""
        return Path(self._path)

    @property
    def stop_reason(self) -> str | None:
        """Why somebody asked the run to stop, or None."""
        writer = self._writer
        return writer.stop_reason if writer is not None else None

    def close(self) -> None:
        """Write nothing any more."""
        with self.lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._append = _append_nothing  # a thread that prints may have waited for the lock

    def after_fork(self) -> None:
        """In a forked child: leave the parent's segment alone, and open an own one at the first record."""
        self.lock = threading.RLock()
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None
        self._take_own_segment("fork")
        self._name_sets.clear()
        self._append = self._append_later
        self.dropped = 0

    def _take_own_segment(self, kind: str) -> None:
        self.main = False
        self._opening = ()
        writer = f"{kind}{os.getpid()}_{crc32(this_host().encode()):08x}"  # other hosts may share the folder
        self._path = f"{self._dir}/{layout.segment_name(self._attempt, writer)}"

    def _open_writer(self) -> LogWriter:
        if self._shared and self.main and os.path.exists(self._path):
            self._take_own_segment("process")
        try:
            self._writer = LogWriter(self._path)
        except NotAllowed:
            self._take_own_segment("process")
            self._writer = LogWriter(self._path)
        self._append = self._writer.append_payload
        return self._writer

    def _write_opening(self) -> None:
        if self.main:
            for record in self._opening:
                self._write(pack(record))

    def _write(self, payload: bytes) -> None:
        try:
            self._append(payload)
        except OSError as error:
            self.drop(error)

    def _append_later(self, payload: bytes) -> int:
        """Stands in for the writer's `append_payload` until the segment is open."""
        if self.dropped % _RETRY_EVERY:
            raise OSError("the run log is not open")
        writer = self._open_writer()
        self._write_opening()
        return writer.append_payload(payload)

    def drop(self, error: OSError) -> None:
        """Count something that could not be kept, and say so once."""
        self.dropped += 1
        self._warn(error)

    def _warn(self, error: OSError) -> None:
        if self._warned:
            return
        self._warned = True
        message = (
            f"the run log {self._path} cannot be written: {error.strerror or error}; "
            "training goes on, and what is lost is counted"
        )
        try:
            warnings.warn(message, RuntimeWarning, stacklevel=5)
        except RuntimeWarning:
            print(message, file=sys.stderr)


def _append_nothing(payload: bytes) -> int:
    return 0


def _too_large(values: dict[str, Any], size: int) -> UsageError:
    name = max(values, key=lambda key: len(pack(Row(0, 0.0, {key: values[key]}))))
    return UsageError(
        f"the row takes {size / 1e6:.0f} MB, most of it {name!r}; a row holds up to {MAX_ROW / 1e6:.0f}",
        "save it as a file: run.save(path), or a file in run.dir",
    )
