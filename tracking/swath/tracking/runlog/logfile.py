"""The run log: append-only files of checksummed frames, and how bytes of them are written, read and shipped.

A segment is a header page of `HEADER_SIZE` bytes, then frames. All numbers are little-endian.

    0   8 bytes   magic                     64  u8    stop flag
    8   u32       format version            66  u16   length of the reason
    16  u64       committed length          68  text  the reason, UTF-8
                                                      frame: u32 length, u32 crc32, msgpack payload

The writer stores a frame first and the committed length after it, into memory shared with the page cache: a
process that dies right after `append` returns has lost nothing. What is in the frames is told in `frames`.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import struct
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from swath.tracking.errors import NotAllowed, StoreCorrupt
from swath.tracking.runlog.encoding import pack
from swath.tracking.runlog.frames import FRAME, HEADER_SIZE, end_of_frames
from swath.tracking.runlog.records import Record

logger = logging.getLogger("swath.tracking")

MAGIC = b"SWATHLOG"
VERSION = 1
MAX_REASON = 2048

_COMMITTED_AT = 16
_STOP_AT = 64
_REASON_AT = 66
_FIRST_SIZE = 8 * 1024
_WRITTEN_SIZE = 64 * 1024
_MAX_STEP = 8 * 1024 * 1024
_LENGTH = struct.Struct("<Q")
_PREAMBLE = struct.Struct("<8sIIQ")


class LogWriter:
    """Appends to one segment; the only writer of it, one thread at a time.

    An existing segment is gone on with: what lies behind its last whole frame is cut. `created` says whether
    there was none. Raises `NotAllowed` when another process is writing the segment, `StoreCorrupt` when the
    file is no segment, and `OSError` when the disk refuses; a refused `append` has written nothing and may be
    tried again.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = path
        _make_folder(os.path.dirname(path))
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _lock(self._fd, path)
            self._size = os.fstat(self._fd).st_size
            self.offset = HEADER_SIZE
            self.created = not _has_header(self._fd, path)
            if self.created:
                if self._size:
                    os.ftruncate(self._fd, 0)
                self._size = 0
            else:
                self._cut_tail()
            if self._size < HEADER_SIZE + FRAME.size:
                self._allocate(_FIRST_SIZE)
            self._map_window()
            self._head = mmap.mmap(self._fd, HEADER_SIZE) if self._base else self._window
        except BaseException:
            os.close(self._fd)
            raise
        self._control = memoryview(self._head)
        self._committed = self._control[_COMMITTED_AT : _COMMITTED_AT + 8].cast("Q")
        self._committed[0] = self.offset
        if self.created:
            self._head[8:16] = struct.pack("<II", VERSION, 0)
            self._head[:8] = MAGIC

    def append(self, record: Record) -> None:
        """Append one record."""
        self.append_payload(pack(record))

    def append_payload(self, payload: bytes) -> int:
        """Append one record that is encoded already; returns the stop flag, which is not 0 when one was asked for.

        Between the reservation and the commit nothing is called, so that a signal handler that appends too
        finds the log whole.
        """
        frame = FRAME.pack(len(payload), crc32(payload)) + payload
        if self.offset + len(frame) > self._size:
            self._grow(len(frame))
        start = self.offset - self._base
        end = start + len(frame)
        self.offset = end + self._base
        self._window[start:end] = frame
        self._committed[0] = self.offset
        return self._control[_STOP_AT]

    @property
    def stop_reason(self) -> str | None:
        """Why somebody asked this run to stop, or None when nobody did."""
        if not self._control[_STOP_AT]:
            return None
        (length,) = struct.unpack_from("<H", self._head, _REASON_AT)
        start = _REASON_AT + 2
        return self._head[start : start + min(length, MAX_REASON)].decode("utf-8", "replace")

    def close(self) -> None:
        """Give unused space back and let go of the file. May be called again."""
        if self._fd < 0:
            return
        self._unmap()
        with suppress(OSError):
            os.ftruncate(self._fd, self.offset)
        os.close(self._fd)
        self._fd = -1

    def abandon(self) -> None:
        """Let go of the file without touching it: for a forked child, whose parent goes on writing."""
        if self._fd >= 0:
            self._unmap()
            os.close(self._fd)
            self._fd = -1

    def _unmap(self) -> None:
        self._committed.release()
        self._control.release()
        self._head.close()
        self._window.close()

    def _cut_tail(self) -> None:
        data = _pread(self._fd, HEADER_SIZE, self._size - HEADER_SIZE)
        self.offset = HEADER_SIZE + end_of_frames(data)
        if self._size > self.offset:
            os.ftruncate(self._fd, self.offset)
            self._size = self.offset

    def _grow(self, need: int) -> None:
        """Have room for `need` bytes more: as much as is sensible, or on a disk nearly full just enough."""
        enough = -(-(self.offset + need) // mmap.PAGESIZE) * mmap.PAGESIZE
        mapped = self._size
        try:
            self._allocate(max(enough, self._size + min(max(self._size, _FIRST_SIZE), _MAX_STEP)))
        except OSError:
            self._allocate(enough)
        old = self._window
        try:
            self._map_window()
        except OSError:  # no address space: the file is larger now, but what can be written to is not
            self._size = mapped
            raise
        if old is not self._head:
            old.close()

    def _allocate(self, size: int) -> None:
        """Real blocks for the whole file: in a sparse page a full disk would be a SIGBUS, not an error.

        Small files are written, not preallocated: giving unused preallocated blocks back costs ext4 a journal entry
        (150 us and far more on a busy disk), which would be most of the cost of a short run.
        """
        if size > _WRITTEN_SIZE and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._fd, self._size, size - self._size)
        else:
            _pwrite(self._fd, bytes(size - self._size), self._size)
        self._size = size

    def _map_window(self) -> None:
        """Map from the present page on; at the beginning of a log the header too, since each map costs 10 us."""
        base = self.offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        base = base if base > HEADER_SIZE else 0
        if base >= self._size:
            self._allocate(self._size + _FIRST_SIZE)
        self._window, self._base = mmap.mmap(self._fd, self._size - base, offset=base), base


def read_from(path: Path | str, offset: int, limit: int | None = None) -> bytes:
    """The whole committed frames from file position `offset` on; inside the header means from the first.

    b"" when there is nothing behind `offset`, and when there is no such segment (yet). With a `limit` at most so
    many bytes, which may end inside a frame.
    """
    offset = max(offset, HEADER_SIZE)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        if not _has_header(fd, path):
            return b""
        size = os.fstat(fd).st_size
        committed = _LENGTH.unpack(_pread(fd, _COMMITTED_AT, 8))[0]
        trusted = HEADER_SIZE <= committed <= size
        most = size if limit is None else limit
        if trusted and (committed - offset >= most or not any(_pread(fd, committed, 4))):
            return _pread(fd, offset, min(committed - offset, most))
        # A frame is being written just now, or the length was not stored before a crash: the checksums tell.
        data = _pread(fd, offset, size - offset)
        return data[: min(most, max(end_of_frames(data), committed - offset if trusted else 0))]
    finally:
        os.close(fd)


def end_of(path: Path | str) -> int:
    """The file position behind the last committed frame; `HEADER_SIZE` where there is no such segment (yet)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return HEADER_SIZE
    try:
        if not _has_header(fd, path):
            return HEADER_SIZE
        committed: int = _LENGTH.unpack(_pread(fd, _COMMITTED_AT, 8))[0]
        return max(HEADER_SIZE, min(committed, os.fstat(fd).st_size))
    finally:
        os.close(fd)


def read_intact(path: Path, offset: int) -> bytes:
    """`read_from`, for those who go on with the other segments: b"" and a warning when this one cannot be read."""
    try:
        return read_from(path, offset)
    except (StoreCorrupt, OSError) as error:
        logger.warning("%s is left out: %s", path, error)
        return b""


def write_at(path: Path | str, offset: int, data: bytes) -> int:
    """Store shipped bytes of a segment at the offset where they stand in the original; returns the new end.

    Bytes that are there already are skipped, so that any call may be repeated. The segment is created when
    needed.
    Raises `StoreCorrupt` when bytes before `offset` are missing.
    """
    fd = _open_to_write(path)
    try:
        _lock(fd, path, wait=True)
        if not _has_header(fd, path):
            page = _PREAMBLE.pack(MAGIC, VERSION, 0, HEADER_SIZE)
            os.pwrite(fd, page.ljust(HEADER_SIZE, b"\0"), 0)
        end: int = _LENGTH.unpack(_pread(fd, _COMMITTED_AT, 8))[0]
        offset = max(offset, HEADER_SIZE)
        if offset > end:
            raise StoreCorrupt(
                f"{path} ends at {end}, but bytes from {offset} on were sent",
                f"send the segment from offset {end} on",
            )
        fresh = data[end - offset :]
        if fresh:
            _pwrite(fd, fresh, end)
            end += len(fresh)
            os.pwrite(fd, _LENGTH.pack(end), _COMMITTED_AT)
        return end
    finally:
        os.close(fd)


def _open_to_write(path: Path | str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o644)
    except FileNotFoundError:
        _make_folder(os.path.dirname(path))
        return os.open(path, flags, 0o644)


def request_stop(path: Path, reason: str) -> bool:
    """Ask the writer of a segment, in whatever process, to stop; False when there is no such segment yet."""
    text = reason.encode("utf-8", "replace")[:MAX_REASON].decode("utf-8", "ignore").encode()
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if not _has_header(fd, path):
            return False
        os.pwrite(fd, struct.pack("<H", len(text)) + text, _REASON_AT)
        os.pwrite(fd, b"\1", _STOP_AT)
        return True
    finally:
        os.close(fd)


def _has_header(fd: int, path: Path | str) -> bool:
    """Whether the file is a segment; raises when it is something else or of a later format."""
    magic, version = struct.unpack("<8sI", _pread(fd, 0, 12).ljust(12, b"\0"))
    if magic == MAGIC:
        if version > VERSION:
            raise StoreCorrupt(
                f"{path} has log format {version}, this swath reads up to {VERSION}",
                "install the version of swath that wrote it, or a later one",
            )
        return True
    if any(magic):
        raise StoreCorrupt(f"{path} is not a run log", "it was overwritten by something else; move it away")
    return False


def _lock(fd: int, path: Path | str, *, wait: bool = False) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NotAllowed(
            f"{path} is being written by another process", "give this process a segment of its own"
        ) from None
    except OSError:
        pass  # a file system without locks


def _pread(fd: int, offset: int, length: int) -> bytes:
    if length <= 0:
        return b""
    data = os.pread(fd, length, offset)
    while data and len(data) < length:
        more = os.pread(fd, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def _make_folder(folder: str) -> None:
    """Make the folder and what is above it; one call where only the folder itself is missing."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        pass
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)


def _pwrite(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
