"""Folding a log into a run's row: once, in any order of segments, and the run's own word about its end stands first."""

from __future__ import annotations

from pathlib import Path

import pytest

from swath.tracking.apply.fold import applied_to, fold
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.logfile import LogWriter, read_from
from swath.tracking.runlog.records import Finish, Record, Row
from swath.tracking.store import RunRow


def _bytes(tmp_path: Path, *records: Record) -> bytes:
    path = tmp_path / "made.log"
    path.unlink(missing_ok=True)
    log = LogWriter(path)
    for record in records:
        log.append(record)
    log.close()
    return read_from(path, 0)


@pytest.mark.parametrize("agent_first", [True, False])
def test_the_runs_own_end_stands_before_what_its_agent_saw(tmp_path: Path, agent_first: bool) -> None:
    segments = {
        "0001-agent.log": _bytes(tmp_path, Finish(0, 2.0, stopped=True)),
        "0001.log": _bytes(tmp_path, Row(0, 1.0, {"loss": 1.0}), Finish(0, 1.5)),
    }
    run = RunRow(id="r")
    for name in sorted(segments, reverse=not agent_first):
        run = fold(run, name, HEADER_SIZE, segments[name]).run
    assert (run.state, run.ended, run.summary) == ("finished", 1.5, {"loss": 1.0})


def test_an_agents_word_counts_where_the_run_said_nothing(tmp_path: Path) -> None:
    data = _bytes(tmp_path, Finish(1, 2.0, "killed"))
    run = fold(RunRow(id="r"), "0001-agent.log", HEADER_SIZE, data).run
    assert (run.state, run.exit_code, run.error) == ("failed", 1, "killed")


def test_a_later_attempt_starts_over_and_an_earlier_one_changes_nothing_any_more(tmp_path: Path) -> None:
    data = _bytes(tmp_path, Row(0, 1.0, {"loss": 1.0}))
    first = fold(RunRow(id="r"), "0001.log", HEADER_SIZE, data).run
    second = fold(first, "0002.log", HEADER_SIZE, _bytes(tmp_path, Row(0, 2.0, {"other": 2.0}))).run
    assert (second.attempt, second.rows, second.summary) == (2, 1, {"other": 2.0})
    late = fold(second, "0001.log", HEADER_SIZE + len(data), data)
    assert (late.run, late.rows) == (second, [])


def test_half_a_frame_is_left_for_the_next_time(tmp_path: Path) -> None:
    data = _bytes(tmp_path, Row(0, 1.0, {"loss": 1.0}), Row(1, 2.0, {"loss": 0.5}))
    run = fold(RunRow(id="r"), "0001.log", HEADER_SIZE, data[:-3]).run
    assert run.rows == 1
    start = applied_to(run, "0001.log")
    run = fold(run, "0001.log", start, data[start - HEADER_SIZE :]).run
    assert (run.rows, run.summary) == (2, {"loss": 0.5})
