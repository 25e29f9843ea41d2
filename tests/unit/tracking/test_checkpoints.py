"""A run that is interrupted goes on from its checkpoint, and its history shows each step once."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import swath.tracking as tracking
from swath.tracking import TrialContext, entered
from swath.tracking.errors import UsageError
from swath.tracking.runlog.history import read_history
from swath.tracking.runs.checkpoints import FOLDER, Checkpoints, Note


def trial(folder: Path, attempt: int) -> TrialContext:
    return TrialContext(run_id="s-1", attempt=attempt, sweep_id="s", run_dir=folder, name="t", config={}, project="")


def losses(folder: Path) -> list[tuple[int, float]]:
    return [(row.step, row.values["loss"]) for row in read_history(folder)]


def test_a_later_attempt_goes_on_behind_the_checkpoint_with_each_step_once(tmp_path: Path) -> None:
    with entered(trial(tmp_path, 1)), tracking.init() as run:
        assert run.restore() is None
        for epoch in range(5):
            run.log({"loss": float(epoch)})
            if epoch == 2:
                run.checkpoint({"epoch": epoch, "weights": [1.0, 2.0]})
    with entered(trial(tmp_path, 2)), tracking.init() as run:
        state = run.restore()
        assert state == {"epoch": 2, "weights": [1.0, 2.0]}
        assert run.step == 3
        assert run.summary["loss"] == 2.0
        for epoch in range(state["epoch"] + 1, 5):
            run.log({"loss": 10.0 + epoch})
    assert losses(tmp_path) == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 13.0), (4, 14.0)]


def test_attempts_that_go_on_from_each_other_keep_all_earlier_rows(tmp_path: Path) -> None:
    for attempt in range(1, 5):
        with entered(trial(tmp_path, attempt)), tracking.init() as run:
            run.restore()
            run.log({"loss": float(attempt)})
            run.checkpoint({"attempt": attempt})
            run.log({"loss": -1.0})
    assert losses(tmp_path) == [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0), (4, -1.0)]


def test_a_program_that_does_not_restore_starts_over(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        with entered(trial(tmp_path, int(value))), tracking.init() as run:
            run.log({"loss": value})
            run.checkpoint({})
    assert losses(tmp_path) == [(0, 2.0)]


def test_to_restore_within_an_attempt_is_to_go_back(tmp_path: Path) -> None:
    with entered(trial(tmp_path, 1)), tracking.init() as run:
        run.log({"loss": 1.0})
        run.checkpoint({"good": True})
        run.log({"loss": float("nan")})
        assert run.restore() == {"good": True}
        run.log({"loss": 0.5})
    assert losses(tmp_path) == [(0, 1.0), (1, 0.5)]


def test_files_and_folders_come_back_as_copies(tmp_path: Path) -> None:
    folder, single = tmp_path / "model", tmp_path / "weights.bin"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    single.write_bytes(b"w")
    with entered(trial(tmp_path / "run", 1)), tracking.init() as run:
        run.log({"loss": 1.0})
        run.checkpoint(folder)
        (folder / "a.txt").write_text("changed")
        assert (run.restore() / "a.txt").read_text() == "a"
        run.checkpoint(str(single), step=0)
        assert run.restore().read_bytes() == b"w"


def test_a_checkpoint_that_was_not_finished_is_not_one(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    kept.save({"n": 1}, Note(1, 1))
    torn = tmp_path / FOLDER / "000002"
    torn.mkdir()
    (torn / "state.pkl").write_bytes(b"half")
    (tmp_path / FOLDER / "draft-1").mkdir()
    found = kept.newest()
    assert found is not None
    assert found.load() == {"n": 1}


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    for n in range(20):
        kept.save({"n": n}, Note(1, n))
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == ["000019", "000020"]


@pytest.mark.parametrize("data", [3, ["a"], None, "no/such/file"])
def test_what_cannot_be_kept_is_refused(tmp_path: Path, data: Any) -> None:
    with entered(trial(tmp_path, 1)), tracking.init() as run, pytest.raises(UsageError):
        run.checkpoint(data)


def test_a_state_that_cannot_be_pickled_is_the_callers_error_and_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    with entered(trial(tmp_path, 1)), tracking.init() as run:
        run.log({"loss": 1.0})
        run.checkpoint({"n": 1})
        with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
            run.checkpoint({"f": lambda: 1})
        assert run.restore() == {"n": 1}


def test_a_disabled_run_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with tracking.init(mode="disabled") as run:
        run.checkpoint({"n": 1})
        assert run.restore() is None
    assert not any(tmp_path.iterdir())
