"""Rows whose names are said once: they come back as they were logged, from any part of the log, damaged or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swath import tracking
from swath.tracking.apply.fold import fold
from swath.tracking.runlog.frames import HEADER_SIZE, decode, names_in, scan
from swath.tracking.runlog.history import read_history
from swath.tracking.runlog.logfile import read_from
from swath.tracking.runlog.records import Keys, Row
from swath.tracking.store import RunRow

SETS = st.lists(
    st.tuples(st.lists(st.sampled_from("abcdef"), unique=True, min_size=1), st.integers(1, 30)), min_size=1, max_size=8
)


def log_rows(run_id: str, rows: list[dict[str, Any]], home: Path) -> Path:
    with tracking.init(id=run_id) as run:
        for row in rows:
            run.log(row)
    return home / ".swath" / "runs" / run_id


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SETS)
def test_rows_come_back_as_they_were_logged_however_often_their_names_change(
    home: Path, sets: list[tuple[list[str], int]]
) -> None:
    rows = [dict.fromkeys(names, number / 7) for names, count in sets for number in range(count)]
    run_id = f"r{len(list((home / '.swath').glob('runs/*')))}"
    folder = log_rows(run_id, rows, home)
    assert [row.values for row in read_history(folder)] == rows
    assert [list(row.values) for row in read_history(folder)] == [list(row) for row in rows]


def test_many_rows_with_the_same_names_do_not_repeat_them(home: Path) -> None:
    name = "a_metric_with_a_long_name"
    folder = log_rows("r1", [{name: float(number)} for number in range(3000)], home)
    data = (folder / "0001.log").read_bytes()
    assert 0 < data.count(name.encode()) < 30
    assert len(read_history(folder)) == 3000


@pytest.mark.parametrize("size", [200, 1000, 5000])
def test_a_log_that_is_read_in_pieces_gives_the_same_rows(home: Path, size: int) -> None:
    rows = [{"a": number, "b": 2 * number} for number in range(200)]
    folder = log_rows("r1", rows, home)
    data = read_from(folder / "0001.log", 0)
    found: list[Row] = []
    run, start, end = RunRow(id="r1"), 0, 0
    while start < len(data):
        end = max(start, end) + size
        applied = fold(run, "0001.log", HEADER_SIZE + start, data[start:end], False, lambda: folder)
        run, found = applied.run, found + applied.rows
        start = run.applied["0001.log"] - HEADER_SIZE
    assert [row.values for row in found] == rows
    assert run.rows == 200


def test_damage_to_the_names_loses_no_row_where_they_are_said_again(home: Path) -> None:
    folder = log_rows("r1", [{"a": number} for number in range(1500)], home)
    data = bytearray(read_from(folder / "0001.log", 0))
    at = _place_of_names(bytes(data))
    data[at + 12] ^= 0xFF
    found = scan(bytes(data), final=True)
    assert [record.values["a"] for record in found.records if isinstance(record, Row)] == list(range(1500))
    assert found.skipped == 1


def test_rows_whose_names_are_nowhere_are_counted_as_left_out(home: Path) -> None:
    folder = log_rows("r1", [{"a": number} for number in range(100)], home)
    data = read_from(folder / "0001.log", 0)
    behind = data[_place_of_names(data) :]
    rest = behind[int.from_bytes(behind[:4], "little") + 8 :]
    alone = scan(rest, final=True)
    assert not [record for record in alone.records if isinstance(record, Row)]
    assert alone.skipped > 80
    found, _ = decode(rest, final=True, names=names_in(folder / "0001.log"))
    assert len([record for record in found if isinstance(record, Row)]) == alone.skipped


def _place_of_names(data: bytes) -> int:
    """Where the frame with the first `Keys` begins."""
    import msgspec

    position = 0
    while True:
        length = int.from_bytes(data[position : position + 4], "little")
        payload = data[position + 8 : position + 8 + length]
        if msgspec.msgpack.decode(payload)[0] == Keys.__struct_config__.tag:
            return position
        position += 8 + length
