"""Resuming, going back and forking: no row is doubled, none is dropped, and what the log says is what the run shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swath import tracking
from swath.tracking.apply.fold import fold
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.layout import segments
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.history import read_history
from swath.tracking.runlog.logfile import read_from
from swath.tracking.store import RunRow


def history(folder: Path) -> list[tuple[int, dict[str, Any]]]:
    return [(row.step, row.values) for row in read_history(folder)]


def stored(folder: Path, size: int = 10**9) -> RunRow:
    """The run's row, its log folded in pieces of `size` bytes."""
    run = RunRow(id=folder.name)
    for path in segments(folder):
        data = read_from(path, 0)
        while (start := run.applied.get(path.name, HEADER_SIZE) - HEADER_SIZE) < len(data):
            part, at = data[start : start + size], start
            run = fold(run, path.name, HEADER_SIZE + at, part, False, lambda: folder).run
            size = size if run.applied[path.name] > HEADER_SIZE + at else 10**9
    return run


def folder_of(home: Path, run_id: str = "r1") -> Path:
    return home / ".swath" / "runs" / run_id


def test_a_resumed_run_counts_on_behind_its_rows(home: Path) -> None:
    with tracking.init(id="r1", config={"lr": 0.1}) as run:
        run.log({"loss": 2.0})
        run.summary["note"] = "kept"
    with tracking.init(id="r1", resume="allow", config={"more": 1}) as run:
        assert (run.resumed, run.step) == (True, 1)
        assert run.summary.as_dict() == {"loss": 2.0, "note": "kept"}
        run.log({"loss": 1.0})
    assert history(folder_of(home)) == [(0, {"loss": 2.0}), (1, {"loss": 1.0})]
    row = stored(folder_of(home))
    assert (row.config, row.rows, row.summary) == ({"lr": 0.1, "more": 1}, 2, {"loss": 1.0, "note": "kept"})


def test_a_resumed_run_that_logs_an_earlier_step_goes_back_to_it(home: Path) -> None:
    with tracking.init(id="r1") as run:
        for step in range(6):
            run.log({"loss": step}, step=step)
    with tracking.init(id="r1", resume="must") as run:
        for step in range(3, 5):
            run.log({"loss": 10 * step}, step=step)
        assert run.summary["loss"] == 40
    assert history(folder_of(home)) == [
        (0, {"loss": 0}),
        (1, {"loss": 1}),
        (2, {"loss": 2}),
        (3, {"loss": 30}),
        (4, {"loss": 40}),
    ]
    row = stored(folder_of(home))
    assert (row.rows, row.summary) == (5, {"loss": 40})


def test_steps_out_of_order_in_one_part_of_a_run_are_no_going_back(home: Path) -> None:
    with tracking.init(id="r1") as run:
        run.log({"loss": 1}, step=5)
        run.log({"loss": 2}, step=3)
    assert history(folder_of(home)) == [(3, {"loss": 2}), (5, {"loss": 1})]


def test_resume_from_goes_on_behind_the_step_it_names(home: Path) -> None:
    with tracking.init(id="r1") as run:
        for step in range(6):
            run.log({"loss": step})
    with tracking.init(resume_from="r1?_step=2") as run:
        assert (run.id, run.step) == ("r1", 3)
        run.log({"loss": 100})
    assert history(folder_of(home)) == [(0, {"loss": 0}), (1, {"loss": 1}), (2, {"loss": 2}), (3, {"loss": 100})]


def test_a_fork_has_the_config_and_the_rows_up_to_the_step_and_leaves_the_other_alone(home: Path) -> None:
    with tracking.init(id="r1", config={"lr": 0.1}) as run:
        run.define_metric("loss", summary="min")
        for step in range(4):
            run.log({"loss": 4 - step})
    before = history(folder_of(home))
    with tracking.init(fork_from="r1?_step=1", id="f1", config={"lr": 0.2}) as run:
        assert (run.step, run.config["lr"], run.resumed) == (2, 0.2, False)
        run.log({"loss": 7})
    assert history(folder_of(home, "f1")) == [*before[:2], (2, {"loss": 7})]
    assert history(folder_of(home)) == before
    assert stored(folder_of(home, "f1")).summary == {"loss": {"min": 3}}


def test_auto_goes_on_with_the_run_of_this_program_that_did_not_end_well(home: Path) -> None:
    first = tracking.init(resume="auto")
    first.log({"loss": 1})
    first.finish(exit_code=1)
    with tracking.init(resume="auto") as second:
        assert (second.id, second.step) == (first.id, 1)
    with tracking.init(resume="auto") as third:
        assert third.id != first.id


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"resume": "perhaps"}, UsageError),
        ({"resume": "must"}, UsageError),
        ({"resume": "must", "id": "nowhere"}, NotFound),
        ({"resume_from": "nowhere?_step=3"}, NotFound),
        ({"resume_from": "r?_step=x"}, UsageError),
        ({"fork_from": "nowhere"}, NotFound),
        ({"resume_from": "r1", "fork_from": "r2"}, UsageError),
        ({"resume_from": "../r1"}, UsageError),
        ({"id": "a", "resume_from": "b"}, UsageError),
    ],
)
def test_a_wish_that_cannot_be_met_is_an_error_with_a_remedy(
    home: Path, arguments: dict[str, Any], kind: type[UsageError]
) -> None:
    with pytest.raises(kind) as caught:
        tracking.init(**arguments)
    assert caught.value.hint
    assert tracking.run is None


MOVES = st.lists(
    st.tuples(st.sampled_from(["log", "step", "resume", "rewind"]), st.integers(0, 30)), min_size=1, max_size=30
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MOVES, st.integers(60, 4000))
def test_log_store_and_handle_agree_about_rows_and_summary_after_any_moves(
    home: Path, moves: list[tuple[str, int]], size: int
) -> None:
    run_id = f"m{len(list((home / '.swath' / 'runs').glob('*'))) if (home / '.swath').exists() else 0}"
    expected: dict[int, list[int]] = {}
    run = tracking.init(id=run_id)
    fresh = False
    for number, (move, step) in enumerate(moves):
        if move == "resume":
            run.finish()
            run = tracking.init(id=run_id, resume="must")
            fresh = True
            continue
        if move == "rewind":
            run.rewind(step)
            expected = {known: rows for known, rows in expected.items() if known < step}
            continue
        at = run.step if move == "log" else step
        if fresh and at < run.step:
            expected = {known: rows for known, rows in expected.items() if known < at}
        fresh = False
        expected.setdefault(at, []).append(number)
        run.log({"n": number}, step=None if move == "log" else step)
    summary = run.summary.as_dict()
    run.finish()
    folder = folder_of(home, run_id)
    assert [(row.step, row.values["n"]) for row in read_history(folder)] == [
        (step, number) for step in sorted(expected) for number in expected[step]
    ]
    row = stored(folder, size)
    assert (row.rows, row.summary) == (sum(map(len, expected.values())), summary)
