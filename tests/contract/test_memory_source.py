"""The in-memory source that agents are tested with keeps the laws of `TrialSource` itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

from swath.agents import Lease
from swath.agents.testing import MemorySource, SourceWorld, TrialSourceLaws
from swath.agents.testing.sources import job
from swath.tracking.runlog.records import Row
from swath.tracking.testing import FakeClock


class MemoryWorld:
    def __init__(self, trials: int) -> None:
        self._clock = FakeClock()
        configs = [{"x": number} for number in range(trials)]
        self.source = MemorySource(job(), configs, clock=self._clock)

    def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)

    def endings(self) -> Counter[str]:
        return self.source.endings()

    def steps(self, run_id: str, attempt: int) -> list[int]:
        trial = self.source._trial(Lease(run_id, attempt, ""))
        records = self.source.records(trial.number, attempt)
        return [record.step for record in records if isinstance(record, Row)]


class TestMemorySource(TrialSourceLaws):
    def make(self, trials: int, tmp_path: Any) -> SourceWorld:
        return MemoryWorld(trials)
