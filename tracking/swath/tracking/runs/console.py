"""Records what a program prints while a run is open; `sys.stdout` and `sys.stderr` are written through."""

from __future__ import annotations

import sys
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

    def write(self, text: str) -> int:
        """Write through, and record."""
        written = self._stream.write(text)
        if self._emit is not None:
            lines = self._lines.feed(text)
            if lines:
                self._emit(self._name, lines)
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def detach_from_run(self) -> None:
        """Record what has no line end yet, and from now on only write through."""
        emit, self._emit = self._emit, None
        rest = self._lines.rest()
        if emit is not None and rest:
            emit(self._name, rest)

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
                setattr(sys, name, tee._stream)
        self._tees.clear()


def _settled(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]


def _overwritten(partial: str) -> str:
    """An unfinished line without what is overwritten for certain."""
    body = partial.rstrip("\r")
    return body.rpartition("\r")[2] + "\r" * (len(body) < len(partial))
