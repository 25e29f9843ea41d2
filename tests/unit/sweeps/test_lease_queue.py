"""The lease queue as a state machine: whatever agents and clocks do, no trial is lost and none is counted twice."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from swath.agents.protocol import AgentInfo, Assignment, Chunk, Lease, Outcome, Over, Wait
from swath.sweeps.spec import parse_spec
from swath.sweeps.states import ENDED, SweepState, TrialState
from swath.sweeps.workspace import Workspace
from swath.tracking import layout
from swath.tracking.errors import LeaseLost
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.logfile import LogWriter, read_from
from swath.tracking.runlog.records import Header, Row
from swath.tracking.testing import FakeClock

SIZE = 6
LEASE_S = 30.0
ENDINGS = ["finished", "finished", "failed", "crashed", "preempted"]


class LeaseQueue(RuleBasedStateMachine):
    """Agents come, work, fall silent and wake up again on a sweep of SIZE grid points."""

    agents = Bundle("agents")

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.workspace = Workspace(self.folder / ".swath", self.clock, lease_s=LEASE_S)
        spec = {
            "method": "grid",
            "metric": {"name": "loss"},
            "parameters": {"x": {"values": list(range(SIZE))}},
            "retry": {"max": 2, "on": ["crashed", "preempted"]},
        }
        self.sweep = self.workspace.create(parse_spec(spec), pickled=b"unused")
        self.source = self.workspace.source(self.sweep)
        self.held: dict[str, tuple[Assignment, float]] = {}
        self.old: list[Lease] = []
        self.calls = 0
        self.agent_count = 0
        self.heard = self.clock.now()

    @rule(target=agents)
    def join(self) -> str:
        self.agent_count += 1
        name = f"agent{self.agent_count}"
        self._hear()
        self.source.join(AgentInfo(name, "worker", "elsewhere", 1, self.clock.now()))
        return name

    @rule(agent=agents, twice=st.booleans())
    def acquire(self, agent: str, twice: bool) -> None:
        if agent in self.held:
            return
        self.calls += 1
        self._hear()
        offer = self.source.acquire(agent, f"call{self.calls}")
        if twice:
            assert self.source.acquire(agent, f"call{self.calls}") == offer
        if isinstance(offer, Assignment):
            self._forget_expired()
            owners = {each.lease.run_id for each, _ in self.held.values()}
            assert offer.lease.run_id not in owners, "a trial was handed out while somebody had it"
            self.held[agent] = (offer, self.clock.now() + LEASE_S)
        else:
            assert isinstance(offer, Wait | Over)

    @rule(agent=agents, value=st.floats(-10, 10))
    def report(self, agent: str, value: float) -> None:
        held = self._lease_of(agent)
        if held is None:
            return
        offer, in_time = held
        try:
            verdict = self.source.report(offer.lease, self._log(offer, value))
        except LeaseLost:
            assert not in_time, "a lease was lost before its time"
            self._drop(agent)
            return
        assert verdict.action == "continue"
        self.held[agent] = (offer, self.clock.now() + LEASE_S)

    @rule(agent=agents, ending=st.sampled_from(ENDINGS), twice=st.booleans())
    def finish(self, agent: str, ending: str, twice: bool) -> None:
        held = self._lease_of(agent)
        if held is None:
            return
        offer, in_time = held
        outcome = Outcome(ending, 0 if ending == "finished" else 1)  # type: ignore[arg-type]
        try:
            self.source.finish(offer.lease, outcome, [])
            if twice:
                self.source.finish(offer.lease, outcome, [])
        except LeaseLost:
            assert not in_time, "a lease was lost before its time"
        self._drop(agent)

    @rule(agent=agents)
    def leave(self, agent: str) -> None:
        self._hear()
        self.source.leave(agent, "test")
        self._drop(agent)

    @rule(seconds=st.sampled_from([1.0, 20.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: bool(self.old))
    @rule(data=st.data())
    def zombie_writes(self, data: st.DataObject) -> None:
        """An agent that lost its trial wakes up: it must change nothing."""
        lease = data.draw(st.sampled_from(self.old))
        if any(offer.lease == lease for offer, _ in self.held.values()):
            return
        before = self.workspace.trials(self.sweep)
        trial = self.workspace.trial(lease.run_id)
        if trial.state is TrialState.RUNNING and trial.attempt == lease.attempt:
            return
        try:
            self.source.report(lease, [])
        except LeaseLost:
            assert self.workspace.trials(self.sweep) == before
        else:
            raise AssertionError("a lost lease could still write")

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        if not hasattr(self, "workspace"):
            return
        view = self.workspace.show(self.sweep)
        trials = self.workspace.trials(self.sweep)
        assert sum(view.trials.values()) == len(trials) <= SIZE
        assert [trial.number for trial in trials] == list(range(1, len(trials) + 1))
        assert len({trial.config["x"] for trial in trials}) == len(trials)
        if view.state is SweepState.FINISHED:
            assert len(trials) == SIZE
            assert all(trial.state in ENDED for trial in trials)

    def teardown(self) -> None:
        """However it went so far, one good agent brings the sweep to its exact end."""
        if not hasattr(self, "workspace"):
            return
        for _ in range(5):  # one agent is heard while the leases of the others run out
            self.clock.advance(LEASE_S / 3)
            self.source.join(AgentInfo("last", "worker", "elsewhere", 1, self.clock.now()))
        for call in range(5 * SIZE):
            offer = self.source.acquire("last", f"last{call}")
            if isinstance(offer, Over):
                break
            assert isinstance(offer, Assignment), offer
            self.source.finish(offer.lease, Outcome("finished", 0), [])
        view = self.workspace.show(self.sweep)
        assert view.state is SweepState.FINISHED
        assert view.trials["finished"] + view.trials["failed"] == SIZE == sum(view.trials.values())
        self.workspace.close()
        shutil.rmtree(self.folder)

    def _hear(self) -> None:
        """Somebody calls. When nobody has for two thirds of a lease, every lease begins anew."""
        now = self.clock.now()
        if now - self.heard > LEASE_S * 2 / 3:
            self.held = {agent: (offer, max(end, now + LEASE_S)) for agent, (offer, end) in self.held.items()}
        self.heard = now

    def _lease_of(self, agent: str) -> tuple[Assignment, bool] | None:
        """What an agent that calls now has."""
        if agent not in self.held:
            return None
        self._hear()
        offer, deadline = self.held[agent]
        return offer, self.clock.now() <= deadline

    def _drop(self, agent: str) -> None:
        if agent in self.held:
            self.old.append(self.held.pop(agent)[0].lease)

    def _forget_expired(self) -> None:
        for agent, (_, deadline) in list(self.held.items()):
            if self.clock.now() > deadline:
                self._drop(agent)

    def _log(self, offer: Assignment, value: float) -> list[Chunk]:
        path = layout.run_dir(self.workspace.root, offer.lease.run_id) / layout.segment_name(offer.lease.attempt)
        fresh = not path.exists()
        log = LogWriter(path)
        if fresh:
            now = self.clock.now()
            log.append(Header(offer.lease.run_id, offer.lease.attempt, now, offer.name, sweep_id=self.sweep))
        log.append(Row(0, self.clock.now(), {"loss": value}))
        log.close()
        return [Chunk(path.name, HEADER_SIZE, read_from(path, 0))]


TestLeaseQueue = LeaseQueue.TestCase
TestLeaseQueue.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
