"""The way between agents and whoever allocates: messages that are lost, late and doubled, and processes struck down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, cast

import msgspec

from swath.agents import wire
from swath.agents.protocol import AgentInfo, Chunk, Job, Lease, Offer, Outcome, TrialSource, Verdict
from swath.sweeps.testing.fleet.machine import Process
from swath.sweeps.testing.fleet.primitives import SimClock, SimEvent
from swath.sweeps.testing.fleet.scenario import Faults
from swath.sweeps.testing.fleet.scheduler import Scheduler
from swath.sweeps.testing.fleet.store import StruckDown
from swath.tracking.errors import RetryLater, SwathError

#: A client waits so long for one answer, and asks so often before it raises `RetryLater`.
ANSWER_S = 0.5
TRIES = 3

Trace = Callable[..., None]
#: Answers a call; None when nobody is there. Errors of the product are answers, and are raised.
Door = Callable[[wire.Call], Any]


class _Source:
    """The verbs of `TrialSource`, each as one call on the wire."""

    def ask(self, verb: str, call: wire.Call) -> Any:
        raise NotImplementedError

    def join(self, agent: AgentInfo) -> Job:
        return cast(Job, self.ask("join", wire.Join(agent)))

    def acquire(self, agent_id: str, request: str) -> Offer:
        return cast(Offer, self.ask("acquire", wire.Acquire(agent_id, request)))

    def report(self, lease: Lease, chunks: Sequence[Chunk]) -> Verdict:
        return cast(Verdict, self.ask("report", wire.Report(lease, tuple(chunks))))

    def finish(
        self, lease: Lease, outcome: Outcome, chunks: Sequence[Chunk], request: str | None = None
    ) -> Offer | None:
        return cast("Offer | None", self.ask("finish", wire.Finish(lease, outcome, tuple(chunks), request)))

    def keep(self, digest: str, path: Path) -> None:
        raise AssertionError("no program here logs media")

    def leave(self, agent_id: str, reason: str) -> None:
        self.ask("leave", wire.Leave(agent_id, reason))


class NetworkSource(_Source):
    """What `HttpSource` is over a real network. Every message is encoded and decoded as on the wire.

    A try without an answer in time is followed by another one; the earlier message may still arrive, and an answer that
    comes too late is nobody's. A message may also arrive twice, the second time much later.
    """

    def __init__(
        self, scheduler: Scheduler, clock: SimClock, rng: Random, faults: Faults, door: Door, trace: Trace
    ) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._rng = rng
        self._faults = faults
        self._door = door
        self._trace = trace

    def ask(self, verb: str, call: wire.Call) -> Any:
        body = wire.encode(call)
        for _ in range(TRIES):
            reply = _Reply(SimEvent(self._scheduler, self._clock))
            self._send(verb, body, reply)
            reply.arrived.wait(ANSWER_S)
            if reply.arrived.is_set():
                if reply.error is not None:
                    raise reply.error
                return wire.ANSWERS[verb].decode(reply.body)
        raise RetryLater(f"no answer to {verb}", "try again")

    def _send(self, verb: str, body: bytes, reply: _Reply) -> None:
        if self._chance(self._faults.doubled):
            self._scheduler.after(self._rng.choice((0.1, 1.0, 10.0)), lambda: self._deliver(verb, body, None))
        if self._chance(self._faults.lost):
            self._trace("lost", verb)
            return
        self._scheduler.after(self._latency(), lambda: self._deliver(verb, body, reply))

    def _deliver(self, verb: str, body: bytes, reply: _Reply | None) -> None:
        try:
            answer = self._door(wire.CALLS[verb].decode(body))
            back, error = b"" if answer is _NOBODY else wire.encode(answer), None
        except SwathError as refusal:
            answer, back, error = None, b"", refusal
        if reply is None or answer is _NOBODY:
            return
        if self._chance(self._faults.lost):
            self._trace("lost the answer to", verb)
            return
        self._scheduler.after(self._latency(), lambda: reply.give(back, error))

    def _chance(self, share: float) -> bool:
        return self._scheduler.now < self._faults.until and self._rng.random() < share

    def _latency(self) -> float:
        if self._chance(self._faults.straggler):
            return self._rng.choice((ANSWER_S, 2.0, 8.0))
        return self._rng.random() * self._faults.delay


class _Nobody:
    """The answer of a server that is down."""


_NOBODY = _Nobody()


class _Reply:
    """Where one try waits for its answer."""

    def __init__(self, arrived: SimEvent) -> None:
        self.arrived = arrived
        self.body = b""
        self.error: SwathError | None = None

    def give(self, body: bytes, error: SwathError | None) -> None:
        """The answer is there; nobody may be waiting for it any more."""
        self.body, self.error = body, error
        self.arrived.set()


class Server:
    """The process that allocates for agents elsewhere: it dies, in a call or between two, and is started again."""

    def __init__(self, scheduler: Scheduler, rng: Random, make: Callable[[], TrialSource], call: Calling, trace: Trace):
        self._scheduler = scheduler
        self._rng = rng
        self._make = make
        self._call = call
        self._trace = trace
        self._source: TrialSource | None = make()

    def answer(self, call: wire.Call) -> Any:
        """The answer to a call; that of nobody while it is down, and when it dies in it."""
        if self._source is None:
            return _NOBODY
        try:
            return self._call(self._source, call)
        except StruckDown:
            self.kill()
            return _NOBODY

    def kill(self) -> None:
        """SIGKILL; somebody starts it again."""
        if self._source is not None:
            self._trace("server dies")
            self._source = None
            self._scheduler.after(self._rng.choice((0.01, 0.3, 4.0)), self._start)

    def _start(self) -> None:
        self._trace("server starts")
        self._source = self._make()


Calling = Callable[[TrialSource, wire.Call], Any]


class OwnSource(_Source):
    """An agent on the store's disk: it allocates for itself, and what strikes the controller down strikes the agent."""

    def __init__(self, clock: SimClock, rng: Random, process: Process, source: TrialSource, call: Calling) -> None:
        self._clock = clock
        self._rng = rng
        self._process = process
        self._source = source
        self._call = call

    def ask(self, verb: str, call: wire.Call) -> Any:
        self._clock.sleep(self._rng.random() * 0.002)
        try:
            answer = self._call(self._source, call)
        except StruckDown:
            self._process.kill()
            answer = None
        self._clock.sleep(self._rng.random() * 0.002)
        return answer


def answer_of(source: TrialSource, call: wire.Call, remote: bool) -> Any:
    """What `source` answers; `remote`: as the server's route does for agents elsewhere."""
    match call:
        case wire.Join(agent):
            job = source.join(agent)
            return msgspec.structs.replace(job, run_root=None) if remote else job
        case wire.Acquire(agent_id, request):
            return source.acquire(agent_id, request)
        case wire.Report(lease, chunks):
            return source.report(lease, chunks)
        case wire.Finish(lease, outcome, chunks, request):
            return source.finish(lease, outcome, chunks, request)
        case wire.Leave(agent_id, reason):
            return source.leave(agent_id, reason)
