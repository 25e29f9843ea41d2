"""Long answers a page at a time: each page is made when it is asked for, and only the last one is kept."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator

import msgspec

from swath.tracking.api import wire
from swath.tracking.errors import OutOfStep
from swath.tracking.runlog.encoding import pack
from swath.tracking.runlog.records import AnyRecord

#: A page ends with the record that takes it beyond so many bytes, or is the last of so many.
PAGE_BYTES = 4 * 1024 * 1024
PAGE_RECORDS = 20_000
#: So many answers wait for their readers; beyond it the one that was left alone the longest is let go.
WAITING = 16


class Pages:
    """Cuts answers into pages. Any number of threads; a page may be asked for again until the one behind it was."""

    def __init__(self, waiting: int = WAITING) -> None:
        self._most = waiting
        self._waiting: OrderedDict[str, _Answer] = OrderedDict()
        self._lock = threading.Lock()

    def first(self, records: Iterable[AnyRecord], size: int) -> bytes:
        """The first page of an answer, encoded, of at most `size` records; the rest of `records` is taken later."""
        answer = _Answer(secrets.token_hex(8), _pages(records, max(1, min(size, PAGE_RECORDS))))
        page = answer.page(0)
        if not answer.over:
            with self._lock:
                self._waiting[answer.name] = answer
                while len(self._waiting) > self._most:
                    self._waiting.popitem(last=False)
        return page

    def more(self, page: str) -> bytes:
        """The page that another one named. Raises `OutOfStep` when it is not kept any more, or never was."""
        name, _, number = page.partition(".")
        with self._lock:
            answer = self._waiting.get(name)
            if answer is not None:
                self._waiting.move_to_end(name)
        if answer is None or not number.isdecimal():
            raise _gone(page)
        found = answer.page(int(number))
        if answer.over:
            with self._lock:
                self._waiting.pop(name, None)
        return found


class _Answer:
    """One answer, as far as it was taken; one thread at a time takes more of it."""

    def __init__(self, name: str, pages: Iterator[list[bytes]]) -> None:
        self.name = name
        self.over = False
        self._pages = pages
        self._following = next(pages, None)
        self._number = -1
        self._last = b""
        self._lock = threading.Lock()

    def page(self, number: int) -> bytes:
        with self._lock:
            if number == self._number + 1 and not self.over:
                self._take()
            if number != self._number:
                raise _gone(f"{self.name}.{number}")
            return self._last

    def _take(self) -> None:
        page = self._following or []
        try:
            self._following = next(self._pages, None)
        except BaseException:  # its log was removed: nobody may take what came so far for the whole
            self._number, self.over = -1, True
            raise
        self._number += 1
        self.over = self._following is None
        self._last = _encoded(page, "" if self.over else f"{self.name}.{self._number + 1}")


def _gone(page: str) -> OutOfStep:
    return OutOfStep(f"the page {page!r} is not kept any more", "ask for the answer from its start")


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
