"""Brings the folder of one run to a server, blobs before the records that name them; no threads, no retries."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec

from swath.tracking import layout
from swath.tracking.blobs import Blobs
from swath.tracking.errors import OutOfStep, StoreCorrupt, UsageError
from swath.tracking.runlog.frames import FRAME, HEADER_SIZE
from swath.tracking.runlog.logfile import end_of, read_from
from swath.tracking.runlog.references import SEAM, blobs_behind, digests_in

if TYPE_CHECKING:
    from swath.tracking.shipping.client import Client

logger = logging.getLogger("swath.tracking")

#: How much of a segment goes into one request, and how much of a blob.
CHUNK = 2 * 1024 * 1024
PART = 8 * 1024 * 1024
#: So many bytes that the server should have are sent again, once, for it to compare: a run of the same id may have
#: been written elsewhere, and a machine that lost its power may have lost the end of its log.
OVERLAP = 1024
MARKER = "shipped.json"
LOCK = "shipping.lock"


class Delivery:
    """What the server has of one run, and the sending of the rest. The folder is only read; one thread at a time."""

    def __init__(self, run_dir: Path, client: Client) -> None:
        self._run_dir = run_dir
        self._client = client
        self._path = f"/v1/runs/{run_dir.name}/segments"
        self._blobs = Blobs(layout.blobs_dir(run_dir))
        self._blob_delivery = BlobDelivery(client)
        self._sent = 0
        self._feeds: dict[str, _Feed] = {}
        self._ends: dict[str, int] | None = None

    @property
    def sent(self) -> int:
        """How many bytes were sent, of segments and blobs."""
        return self._sent + self._blob_delivery.sent

    def begin(self) -> None:
        """Ask the server what it has."""
        self._ends = self._numbers(self._client.ask("GET", self._path).content)

    def ship(self) -> None:
        """Send what is new of every segment. One that cannot be sent is raised after the others were."""
        if self._ends is None:
            self.begin()
        fault: StoreCorrupt | None = None
        for path in layout.segments(self._run_dir):
            try:
                self._ship(path)
            except StoreCorrupt as error:
                fault = fault or error
        if fault is not None:
            raise fault

    def complete(self) -> bool:
        """Whether the server has all that the log holds now."""
        ends = local_ends(self._run_dir)
        return all(name in self._feeds and self._feeds[name].agreed >= end for name, end in ends.items())

    def complete_by_others(self) -> bool:
        """Whether the server says that it has as much as the log holds now: another shipper may have sent it."""
        self.begin()
        return all(
            end <= max(self._end_there(name), self._end_there(_alias(self._run_dir / name)))
            for name, end in local_ends(self._run_dir).items()
        )

    def ends(self) -> dict[str, int]:
        """Up to where each segment is known to be at the server."""
        return {name: feed.agreed for name, feed in self._feeds.items()}

    def _ship(self, path: Path) -> None:
        feed = self._feeds.get(path.name)
        if feed is None:
            feed = self._feeds[path.name] = _Feed(path)
            feed.begin(self._end_there(feed.remote))
        while True:
            seam = min(SEAM, feed.agreed - HEADER_SIZE)
            window = read_from(path, feed.agreed - seam, CHUNK)
            data = window[seam:]
            if not data:
                return
            for digest in digests_in(window):
                self._blob_delivery.send_all(digest, self._blobs)
            try:
                end = self._put(feed.remote, feed.agreed, data)
                feed.agreed = min(end, feed.agreed + len(data))
            except OutOfStep:
                self._realign(feed)

    def _put(self, remote: str, offset: int, data: bytes) -> int:
        answer = self._client.ask("PUT", f"{self._path}/{remote}", query={"offset": offset}, content=data)
        self._sent += len(data)
        return self._numbers(answer.content).get("end", offset)

    def _numbers(self, answer: bytes) -> dict[str, int]:
        try:
            return msgspec.json.decode(answer, type=dict[str, int])
        except msgspec.MsgspecError as error:
            told = f"{self._client.url} does not answer as a swath server: {error}"
            raise UsageError(told, "check the URL") from None

    def _end_there(self, remote: str) -> int:
        return (self._ends or {}).get(remote, HEADER_SIZE)

    def _realign(self, feed: _Feed) -> None:
        """The server refused bytes at the offset where they stand: find out where to go on.

        It has less than it had: go on from there. Its segment of that name was written elsewhere: another name is
        ours. The same was begun here, and went on otherwise: nothing can be sent any more.
        """
        self.begin()
        if feed.agreed > self._end_there(feed.remote):
            feed.begin(self._end_there(feed.remote))
        elif not feed.aliased and not self._begun_here(feed):
            feed.remote = _alias(feed.path)
            feed.begin(self._end_there(feed.remote))
        else:
            raise StoreCorrupt(
                f"{self._client.url} has another end of {feed.path.name} of run {self._run_dir.name} than {feed.path}",
                "this machine lost the end of its log, or a copy of it was gone on with; it stays as it is here",
            )

    def _begun_here(self, feed: _Feed) -> bool:
        """Whether the server's segment begins as ours does."""
        most = min(OVERLAP, self._end_there(feed.remote) - HEADER_SIZE)
        try:
            self._put(feed.remote, HEADER_SIZE, read_from(feed.path, HEADER_SIZE, most))
        except OutOfStep:
            return False
        return True


class BlobDelivery:
    """Sends blobs, each once. One thread at a time."""

    def __init__(self, client: Client, root: str = "/v1/blobs") -> None:
        self.sent = 0
        self._root = root
        self._client = client
        self._delivered: set[str] = set()

    def send_all(self, digest: str, blobs: Blobs) -> None:
        """Send a blob, and those it speaks of before; nothing when it is none, or is there already."""
        for each, path in blobs_behind(digest, blobs, self._delivered):
            self.send(each, path)
            self._delivered.add(each)

    def send(self, digest: str, path: Path) -> None:
        """Send the file at `path` as the blob of that digest."""
        where = f"{self._root}/{digest}"
        refused = 0
        fault = UsageError("")
        while refused < 2:
            known = self._client.ask("HEAD", where, accept=(404,))
            if known.status != 404:
                return
            try:
                for offset, size, part in _parts(path, int(known.headers.get("upload-offset", 0))):
                    self._client.ask("PUT", where, query={"offset": offset, "size": size}, content=part)
                    self.sent += len(part)
                return
            except OutOfStep:
                continue  # somebody else sends it too
            except UsageError as error:
                refused += 1  # the first time it may be that what somebody else had begun was something else
                fault = error
        logger.warning("%s is not sent: %s", path, fault.message)


class _Feed:
    """One segment on its way: the name it has at the server, and up to where both sides are known to agree."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.remote = path.name
        self.agreed = HEADER_SIZE

    @property
    def aliased(self) -> bool:
        return self.remote != self.path.name

    def begin(self, end: int) -> None:
        """The server has so much under our name; a little of it will be compared."""
        self.agreed = max(HEADER_SIZE, min(end, end_of(self.path)) - OVERLAP)


class RunLock:
    """That of several shippers of one run only one ships; ends with the process that holds it."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / LOCK
        self._fd = -1

    @property
    def held(self) -> bool:
        """Whether it is held here, and not only by everybody."""
        return self._fd >= 0

    def acquire(self) -> bool:
        """Whether it is held now. Where there are no locks, or no writing, everybody holds it."""
        if self._fd >= 0:
            return True
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError:
            pass
        self._fd = fd
        return True

    def release(self) -> None:
        """Let others ship. Said outright, since forked children may have the file open too."""
        if self._fd >= 0:
            with suppress(OSError):
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            os.close(self._fd)
            self._fd = -1

    def abandon(self) -> None:
        """In a forked child: the lock is the parent's."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def local_ends(run_dir: Path) -> dict[str, int]:
    """How far each segment goes."""
    return {path.name: end_of(path) for path in layout.segments(run_dir)}


def is_marked(run_dir: Path, url: str) -> bool:
    """Whether it is noted that all that the log holds now was delivered to `url`."""
    try:
        noted = msgspec.json.decode((run_dir / MARKER).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return False
    return isinstance(noted, dict) and noted.get("url") == url and noted.get("ends") == local_ends(run_dir)


def mark(run_dir: Path, url: str, ends: dict[str, int], now: float) -> None:
    """Note what was delivered; without a note, the server is asked again."""
    draft = run_dir / f"{MARKER}.{os.getpid()}"
    with suppress(OSError):
        draft.write_bytes(msgspec.json.encode({"url": url, "ends": ends, "time": now}))
        draft.replace(run_dir / MARKER)


def _alias(path: Path) -> str:
    """The server's name for a segment whose own name is taken there: the same at every try."""
    head = crc32(read_from(path, HEADER_SIZE, FRAME.size))  # length and checksum of the first record
    writer = layout.writer_of(path.name)
    return layout.segment_name(layout.attempt_of(path.name), f"{writer}{'_' if writer else ''}{head:08x}")


def _parts(path: Path, offset: int) -> Iterator[tuple[int, int, bytes]]:
    """Offset, size of the whole, and bytes, of each part of a file from `offset` on; one at least."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(offset)
        while True:
            part = file.read(PART)
            yield offset, size, part
            offset += len(part)
            if offset >= size or not part:
                return
