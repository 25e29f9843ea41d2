"""Names and places inside a `.swath` folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from swath.tracking import layout
from swath.tracking.errors import UsageError


def test_the_root_is_the_nearest_one_upwards_else_here_and_is_not_made(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert layout.find_root(deep) == deep / ".swath"
    assert not (deep / ".swath").exists()
    (tmp_path / "a" / ".swath").mkdir()
    assert layout.find_root(deep) == tmp_path / "a" / ".swath"
    assert layout.find_root(deep, override=str(tmp_path / "other")) == tmp_path / "other"


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\\b", "../x", "a b", "x\n", "ü", "x" * 129])
def test_a_run_id_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        layout.run_dir(tmp_path, name)


def test_segments_are_named_by_attempt_and_writer(tmp_path: Path) -> None:
    assert layout.segment_name(1) == "0001.log"
    assert layout.segment_name(12345, "agent") == "12345-agent.log"
    assert layout.attempt_of("12345-agent.log") == 12345
    assert layout.writer_of("0002-agent.log") == "agent"
    for attempt, writer in ((0, ""), (1, "a/b"), (1, "a-b")):
        with pytest.raises(UsageError):
            layout.segment_name(attempt, writer)
    with pytest.raises(UsageError):
        layout.attempt_of("notes.txt")


def test_segments_are_listed_by_attempt_with_the_main_one_first(tmp_path: Path) -> None:
    for name in ("0002-agent.log", "0001-agent.log", "0001.log", "0002.log", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in layout.segments(tmp_path)] == [
        "0001.log",
        "0001-agent.log",
        "0002.log",
        "0002-agent.log",
    ]
    assert [path.name for path in layout.segments(tmp_path, 2)] == ["0002.log", "0002-agent.log"]
    assert layout.last_attempt(tmp_path) == 2
    assert layout.last_attempt(tmp_path / "nowhere") == 0
