"""`Run`: what a recorded run says of itself, and how it is changed."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.tracking import Api, init
from swath.tracking.api import Run
from swath.tracking.api.local import LocalSource
from swath.tracking.api.rows import sampled
from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotAllowed, NotFound, UsageError
from swath.tracking.runlog.records import Alert, Config, Facts, Finish, Output, Row, Saved, System
from swath.tracking.testing.clock import FakeClock
from swath.tracking.testing.sources import BEGAN, from_log, header, write_log, write_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / ".swath"


def load(root: Path, run_id: str = "r1") -> Run:
    return Api(source=LocalSource(root, FakeClock())).run(run_id)


def logged(root: Path, *values: dict[str, Any], steps: list[int] | None = None) -> Run:
    """A run with these rows, a second apart."""
    places = steps if steps is not None else list(range(len(values)))
    rows = [Row(step, BEGAN + at, each) for at, (step, each) in enumerate(zip(places, values, strict=True))]
    write_log(root, "r1", header("r1"), *rows, Finish(0, BEGAN + len(rows)))
    return load(root)


def test_a_run_says_who_it_is(root: Path) -> None:
    who = {"name": "brave", "project": "p", "entity": "team", "group": "g", "job_type": "train", "tags": ("a",)}
    write_run(root, "r1", {"lr": 0.1, "opt": {"name": "adam"}}, [{"loss": 1.0}], notes="why", time=86400.0, **who)
    run = load(root)
    assert (run.id, run.name, run.display_name, run.project, run.entity) == ("r1", "brave", "brave", "p", "team")
    assert (run.group, run.job_type, run.tags, run.notes, run.sweep_id) == ("g", "train", ["a"], "why", None)
    assert (run.state, run.exit_code, run.error) == ("finished", 0, "")
    assert (run.created_at, run.heartbeat_at) == ("1970-01-02T00:00:00Z", "1970-01-02T00:00:01Z")
    assert run.path == ["team", "p", "r1"]
    assert run.config == {"lr": 0.1, "opt": {"name": "adam"}}
    assert run.url.endswith("/runs/r1")
    assert repr(run) == "<Run team/p/r1 (finished)>"


def test_the_summary_is_a_dict_that_is_read_by_attribute(root: Path) -> None:
    run = logged(root, {"loss": 1.0, "val": {"acc": {"top1": 0.5}}, "bad": math.nan})
    assert run.summary["loss"] == run.summary.loss == 1.0
    assert run.summary.val.acc.top1 == run.summary["val"]["acc"]["top1"] == 0.5
    assert run.summary.get("gone", 3) == 3
    assert list(run.summary) == ["loss", "val", "bad"]
    assert json.loads(json.dumps(run.summary_metrics))["val"] == {"acc": {"top1": 0.5}}
    assert math.isnan(run.summary.bad)
    with pytest.raises(AttributeError, match="gone"):
        run.summary.gone  # noqa: B018
    with pytest.raises(KeyError):
        run.summary["gone"]


def test_history_has_a_record_for_each_step_with_all_that_was_logged_for_it(root: Path) -> None:
    run = logged(root, {"a": 1, "n": {"x": 1}}, {"a": 2, "b": 3, "n": {"y": 2}}, {"a": 4}, steps=[0, 0, 5])
    assert run.history(pandas=False) == [
        {"_step": 0, "_timestamp": BEGAN + 1, "_runtime": 1.0, "a": 2, "n.x": 1, "b": 3, "n.y": 2},
        {"_step": 5, "_timestamp": BEGAN + 2, "_runtime": 2.0, "a": 4},
    ]
    assert run.lastHistoryStep == 5


def test_scan_history_gives_rows_as_they_were_logged(root: Path) -> None:
    values: list[dict[str, Any]] = [{"a": 1, "n": {"x": [1, 2]}}, {"a": math.inf, "b": "text"}, {"b": None}]
    run = logged(root, *values, steps=[0, 0, 1])
    found = list(run.scan_history())
    assert [{key: row[key] for key in row if not key.startswith("_")} for row in found] == values
    assert [(row["_step"], row["_timestamp"], row["_runtime"]) for row in found] == [
        (0, BEGAN, 0.0),
        (0, BEGAN + 1, 1.0),
        (1, BEGAN + 2, 2.0),
    ]
    assert list(run.scan_history(keys=["a"])) == [{"a": 1}, {"a": math.inf}]
    assert list(run.scan_history(keys=["_step", "b"])) == [{"_step": 0, "b": "text"}, {"_step": 1, "b": None}]
    assert list(run.scan_history(keys=["n.x", "a"])) == [{"n.x": [1, 2], "a": 1}]
    assert list(run.scan_history(keys=["a", "gone"])) == []


def test_scan_history_is_an_iterator_of_a_range_of_steps(root: Path) -> None:
    run = logged(root, *({"a": number} for number in range(10)))
    assert next(run.scan_history(min_step=4, page_size=2))["a"] == 4
    assert [row["a"] for row in run.scan_history(min_step=3, max_step=6)] == [3, 4, 5]
    assert [row["a"] for row in run.scan_history(max_step=2)] == [0, 1]
    assert list(run.scan_history(min_step=10)) == []


def test_a_value_named_like_the_steps_own_facts_does_not_hide_them(root: Path) -> None:
    run = logged(root, {"_step": 77, "_timestamp": 1, "_runtime": "x", "a": 1})
    assert list(run.scan_history()) == [{"_step": 0, "_timestamp": BEGAN, "_runtime": 0.0, "a": 1}]
    assert run.history(pandas=False) == list(run.scan_history())


def test_history_of_keys_has_the_steps_that_have_them_all(root: Path) -> None:
    run = logged(root, {"a": 1, "b": 2}, {"a": 2}, {"b": 3}, {"a": 4}, {"n": {"x": 5}, "a": 6}, steps=[0, 1, 2, 2, 3])
    assert run.history(keys=["b", "a"], pandas=False) == [{"_step": 0, "b": 2, "a": 1}, {"_step": 2, "b": 3, "a": 4}]
    assert run.history(keys=["n.x"], pandas=False) == [{"_step": 3, "n.x": 5}]
    assert run.history(keys=["n"], pandas=False) == [{"_step": 3, "n": {"x": 5}}]
    assert run.history(keys=["gone"], pandas=False) == []


def test_the_x_axis_may_be_a_metric(root: Path) -> None:
    run = logged(root, {"epoch": 3, "a": 1}, {"a": 2}, {"epoch": 1, "a": 3}, {"epoch": math.nan, "a": 4})
    assert run.history(keys=["a"], x_axis="epoch", pandas=False) == [{"epoch": 1, "a": 3}, {"epoch": 3, "a": 1}]
    assert [record["a"] for record in run.history(x_axis="epoch", pandas=False)] == [3, 1]


@given(st.integers(0, 300), st.integers(1, 60))
def test_a_sample_is_even_and_has_the_first_and_the_last(total: int, count: int) -> None:
    items = list(range(total))
    found = sampled(items, count)
    assert len(found) == min(total, count)
    assert found == sorted(set(found))
    if found:
        assert found[-1] == total - 1
    if len(found) > 1:
        assert found[0] == 0
        gaps = [after - before for before, after in pairwise(found)]
        assert max(gaps) - min(gaps) <= 1


def test_history_is_sampled_over_steps(root: Path) -> None:
    run = logged(root, *({"a": number} for number in range(100)))
    assert [record["a"] for record in run.history(samples=4, pandas=False)] == [0, 33, 66, 99]
    assert run.history(samples=4, pandas=False) == run.history(samples=4, pandas=False)
    assert [record["a"] for record in run.history(samples=1, pandas=False)] == [99]
    assert len(run.history(samples=1000, pandas=False)) == 100


def test_history_is_a_data_frame_with_nan_where_nothing_was_logged(root: Path) -> None:
    run = logged(root, {"a": 1, "s": "x"}, {"b": 2.5}, {"a": 3, "img": {"_type": "image-file", "sha256": "0"}})
    frame = run.history()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["_step", "_timestamp", "_runtime", "a", "s", "b", "img"]
    assert frame["_step"].tolist() == [0, 1, 2]
    assert (frame["_step"].dtype, frame["a"].dtype, frame["b"].dtype) == ("int64", "float64", "float64")
    assert frame["a"].isna().tolist() == [False, True, False]
    assert frame["img"][2] == {"_type": "image-file", "sha256": "0"}
    assert load(root).history(keys=["a"])["a"].tolist() == [1, 3]


def test_a_run_without_rows_has_an_empty_history(root: Path) -> None:
    run = logged(root)
    assert len(run.history()) == 0
    assert run.history(pandas=False) == list(run.scan_history()) == run.history(stream="system", pandas=False) == []
    assert run.lastHistoryStep == -1


def test_without_pandas_history_is_a_list(root: Path) -> None:
    logged(root, {"a": 1})
    code = """
import sys
sys.modules["pandas"] = None
from swath.tracking import Api
rows = Api().run("r1").history()
assert isinstance(rows, list) and rows[0]["a"] == 1, rows
"""
    told = {**os.environ, "SWATH_DIR": str(root)}
    done = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        {"samples": 0},
        {"samples": -3},
        {"samples": 1.5},
        {"samples": True},
        {"keys": "loss"},
        {"keys": [1]},
        {"stream": "other"},
        {"stream": "system", "keys": ["a"]},
    ],
)
def test_a_history_that_cannot_be_asked_for_is_refused(root: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        logged(root, {"a": 1}).history(**wrong)


@pytest.mark.parametrize("wrong", [{"keys": "a"}, {"page_size": 0}, {"min_step": "1"}, {"max_step": 1.5}])
def test_a_scan_that_cannot_be_asked_for_is_refused_at_once(root: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        logged(root, {"a": 1}).scan_history(**wrong)


def test_numbers_of_numpy_are_numbers(root: Path) -> None:
    run = logged(root, *({"a": number} for number in range(10)))
    assert len(run.history(samples=np.int64(3), pandas=False)) == 3  # type: ignore[arg-type]
    assert next(run.scan_history(min_step=np.int64(4)))["a"] == 4  # type: ignore[arg-type]
    assert len(Api(root=root).runs(filters={"summary_metrics.a": {"$gte": np.float32(9)}})) == 1


def test_metrics_of_the_machine_are_a_stream_of_their_own(root: Path) -> None:
    samples = [System(BEGAN + 10 * number, {"cpu": float(number)}) for number in range(5)]
    write_log(root, "r1", header("r1"), samples[1], samples[0], *samples[2:], Finish(0, BEGAN + 99))
    run = load(root)
    found = run.history(stream="system", samples=3, pandas=False)
    assert found == [
        {"_timestamp": BEGAN + at * 10, "_runtime": at * 10.0, "system.cpu": float(at)} for at in (0, 2, 4)
    ]
    assert run.history(stream="system")["system.cpu"].tolist() == [0, 1, 2, 3, 4]
    assert run.system_metrics == {"system.cpu": 4.0}


def test_facts_output_and_alerts_are_read_back(root: Path) -> None:
    write_log(root, "r1", header("r1"), Facts(1.0, {"host": "h", "user": "ada", "n": 1}), Facts(2.0, {"n": 2}))
    write_log(
        root, "r1", Output("stdout", 1.0, "one\n"), Output("stderr", 3.0, "three\n"), Output("stdout", 2.0, "two")
    )
    write_log(root, "r1", Alert(2.0, "later", "x", "WARN"), Alert(1.0, "t", "x", "INFO", True), Finish(0, 9.0))
    run = load(root)
    assert run.metadata == {"host": "h", "user": "ada", "n": 2}
    assert run.user == "ada"
    assert run.output() == "one\ntwothree\n"
    assert [(alert.title, alert.delivered) for alert in run.alerts()] == [("t", True), ("later", False)]


def test_a_run_that_told_nothing_has_nothing(root: Path) -> None:
    write_run(root, "r1")
    run = load(root)
    assert (run.metadata, run.user, run.output(), run.alerts(), run.files()) == ({}, None, "", [], [])
    assert (run.config, run.summary, run.system_metrics) == ({}, {}, {})


# Files.


@pytest.fixture
def with_files(root: Path) -> Run:
    blobs = Blobs(root / "blobs")
    saved = [
        Saved(number, path, blobs.put(data), len(data))
        for number, (path, data) in enumerate([("a.txt", b"old"), ("a.txt", b"caf\xc3\xa9"), ("d/b.bin", b"\0\xff")])
    ]
    folder = write_log(root, "r1", header("r1"), *saved, Finish(0, BEGAN))
    (folder / "files").mkdir()
    (folder / "files" / "live.txt").write_text("live")
    return load(root)


def test_files_are_listed_named_and_read(with_files: Run) -> None:
    assert [(file.name, file.size) for file in with_files.files()] == [("a.txt", 5), ("d/b.bin", 2), ("live.txt", 4)]
    assert [file.name for file in with_files.files(names=["live.txt", "gone", "a.txt"])] == ["a.txt", "live.txt"]
    assert with_files.file("a.txt").read() == "café".encode()
    assert len(with_files.file("live.txt").sha256) == len(with_files.file("a.txt").sha256) == 64
    with pytest.raises(NotFound, match=r"gone\.txt"):
        with_files.file("gone.txt")


def test_a_file_is_downloaded_under_its_own_path(with_files: Run, tmp_path: Path) -> None:
    with with_files.file("a.txt").download(tmp_path / "x") as copy:
        assert copy.read() == "café"
        assert copy.name == str(tmp_path / "x" / "a.txt")
    with_files.file("d/b.bin").download(str(tmp_path / "x")).close()
    assert (tmp_path / "x" / "d" / "b.bin").read_bytes() == b"\0\xff"
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["a.txt", "d"]


def test_a_folder_that_cannot_be_written_is_named(with_files: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UsageError, match=r"taken/a\.txt cannot be written"):
        with_files.file("a.txt").download(tmp_path / "taken")


def test_a_file_that_is_there_is_overwritten_only_when_asked(with_files: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("mine")
    file = with_files.file("a.txt")
    with pytest.raises(UsageError, match="exists already"):
        file.download(tmp_path)
    with file.download(tmp_path, exist_ok=True) as kept:
        assert kept.read() == "mine"
    with file.download(tmp_path, replace=True) as copy:
        assert copy.read() == "café"


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a/../../evil", ".", "a/.."])
def test_no_file_is_written_outside_of_the_folder(root: Path, tmp_path: Path, name: str) -> None:
    digest = Blobs(root / "blobs").put(b"x")
    write_log(root, "r1", header("r1"), Saved(1.0, name, digest, 1), Finish(0, BEGAN))
    (file,) = load(root).files()
    with pytest.raises(UsageError, match="outside"):
        file.download(tmp_path / "in" / "deep", replace=True)
    assert not (tmp_path / "evil.txt").exists()
    assert not (tmp_path / "in" / "evil").exists()


def test_a_download_that_fails_leaves_nothing(with_files: Run, tmp_path: Path, root: Path) -> None:
    file = with_files.file("a.txt")
    Blobs(root / "blobs").path(file.sha256).unlink()
    with pytest.raises(NotFound):
        file.download(tmp_path / "x")
    assert list((tmp_path / "x").iterdir()) == []


def test_media_of_a_row_are_what_was_logged(home: Path) -> None:
    from swath.tracking.media.histogram import Histogram

    with init(id="r1") as run:
        run.log({"h": Histogram([1.0, 2.0, 2.0]), "n": 1})
    found = Api().run("r1")
    record = next(found.scan_history())["h"]
    media = found.media(record)
    assert isinstance(media, Histogram)
    assert media.to_record(Blobs(home)) == record
    assert isinstance(found.media(found.summary["h"]), Histogram)
    (first,) = found.media([record])  # type: ignore[misc]
    assert isinstance(first, Histogram)
    with pytest.raises(UsageError):
        found.media(1)
    with pytest.raises(UsageError):
        found.media({"a": 1})


# Changes.


def test_changes_are_recorded_by_update_and_not_before(root: Path) -> None:
    folder = write_run(root, "r1", {"lr": 1, "opt": {"name": "sgd"}}, [{"loss": 1.0}], tags=("a",))
    run = load(root)
    run.config["lr"] = np.float64(2.5)
    run.config["opt"]["name"] = "adam"
    run.config["new"] = (1, 2)
    run.summary["f1"] = 0.9
    run.tags.append("b")
    run.name, run.notes = "better", "much"
    assert load(root).config == {"lr": 1, "opt": {"name": "sgd"}}
    run.update()
    for found in (run, load(root)):
        assert (found.name, found.tags, found.notes) == ("better", ["a", "b"], "much")
        assert found.config["lr"] == 2.5
        assert found.config["opt"] == {"name": "adam"}
        assert found.summary == {"loss": 1.0, "f1": 0.9}
    assert load(root).config["new"] == [1, 2]
    assert from_log(folder).config == load(root).config


def test_an_update_of_nothing_writes_nothing(root: Path) -> None:
    folder = write_run(root, "r1", {"lr": math.nan, "n": 1}, [{"loss": math.nan}], tags=("a",))
    run = load(root)
    run.config["n"] = 1.0
    run.tags = ["a"]
    run.update()
    run.summary.update()
    assert [path.name for path in folder.iterdir()] == ["0001.log"]


def test_a_second_update_writes_what_is_new_since_the_first(root: Path) -> None:
    folder = write_run(root, "r1", {"lr": 1})
    run = load(root)
    run.config["lr"] = 2
    run.tags = ["a", "a"]
    run.update()
    size = (folder / "0001-api.log").stat().st_size
    run.update()
    assert (folder / "0001-api.log").stat().st_size == size
    run.save()
    load_again = load(root)
    load_again.config["lr"] = 3
    load_again.update()
    run.notes = "only these"
    run.update()
    assert (load(root).config, load(root).notes, load(root).tags) == ({"lr": 3}, "only these", ["a"])


def test_what_a_running_program_adds_meanwhile_stays(root: Path) -> None:
    write_log(root, "r1", header("r1", alive=True), Config({"a": 1}))
    run = load(root)
    write_log(root, "r1", Config({"b": 2}), Row(0, 4e9, {"loss": 1.0}))
    for number in range(2):
        run.config["c"] = number
        run.summary["best"] = number
        run.update()
    found = load(root)
    assert (found.config, found.summary) == ({"a": 1, "b": 2, "c": 1}, {"loss": 1.0, "best": 1})


def test_updating_the_summary_records_it_alone(root: Path) -> None:
    write_run(root, "r1", {"lr": 1}, [{"loss": 1.0}])
    run = load(root)
    run.config["lr"] = 2
    run.summary.update({"f1": 0.5}, extra=[1])
    assert load(root).summary == {"loss": 1.0, "f1": 0.5, "extra": [1]}
    assert load(root).config == {"lr": 1}
    run.update()
    assert load(root).config == {"lr": 2}


def test_loading_by_force_forgets_what_was_not_recorded(root: Path) -> None:
    write_run(root, "r1", {"lr": 1})
    run = load(root)
    run.config["lr"] = 2
    run.name = "other"
    run.load()
    assert run.config == {"lr": 2}
    run.load(force=True)
    assert (run.config, run.name) == ({"lr": 1}, "name-r1")


def test_loading_by_force_sees_what_was_logged_since(root: Path) -> None:
    write_log(root, "r1", header("r1", alive=True))
    run = load(root)
    write_log(root, "r1", Row(0, 4e9, {"loss": 2.0}), Finish(0, 4e9 + 1))
    assert (run.state, run.summary) == ("running", {})
    run.load(force=True)
    assert (run.state, run.summary) == ("finished", {"loss": 2.0})


def test_what_cannot_be_recorded_is_refused_and_nothing_is_written(root: Path) -> None:
    folder = write_run(root, "r1", {"lr": 1, "n": 2})
    run = load(root)
    del run.config["n"]
    with pytest.raises(UsageError, match="'n' cannot be deleted"):
        run.update()
    for name in ("", None, 3):
        with pytest.raises(UsageError, match="name"):
            run.name = name  # type: ignore[assignment]
    with pytest.raises(UsageError, match="tags"):
        run.tags = [1]  # type: ignore[list-item]
    with pytest.raises(UsageError, match="cannot be deleted"):
        del run.summary["x"]
    with pytest.raises(AttributeError):
        run.state = "finished"  # type: ignore[misc]
    assert [path.name for path in folder.iterdir()] == ["0001.log"]


def test_a_changed_run_that_was_deleted_meanwhile_is_not_found(root: Path) -> None:
    write_run(root, "r1")
    run = load(root)
    load(root).delete()
    run.notes = "too late"
    with pytest.raises(NotFound):
        run.update()
    with pytest.raises(NotFound):
        run.history()
    assert not (root / "runs" / "r1").exists()


def test_a_run_that_goes_on_is_not_deleted(root: Path) -> None:
    write_log(root, "r1", header("r1", alive=True))
    with pytest.raises(NotAllowed, match="running"):
        load(root).delete()
    assert load(root).state == "running"
