"""The receiving side of shipping: bytes go into the segments and blobs of a store, each offset once; knows no HTTP."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from zlib import crc32

import sqlalchemy as sa

from swath.tracking import layout
from swath.tracking.apply.catchup import Trials, take_over_run
from swath.tracking.blobs import Blobs
from swath.tracking.clock import Clock
from swath.tracking.errors import NotAllowed, OutOfStep, StoreFull, UsageError
from swath.tracking.runlog.frames import HEADER_SIZE, decode
from swath.tracking.runlog.logfile import end_of, read_from, write_at
from swath.tracking.runlog.records import Header
from swath.tracking.store import Database, runs

OwnsSweep = Callable[[sa.Connection, str], bool]
"""Whether a sweep of that id is one of this store."""

#: A record that says who a run is, and stands first, is no longer than this.
_MAX_HEADER = 1024 * 1024


class RunReceiver:
    """Takes the logs of runs outside this store's sweeps. Any number of threads; each call may be repeated."""

    def __init__(self, root: Path, database: Database, trials: Trials, owns_sweep: OwnsSweep, clock: Clock) -> None:
        self._root = root
        self._database = database
        self._trials = trials
        self._owns_sweep = owns_sweep
        self._clock = clock
        self._locks = Locks()

    def ends(self, run_id: str) -> dict[str, int]:
        """Up to where each segment of the run is here; empty for a run that is not."""
        return {path.name: end_of(path) for path in layout.segments(layout.run_dir(self._root, run_id))}

    def take(self, run_id: str, segment: str, offset: int, data: bytes) -> int:
        """Store bytes that stand at `offset` of a segment, and bring the run's row up to date; the segment's new end.

        Raises `OutOfStep` when bytes before `offset` are missing or those that are here differ, and `NotAllowed`
        for a trial of this store, whose agent reports it.
        """
        layout.attempt_of(segment)  # raises when it is no segment's name
        path = layout.run_dir(self._root, run_id) / segment
        with self._locks.held(run_id):
            with self._database.read() as connection:
                if self._trials.has(connection, run_id):
                    raise _is_trial(run_id)
            end = self._stored(path, max(offset, HEADER_SIZE), data)
            if self._is_known(run_id, path):
                take_over_run(self._database, self._root, self._clock, self._trials, run_id)
            return end

    def _stored(self, path: Path, offset: int, data: bytes) -> int:
        with _room_needed(path):
            end = end_of(path)
            if offset > end:
                told = f"{path.name} ends at {end}, but bytes from {offset} on were sent"
                raise OutOfStep(told, f"send it from {end} on")
            known = read_from(path, offset, len(data)) if offset < end and data else b""
            if known != data[: len(known)]:
                raise OutOfStep(
                    f"{path.name} of run {path.parent.name} holds other bytes at {offset} than were sent",
                    "another machine has written a run of that id: send this one under another name",
                )
            return write_at(path, offset, data) if offset + len(data) > end else end

    def _is_known(self, run_id: str, path: Path) -> bool:
        """Whether it is known by now who the run is: one that has only begun to come may be what is not taken.

        A run that turns out to be a trial of one of this store's sweeps is refused, and nothing is kept of it.
        """
        with self._database.read() as connection:
            if runs.get(connection, run_id) is not None:
                return True
            found = decode(read_from(path, HEADER_SIZE, _MAX_HEADER))[0]
            opening = next((record for record in found if isinstance(record, Header)), None)
            if opening is None:
                return False
            if not opening.sweep_id or not self._owns_sweep(connection, opening.sweep_id):
                return True
        path.unlink()
        raise _is_trial(run_id)


class BlobReceiver:
    """Takes blobs in parts, each at its offset; a blob is there only once all of it is, and its digest is right."""

    def __init__(self, blobs: Blobs, locks: Locks | None = None) -> None:
        self._blobs = blobs
        self._locks = locks or Locks()

    def check(self, digest: str) -> None:
        """Raise `UsageError` when that is no digest."""
        self._blobs.path(digest)

    def size(self, digest: str) -> int | None:
        """How large the blob is; None when it is not here."""
        try:
            return self._blobs.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def begun(self, digest: str) -> int:
        """How much of a blob that is not here yet has come."""
        try:
            return self._draft(digest).stat().st_size
        except FileNotFoundError:
            return 0

    def take(self, digest: str, offset: int, size: int, part: IO[bytes]) -> int:
        """Store a part that stands at `offset` of a blob of `size` bytes; how much of it is here.

        Raises `OutOfStep` when bytes before `offset` are missing, and `UsageError` when the whole is not what its
        digest says: then nothing of it is kept.
        """
        path = self._blobs.path(digest)
        with self._locks.held(digest), _room_needed(path):
            if path.exists():
                return size
            draft = self._draft(digest)
            begun = self.begun(digest)
            if offset > begun:
                raise OutOfStep(
                    f"of the file {digest} {begun} bytes are here, but those from {offset} on were sent",
                    f"send it from {begun} on",
                )
            draft.parent.mkdir(parents=True, exist_ok=True)
            part.seek(begun - offset)
            with draft.open("ab") as file:
                shutil.copyfileobj(part, file)
            begun = self.begun(digest)
            if begun < size:
                return begun
            self._check(digest, draft, size)
            path.parent.mkdir(exist_ok=True)
            draft.replace(path)
            return size

    def _draft(self, digest: str) -> Path:
        path = self._blobs.path(digest)
        return path.parent.parent / f"part-{digest}"

    def _check(self, digest: str, draft: Path, size: int) -> None:
        with draft.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found == digest and draft.stat().st_size == size:
            return
        draft.unlink()
        raise UsageError(
            f"the bytes that came as the file {digest} have the digest {found}; nothing of them is kept",
            "send the bytes whose SHA-256 it is; they may have been damaged on their way",
        )


class Locks:
    """A lock for each name, some of them shared: few enough to be kept for ever."""

    def __init__(self) -> None:
        self._locks = [threading.Lock() for _ in range(64)]

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        with self._locks[crc32(name.encode()) % len(self._locks)]:
            yield


@contextmanager
def _room_needed(path: Path) -> Iterator[None]:
    """Tell of a disk that refuses as what it is: the other side may try again."""
    try:
        yield
    except OSError as error:
        raise StoreFull(f"cannot write {path}: {os.strerror(error.errno or 0)}", "make room on the server") from error


def _is_trial(run_id: str) -> NotAllowed:
    return NotAllowed(
        f"run {run_id} is a trial of a sweep of this server: its agent reports it",
        "nothing needs to be done: what the trial logs comes with its agent",
    )
