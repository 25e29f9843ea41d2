"""What a run printed, line by line, from wherever its log is kept; can go on where it left off, and prints nothing."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from swath.tracking import layout
from swath.tracking.api.source import RunSource
from swath.tracking.errors import NotFound
from swath.tracking.runlog.frames import HEADER_SIZE, decode_outputs
from swath.tracking.runlog.records import Output


class Line(msgspec.Struct, frozen=True):
    """One line of console output, without its end. `stream`: stdout or stderr; `time`: seconds since the epoch."""

    attempt: int
    stream: str
    time: float
    text: str


class PrintedLines:
    """The lines that a run printed: each is given once, by attempt, and by time where several processes print.

    `attempt`: of that one alone; by default of the last one that there is at the first `read`, and of later ones.
    """

    def __init__(self, source: RunSource, run_id: str, attempt: int | None = None) -> None:
        self._source = source
        self._run_id = run_id
        self._only = attempt
        self._first = attempt
        self._segments: dict[str, _Segment] = {}
        self._closed: set[int] = set()
        self._begun: dict[tuple[int, str], Output] = {}

    def read(self, final: bool = False) -> list[Line]:
        """The lines that were not given yet; with `final` also those that have no end, since nothing will follow.

        Raises `NotFound` when there is no such run, or no such attempt.
        """
        ends = self._source.segments(self._run_id)
        attempts = sorted({layout.attempt_of(name) for name in ends if layout.is_segment(name)})
        if self._only is not None and self._only not in attempts and (attempts or final):
            known = ", ".join(map(str, attempts)) or "none"
            raise NotFound(f"run {self._run_id} has no attempt {self._only} here", f"its attempts: {known}")
        if self._first is None and attempts:
            self._first = attempts[-1]
        wanted = [n for n in attempts if n == self._only or (self._only is None and n >= (self._first or 0))]
        wanted = [n for n in wanted if n not in self._closed]
        lines: list[Line] = []
        for attempt in wanted:
            names = [name for name in ends if layout.is_segment(name) and layout.attempt_of(name) == attempt]
            closed = final or attempt < wanted[-1]
            lines += self._lines_of(attempt, {name: ends[name] for name in names}, closed)
            if attempt < wanted[-1]:
                self._closed.add(attempt)
        return lines

    def _lines_of(self, attempt: int, ends: dict[str, int], final: bool) -> Iterator[Line]:
        printed: list[Output] = []
        for name in sorted(ends, key=layout.writer_of):
            segment = self._segments.setdefault(name, _Segment())
            printed += segment.read(self._source, self._run_id, name, ends[name], final)
        printed.sort(key=lambda record: record.time)
        for record in printed:
            yield from self._cut(attempt, record)
        if final:
            yield from self._rest(attempt)

    def _cut(self, attempt: int, record: Output) -> Iterator[Line]:
        """Whole lines; what is begun waits for its end."""
        key = (attempt, record.stream)
        begun = self._begun.pop(key, None)
        *whole, rest = ((begun.text if begun else "") + record.text).split("\n")
        for text in whole:
            yield Line(attempt, record.stream, record.time, text)
        if rest:
            self._begun[key] = Output(record.stream, record.time, rest)

    def _rest(self, attempt: int) -> Iterator[Line]:
        for stream in ("stdout", "stderr"):
            if begun := self._begun.pop((attempt, stream), None):
                yield Line(attempt, stream, begun.time, begun.text)


class _Segment:
    """How far a segment was read."""

    def __init__(self) -> None:
        self._offset = HEADER_SIZE
        self._settled = HEADER_SIZE

    def read(self, source: RunSource, run_id: str, name: str, end: int, final: bool) -> list[Output]:
        """What was printed since the last call. `final`: what is damaged is passed over, since it stays so."""
        if end <= self._settled and not final:
            return []
        found: list[Output] = []
        data = b""
        while part := source.segment(run_id, name, self._offset + len(data)):
            data += part
            outputs, consumed = decode_outputs(data)
            found += outputs
            data = data[consumed:]
            self._offset += consumed
        if final and data:
            outputs, consumed = decode_outputs(data, final=True)
            found += outputs
            self._offset += consumed
        self._settled = max(end, self._offset)
        return found
