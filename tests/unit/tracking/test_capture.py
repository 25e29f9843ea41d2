"""Runs captured for a test suite: everything can be asked, and nothing is left on the disk."""

from __future__ import annotations

from pathlib import Path

from swath import tracking
from swath.tracking.testing.capture import capture_runs


def test_what_is_logged_in_the_block_can_be_asked_and_the_folder_stays_clean(home: Path) -> None:
    with capture_runs() as captured:
        with tracking.init(name="a run", config={"lr": 0.1}) as run:
            run.log({"loss": 2.0})
            run.log({"loss": 1.0})
            (live,) = captured.runs
            assert live.state == "running"
        with tracking.init():
            pass
        first, second = captured.runs
        assert (first.id, first.row.name, first.config) == (run.id, "a run", {"lr": 0.1})
        assert first.history == [{"_step": 0, "loss": 2.0}, {"_step": 1, "loss": 1.0}]
        assert (first.summary, first.state, second.history) == ({"loss": 1.0}, "finished", [])
    assert not (home / ".swath").exists()
    assert [each.summary for each in captured.runs] == [{"loss": 1.0}, {}]
    assert captured.runs[0].history == [{"_step": 0, "loss": 2.0}, {"_step": 1, "loss": 1.0}]
    with tracking.init(id="real"):
        pass
    assert (home / ".swath" / "runs" / "real").is_dir()
