"""Long answers a page at a time: what is behind the first page waits in a file of the disk, not in memory."""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec

from swath.tracking.api import wire
from swath.tracking.errors import OutOfStep, StoreFull
from swath.tracking.runlog.encoding import pack
from swath.tracking.runlog.records import AnyRecord

#: A page ends with the record that takes it beyond so many bytes, or is the last of so many.
PAGE_BYTES = 4 * 1024 * 1024
PAGE_RECORDS = 20_000
#: So many answers wait for their readers; beyond it the one that was left alone the longest is let go.
WAITING = 16


class Pages:
    """Cuts answers into pages. Any number of threads; a page may be asked for again until the last one was given."""

    def __init__(self, waiting: int = WAITING) -> None:
        self._most = waiting
        self._waiting: OrderedDict[str, _Spool] = OrderedDict()
        self._lock = threading.Lock()

    def first(self, records: Iterable[AnyRecord], size: int) -> bytes:
        """The first page of an answer, encoded, of at most `size` records; all of `records` are taken."""
        pages = _pages(records, max(1, min(size, PAGE_RECORDS)))
        page = next(pages, [])
        following = next(pages, None)
        if following is None:
            return _encoded(page, "")
        name = secrets.token_hex(8)
        spool = _Spool(name, chain([following], pages))
        with self._lock:
            self._waiting[name] = spool
            while len(self._waiting) > self._most:
                self._waiting.popitem(last=False)
        return _encoded(page, _named(name, 0))

    def more(self, page: str) -> bytes:
        """The page that another one named. Raises `OutOfStep` when it is not kept any more, or never was."""
        name, _, number = page.partition(".")
        with self._lock:
            spool = self._waiting.get(name)
            if spool is None or not number.isdecimal() or int(number) >= len(spool):
                raise OutOfStep(f"the page {page!r} is not kept any more", "ask for the answer from its start")
            if int(number) == len(spool) - 1:
                del self._waiting[name]
            else:
                self._waiting.move_to_end(name)
        return spool.page(int(number))


class _Spool:
    """Pages in a file without a name, which is gone when this is."""

    def __init__(self, name: str, pages: Iterable[list[bytes]]) -> None:
        self._ends = [0]
        try:
            self._fd, path = tempfile.mkstemp(prefix="swath-pages-")
            weakref.finalize(self, os.close, self._fd)
            os.unlink(path)
            self._write(name, pages)
        except OSError as error:
            raise StoreFull(
                f"the pages of a long answer cannot be kept in {tempfile.gettempdir()}: {error.strerror}",
                "make room on the server, or set its TMPDIR to a folder that has some",
            ) from error

    def _write(self, name: str, pages: Iterable[list[bytes]]) -> None:
        with open(self._fd, "wb", closefd=False) as file:
            coming = iter(pages)
            page = next(coming, None)
            while page is not None:
                following = next(coming, None)
                file.write(_encoded(page, _named(name, len(self) + 1) if following is not None else ""))
                self._ends.append(file.tell())
                page = following

    def __len__(self) -> int:
        return len(self._ends) - 1

    def page(self, number: int) -> bytes:
        start, end = self._ends[number : number + 2]
        return os.pread(self._fd, end - start, start)


def _named(name: str, number: int) -> str:
    return f"{name}.{number}"


def _pages(records: Iterable[AnyRecord], size: int) -> Iterator[list[bytes]]:
    page: list[bytes] = []
    length = 0
    for record in records:
        packed = pack(record)
        page.append(packed)
        length += len(packed)
        if len(page) == size or length > PAGE_BYTES:
            yield page
            page, length = [], 0
    if page:
        yield page


def _encoded(page: list[bytes], following: str) -> bytes:
    return wire.encode({"records": [msgspec.Raw(each) for each in page], "next": following})
