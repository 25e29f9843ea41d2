"""`Api.runs` and `Api.run`: which runs they mean, how they are loaded, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from swath.tracking import Api, init
from swath.tracking.api.local import LocalSource
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.store import RunRow
from swath.tracking.testing.capture import capture_runs
from swath.tracking.testing.sources import write_run


class CountingSource(LocalSource):
    """Notes how many runs are loaded at a time."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.loaded: list[int] = []

    def rows(self, ids: Sequence[str]) -> dict[str, RunRow]:
        self.loaded.append(len(ids))
        return super().rows(ids)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten runs: r0 to r9, by age, in the projects p0 and p1 of team."""
    folder = tmp_path / ".swath"
    for number in range(10):
        who = {"time": 1000.0 + number, "project": f"p{number % 2}", "entity": "team" if number < 8 else ""}
        write_run(folder, f"r{number}", {"n": number}, [{"loss": float(-number)}], **who)
    return folder


@pytest.fixture
def source(root: Path) -> CountingSource:
    return CountingSource(root)


@pytest.fixture
def api(source: CountingSource) -> Api:
    return Api(source=source)


def ids(runs: object) -> list[str]:
    return [run.id for run in runs]  # type: ignore[attr-defined]


def test_runs_are_loaded_a_page_at_a_time_when_they_are_needed(api: Api, source: CountingSource) -> None:
    runs = api.runs(per_page=4)
    assert (len(runs), source.loaded) == (10, [])
    assert runs[5].id == "r5"
    assert source.loaded == [4]
    assert ids(runs) == [f"r{number}" for number in range(10)]
    assert source.loaded == [4, 4, 2]
    assert ids(runs) == [f"r{number}" for number in range(10)]
    assert source.loaded == [4, 4, 2]


def test_runs_are_indexed_and_sliced_like_a_list(api: Api) -> None:
    runs = api.runs(per_page=3)
    assert runs[-1].id == "r9"
    assert runs[0] is runs[-10]
    assert ids(runs[2:5]) == ["r2", "r3", "r4"]
    assert ids(runs[::-3]) == ["r9", "r6", "r3", "r0"]
    assert runs[20:] == []
    for index in (10, -11):
        with pytest.raises(IndexError, match="of 10"):
            runs[index]
    with pytest.raises(IndexError):
        api.runs("nowhere")[0]


def test_which_runs_there_are_is_asked_once(api: Api, root: Path) -> None:
    runs = api.runs()
    assert len(runs) == 10
    write_run(root, "r10")
    assert len(runs) == 10
    assert len(api.runs()) == 11


def test_a_run_that_was_deleted_since_is_passed_over(api: Api) -> None:
    runs = api.runs(per_page=2)
    assert len(runs) == 10
    api.run("r3").delete()
    assert ids(runs) == [f"r{number}" for number in range(10) if number != 3]
    assert ids(runs[2:5]) == ["r2", "r4"]
    with pytest.raises(NotFound, match="r3"):
        runs[3]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (None, range(10)),
        ("", range(10)),
        ("p1", [1, 3, 5, 7, 9]),
        ("team/p1", [1, 3, 5, 7]),
        ("/team/p1/", [1, 3, 5, 7]),
        (["team", "p0"], [0, 2, 4, 6]),
        ("other/p1", []),
        ("p2", []),
    ],
)
def test_a_path_says_in_which_project(api: Api, path: str | None, wanted: Sequence[int]) -> None:
    assert ids(api.runs(path)) == [f"r{number}" for number in wanted]


@pytest.mark.parametrize("path", ["a/b/c", "a//b", 3, ["a", 1], [""]])
def test_what_is_no_path_of_a_project_is_refused(api: Api, path: object) -> None:
    with pytest.raises(UsageError, match="path"):
        api.runs(path)  # type: ignore[arg-type]


def test_filters_order_and_path_go_together(api: Api) -> None:
    found = api.runs("p0", filters={"config.n": {"$gte": 3}}, order="+summary_metrics.loss")
    assert ids(found) == ["r8", "r6", "r4"]
    assert ids(api.runs(order="-created_at")[:2]) == ["r9", "r8"]
    assert ids(api.runs(filters={"created_at": {"$lt": "1970-01-01T00:16:42"}})) == ["r0", "r1"]


def test_values_of_other_kinds_have_an_order_and_missing_ones_come_last(root: Path) -> None:
    for number, value in enumerate(["text", 2, True, [1], float("nan"), 1.5]):
        write_run(root, f"x{number}", {"v": value}, time=2000.0 + number)
    api = Api(root=root)
    rising = ids(api.runs(order="config.v"))
    assert rising[:5] == ["x2", "x5", "x1", "x0", "x3"]
    assert rising[5:] == [*(f"r{number}" for number in range(10)), "x4"]
    assert ids(api.runs(order="-config.v")) == ["x3", "x0", "x1", "x5", "x2", *rising[5:]]


def test_wrong_filters_orders_and_pages_are_refused_at_once(api: Api) -> None:
    with pytest.raises(UsageError, match="did you mean"):
        api.runs(filters={"config.lr": {"$gtt": 1}})
    with pytest.raises(UsageError, match="order="):
        api.runs(order="-losss")
    for per_page in (0, -1, 2.5, "3", True):
        with pytest.raises(UsageError, match="per_page"):
            api.runs(per_page=per_page)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path", ["r4", "p0/r4", "team/p0/r4", "team/p0/runs/r4", "/team/p0/r4 ", "p0:r4", ["p0", "r4"]]
)
def test_a_run_is_named_by_its_id_and_where_it_is(api: Api, path: str) -> None:
    assert api.run(path).id == "r4"
    assert api.run("/".join(api.run(path).path)).id == "r4"


def test_a_run_that_is_elsewhere_is_not_found_and_the_hint_says_where(api: Api) -> None:
    for path in ("p1/r4", "other/p0/r4", "team/p1/r4", "other/r4"):
        with pytest.raises(NotFound, match="team/p0/r4"):
            api.run(path)


def test_a_run_named_by_its_name_is_not_found_and_the_hint_says_its_id(api: Api) -> None:
    with pytest.raises(NotFound, match="is the name of run r4"):
        api.run("name-r4")
    with pytest.raises(NotFound, match="list the runs"):
        api.run("nothing")


@pytest.mark.parametrize("path", ["", "/", "a/b/c/d", "a//b", "..", "team/p0/..", "a b", None, 3, [], ["a", 2]])
def test_what_is_no_path_of_a_run_is_refused(api: Api, path: object) -> None:
    with pytest.raises(UsageError):
        api.run(path)  # type: ignore[arg-type]


def test_overrides_say_where_paths_do_not(source: CountingSource) -> None:
    api = Api({"entity": "team", "project": "p0"}, source=source)
    assert ids(api.runs()) == ["r0", "r2", "r4", "r6"]
    assert ids(api.runs("p1")) == ["r1", "r3", "r5", "r7"]
    with pytest.raises(UsageError, match="no override 'entty'"):
        Api({"entty": "team"}, source=source)


def test_the_store_is_that_of_init(home: Path) -> None:
    with init(id="here", config={"lr": 1}, project="p") as run:
        run.log({"loss": 2})
    with Api() as api:
        assert api.run("p/here").summary["loss"] == 2
        assert len(api.runs()) == 1
    assert len(Api(root=home / "elsewhere").runs()) == 0
    assert not (home / "elsewhere").exists()


def test_captured_runs_are_read_in_their_block(home: Path) -> None:
    with capture_runs():
        with init(id="captured"):
            pass
        assert ids(Api().runs()) == ["captured"]
    assert ids(Api().runs()) == []


def test_a_server_is_read_where_one_is_named(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    where = "http://localhost:1"
    assert repr(Api(url=where)) == repr(Api({"base_url": where})) == f"<Api of {where}>"
    with pytest.raises(UsageError, match="two stores"):
        Api(root=root, url=where)
    with pytest.raises(UsageError, match="no address"):
        Api(url="localhost")
    monkeypatch.setenv("SWATH_URL", where)
    assert repr(Api()) == f"<Api of {where}>"
    assert len(Api(root=root).runs()) == 10
