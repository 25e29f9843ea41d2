"""A file without a name for what is too much to be held in memory and is read back soon; knows no run log."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from swath.tracking.errors import StoreFull

_BUFFER = 64 * 1024
_LENGTH = struct.Struct("<I")


class Part(NamedTuple):
    """Where byte strings lie in a spool that were written together."""

    start: int
    end: int


class Spool:
    """Keeps byte strings on the disk until it is closed. Raises `StoreFull` when they do not fit there.

    Any number of parts may be read at the same time; each takes some 64 KiB of memory, or twice its longest string.
    """

    def __init__(self) -> None:
        with room_needed():
            self._file = tempfile.TemporaryFile(prefix="swath-spool-", buffering=_BUFFER)  # noqa: SIM115
        self._size = 0

    def write(self, items: Iterable[bytes]) -> Part:
        """Keep `items`, which are taken one by one."""
        start = self._size
        with room_needed():
            for item in items:
                self._file.write(_LENGTH.pack(len(item)))
                self._file.write(item)
                self._size += _LENGTH.size + len(item)
            self._file.flush()
        return Part(start, self._size)

    def read(self, part: Part) -> Iterator[bytes]:
        """What was written as `part`, in its order."""
        at, data = part.start, b""
        while at < part.end:
            more = os.pread(self._file.fileno(), min(max(_BUFFER, len(data)), part.end - at), at)
            at += len(more)
            data += more
            position = 0
            while end := _end(data, position):
                yield data[position + _LENGTH.size : end]
                position = end
            data = data[position:]

    def close(self) -> None:
        """Give the space back."""
        with room_needed():
            self._file.close()


@contextmanager
def room_needed() -> Iterator[None]:
    """Say what a full disk means here."""
    try:
        yield
    except OSError as error:
        raise StoreFull(
            f"a long history cannot be kept in {tempfile.gettempdir()} while it is read: {error.strerror}",
            "make room there, or set TMPDIR to a folder that has some",
        ) from error


def _end(data: bytes, position: int) -> int:
    """Where the string ends that is kept at `position`; 0 when it is not whole."""
    if position + _LENGTH.size > len(data):
        return 0
    end: int = position + _LENGTH.size + _LENGTH.unpack_from(data, position)[0]
    return end if end <= len(data) else 0
