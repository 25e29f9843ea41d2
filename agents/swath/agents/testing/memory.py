"""A `TrialSource` that keeps everything in memory, for tests of agents and launchers: not durable, but real leases."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swath.agents.protocol import (
    AgentInfo,
    Assignment,
    Chunk,
    Ending,
    Job,
    Lease,
    Offer,
    Outcome,
    Over,
    Verdict,
    Wait,
)
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.errors import LeaseLost, NotAllowed, NotFound, StoreCorrupt
from swath.tracking.layout import attempt_of
from swath.tracking.runlog.frames import HEADER_SIZE, decode
from swath.tracking.runlog.records import AnyRecord, Finish, Output, Row

#: Endings after which a trial goes back to the queue.
REQUEUED: frozenset[Ending] = frozenset({"crashed", "preempted"})

Judge = Callable[[Lease, list[Row]], Verdict]


def never_stop(lease: Lease, rows: list[Row]) -> Verdict:
    return Verdict()


@dataclass
class MemoryTrial:
    """One trial as the source knows it."""

    run_id: str
    number: int
    config: dict[str, Any]
    attempt: int = 0
    holder: Lease | None = None
    expires: float = 0.0
    ended: Outcome | None = None
    outcomes: list[tuple[Lease, Outcome]] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    segments: dict[str, bytearray] = field(default_factory=dict)
    #: Segment and offset of every chunk that came, in order.
    received: list[tuple[str, int, int]] = field(default_factory=list)


class MemorySource:
    """Hands out `configs` once each, in order; one that crashed, was preempted or lost its lease is handed out again.

    `judge` is asked at each report, with the attempt's rows so far. `fail_next` holds errors that the next calls raise
    instead of answering, after they took effect when `after` is true, as a lost answer does.
    """

    def __init__(
        self,
        job: Job,
        configs: Sequence[dict[str, Any]],
        *,
        clock: Clock = SYSTEM_CLOCK,
        judge: Judge = never_stop,
        most_attempts: int = 10,
    ) -> None:
        self.job = job
        self.judge = judge
        self.agents: dict[str, AgentInfo] = {}
        self.left: dict[str, str] = {}
        self.blobs: dict[str, bytes] = {}
        self.trials = [MemoryTrial(f"run-{number}", number, config) for number, config in enumerate(configs, 1)]
        self._clock = clock
        self._most_attempts = most_attempts
        self._new = deque(self.trials)
        self._requeued: deque[MemoryTrial] = deque()
        self._requests: dict[str, Assignment] = {}
        self._failures: deque[tuple[Exception, bool]] = deque()
        self._lock = threading.RLock()

    def fail_next(self, error: Exception, *, after: bool = False) -> None:
        self._failures.append((error, after))

    def endings(self) -> Counter[str]:
        """How many trials ended in which way."""
        with self._lock:
            return Counter(trial.ended.ending for trial in self.trials if trial.ended is not None)

    def records(self, number: int, attempt: int | None = None) -> list[AnyRecord]:
        """What was delivered of a trial's attempt (the last one), segment by segment."""
        with self._lock:
            trial = self.trials[number - 1]
            wanted = trial.attempt if attempt is None else attempt
            names = sorted(name for name in trial.segments if attempt_of(name) == wanted)
            return [record for name in names for record in decode(bytes(trial.segments[name]))[0]]

    def rows(self, number: int) -> list[Row]:
        return [record for record in self.records(number) if isinstance(record, Row)]

    def output(self, number: int) -> str:
        return "".join(record.text for record in self.records(number) if isinstance(record, Output))

    def finishes(self, number: int) -> list[Finish]:
        return [record for record in self.records(number) if isinstance(record, Finish)]

    def keep(self, digest: str, path: Path) -> None:
        with self._lock, self._failing():
            self.blobs[digest] = path.read_bytes()

    def join(self, agent: AgentInfo) -> Job:
        with self._lock, self._failing():
            self.agents[agent.id] = agent
            self.left.pop(agent.id, None)
            return self.job

    def acquire(self, agent_id: str, request: str) -> Offer:
        with self._lock, self._failing():
            return self._acquire(agent_id, request)

    def _acquire(self, agent_id: str, request: str) -> Offer:
        if agent_id not in self.agents:
            raise NotFound(f"no agent {agent_id!r} has joined", "join first")
        self._expire()
        earlier = self._requests.get(request)
        if earlier is not None and self._trial(earlier.lease).holder == earlier.lease:
            return earlier
        queue = self._requeued or self._new
        if not queue:
            running = any(trial.holder for trial in self.trials)
            return Wait(0.05, "trials are running elsewhere") if running else Over("all trials have ended")
        offer = self._lease(queue.popleft(), agent_id)
        self._requests[request] = offer
        return offer

    def _lease(self, trial: MemoryTrial, agent_id: str) -> Assignment:
        trial.attempt += 1
        trial.holder = Lease(trial.run_id, trial.attempt, agent_id)
        trial.expires = self._clock.monotonic() + self.job.lease_s
        return Assignment(trial.holder, trial.number, f"trial-{trial.number}", dict(trial.config))

    def report(self, lease: Lease, chunks: Sequence[Chunk]) -> Verdict:
        with self._lock, self._failing():
            trial = self._held(lease)
            self._store(trial, chunks)
            trial.expires = self._clock.monotonic() + self.job.lease_s
            return self.judge(lease, self.rows(trial.number))

    def finish(
        self, lease: Lease, outcome: Outcome, chunks: Sequence[Chunk], request: str | None = None
    ) -> Offer | None:
        with self._lock, self._failing():
            trial = self._trial(lease)
            if lease.attempt not in trial.answered:
                self._store(self._held(lease), chunks)
                self._end(trial, lease, outcome)
                trial.answered.add(lease.attempt)
            return None if request is None else self._acquire(lease.agent_id, request)

    def leave(self, agent_id: str, reason: str) -> None:
        with self._lock, self._failing():
            self.left[agent_id] = reason
            self.agents.pop(agent_id, None)
            for trial in self.trials:
                if trial.holder is not None and trial.holder.agent_id == agent_id:
                    self._requeue(trial)

    def _failing(self) -> _Failing:
        return _Failing(self._failures)

    def _trial(self, lease: Lease) -> MemoryTrial:
        for trial in self.trials:
            if trial.run_id == lease.run_id:
                return trial
        raise NotFound(f"no trial {lease.run_id!r}", "it was never handed out here")

    def _held(self, lease: Lease) -> MemoryTrial:
        self._expire()
        trial = self._trial(lease)
        if trial.holder != lease:
            raise LeaseLost(f"{lease.run_id} is not held as attempt {lease.attempt} any more", "drop it")
        return trial

    def _expire(self) -> None:
        now = self._clock.monotonic()
        for trial in self.trials:
            if trial.holder is not None and now > trial.expires:
                self._requeue(trial)

    def _requeue(self, trial: MemoryTrial) -> None:
        trial.holder = None
        self._requeued.append(trial)

    def _end(self, trial: MemoryTrial, lease: Lease, outcome: Outcome) -> None:
        trial.holder = None
        trial.outcomes.append((lease, outcome))
        if outcome.ending in REQUEUED and trial.attempt < self._most_attempts:
            self._requeued.append(trial)
        else:
            trial.ended = outcome

    def _store(self, trial: MemoryTrial, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            if attempt_of(chunk.segment) != trial.attempt:
                raise NotAllowed(f"{chunk.segment} is no segment of attempt {trial.attempt}", "send its own ones")
            stored = trial.segments.setdefault(chunk.segment, bytearray())
            at = chunk.offset - HEADER_SIZE
            if not 0 <= at <= len(stored):
                raise StoreCorrupt(f"{chunk.segment}: {at} bytes expected, {len(stored)} are there", "send from there")
            stored += chunk.data[len(stored) - at :]
            trial.received.append((chunk.segment, chunk.offset, len(chunk.data)))


class _Failing:
    """Raises the next planned failure: before the call, or after it took effect."""

    def __init__(self, failures: deque[tuple[Exception, bool]]) -> None:
        self._error: Exception | None = None
        if failures:
            error, after = failures.popleft()
            if not after:
                raise error
            self._error = error

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._error is not None:
            raise self._error
