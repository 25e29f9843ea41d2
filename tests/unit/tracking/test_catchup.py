"""Who knows no sweeps takes runs over from their logs, and leaves trials to the controller that makes their rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from swath.sweeps.workspace import Workspace
from swath.tracking import layout
from swath.tracking.api.local import LocalSource
from swath.tracking.api.query import query
from swath.tracking.apply.catchup import SILENT_S, take_over_runs, trials_by_log
from swath.tracking.errors import NotAllowed, NotFound
from swath.tracking.layout import database_path
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import Config, Finish, Header, Output, Preempting, Row, System
from swath.tracking.store import Database, runs
from swath.tracking.store.tables import MIGRATIONS
from swath.tracking.testing.clock import FakeClock
from swath.tracking.testing.sources import BEGAN, header, write_log, write_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / ".swath"


@pytest.fixture
def source(root: Path) -> Iterator[LocalSource]:
    made = LocalSource(root, FakeClock())
    yield made
    made.close()


def test_a_run_whose_log_names_a_sweep_is_left_to_its_controller(source: LocalSource, root: Path) -> None:
    write_run(root, "s1-1", sweep_id="s1")
    write_run(root, "r1")
    assert source.find(query()) == ["r1"]
    with pytest.raises(NotFound):
        source.row("s1-1")


def test_a_trial_with_long_notes_is_a_trial(source: LocalSource, root: Path) -> None:
    write_run(root, "s1-1", sweep_id="s1", notes="long " * 20_000)
    write_run(root, "r1", notes="long " * 20_000)
    assert source.find(query()) == ["r1"]


def test_a_run_that_an_agent_wrote_to_is_a_trial_whatever_else_is_there(source: LocalSource, root: Path) -> None:
    write_log(root, "s1-1", Output("stdout", 1.0, "hello"), Finish(0, 2.0), segment="0001-agent.log")
    write_log(root, "s1-2", header("s1-2"), segment="0001.log")
    write_log(root, "s1-2", Output("stdout", 1.0, "hello"), segment="0001-agent.log")
    assert source.find(query()) == []


def test_a_trial_that_its_controller_has_taken_over_is_found_and_not_touched(source: LocalSource, root: Path) -> None:
    write_run(root, "s1-1", {"lr": 1}, [{"loss": 1.0}], sweep_id="s1")
    with Workspace(root, FakeClock()) as workspace:
        known = workspace.runs()[0]
    assert source.find(query({"sweep": "s1"})) == ["s1-1"]
    write_log(root, "s1-1", Row(9, BEGAN + 9, {"loss": 0.5}))
    assert source.row("s1-1") == known == source.rows(["s1-1"])["s1-1"]
    assert [row.step for row in source.history("s1-1")] == [0, 9]


def test_a_trial_may_be_changed_and_not_deleted(source: LocalSource, root: Path) -> None:
    folder = write_run(root, "s1-1", {"lr": 1}, sweep_id="s1")
    with Workspace(root, FakeClock()) as workspace:
        workspace.catch_up()
        row = source.change("s1-1", [Config({"note": "mine"})])
        assert row.config == {"lr": 1, "note": "mine"}
        assert workspace.runs() == [row]
    with pytest.raises(NotAllowed, match="sweep s1"):
        source.delete("s1-1")
    assert folder.exists()


def test_the_controller_takes_over_a_store_that_an_api_has_made(source: LocalSource, root: Path) -> None:
    write_run(root, "r1")
    write_run(root, "s1-1", sweep_id="s1")
    assert source.find(query()) == ["r1"]
    with Workspace(root, FakeClock()) as workspace:
        assert sorted(run.id for run in workspace.runs()) == ["r1", "s1-1"]
    assert source.find(query()) == ["r1", "s1-1"]


def test_a_run_that_said_it_would_be_preempted_and_is_gone_was_preempted(source: LocalSource, root: Path) -> None:
    write_log(root, "r1", header("r1"), Row(0, BEGAN + 1, {"a": 1}), Preempting(BEGAN + 2))
    assert (source.row("r1").state, source.row("r1").ended) == ("preempted", BEGAN + 1)
    write_log(root, "r1", header("r1", alive=True))
    assert source.row("r1").state == "running"


def test_more_runs_than_one_transaction_takes_are_all_taken_over(root: Path) -> None:
    for number in range(230):
        write_log(root, f"r{number}", header(f"r{number}"), Finish(0, BEGAN + 1))
    database = Database(database_path(root), {"tracking": MIGRATIONS}, FakeClock())
    assert take_over_runs(database, root, FakeClock(), trials_by_log(root)) == 230
    assert take_over_runs(database, root, FakeClock(), trials_by_log(root)) == 0
    with database.read() as connection:
        assert len(runs.select(connection, limit=1000)) == 230
    database.close()


def test_a_folder_that_vanishes_meanwhile_stops_nothing(source: LocalSource, root: Path) -> None:
    write_run(root, "r1")
    (root / "runs" / "gone").symlink_to(root / "nowhere")
    (root / "runs" / "file").write_text("mine")
    assert source.find(query()) == ["r1"]


def test_a_run_of_another_machine_that_falls_silent_is_lost_until_it_is_heard_of_again(tmp_path: Path) -> None:
    root, clock = tmp_path / ".swath", FakeClock()
    folder = layout.run_dir(root, "far")
    writer = LogWriter(folder / "0001.log")
    writer.append(Header("far", 1, clock.now(), "far", host="another-machine", pid=1))
    database = Database(layout.database_path(root), {"tracking": MIGRATIONS}, clock)

    def state() -> str:
        take_over_runs(database, root, clock, trials_by_log(root))
        with database.read() as connection:
            run = runs.get(connection, "far")
        assert run is not None
        return run.state

    states = [state()]
    clock.advance(SILENT_S - 1)
    states.append(state())
    clock.advance(2)
    states.append(state())
    writer.append(System(clock.now(), {"cpu": 1.0}))
    states.append(state())
    writer.append(Finish(0, clock.now()))
    writer.close()
    clock.advance(10 * SILENT_S)
    states.append(state())
    database.close()
    assert states == ["running", "running", "lost", "running", "finished"]
