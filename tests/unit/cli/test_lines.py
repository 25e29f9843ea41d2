"""Every event that matters is one line with what happened, to whom, and why."""

from __future__ import annotations

from typing import Any

import pytest

from swath.sweeps.cli.lines import EventLines
from swath.sweeps.views import EventView


def said(kind: str, subject: str = "r", **payload: Any) -> str | None:
    line = EventLines("loss", lambda run_id: 7).line(EventView(1, 0.0, kind, subject, payload))
    return line[9:] if line is not None else None


@pytest.mark.parametrize(
    ("kind", "payload", "line"),
    [
        ("sweep.state", {"state": "finished", "reason": "all done"}, "sweep finished: all done"),
        ("trial.started", {"number": 3, "config": {"lr": 0.5}, "attempt": 1}, "trial 3 started  lr=0.5"),
        ("trial.started", {"number": 3, "config": {}, "attempt": 2}, "trial 3 started (attempt 2)"),
        ("trial.decided", {"action": "stop", "reason": "too bad"}, "trial 7 is told to stop: too bad"),
        ("trial.ended", {"state": "finished", "value": 0.25, "reason": "x"}, "trial 7 finished  loss 0.2500"),
        ("trial.ended", {"state": "failed", "value": None, "reason": "exit 1"}, "trial 7 failed: exit 1"),
        ("trial.requeued", {"reason": "its agent died"}, "trial 7 is queued again: its agent died"),
        ("agent.joined", {"name": "a1"}, "agent a1 joined"),
        ("agent.asked", {"name": "a1", "wish": "drain"}, "agent a1 is asked to leave after its trial"),
        ("agent.asked", {"name": "a1", "wish": "stop"}, "agent a1 is asked to give its trial back and leave"),
        ("agent.left", {"name": "a1", "reason": "done"}, "agent a1 left: done"),
        ("sweep.best", {"run": "r", "value": 0.125}, "best so far: loss 0.1250 (trial 7)"),
        ("sweep.warning", {"message": "careful"}, "warning: careful"),
    ],
)
def test_an_event_is_one_line(kind: str, payload: dict[str, Any], line: str) -> None:
    assert said(kind, **payload) == line


@pytest.mark.parametrize("kind", ["trial.reported", "sweep.created", "something.new"])
def test_what_is_not_worth_a_line_has_none(kind: str) -> None:
    assert said(kind, reports=3) is None


def test_a_reason_of_many_lines_is_one_line() -> None:
    assert said("trial.ended", state="failed", reason="a\nb\n" + "c" * 1000).count("\n") == 0  # type: ignore[union-attr]
