"""The laws of `RunSource`, as tests: subclass `RunSourceLaws` in a test file and say how to make a source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swath.tracking import layout
from swath.tracking.api.output import PrintedLines
from swath.tracking.api.query import query
from swath.tracking.api.source import Change, FileInfo, RunSource
from swath.tracking.apply.fold import fold
from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotAllowed, NotFound
from swath.tracking.host import this_host
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.logfile import LogWriter, read_from
from swath.tracking.runlog.records import (
    Alert,
    AnyRecord,
    Config,
    Facts,
    Finish,
    Header,
    Output,
    Rewind,
    Row,
    Saved,
    Summary,
    Update,
)
from swath.tracking.store import RunRow

BEGAN = 1_000_000.0


def header(run_id: str, *, alive: bool = False, attempt: int = 1, **fields: Any) -> Header:
    """The first record of a run of this machine; `alive`: its process is this one, and so goes on."""
    values: dict[str, Any] = {"time": 4e9 if alive else BEGAN, "name": f"name-{run_id}", "host": this_host()}
    pid = os.getpid() if alive else 2**22 + 1  # above any process id of Linux
    return Header(run_id=run_id, attempt=attempt, pid=pid, **(values | fields))


def write_log(root: Path, run_id: str, *records: AnyRecord, segment: str = "0001.log") -> Path:
    """Append records to a segment of a run, as its process would; the run's folder."""
    folder = layout.run_dir(root, run_id)
    writer = LogWriter(folder / segment)
    for record in records:
        writer.append(record)
    writer.close()
    return folder


def write_run(
    root: Path, run_id: str, config: dict[str, Any] | None = None, rows: list[dict[str, Any]] | None = None, **who: Any
) -> Path:
    """A whole run that ended well: its header, config, one row a step and a second, and its end."""
    began = who.get("time", BEGAN)
    logged = [Row(step, began + step + 1, values) for step, values in enumerate(rows or [])]
    end = Finish(0, began + len(logged) + 1)
    return write_log(root, run_id, header(run_id, **who), Config(config or {}), *logged, end)


def from_log(folder: Path) -> RunRow:
    """The row that a run's log alone comes to."""
    run = RunRow(id=folder.name)
    for path in layout.segments(folder):
        run = fold(run, path.name, HEADER_SIZE, read_from(path, 0), True, lambda: folder).run
    return run


class RunSourceLaws:
    """Subclass it as `TestX` and implement `make`."""

    def make(self, root: Path) -> RunSource:
        """A source of the runs in the `.swath` folder `root`, which need not exist yet."""
        raise NotImplementedError

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path / ".swath"

    @pytest.fixture
    def source(self, root: Path) -> Iterator[RunSource]:
        made = self.make(root)
        yield made
        made.close()

    def test_a_store_that_is_not_there_has_no_runs(self, source: RunSource) -> None:
        assert source.find(query()) == []
        assert source.rows(["r1"]) == {}

    @pytest.mark.parametrize("run_id", ["r2", "..", "a/b", ""])
    def test_a_run_that_is_not_there_is_not_found(self, source: RunSource, root: Path, run_id: str) -> None:
        write_run(root, "r1")
        for ask in (
            lambda: source.row(run_id),
            lambda: list(source.history(run_id)),
            lambda: source.records(run_id, (Output,)),
            lambda: source.files(run_id),
            lambda: source.segments(run_id),
            lambda: source.change(run_id, [Summary({"a": 1})]),
            lambda: source.delete(run_id),
        ):
            with pytest.raises(NotFound):
                ask()
        assert source.find(query()) == ["r1"]

    def test_the_bytes_of_a_log_are_given_from_any_offset_on(self, source: RunSource, root: Path) -> None:
        folder = write_run(root, "r1", rows=[{"loss": 1.0}])
        whole = read_from(folder / "0001.log", 0)
        assert source.segments("r1") == {"0001.log": HEADER_SIZE + len(whole)}
        assert source.segment("r1", "0001.log", 0) == whole
        assert source.segment("r1", "0001.log", HEADER_SIZE + 10) == whole[10:]
        assert source.segment("r1", "0001.log", HEADER_SIZE + len(whole)) == b""

    def test_what_is_printed_is_given_once_line_by_line(self, source: RunSource, root: Path) -> None:
        """Of the last attempt and those that follow, by time; a line without an end is given at the end."""
        write_log(root, "r1", header("r1", alive=True), Output("stdout", 4e9, "old\n"))
        write_log(root, "r1", header("r1", alive=True, attempt=2), Output("stdout", 4e9, "one\ntw"), segment="0002.log")
        printed = PrintedLines(source, "r1")
        assert [line.text for line in printed.read()] == ["one"]
        write_log(root, "r1", Output("stdout", 4e9 + 2, "o\nlast"), Row(0, 4e9, {"loss": 1}), segment="0002.log")
        write_log(root, "r1", Output("stderr", 4e9 + 1, "beside\n"), segment="0002-agent.log")
        assert [(line.stream, line.text) for line in printed.read()] == [("stderr", "beside"), ("stdout", "two")]
        assert printed.read() == []
        write_log(root, "r1", header("r1", alive=True, attempt=3), Output("stdout", 4e9, "three\n"), segment="0003.log")
        assert [(line.attempt, line.text) for line in printed.read(final=True)] == [(2, "last"), (3, "three")]
        assert printed.read(final=True) == []
        assert [line.text for line in PrintedLines(source, "r1", attempt=1).read(final=True)] == ["old"]
        with pytest.raises(NotFound, match="no attempt 4"):
            PrintedLines(source, "r1", attempt=4).read(final=True)

    def test_runs_are_found_from_the_oldest_on_and_equals_by_id(self, source: RunSource, root: Path) -> None:
        for run_id, time in (("c", 5.0), ("a", 9.0), ("d", 5.0), ("b", 7.0)):
            write_run(root, run_id, time=time)
        assert source.find(query()) == ["c", "d", "b", "a"]
        assert source.find(query(order="-created_at")) == ["a", "b", "c", "d"]

    def test_what_the_logs_say_now_is_found(self, source: RunSource, root: Path) -> None:
        write_log(root, "r1", header("r1", alive=True), Config({"lr": 1}))
        assert source.find(query({"state": "running", "config.lr": 1})) == ["r1"]
        write_log(root, "r1", Row(0, 4e9, {"loss": 2.0}), Finish(1, 4e9 + 1, "boom"))
        assert source.find(query({"state": "running"})) == []
        assert source.find(query({"state": "failed", "summary_metrics.loss": {"$gt": 1}})) == ["r1"]
        assert source.row("r1").error == "boom"

    def test_filters_and_orders_mean_what_they_say(self, source: RunSource, root: Path) -> None:
        for number in range(6):
            rows = [{"loss": float(number % 4)}] if number else []
            write_run(root, f"r{number}", {"n": number}, rows, project="even" if number % 2 == 0 else "odd")
        assert source.find(query({"config.n": {"$gte": 2}}, "-config.n", project="even")) == ["r4", "r2"]
        assert source.find(query(order="-summary_metrics.loss")) == ["r3", "r2", "r1", "r5", "r4", "r0"]
        assert source.find(query(order="+summary_metrics.loss")) == ["r4", "r1", "r5", "r2", "r3", "r0"]

    def test_rows_are_those_of_the_runs_there_are(self, source: RunSource, root: Path) -> None:
        folder = write_run(root, "r1", {"lr": 0.5}, [{"loss": 1.0}], tags=("a",))
        source.find(query())
        assert source.rows(["r2", "r1"]) == {"r1": from_log(folder)}
        assert source.row("r1") == from_log(folder)

    def test_history_is_by_step_and_time_without_what_a_rewind_left(self, source: RunSource, root: Path) -> None:
        rows: list[Row] = [Row(0, 1.0, {"a": 1}), Row(2, 2.0, {"a": 2}), Row(1, 3.0, {"a": 3}), Row(1, 4.0, {"b": 4})]
        write_log(root, "r1", header("r1"), *rows, Rewind(5.0, 2), Row(2, 6.0, {"a": 5}), Row(3, 7.0, {"x": {"y": 6}}))
        wanted = [rows[0], rows[2], rows[3], Row(2, 6.0, {"a": 5}), Row(3, 7.0, {"x": {"y": 6}})]
        assert list(source.history("r1")) == wanted
        for page_size in (1, 2, 100):
            assert list(source.history("r1", 1, 3, page_size)) == wanted[1:4]
            assert list(source.history("r1", 2, None, page_size)) == wanted[3:]
            assert list(source.history("r1", None, 1, page_size)) == wanted[:1]

    def test_records_are_of_the_kinds_and_attempts_asked_for(self, source: RunSource, root: Path) -> None:
        write_log(root, "r1", header("r1"), Facts(1.0, {"a": 1}), Output("stdout", 2.0, "first\n"))
        second: list[AnyRecord] = [
            Output("stdout", 3.0, "second\n"),
            Alert(4.0, "t", "x", "INFO"),
            Row(0, 5.0, {"loss": 1.0}),
        ]
        write_log(root, "r1", header("r1", attempt=2), *second, segment="0002.log")
        assert source.records("r1", (Output, Facts)) == second[:1]
        assert source.records("r1", (Output,), every_attempt=True) == [Output("stdout", 2.0, "first\n"), second[0]]
        assert [row.values for row in source.history("r1")] == [{"loss": 1.0}]

    def test_files_are_the_last_versions_of_what_was_saved_and_what_lies_in_the_folder(
        self, source: RunSource, root: Path, tmp_path: Path
    ) -> None:
        blobs = Blobs(layout.blobs_root(root))
        versions = [b"old", b"newer", b"other"]
        saved = [
            Saved(time, path, blobs.put(data), len(data))
            for time, path, data in zip((1.0, 2.0, 3.0), ("a.txt", "a.txt", "code/b.py"), versions, strict=True)
        ]
        folder = write_log(root, "r1", header("r1"), *saved, Finish(0, BEGAN))
        (folder / "files" / "deep").mkdir(parents=True)
        (folder / "files" / "deep" / "c.bin").write_bytes(b"\0\xff")
        found = source.files("r1")
        assert [file.name for file in found] == ["a.txt", "code/b.py", "deep/c.bin"]
        assert [(file.size, file.sha256) for file in found[:2]] == [(5, saved[1].sha256), (5, saved[2].sha256)]
        assert [source.read_file("r1", file) for file in found] == [b"newer", b"other", b"\0\xff"]
        for file in found:
            source.copy_file("r1", file, tmp_path / "copy")
            assert (tmp_path / "copy").read_bytes() == source.read_file("r1", file)
        assert source.blobs("r1").read(saved[0].sha256) == b"old"

    def test_a_file_that_is_gone_is_not_found(self, source: RunSource, root: Path, tmp_path: Path) -> None:
        write_run(root, "r1")
        for file in (FileInfo("a.txt", 3), FileInfo("a.txt", 3, "0" * 64)):
            with pytest.raises(NotFound):
                source.read_file("r1", file)
            with pytest.raises(NotFound):
                source.copy_file("r1", file, tmp_path / "copy")

    def test_a_change_is_in_the_log_and_in_the_row(self, source: RunSource, root: Path) -> None:
        folder = write_run(root, "r1", {"lr": 1, "old": 2}, [{"loss": 1.0}])
        changes: list[Change] = [
            Config({"lr": 3, "new": {"x": [1]}}),
            Summary({"loss": 0.5, "f1": 2}),
            Update("n2", ("t",), "why"),
        ]
        row = source.change("r1", changes)
        assert (row.config, row.summary) == ({"lr": 3, "old": 2, "new": {"x": [1]}}, {"loss": 0.5, "f1": 2})
        assert (row.name, row.tags, row.notes, row.state, row.rows) == ("n2", ("t",), "why", "finished", 1)
        assert row == from_log(folder) == source.row("r1")
        assert source.change("r1", [Update(notes="again")]) == from_log(folder)
        other = self.make(root)
        assert other.find(query({"notes": "again", "config.new.x": 1})) == ["r1"]
        other.close()

    def test_a_run_that_goes_on_may_be_changed_and_keeps_what_it_logs(self, source: RunSource, root: Path) -> None:
        folder = write_log(root, "r1", header("r1", alive=True), Config({"a": 1}), Row(0, 4e9, {"loss": 1.0}))
        assert source.change("r1", [Config({"b": 2}), Summary({"best": 7})]).rows == 1
        write_log(root, "r1", Row(1, 4e9, {"loss": 0.5}), Finish(0, 4e9 + 2))
        row = source.row("r1")
        assert (row.config, row.summary, row.rows) == ({"a": 1, "b": 2}, {"loss": 0.5, "best": 7}, 2)
        assert row == from_log(folder)

    def test_a_deleted_run_is_gone_and_blobs_stay(self, source: RunSource, root: Path) -> None:
        digest = Blobs(layout.blobs_root(root)).put(b"shared")
        folder = write_log(root, "r1", header("r1"), Saved(1.0, "a", digest, 6), Finish(0, BEGAN))
        write_run(root, "r2")
        source.delete("r1")
        assert not folder.exists()
        assert source.find(query()) == ["r2"]
        with pytest.raises(NotFound):
            source.row("r1")
        assert Blobs(layout.blobs_root(root)).read(digest) == b"shared"
        write_run(root, "r1", {"again": True})
        assert source.row("r1").config == {"again": True}

    def test_a_run_that_goes_on_is_not_deleted(self, source: RunSource, root: Path) -> None:
        folder = write_log(root, "r1", header("r1", alive=True))
        with pytest.raises(NotAllowed):
            source.delete("r1")
        assert folder.exists()
        assert source.find(query()) == ["r1"]
        write_log(root, "r1", Finish(0, 4e9))
        source.delete("r1")
        assert source.find(query()) == []

    def test_a_run_is_somewhere_that_people_can_be_told(self, source: RunSource, root: Path) -> None:
        write_run(root, "r1")
        assert "r1" in source.url("r1")
        assert source.place
