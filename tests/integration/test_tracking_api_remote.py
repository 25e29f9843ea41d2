"""Runs are read from a server as from a folder: exactly, in bounded parts, and with errors that say what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.integration.api_served import TOKEN, ServedRuns

from swath.tracking import Api
from swath.tracking.api import remote, wire
from swath.tracking.api.fetched import FetchedBlobs
from swath.tracking.api.local import LocalSource
from swath.tracking.api.query import Query
from swath.tracking.api.remote import RemoteSource
from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotAllowed, NotFound, OutOfStep, RetryLater, StoreCorrupt, SwathError, UsageError
from swath.tracking.media.image import Image
from swath.tracking.media.table import Table
from swath.tracking.runlog.records import Config, Finish, Output, Row, Summary
from swath.tracking.server import ServerThread, api_routes, create_app, pages
from swath.tracking.store import RunRow
from swath.tracking.testing.sources import header, write_log, write_run

DEADLINE_S = 60


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedRuns]:
    with ServedRuns(tmp_path / ".swath") as made:
        yield made


@pytest.fixture
def source(served: ServedRuns) -> Iterator[RemoteSource]:
    made = RemoteSource(served.url, TOKEN)
    yield made
    made.close()


@pytest.fixture
def api(source: RemoteSource) -> Api:
    return Api(source=source)


def write_long(root: Path, run_id: str = "r1", count: int = 5000) -> None:
    """A run of many rows, among them some of the same step and time."""
    rows = [Row(n // 3, float(n // 6), {"n": n, "text": "x" * 20}) for n in range(count)]
    write_log(root, run_id, header(run_id), *rows, Finish(0, 1e9))


def write_media(root: Path, pixels: np.ndarray[Any, Any]) -> None:
    blobs = Blobs(root / "blobs")
    table = Table(columns=["name", "picture"], data=[["a", Image(pixels)], ["b", Image(255 - pixels)]])
    values = {"picture": Image(pixels, caption="one").to_record(blobs), "table": table.to_record(blobs)}
    write_log(root, "r1", header("r1"), Row(0, 1.0, values), Finish(0, 2.0))


def error(kind: type[SwathError], ask: Any) -> tuple[str, str]:
    """Message and hint of the error that a call raises."""
    with pytest.raises(kind) as caught:
        ask()
    assert type(caught.value) is kind
    return caught.value.message, caught.value.hint


def test_a_server_is_found_by_url_override_and_environment(
    served: ServedRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(served.root, "there", {"lr": 0.5}, [{"loss": 1.0}], project="p")
    write_run(tmp_path / "here", "here")
    monkeypatch.setenv("SWATH_TOKEN", TOKEN)
    for api in (Api(url=served.url), Api({"base_url": served.url + "/", "project": "p"})):
        assert [run.id for run in api.runs()] == ["there"]
        assert repr(api) == f"<Api of {served.url}>"
    monkeypatch.setenv("SWATH_URL", served.url)
    with Api() as api:
        run = api.run("p/there")
        assert (run.config, run.summary["loss"], run.url) == ({"lr": 0.5}, 1.0, f"{served.url}/runs/there")
    assert [run.id for run in Api(root=tmp_path / "here").runs()] == ["here"]


def test_a_server_is_imported_only_where_one_is_read() -> None:
    code = "import sys, swath.tracking, swath.tracking.api; print({name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "msgspec" in loaded
    assert not any(name in loaded for name in ("'httpx'", "'starlette'", "'anyio'", "'tenacity'"))


def test_a_wrong_token_is_refused_and_said(served: ServedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(served.root, "r1")
    monkeypatch.setenv("SWATH_TOKEN", "wrong")
    with Api(url=served.url) as api:
        for ask in (lambda: api.run("r1"), lambda: list(api.runs())):
            assert "token" in error(NotAllowed, ask)[0]
    monkeypatch.delenv("SWATH_TOKEN")
    with Api(url=served.url) as api, pytest.raises(NotAllowed, match="no token"):
        api.run("r1")


def test_errors_are_those_of_the_folder(served: ServedRuns, source: RemoteSource) -> None:
    write_log(served.root, "going", header("going", alive=True, name="called"))
    served.add(RunRow("trial", sweep_id="s1", state="finished", ended=1.0))
    local = LocalSource(served.root)
    asks: list[tuple[type[SwathError], Any]] = [
        (NotAllowed, lambda api: api.run("going").delete()),
        (NotAllowed, lambda api: api.run("trial").delete()),
        (NotFound, lambda api: api.run("none")),
        (NotFound, lambda api: api.run("called")),
        (NotFound, lambda api: api.run("going").file("none")),
        (UsageError, lambda api: api.runs(filters={"lr": 1})),
    ]
    for kind, ask in asks:
        there, here = Api(source=source), Api(source=local)
        assert error(kind, lambda ask=ask, api=there: ask(api)) == error(kind, lambda ask=ask, api=here: ask(api))
    assert "pass its id" in error(NotFound, lambda: Api(source=source).run("called"))[1]
    local.close()


def test_a_long_history_comes_in_pages(served: ServedRuns, source: RemoteSource) -> None:
    write_long(served.root)
    local = list(LocalSource(served.root).history("r1"))
    assert list(source.history("r1", page_size=500)) == local
    assert (served.count(["history"]), served.count(["more"])) == (1, 9)
    assert served.largest < 500 * 60
    assert list(source.history("r1", 100, 200, 7)) == [row for row in local if 100 <= row.step < 200]
    assert list(islice(source.history("r1", page_size=10), 10)) == local[:10]


def test_a_page_of_large_rows_holds_few(
    served: ServedRuns, source: RemoteSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES", 50_000)
    rows = [Row(n, float(n), {"weights": [float(n)] * 2000}) for n in range(40)]
    write_log(served.root, "r1", header("r1"), *rows, Finish(0, 1e9))
    assert list(source.history("r1")) == rows
    assert served.count(["more"]) == 13
    assert served.largest < 100_000


def test_a_history_goes_on_where_it_was_when_the_server_comes_again(served: ServedRuns, source: RemoteSource) -> None:
    """At every place among rows of the same step and time: none twice, none left out."""
    write_long(served.root, count=60)
    local = list(LocalSource(served.root).history("r1"))
    for page_size in (1, 2, 7):
        reading = source.history("r1", page_size=page_size)
        found = list(islice(reading, 2 * page_size + 1))
        for _ in range(2):
            served.stop()
            served.start()
            found += islice(reading, 2 * page_size)
        assert [row.values["n"] for row in [*found, *reading]] == [row.values["n"] for row in local]


def test_a_history_is_as_it_was_when_it_was_asked_for(served: ServedRuns, source: RemoteSource) -> None:
    write_log(served.root, "r1", header("r1", alive=True), *(Row(n, float(n), {"n": n}) for n in range(100)))
    reading = source.history("r1", page_size=10)
    found = list(islice(reading, 15))
    write_log(served.root, "r1", Row(20, 1e6, {"n": -1}), Row(100, 1e6, {"n": 100}))
    assert [row.values["n"] for row in [*found, *reading]] == list(range(100))


def test_many_histories_that_are_left_alone_hold_none_up(served: ServedRuns, source: RemoteSource) -> None:
    write_long(served.root, count=100)
    local = list(LocalSource(served.root).history("r1"))
    readings = [source.history("r1", page_size=10) for _ in range(2 * pages.WAITING)]
    begun = [list(islice(reading, 15)) for reading in readings]
    assert all([*first, *reading] == local for first, reading in zip(begun, readings, strict=True))


def test_a_server_that_goes_in_the_middle_is_waited_for_so_long_and_no_longer(served: ServedRuns) -> None:
    write_long(served.root, count=100)
    source = RemoteSource(served.url, TOKEN, deadline_s=0.3)
    reading = source.history("r1", page_size=10)
    next(reading)
    served.stop()
    for ask in (lambda: list(reading), lambda: source.row("r1"), lambda: source.change("r1", [Config({"a": 1})])):
        message, hint = error(RetryLater, ask)
        assert message.startswith(f"no answer from {served.url}")
        assert hint
    served.start()
    assert len(list(source.history("r1"))) == 100
    source.close()


def test_many_records_come_whole_also_from_a_server_that_came_again(
    served: ServedRuns, api: Api, source: RemoteSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_RECORDS", 10)
    printed = [Output("stdout", float(n), f"line {n}\n") for n in range(95)]
    write_log(served.root, "r1", header("r1"), *printed, Finish(0, 1e9))
    assert api.run("r1").output() == "".join(record.text for record in printed)
    assert served.count(["more"]) == 9
    served.lose.append(wire.path_of("more"))
    assert source.records("r1", (Output,)) == printed
    monkeypatch.setattr(api_routes, "Pages", partial(pages.Pages, 0))
    served.stop()
    served.start()
    message, _ = error(RetryLater, lambda: source.records("r1", (Output,)))
    assert "r1" in message


def test_what_was_done_before_the_answer_was_lost_is_done_once(served: ServedRuns, api: Api) -> None:
    write_run(served.root, "r1", {"lr": 1.0}, [{"loss": 1.0}])
    run = api.run("r1")
    run.config["lr"] = 2.0
    run.summary["best"] = 3
    run.tags += ["a"]
    served.lose.append(wire.path_of("change"))
    run.update()
    assert served.lose == []
    again = api.run("r1")
    assert (again.config, again.summary.as_dict(), again.tags) == ({"lr": 2.0}, {"loss": 1.0, "best": 3}, ["a"])
    served.lose.append(wire.path_of("delete"))
    run.delete()
    assert served.lose == []
    assert not (served.root / "runs" / "r1").exists()
    with pytest.raises(NotFound):
        run.delete()


def test_numbers_and_text_of_any_kind_travel(served: ServedRuns, source: RemoteSource) -> None:
    write_run(served.root, "r1", {"nan": float("nan"), "big": 2**63, "inf": [float("inf")]}, [{"ü/ß": -(2**63)}])
    config, local = source.row("r1").config, LocalSource(served.root).row("r1").config
    assert repr(config) == repr(local)
    assert next(source.history("r1")).values == {"ü/ß": -(2**63)}
    run = Api(source=source).run("r1")
    run.name, run.notes = "one \udcff", "two"
    run.update()
    assert (run.name, source.row("r1").name, source.row("r1").notes) == ("one \udcff", "one \\udcff", "two")
    row = source.change("r1", [Summary({"huge": 2**70})])
    assert row.summary["huge"] == 2.0**70


def test_media_come_back_with_the_same_pixels_and_outlive_their_api(served: ServedRuns, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (16, 24, 3), np.uint8)
    write_media(served.root, pixels)

    def read() -> tuple[Image, Table]:
        with Api(source=RemoteSource(served.url, TOKEN)) as api:
            run = api.run("r1")
            row = run.history(pandas=False)[0]
            picture, table = run.media(row["picture"]), run.media(row["table"])
            assert run.media(row["picture"]) is not picture
            assert isinstance(picture, Image)
            assert isinstance(table, Table)
            return picture, table

    picture, table = read()
    served.stop()
    assert (picture.to_numpy() == pixels).all()
    assert picture.caption == "one"
    assert (table.data[1][1].to_numpy() == 255 - pixels).all()
    served.start()
    blobs = [path for path in served.requests if "/blobs/" in path]
    assert len(blobs) == len(set(blobs)) == 3


def test_fetched_files_are_kept_within_bounds_and_those_in_use_stay(served: ServedRuns, source: RemoteSource) -> None:
    there = Blobs(served.root / "blobs")
    digests = [there.put(bytes([n]) * 1000) for n in range(6)]
    blobs = FetchedBlobs(source._connection.fetch_blob, kept_bytes=2500)
    held = blobs.path(digests[0])
    for digest in digests:
        assert blobs.read(digest) == there.read(digest)
    assert held.read_bytes() == there.read(digests[0])
    assert len(list(blobs.root.iterdir())) == 3
    before = len(served.requests)
    assert blobs.path(digests[0]) is held
    assert blobs.read(digests[5]) == there.read(digests[5])
    assert len(served.requests) == before
    folder = blobs.root
    del blobs
    assert list(folder.iterdir()) == [held]
    del held
    assert not folder.exists()


def test_a_fetched_file_that_is_damaged_missing_or_written_is_an_error(
    served: ServedRuns, source: RemoteSource
) -> None:
    there = Blobs(served.root / "blobs")
    digest = there.put(b"weights")
    there.path(digest).write_bytes(b"w3ights")
    blobs = source.blobs("r1")
    with pytest.raises(StoreCorrupt, match="damaged"):
        blobs.path(digest)
    with pytest.raises(NotFound):
        blobs.path("0" * 64)
    with pytest.raises(UsageError, match="digest"):
        blobs.path("../../etc/passwd")
    with pytest.raises(NotAllowed):
        blobs.put(b"x")
    with pytest.raises(NotAllowed):
        blobs.put_file(there.path(digest))
    assert list(blobs.root.iterdir()) == []


def test_files_of_any_name_and_size_are_downloaded_in_blocks(
    served: ServedRuns, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_run(served.root, "r1") / "files"
    large = os.urandom(3 * 1024 * 1024 + 7)
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "large.bin").write_bytes(large)
    (folder / "empty").touch()
    strange = os.fsdecode(b"\xff \xe9.txt")
    (folder / strange).write_bytes(b"strange")
    found = {file.name: file for file in api.run("r1").files()}
    assert set(found) == {"deep/large.bin", "empty", strange}
    found["deep/large.bin"].download(tmp_path / "copy").close()
    assert (tmp_path / "copy/deep/large.bin").read_bytes() == found["deep/large.bin"].read() == large
    assert served.largest <= 256 * 1024
    assert (found["empty"].read(), found[strange].read()) == (b"", b"strange")
    (folder / "empty").unlink()
    with pytest.raises(NotFound):
        found["empty"].read()


@pytest.mark.parametrize("name", [b"../0001.log", b"/etc/hostname", b"deep", b"a\0b", b"\xff"])
def test_a_name_that_is_no_file_of_the_run_is_refused(served: ServedRuns, source: RemoteSource, name: bytes) -> None:
    (write_run(served.root, "r1") / "files" / "deep").mkdir(parents=True)
    content = wire.encode(wire.FileOf("r1", name))
    with pytest.raises(UsageError):
        source._connection.client().ask("POST", wire.path_of("file"), content=content)


@pytest.mark.parametrize("verb", sorted(wire.CALLS))
def test_a_body_that_means_nothing_is_refused(served: ServedRuns, verb: str) -> None:
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as client:
        for body in (b"", b"\xc1", wire.encode({"other": 1}), wire.encode([1, 2])):
            answer = client.post(served.url + wire.path_of(verb), content=body)
            assert (answer.status_code, answer.json()["error"]) == (400, "UsageError")


def test_what_no_client_of_this_version_asks_is_refused(served: ServedRuns, source: RemoteSource) -> None:
    write_run(served.root, "r1")
    for page in ("none", "none.0", "none.x", ""):
        with pytest.raises(OutOfStep):
            source._ask("more", wire.More(page))
    with pytest.raises(UsageError, match="no records"):
        source._ask("records", wire.Records("r1", ("Nothing",)))
    with pytest.raises(UsageError, match="lr"):
        source._ask("find", wire.Find(Query({"lr": 1})))


def test_one_source_serves_many_threads(served: ServedRuns, source: RemoteSource) -> None:
    write_long(served.root, count=300)

    def read(n: int) -> int:
        source.change("r1", [Config({f"key{n}": n})])
        return len(list(source.history("r1", page_size=50 + n)))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(16))) == [300] * 16
    assert source.row("r1").config == {f"key{n}": n for n in range(16)}


def test_a_forked_child_reads_too_and_leaves_its_parent_everything(served: ServedRuns) -> None:
    write_media(served.root, np.zeros((4, 4, 3), np.uint8))
    code = """
        import gc, os, sys
        from swath.tracking import Api
        api = Api(url=sys.argv[1])
        run = api.run("r1")
        picture = run.media(next(iter(run.scan_history()))["picture"])
        child = os.fork()
        if not child:
            assert len(list(run.scan_history())) == 1
            del api, run, picture
            gc.collect()
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert picture.to_numpy().shape == (4, 4, 3)
        assert len(list(run.scan_history())) == 1
        print(run.files.__self__._source.blobs("r1").root)
    """
    made = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), served.url],
        env={**os.environ, "SWATH_TOKEN": TOKEN}, capture_output=True, text=True, timeout=DEADLINE_S,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert not Path(made.stdout.strip()).exists()


def test_a_server_without_these_routes_is_told_from_one_that_has_no_such_run(tmp_path: Path) -> None:
    with ServerThread(create_app("", [])) as server, Api(source=RemoteSource(server.url)) as api:
        message, hint = error(NotFound, lambda: list(api.runs()))
    assert wire.path_of("find") in message
    assert "versions" in hint


def test_runs_are_asked_for_some_at_a_time(
    served: ServedRuns, source: RemoteSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "RUNS", 4)
    for n in range(10):
        write_run(served.root, f"r{n}", time=1000.0 + n)
    runs = Api(source=source).runs(per_page=10)
    assert [run.id for run in runs] == [f"r{n}" for n in range(10)]
    assert served.count(["rows"]) == 3
