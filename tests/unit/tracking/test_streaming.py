"""A history that is streamed is the one that is read at once, and takes no memory for its length."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.tracking.api.held import Held
from swath.tracking.errors import NotFound
from swath.tracking.layout import segment_name
from swath.tracking.runlog import streaming
from swath.tracking.runlog.history import read_history
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import AnyRecord, Keys, Output, Rewind, Row, Values
from swath.tracking.runlog.spool import Spool
from swath.tracking.runlog.streaming import stream_history

STEPS = st.integers(0, 6)
TIMES = st.sampled_from([1.0, 2.0, 3.0, 4.0])
ROWS = st.builds(Row, STEPS, TIMES, st.fixed_dictionaries({"a": st.integers(0, 999)}))
NAMED = st.builds(Values, st.just(4096), STEPS, TIMES, st.tuples(st.integers(0, 999)))
RECORDS = st.one_of(ROWS, ROWS, NAMED, st.builds(Rewind, TIMES, STEPS), st.just(Output("stdout", 1.0, "x" * 300)))


def write(path: Path, records: Sequence[AnyRecord]) -> Path:
    writer = LogWriter(path)
    for record in records:
        writer.append(record)
    writer.close()
    return path


@settings(deadline=None)
@given(
    segments=st.lists(st.lists(RECORDS, max_size=12), max_size=3),
    chunk=st.sampled_from([16, 100, 1 << 18]),
    block=st.sampled_from([0, 60, 1 << 20]),
    broken=st.integers(0, 400),
)
def test_it_is_the_history_that_is_read_at_once(
    segments: list[list[AnyRecord]], chunk: int, block: int, broken: int
) -> None:
    """Rewinds, clocks that go back, several segments, a damaged byte; chunks and blocks of every size."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "CHUNK", chunk)
        for number, records in enumerate(segments):
            name = segment_name(1, f"w{number}" if number else "")
            path = write(Path(folder) / name, [Keys(4096, ("a",)), *records])
            if number == 0 and broken and broken < path.stat().st_size - 4096:
                data = bytearray(path.read_bytes())
                data[4096 + broken] ^= 0xFF
                path.write_bytes(data)
        assert list(stream_history(Path(folder), block=block)) == read_history(Path(folder))


def test_rows_longer_than_what_is_read_at_a_time_are_whole(tmp_path: Path) -> None:
    rows: list[AnyRecord] = [Row(step, 1.0, {"text": "x" * (step * streaming.CHUNK // 2)}) for step in (3, 0, 5, 1)]
    write(tmp_path / "0001.log", rows)
    assert list(stream_history(tmp_path, block=0)) == read_history(tmp_path)


@pytest.mark.parametrize("ordered", [True, False])
def test_memory_does_not_grow_with_the_history(tmp_path: Path, ordered: bool) -> None:
    """40,000 rows of 100 bytes and their decoded form would take 20 MB; a chunk and a few blocks take far less."""
    count = 40_000
    writer = LogWriter(tmp_path / "0001.log")
    for number in range(count):
        writer.append(Row(number if ordered else number * 7919 % count, 1.0, {"text": f"{number:080d}"}))
    writer.close()
    tracemalloc.start()
    try:
        steps = [row.step for row in stream_history(tmp_path, block=100_000)]
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        assert sum(1 for _ in stream_history(tmp_path, block=100_000)) == count
        assert tracemalloc.get_traced_memory()[1] - before < 10_000_000
    finally:
        tracemalloc.stop()
    assert steps == list(range(count))


def test_what_is_written_while_it_is_read_does_not_count(tmp_path: Path) -> None:
    first: list[AnyRecord] = [Row(step, 1.0, {}) for step in range(1000)]
    reading = stream_history(write(tmp_path / "0001.log", first).parent)
    assert next(reading) == first[0]
    write(tmp_path / "0001.log", [Row(1000, 2.0, {}), Rewind(3.0, 5)])
    assert list(reading) == first[1:]
    assert [row.step for row in stream_history(tmp_path)] == [0, 1, 2, 3, 4]


def test_a_log_that_is_removed_while_it_is_read_is_no_short_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "CHUNK", 100)
    reading = stream_history(write(tmp_path / "0001.log", [Row(step, 1.0, {}) for step in range(1000)]).parent)
    next(reading)
    (tmp_path / "0001.log").unlink()
    with pytest.raises(NotFound):
        list(reading)


@settings(deadline=None)
@given(st.lists(st.lists(st.binary(max_size=300), max_size=50), max_size=5))
def test_a_spool_gives_back_what_was_written(written: list[list[bytes]]) -> None:
    spool = Spool()
    parts = [spool.write(items) for items in written]
    long = spool.write([b"x" * 1_000_000])
    readers = [spool.read(part) for part in parts]
    assert [list(reader) for reader in reversed(readers)] == written[::-1]
    assert [len(item) for item in spool.read(long)] == [1_000_000]
    spool.close()


@pytest.mark.parametrize("count", [0, 3, 200_000])
def test_what_is_held_is_given_by_place(count: int) -> None:
    with Held(list[int]) as held:
        held.extend([number, 2**40, 2**50, 2**60, 2**61] for number in range(count))
        assert len(held) == count
        for place in {0, count // 2, count - 1} - {-1, count}:
            assert held[place][0] == place
