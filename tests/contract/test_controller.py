"""The controller keeps the laws of `TrialSource` for agents that ship the bytes of their logs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from swath.agents.protocol import TrialSource
from swath.agents.testing import SourceWorld, TrialSourceLaws
from swath.sweeps.spec import parse_spec
from swath.sweeps.states import ENDED
from swath.sweeps.workspace import Workspace
from swath.tracking.layout import run_dir
from swath.tracking.runlog.history import read_history
from swath.tracking.testing import FakeClock


class SweepWorld:
    """A grid of as many points as there are to be trials."""

    def __init__(self, trials: int, tmp_path: Path) -> None:
        self._clock = FakeClock()
        self.workspace = Workspace(tmp_path / ".swath", self._clock, lease_s=30.0)
        values = {"values": list(range(trials))}
        spec = {"method": "grid", "metric": {"name": "loss"}, "parameters": {"x": values}}
        self._sweep = self.workspace.create(parse_spec(spec), pickled=b"unused")
        self.source: TrialSource = self.workspace.source(self._sweep, remote=True)

    def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)

    def endings(self) -> Counter[str]:
        return Counter(str(trial.state) for trial in self.workspace.trials(self._sweep) if trial.state in ENDED)

    def steps(self, run_id: str, attempt: int) -> list[int]:
        return [row.step for row in read_history(run_dir(self.workspace.root, run_id), attempt)]


class TestController(TrialSourceLaws):
    def make(self, trials: int, tmp_path: Any) -> SourceWorld:
        return SweepWorld(trials, tmp_path)
