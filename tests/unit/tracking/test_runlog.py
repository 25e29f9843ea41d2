"""The run log keeps every whole frame whatever happens to the rest of the file."""

from __future__ import annotations

import errno
import logging
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swath.tracking.errors import NotAllowed, StoreCorrupt
from swath.tracking.runlog.frames import HEADER_SIZE, decode, scan
from swath.tracking.runlog.logfile import LogWriter, read_from, read_intact, request_stop, write_at
from swath.tracking.runlog.records import Finish, Header, Record, Row

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES = st.dictionaries(st.text(max_size=5), st.floats() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=9))
ROWS = st.lists(st.builds(Row, st.integers(0, 2**31), st.floats(0, 2e9), VALUES), min_size=1, max_size=6)


def write(path: Path, rows: list[Any]) -> bytes:
    """Write a segment; its bytes without the zeros that fill its last page."""
    path.unlink(missing_ok=True)
    writer = LogWriter(path)
    for row in rows:
        writer.append(row)
    writer.close()
    return path.read_bytes()[: writer.offset]


def rows(count: int) -> list[Row]:
    return [Row(step, 1.5 * step, {"loss": step / 7, "name": "é" * step}) for step in range(count)]


@SETTINGS
@given(ROWS)
def test_what_was_appended_is_read_back(tmp_path: Path, written: list[Row]) -> None:
    write(tmp_path / "0001.log", written)
    data = read_from(tmp_path / "0001.log", 0)
    read, consumed = decode(data)
    assert repr(read) == repr(written)
    assert consumed == len(data)


@SETTINGS
@given(ROWS, st.data())
def test_a_log_torn_anywhere_keeps_the_frames_before_the_tear_and_can_be_gone_on_with(
    tmp_path: Path, written: list[Row], data: st.DataObject
) -> None:
    path = tmp_path / "0001.log"
    whole = write(path, written)
    cut = data.draw(st.integers(HEADER_SIZE, len(whole)))
    expected = [row for row, end in zip(written, ends(whole), strict=True) if end <= cut]
    path.write_bytes(whole[:cut])
    assert repr(decode(read_from(path, 0))[0]) == repr(expected)
    writer = LogWriter(path)
    writer.append(Finish(0, 1.0))
    writer.close()
    assert repr(decode(read_from(path, 0))[0]) == repr([*expected, Finish(0, 1.0)])


def test_a_log_torn_at_every_byte_keeps_the_frames_before(tmp_path: Path) -> None:
    path = tmp_path / "0001.log"
    whole = write(path, rows(3))
    stops = ends(whole)
    for cut in range(HEADER_SIZE, len(whole) + 1):
        path.write_bytes(whole[:cut])
        assert decode(read_from(path, 0))[0] == rows(3)[: sum(end <= cut for end in stops)]


@SETTINGS
@given(ROWS, st.data())
def test_a_corrupted_byte_in_the_frames_loses_one_frame_and_no_other(
    tmp_path: Path, written: list[Row], data: st.DataObject
) -> None:
    path = tmp_path / "0001.log"
    whole = bytearray(write(path, written))
    at = data.draw(st.integers(HEADER_SIZE, len(whole) - 1))
    broken = sum(end <= at for end in ends(bytes(whole)))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    read = read_from(path, 0)
    assert repr(decode(read)[0]) == repr(written[:broken])
    found = scan(read, final=True)
    assert repr(found.records) == repr([row for place, row in enumerate(written) if place != broken])
    assert found.skipped == (1 if broken < len(written) - 1 else 0)


@pytest.mark.parametrize("at", range(96))
def test_a_corrupted_byte_in_the_header_loses_no_frame_or_is_refused(tmp_path: Path, at: int) -> None:
    path = tmp_path / "0001.log"
    whole = bytearray(write(path, rows(4)))
    whole[at] ^= 0x55
    path.write_bytes(whole)
    if at < 12:
        with pytest.raises(StoreCorrupt):
            read_from(path, 0)
    else:
        assert decode(read_from(path, 0))[0] == rows(4)


def test_going_on_behind_a_corrupted_frame_keeps_the_frames_on_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "0001.log"
    whole = bytearray(write(path, rows(3)))
    whole[ends(bytes(whole))[0] + 12] ^= 1
    path.write_bytes(whole)
    writer = LogWriter(path)
    writer.append(Finish(0, 1.0))
    writer.close()
    assert decode(read_from(path, 0), final=True)[0] == [rows(3)[0], rows(3)[2], Finish(0, 1.0)]


def test_a_frame_in_the_making_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "0001.log"
    writer = LogWriter(path)
    writer.append(rows(1)[0])
    end = writer.offset
    with path.open("r+b") as file:
        file.seek(end)
        file.write(struct.pack("<II", 40, 1) + b"half")
    assert len(read_from(path, 0)) == end - HEADER_SIZE
    assert read_from(path, end) == b""
    writer.close()


def test_a_frame_whose_length_was_not_committed_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "0001.log"
    whole = write(path, rows(2))
    with path.open("r+b") as file:
        file.seek(16)
        file.write(struct.pack("<Q", ends(whole)[0]))
    assert decode(read_from(path, 0))[0] == rows(2)


def test_reading_goes_on_from_any_frame(tmp_path: Path) -> None:
    path = tmp_path / "0001.log"
    whole = write(path, rows(5))
    assert decode(read_from(path, ends(whole)[2]))[0] == rows(5)[3:]
    assert read_from(path, len(whole)) == b""
    assert read_from(tmp_path / "0002.log", 0) == b""


def test_a_segment_grows_as_far_as_it_must_and_is_cut_to_its_length_when_closed(tmp_path: Path) -> None:
    path = tmp_path / "0001.log"
    writer = LogWriter(path)
    assert HEADER_SIZE < path.stat().st_size <= 64 * 1024
    big = Row(0, 0.0, {"text": "x" * 20_000_000})
    writer.append(big)
    for row in rows(50):
        writer.append(row)
    end = writer.offset
    writer.close()
    writer.close()
    assert path.stat().st_size == end
    assert decode(read_from(path, 0))[0] == [big, *rows(50)]


def test_one_segment_has_one_writer(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "0001.log")
    with pytest.raises(NotAllowed, match="another process"):
        LogWriter(tmp_path / "0001.log")
    writer.close()
    LogWriter(tmp_path / "0001.log").close()


def test_a_file_that_is_no_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "0001.log"
    path.write_bytes(b"somebody's notes, not a log at all")
    for use in (lambda: LogWriter(path), lambda: read_from(path, 0), lambda: write_at(path, 0, b"x")):
        with pytest.raises(StoreCorrupt):
            use()
    assert path.read_bytes() == b"somebody's notes, not a log at all"


def test_a_log_of_a_later_version_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "0001.log"
    whole = bytearray(write(path, rows(1)))
    whole[8] = 99
    path.write_bytes(whole)
    with pytest.raises(StoreCorrupt, match="install the version"):
        read_from(path, 0)


def test_a_record_of_an_unknown_kind_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "0001.log"
    writer = LogWriter(path)
    writer.append_payload(b"\x92\x63\x01")
    writer.append(rows(1)[0])
    writer.close()
    found = scan(read_from(path, 0))
    assert (found.records, found.skipped) == (rows(1), 1)


def test_a_disk_that_is_full_is_an_error_and_loses_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "0001.log"
    writer = LogWriter(path)

    def full(fd: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        writer.append(rows(1)[0])
        with pytest.raises(OSError, match="No space"):
            writer.append(Row(1, 1.0, {"text": "x" * 70_000}))
        writer.append(Finish(0, 1.0))
    writer.append(Row(1, 1.0, {"text": "x" * 70_000}))
    writer.close()
    kinds = [type(record) for record in decode(read_from(path, 0))[0]]
    assert kinds == [Row, Finish, Row]


def test_a_stop_reaches_the_writer_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "0001.log"
    assert not request_stop(path, "too early")
    writer = LogWriter(path)
    assert writer.stop_reason is None
    assert writer.append_payload(b"\x92\x05\x00") == 0
    assert request_stop(path, "rung 3: 0.4 < 0.6 – " + "ü" * 3000)
    assert writer.append_payload(b"\x92\x05\x00") != 0
    reason = writer.stop_reason
    assert reason is not None
    assert reason.startswith("rung 3: 0.4 < 0.6 – üü")
    writer.close()


@SETTINGS
@given(ROWS, st.data())
def test_shipping_in_any_pieces_with_any_repetition_gives_the_same_frames(
    tmp_path: Path, written: list[Row], data: st.DataObject
) -> None:
    whole = write(tmp_path / "0001.log", written)[HEADER_SIZE:]
    copy = tmp_path / "copy" / "0001.log"
    copy.unlink(missing_ok=True)
    end = HEADER_SIZE
    while end < HEADER_SIZE + len(whole):
        start = data.draw(st.integers(HEADER_SIZE, end))
        stop = data.draw(st.integers(start, HEADER_SIZE + len(whole)))
        end = write_at(copy, start, whole[start - HEADER_SIZE : stop - HEADER_SIZE])
        if stop == start:
            end = write_at(copy, end, whole[end - HEADER_SIZE :])
    assert read_from(copy, 0) == whole


def test_shipping_refuses_a_gap(tmp_path: Path) -> None:
    with pytest.raises(StoreCorrupt, match="send the segment from offset 4096"):
        write_at(tmp_path / "0001.log", HEADER_SIZE + 10, b"abc")


def test_a_header_written_before_a_field_was_added_is_read_with_its_default() -> None:
    import msgspec

    old = msgspec.msgpack.encode([0, "abc", 1, 2.0, "a name"])
    assert msgspec.msgpack.decode(old, type=Header) == Header("abc", 1, 2.0, "a name")
    assert issubclass(Header, Record)


def ends(whole: bytes) -> list[int]:
    """Where each frame of a whole segment ends."""
    position, found = HEADER_SIZE, []
    while position < len(whole):
        position += 8 + struct.unpack_from("<I", whole, position)[0]
        found.append(position)
    return found


def test_what_cannot_be_read_is_left_out_with_a_warning_by_those_who_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, damaged, folder = tmp_path / "0001.log", tmp_path / "0001-fork1.log", tmp_path / "0001-fork2.log"
    write(whole, rows(2))
    damaged.write_bytes(b"something else entirely")
    folder.mkdir()
    with caplog.at_level(logging.WARNING):
        assert [read_intact(path, 0) for path in (whole, damaged, folder)] == [read_from(whole, 0), b"", b""]
    assert len(caplog.records) == 2
