"""Output of a child is kept as whole lines, whatever the pieces it comes in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from swath.agents.executors.output import AgentLog, Pipe, Tail
from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.runlog.frames import decode
from swath.tracking.runlog.logfile import read_from
from swath.tracking.runlog.records import Finish, Output


class Stream:
    """A pipe with its reading end under test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "0001-agent.log"
        reading, self._writing = os.pipe()
        self.log = AgentLog(folder, 1)
        self.tail = Tail(3)
        self.echoed: list[str] = []
        self.pipe = Pipe(reading, "stdout", self.log, self.tail, SYSTEM_CLOCK, self.echoed.append)

    def write(self, data: bytes) -> None:
        os.write(self._writing, data)
        assert self.pipe.read()

    def end(self) -> None:
        os.close(self._writing)
        assert not self.pipe.read()

    def texts(self) -> list[str]:
        return [record.text for record in decode(read_from(self.path, 0))[0] if isinstance(record, Output)]


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    made = Stream(tmp_path)
    yield made
    made.pipe.close()
    made.log.close()


def test_lines_are_kept_whole_and_the_rest_at_the_end(stream: Stream) -> None:
    stream.write(b"one\ntw")
    stream.write(b"o\nthree")
    assert stream.texts() == ["one\n", "two\n"]
    stream.end()
    assert stream.texts() == ["one\n", "two\n", "three"]
    assert stream.echoed == ["one", "two", "three"]


def test_a_character_cut_in_two_is_put_together(stream: Stream) -> None:
    both = "ö\n".encode()
    stream.write(both[:1])
    stream.write(both[1:])
    assert stream.texts() == ["ö\n"]


def test_the_tail_keeps_the_last_lines(stream: Stream) -> None:
    stream.write(b"1\n2\n3\n4\n5\n")
    assert stream.tail.text() == "3\n4\n5"


def test_no_segment_is_made_before_something_is_printed(stream: Stream) -> None:
    assert not stream.path.exists()
    assert not stream.log.opened


def test_a_log_that_cannot_be_written_costs_records_and_not_the_trial(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = AgentLog(tmp_path / "file", 1)
    log.append(Output("stdout", 0.0, "x"))
    log.append(Output("stdout", 0.0, "y"))
    log.close()
    assert not log.opened


def test_text_that_utf8_cannot_hold_is_escaped(stream: Stream) -> None:
    stream.log.append(Output("stdout", 1.0, "\udcff\n"))
    stream.log.finish(2.0, 1, None, "bad \udcff")
    records = decode(read_from(stream.path, 0))[0]
    assert records == [Output("stdout", 1.0, "\\udcff\n"), Finish(1, 2.0, "bad \\udcff")]
