"""Views for the tests of what the command line shows."""

from __future__ import annotations

from typing import Any

import pytest

from swath.sweeps.states import SweepState, TrialState
from swath.sweeps.views import AgentView, Best, SweepView, TrialView


class Views:
    """Makes views; every field may be given."""

    def sweep(self, **fields: Any) -> SweepView:
        counts = {str(state): 0 for state in TrialState} | fields.pop("trials", {})
        defaults: dict[str, Any] = {
            "id": "abcd2345", "name": "digits", "state": SweepState.RUNNING, "method": "bayes", "project": "",
            "metric": "val/acc", "goal": "maximize", "target": None, "total": 24, "best": None, "created": 100.0,
            "started": 100.0, "ended": None, "reason": "", "metrics_seen": [], "origin": "",
        }  # fmt: skip
        return SweepView(**defaults | fields, trials=counts)

    def best(self, value: float = 0.9, **config: Any) -> Best:
        return Best("abcd2345-7", "digits-7", 7, "val/acc", value, config or {"lr": 0.01})

    def trial(self, number: int = 1, **fields: Any) -> TrialView:
        defaults: dict[str, Any] = {
            "run_id": f"abcd2345-{number}", "number": number, "name": f"digits-{number}", "state": TrialState.FINISHED,
            "config": {"lr": 0.1 * number}, "value": None, "latest": None, "best": None, "reports": 0, "attempt": 1,
            "reason": "", "suggested": "", "agent": "a", "summary": {}, "created": 100.0, "started": 100.0,
            "ended": 103.5, "exit_code": 0, "error": "",
        }  # fmt: skip
        return TrialView(**defaults | fields)

    def agent(self, number: int = 0, **fields: Any) -> AgentView:
        defaults: dict[str, Any] = {
            "id": f"id{number}", "name": f"a-long-name-of-a-node.example.org-{4700 + number}", "host": "node",
            "pid": 4700 + number, "kind": "local", "state": "active", "seen": 111.0, "run_id": f"abcd2345-{number + 1}",
            "started": 50.0, "standing": "working", "trial": number + 1, "since": 100.0, "done": 3, "busy": 46.5,
            "utilisation": 0.75,
        }  # fmt: skip
        return AgentView(**defaults | fields)


@pytest.fixture
def views() -> Views:
    return Views()
