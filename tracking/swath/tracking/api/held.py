"""`Held`: a long list of plain things, read back by place: a few bytes of each in memory, the rest on the disk."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterable
from types import TracebackType
from typing import Generic, TypeVar

import msgspec

from swath.tracking.runlog.spool import room_needed

T = TypeVar("T")

#: So many bytes of things are held in memory; more of them, and all lie on the disk.
MEMORY = 8 * 1024 * 1024
_BUFFER = 256 * 1024
_ENCODE = msgspec.msgpack.Encoder().encode


class Held(Generic[T]):
    """Things of the type `kind`, in msgpack, until the end of a `with` block. `StoreFull` when the disk has no room."""

    def __init__(self, kind: type[T]) -> None:
        self._decode = msgspec.msgpack.Decoder(kind).decode
        self._file = tempfile.SpooledTemporaryFile(MEMORY, prefix="swath-held-")  # noqa: SIM115
        self._ends = array("Q", [0])

    def __enter__(self) -> Held[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with room_needed():
            self._file.close()

    def extend(self, items: Iterable[T]) -> None:
        """Take all of `items`, one by one."""
        end = self._ends[-1]
        waiting = bytearray()
        for item in items:
            data = _ENCODE(item)
            waiting += data
            end += len(data)
            self._ends.append(end)
            if len(waiting) >= _BUFFER:
                self._write(waiting)
                waiting.clear()
        self._write(waiting)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, place: int) -> T:
        start, end = self._ends[place : place + 2]
        with room_needed():
            self._file.seek(start)
            return self._decode(self._file.read(end - start))

    def _write(self, data: bytearray) -> None:
        with room_needed():
            self._file.seek(0, os.SEEK_END)
            self._file.write(data)
