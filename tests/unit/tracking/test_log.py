"""What `log()` writes down, step by step, and what it refuses."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import swath.tracking as tracking
from swath.tracking.errors import UsageError
from swath.tracking.runlog.history import output_tail, read_history, read_records, tail_rows
from swath.tracking.runlog.records import Finish, Row, Summary


def folder(run: tracking.Run) -> Path:
    assert run.url is not None
    return Path(run.url.removeprefix("file://"))


def logged(run: tracking.Run) -> list[tuple[int, dict[str, Any]]]:
    rows = [record for record in read_records(folder(run)) if isinstance(record, Row)]
    return [(row.step, row.values) for row in rows]


def test_steps_count_from_zero_and_nested_values_are_kept() -> None:
    with tracking.init() as run:
        run.log({"loss": 0.5, "opt": {"lr": 1e-3, "betas": [0.9, 0.99]}})
        run.log({"loss": float("nan"), "ok": True, "none": None, "word": "é"})
        assert run.step == 2
    first, second = logged(run)
    assert first == (0, {"loss": 0.5, "opt": {"lr": 1e-3, "betas": [0.9, 0.99]}})
    assert second[0] == 1
    assert second[1]["loss"] != second[1]["loss"]


def test_steps_out_of_order_are_kept_and_counting_goes_on_from_the_highest() -> None:
    with tracking.init() as run:
        run.log({"a": 1}, step=10)
        run.log({"a": 2}, step=3)
        run.log({"a": 3})
        run.log({"a": 4}, step=np.int64(20))  # type: ignore[arg-type]
        run.log({"a": 5}, step=21.0)  # type: ignore[arg-type]
    assert [step for step, _ in logged(run)] == [10, 3, 11, 20, 21]
    assert [row.step for row in read_history(folder(run))] == [3, 10, 11, 20, 21]
    assert [row.step for row in tail_rows(folder(run), 2)] == [20, 21]
    assert tail_rows(folder(run), 0) == []


def test_values_without_commit_become_one_row_with_the_next_commit() -> None:
    with tracking.init() as run:
        run.log({"a": 1}, commit=False)
        run.log({"b": 2}, commit=False)
        assert logged(run) == []
        run.log({"a": 3, "c": 4})
        run.log({"d": 5})
    assert logged(run) == [(0, {"a": 3, "b": 2, "c": 4}), (1, {"d": 5})]


def test_a_larger_step_commits_what_waits_and_a_smaller_one_leaves_it_waiting() -> None:
    with tracking.init() as run:
        run.log({"a": 1}, step=5, commit=False)
        run.log({"z": 0}, step=2)
        run.log({"b": 2}, step=7)
        run.log({"c": 3}, commit=False)
    assert logged(run) == [(2, {"z": 0}), (5, {"a": 1}), (7, {"b": 2}), (8, {"c": 3})]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.none() | st.integers(0, 6), st.booleans()), max_size=12))
def test_no_value_is_ever_lost_or_written_twice(calls: list[tuple[int | None, bool]]) -> None:
    with tracking.init() as run:
        for number, (step, commit) in enumerate(calls):
            run.log({f"k{number}": number}, step=step, commit=commit)
            if step is not None and not commit:
                assert run.step == step
    keys = [key for _, values in logged(run) for key in values]
    assert sorted(keys) == sorted(f"k{number}" for number in range(len(calls)))
    for number, (step, _) in enumerate(calls):
        if step is not None:
            assert any(at == step and f"k{number}" in values for at, values in logged(run))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (0.5, "not a float"),
        (None, "not None"),
        ([("a", 1)], "not a list"),
        ({1: 2}, "the key 1"),
        ({"a": {2: 3}}, "the key 2 in 'a'"),
        ({"a": object()}, "'a' is an object"),
        ({"a": {"b": [1, {2, object}]}}, "'a.b"),
        ({"f": len}, "'f' is a builtin_function_or_method"),
        ({"z": 1j}, "'z' is a complex"),
    ],
)
def test_what_cannot_be_recorded_is_refused_by_name_with_a_hint_and_changes_nothing(data: Any, message: str) -> None:
    with tracking.init() as run:
        with pytest.raises(UsageError, match=message) as refused:
            run.log(data)
        assert refused.value.hint
        assert run.step == 0
        run.log({"good": 1})
    assert logged(run) == [(0, {"good": 1})]


@pytest.mark.parametrize("step", [1.5, "3", True, -1, float("nan"), 2**63, [1]])
def test_a_step_that_is_no_whole_number_is_refused(step: Any) -> None:
    for mode in ("online", "disabled"):
        with tracking.init(mode=mode) as run, pytest.raises(UsageError, match="whole number"):
            run.log({"a": 1}, step=step)


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    with tracking.init() as run, pytest.raises(UsageError, match="contains itself"):
        run.log(loop)


def test_a_finished_run_takes_nothing_more() -> None:
    for mode in ("online", "disabled"):
        run = tracking.init(mode=mode)
        run.finish()
        run.finish(3)
        with pytest.raises(UsageError, match="finished"):
            run.log({"a": 1})
        with pytest.raises(UsageError, match="finished"):
            run.summary["a"] = 1
        with pytest.raises(UsageError, match="finished"):
            run.config.a = 1
        with pytest.raises(UsageError, match="finished"):
            run.name = "x"


def test_logging_without_a_run_says_to_call_init() -> None:
    for use in (
        lambda: tracking.log({"a": 1}),
        lambda: tracking.config["lr"],
        lambda: tracking.config.update({"lr": 1}),
        lambda: tracking.summary.best,
    ):
        with pytest.raises(UsageError, match="call init"):
            use()
    assert tracking.run is None
    tracking.finish()


def test_the_users_dict_may_change_after_the_call() -> None:
    with tracking.init() as run:
        data: dict[str, Any] = {"a": 1, "n": {"x": 1}}
        run.log(data, commit=False)
        data["a"], data["n"]["x"] = 2, 2
        run.log(data)
        data["n"]["x"] = 3
        assert run.summary["n"]["x"] == 2
    assert logged(run) == [(0, {"a": 2, "n": {"x": 2}})]


def test_threads_lose_no_row_and_share_the_steps() -> None:
    run = tracking.init()

    def work(name: str) -> None:
        for number in range(300):
            tracking.log({name: number})

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.finish()
    rows = logged(run)
    assert [step for step, _ in rows] == list(range(1200))
    for number in range(4):
        assert [values[f"t{number}"] for _, values in rows if f"t{number}" in values] == list(range(300))


def test_a_stop_is_raised_after_the_row_is_recorded_by_every_log_until_finish() -> None:
    from swath.tracking.runlog.logfile import request_stop

    with pytest.raises(tracking.TrialStopped, match="rung 1"), tracking.init() as run:  # noqa: PT012
        run.log({"a": 1})
        request_stop(folder(run) / "0001.log", "rung 1")
        run.log({"held": 1}, commit=False)
        with pytest.raises(tracking.TrialStopped):
            run.log({"a": 2})
        run.log({"a": 3})
    assert len(logged(run)) == 3
    end = read_records(folder(run))[-1]
    assert isinstance(end, Finish)
    assert end.exit_code == 0


def test_disabled_records_nothing_but_reads_the_same(home: Path) -> None:
    with tracking.init(mode="disabled", config={"lr": 1}) as run:
        run.log({"loss": 2.0})
        run.log({"loss": 1.0}, step=7)
        run.summary["best"] = 1.0
        run.config.extra = 2
        run.name = "renamed"
        assert run.summary.as_dict() == {"loss": 1.0, "best": 1.0}
        assert (run.config.lr, run.config.extra, run.step, run.url) == (1, 2, 8, None)
        assert Path(run.dir).is_dir()
        print("not recorded")
    assert not (home / ".swath").exists()
    Path(run.dir).rmdir()


def test_what_is_printed_is_recorded_and_a_progress_bar_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    before = sys.stdout, sys.stderr
    with tracking.init() as run:
        print("hello", 1)
        for percent in range(0, 101, 10):
            print(f"\r{percent}%", end="", file=sys.stderr)
        print(file=sys.stderr)
        print("no line end", end="")
    assert (sys.stdout, sys.stderr) == before
    assert output_tail(folder(run), 10) == ["hello 1", "100%", "no line end"]
    assert output_tail(folder(run), 1) == ["no line end"]
    assert capsys.readouterr().out == "hello 1\nno line end"


def test_console_capture_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWATH_CONSOLE", "off")
    with tracking.init() as run:
        print("hello")
    assert output_tail(folder(run), 10) == []


def test_numpy_scalars_are_recorded_as_numbers() -> None:
    with tracking.init() as run:
        run.log(
            {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True), "d": np.arange(3), "e": np.array([[2.5]])}
        )
    assert logged(run) == [(0, {"a": 0.5, "b": 3, "c": True, "d": [0, 1, 2], "e": 2.5})]


def test_summary_records_are_written_for_what_the_user_sets_only() -> None:
    with tracking.init() as run:
        run.log({"loss": 2.0})
        run.summary["best"] = 1.0
        run.log({"loss": 3.0, "best": 9.0})
        assert run.summary.as_dict() == {"loss": 3.0, "best": 1.0}
    records = read_records(folder(run))
    assert [record.values for record in records if isinstance(record, Summary)] == [{"best": 1.0}]


def test_a_row_that_belongs_into_a_file_is_refused_and_nothing_of_it_is_written(home: Path) -> None:
    with tracking.init(id="r1") as run:
        run.log({"small": 1})
        with pytest.raises(UsageError, match=r"'text'.*up to 17") as caught:
            run.log({"small": 2, "text": "a" * 20_000_000})
        assert "save" in caught.value.hint
        run.log({f"metric/{number}": number for number in range(10_000)})
    rows = read_history(home / ".swath" / "runs" / "r1")
    assert [len(row.values) for row in rows] == [1, 10_000]


def test_a_clock_that_goes_backwards_changes_no_order(home: Path) -> None:
    times = iter([500.0, 400.0, 300.0, 200.0, 100.0])
    with tracking.init(id="r1") as run:
        recorder = run._recorder
        assert recorder is not None
        recorder._now = lambda: next(times)
        for number in range(5):
            run.log({"n": number})
        recorder._now = lambda: 0.0
    assert [row.values["n"] for row in read_history(home / ".swath" / "runs" / "r1")] == list(range(5))
