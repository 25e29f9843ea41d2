"""Property tests without deadlines, since a shared machine says nothing of laws; and a sweep to play agent for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from swath.agents.protocol import AgentInfo, Assignment, Chunk, Outcome, Over, TrialSource, Verdict, Wait
from swath.sweeps.spec import parse_spec
from swath.sweeps.workspace import Workspace
from swath.tracking import layout
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.logfile import LogWriter, read_from
from swath.tracking.runlog.records import Finish, Header, Row
from swath.tracking.testing import FakeClock

settings.register_profile("swath", deadline=None, database=None)
settings.load_profile("swath")


class Bench:
    """A sweep, and an agent that is this test."""

    def __init__(self, folder: Path, spec: dict[str, Any]) -> None:
        self.clock = FakeClock()
        self.workspace = Workspace(folder / ".swath", self.clock)
        self.sweep = self.workspace.create(parse_spec(spec), pickled=b"unused")
        self.source: TrialSource = self.workspace.source(self.sweep)
        self.calls = 0
        self.join("a")

    def join(self, agent: str) -> None:
        self.source.join(AgentInfo(agent, agent, "elsewhere", 1, self.clock.now()))

    def offer(self, agent: str = "a") -> Assignment | Wait | Over:
        self.calls += 1
        return self.source.acquire(agent, f"call{self.calls}")

    def take(self, agent: str = "a") -> Assignment:
        offer = self.offer(agent)
        assert isinstance(offer, Assignment), offer
        return offer

    def report(self, trial: Assignment, *values: Any, key: str = "loss") -> Verdict:
        return self.source.report(trial.lease, self.log(trial, *values, key=key))

    def finish(
        self, trial: Assignment, *values: Any, ending: str = "finished", key: str = "loss", **outcome: Any
    ) -> None:
        chunks = self.log(trial, *values, key=key)
        self.source.finish(trial.lease, Outcome(ending, **outcome), chunks)  # type: ignore[arg-type]

    def log(self, trial: Assignment, *values: Any, key: str = "loss", end: Finish | None = None) -> list[Chunk]:
        path = layout.run_dir(self.workspace.root, trial.lease.run_id) / layout.segment_name(trial.lease.attempt)
        fresh = not path.exists()
        log = LogWriter(path)
        if fresh:
            now = self.clock.now()
            log.append(Header(trial.lease.run_id, trial.lease.attempt, now, trial.name, sweep_id=self.sweep))
        for value in values:
            row = value if isinstance(value, dict) else {key: value, "epoch": 1}
            log.append(Row(0, self.clock.now(), row))
        if end:
            log.append(end)
        log.close()
        return [Chunk(path.name, HEADER_SIZE, read_from(path, 0))]

    def lapse(self) -> None:
        """Let leases run out while another agent is heard."""
        for _ in range(4):
            self.clock.advance(8)
            self.join("heard")

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event.payload for event in self.workspace.events(self.sweep) if event.kind == kind]


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made: list[Bench] = []

    def make(spec: dict[str, Any]) -> Bench:
        made.append(Bench(tmp_path / str(len(made)), spec))
        return made[-1]

    yield make
    for each in made:
        each.workspace.close()
