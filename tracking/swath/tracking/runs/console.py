"""Records what a program prints while a run is open; `sys.stdout` and `sys.stderr` are written through."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, TextIO

Emit = Callable[[str, str], None]
_LONGEST = 64 * 1024


class Lines:
    """Cuts printed text into lines; of a line that was overwritten by carriage returns (a progress bar) the
    last state remains."""

    def __init__(self) -> None:
        self._partial = ""

    def feed(self, text: str) -> str:
        """Take printed text; returns the lines that are complete now, or "" when none is."""
        head, newline, tail = (self._partial + text).rpartition("\n")
        self._partial = _overwritten(tail)
        if len(self._partial) > _LONGEST:
            return "".join(f"{_settled(line)}\n" for line in head.split("\n") if newline) + self.rest()
        return "".join(f"{_settled(line)}\n" for line in head.split("\n")) if newline else ""

    def rest(self) -> str:
        """The line that has no end yet."""
        rest, self._partial = _settled(self._partial), ""
        return rest


class Tee:
    """A text stream that writes through to another one and hands complete lines to `emit`."""

    def __init__(self, stream: TextIO, name: str, emit: Emit) -> None:
        self._stream = stream
        self._name = name
        self._emit: Emit | None = emit
        self._lines = Lines()
        # Held for the cutting alone: whoever records may wait for somebody who prints. A signal may print, too.
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write through, and record."""
        written = self._stream.write(text)
        emit = self._emit
        if emit is not None:
            with self._lock:
                lines = self._lines.feed(text)
            if lines:
                emit(self._name, lines)
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def detach_from_run(self) -> None:
        """Record what has no line end yet, and from now on only write through."""
        emit, self._emit = self._emit, None
        with self._lock:
            rest = self._lines.rest()
        if emit is not None and rest:
            emit(self._name, rest)

    def after_fork(self) -> None:
        """In a forked child: the line that is begun is the parent's, and a thread of its may hold the lock."""
        self._lock = threading.RLock()
        self._lines = Lines()

    def taken_out_below(self) -> TextIO:
        """The stream below, once those are left out that record no more: runs may end in any order."""
        while isinstance(self._stream, Tee) and self._stream._emit is None:
            self._stream = self._stream._stream
        return self._stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Any:
        return iter(self._stream)


class Console:
    """Stands between the program and its output from `start` to `stop`."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._tees: dict[str, Tee] = {}

    def start(self) -> None:
        """Begin to record."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None:
                self._tees[name] = Tee(stream, name, self._emit)
                setattr(sys, name, self._tees[name])

    def stop(self) -> None:
        """Put the streams back. One that was wrapped by somebody else meanwhile stays, and is no longer recorded."""
        for name, tee in self._tees.items():
            tee.detach_from_run()
            if getattr(sys, name) is tee:
                setattr(sys, name, tee.taken_out_below())
            above = getattr(sys, name)
            while isinstance(above, Tee):
                above = above.taken_out_below()
        self._tees.clear()

    def after_fork(self) -> None:
        """In a forked child: go on recording, without what the parent has begun."""
        for tee in self._tees.values():
            tee.after_fork()


def _settled(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]


def _overwritten(partial: str) -> str:
    """An unfinished line without what is overwritten for certain."""
    body = partial.rstrip("\r")
    return body.rpartition("\r")[2] + "\r" * (len(body) < len(partial))
