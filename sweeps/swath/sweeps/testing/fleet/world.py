"""One seed come to life: wires store, allocators, network and agents together, and lets the faults loose on them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from swath.agents import wire
from swath.agents.executors.base import Executor
from swath.agents.executors.inline import InlineExecutor
from swath.agents.protocol import TrialSource
from swath.sweeps import ledger
from swath.sweeps.controller import Controller
from swath.sweeps.testing.fleet.auditor import Auditor, LawBroken
from swath.sweeps.testing.fleet.crew import SimAgent, Slot
from swath.sweeps.testing.fleet.machine import Machine, Process, on, parsed_once
from swath.sweeps.testing.fleet.network import NetworkSource, OwnSource, Server, answer_of
from swath.sweeps.testing.fleet.primitives import SimClock
from swath.sweeps.testing.fleet.programs import ChildExecutor, Written, inline_program
from swath.sweeps.testing.fleet.scenario import Scenario
from swath.sweeps.testing.fleet.scheduler import Scheduler
from swath.sweeps.testing.fleet.store import SimDatabase, Strike
from swath.sweeps.workspace import Workspace
from swath.tracking.errors import NotAllowed, SwathError

#: After the last fault a sweep must be over within so many simulated seconds.
PATIENCE_S = 400.0
_WARY_CALLS = 5
#: So many calls are rehearsed after one was refused.
_REFUSED_CALLS = 3
STORE_HOST = "storehost"

MakeController = Callable[..., Controller]


class Stage:
    """What seeds of one process share, since it costs more than a seed: a store and its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = SimDatabase()

    def clear(self) -> None:
        """As new."""
        self.database.empty()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)


class World:
    """One simulation. `trace` holds what happened, in order, where `tracing` is asked for."""

    def __init__(self, scenario: Scenario, stage: Stage, make: MakeController, tracing: bool) -> None:
        self.scenario = scenario
        self.trace: list[str] = []
        self._tracing = tracing
        self._make = make
        self._rng = Random(f"world {scenario.seed}")
        self.scheduler = Scheduler()
        self.database = stage.database
        self.machine = Machine(self.tell, STORE_HOST)
        self.written = Written()
        self.clock = self._clock()
        self.workspace = Workspace(stage.folder / ".swath", self.clock, scenario.lease_s)
        self.workspace._database = self.database
        self._folder = stage.folder
        self.slots: list[Slot] = []
        self._server: Server | None = None
        self._wary = 0
        self._refused = 0
        self.sweep_id = ""
        self.auditor: Auditor

    def run(self, check: Callable[[World], None]) -> None:
        """Live it to its end, and then let `check` look at it. Raises what went wrong."""
        with on(self.machine):
            self._create()
            self._set_going()
            try:
                self.scheduler.run()
            finally:
                self.written.close()
            check(self)

    def _create(self) -> None:
        spec = parsed_once(self.scenario.spec)
        self.sweep_id = self.workspace.create(spec, pickled=b"never loaded")
        maximize = spec.metric is not None and spec.metric.goal == "maximize"
        self.auditor = Auditor(
            self.sweep_id, spec.retry, maximize, self.scenario.expected, self.written, self._agent_is_gone
        )
        self.auditor.now = self.clock.now
        self.database.audit = self.auditor.audit

    def _set_going(self) -> None:
        scenario, rng = self.scenario, self._rng
        if scenario.place == "server":
            self._server = Server(self.scheduler, rng, lambda: self._controller(self.clock), self._call, self.tell)
        for _ in range(scenario.agents):
            self.scheduler.after(rng.random(), self._add_slot)
        self._later(scenario.faults.every_kill, self._harm_agent)
        self._later(scenario.faults.every_outage, self._harm_store)
        self.scheduler.after(1.0, self._look)

    def tell(self, *words: object) -> None:
        """Something happened."""
        if self._tracing:
            self.trace.append(f"{self.scheduler.now:9.3f}  {' '.join(map(str, words))}")

    @property
    def is_over(self) -> bool:
        """Whether the sweep is."""
        with self.database.read() as connection:
            sweep = ledger.get_sweep(connection, self.sweep_id)
        return sweep is not None and sweep.state == "finished"

    def _add_slot(self) -> None:
        pause = lambda: self._rng.choice((0.01, 0.5, 2.0))  # noqa: E731
        self.slots.append(Slot(self.scheduler, self._hire, self._new_process, lambda: self.is_over, pause, self.tell))

    def _look(self) -> None:
        """Whether it is time to go."""
        if self.slots and all(slot.done for slot in self.slots):
            self.scheduler.after(30.0, self.scheduler.end)  # for messages that are still on their way
        elif self.scheduler.now > self.scenario.faults.until + PATIENCE_S:
            raise LawBroken(f"the sweep is not over {PATIENCE_S:g} s after the last fault")
        else:
            self.scheduler.after(1.0, self._look)

    # Making.

    def _clock(self) -> SimClock:
        """That of one host."""
        skew, rng = self.scenario.skew, self._rng
        offset, rate = rng.uniform(-skew, skew), 1.0 + rng.uniform(-0.02, 0.02)
        return SimClock(self.scheduler, rng, offset, rate, lag=rng.choice((0.2, 0.8, 1.2)))

    def _new_process(self) -> Process:
        near = self.scenario.place == "shared" or self._rng.random() < 0.3
        return self.machine.process(STORE_HOST if near else f"host{self._rng.randrange(3)}")

    def _hire(self, process: Process) -> SimAgent:
        clock = self._clock() if self._server is not None else self.clock
        source: TrialSource
        if self._server is not None:
            source = NetworkSource(
                self.scheduler, clock, self._rng, self.scenario.faults, self._server.answer, self.tell
            )
        else:
            controller = self._controller(clock)
            source = OwnSource(clock, self._rng, process, controller, self._call_of(clock))
        executor: Executor
        if self.scenario.inline:
            executor = InlineExecutor(inline_program(self.scenario, clock, self.written), clock)
        else:
            executor = ChildExecutor(self.scenario, self.scheduler, self.machine, clock, self.written)
        return SimAgent(self.scheduler, process, source, executor, clock, self._folder / f"agent-{process.pid}")

    def _controller(self, clock: SimClock) -> Controller:
        shared = self.scenario.place == "shared"
        return self._make(
            self.database, self.workspace.root, self.sweep_id, clock, shared_disk=shared, lease_s=self.scenario.lease_s
        )

    def _agent_is_gone(self, agent_id: str) -> bool:
        process = self.machine.processes[int(agent_id.rpartition("-")[2])]
        return process.host == STORE_HOST and not process.alive

    # Calls.

    def _call_of(self, clock: SimClock) -> Callable[[TrialSource, wire.Call], Any]:
        def call(source: TrialSource, what: wire.Call) -> Any:
            self.auditor.now = clock.now
            return self._call(source, what, clock)

        return call

    def _call(self, source: TrialSource, call: wire.Call, clock: SimClock | None = None) -> Any:
        """One call of the product's controller: rehearsed by a fresh one now and then, and struck down now and then."""
        self.auditor.call = call
        remote = self._server is not None
        expected = self._rehearsed(call, clock or self.clock) if self._is_wary() else None
        strike = self._strike()
        try:
            answer = answer_of(source, call, remote)
        except SwathError as error:
            answer = error
            self._refused = _REFUSED_CALLS
        finally:
            self.auditor.call = None
            self.database.strike = None
        if self._tracing:
            self.tell(_said(call), "->", _said(answer), f"({strike})" if strike else "")
        if expected is not None and strike is None:
            self._compare(call, expected, answer)
        if isinstance(answer, SwathError):
            raise answer
        return answer

    def _strike(self) -> Strike | None:
        faults = self.scenario.faults
        if self.scheduler.now < faults.until and self._rng.random() < faults.strike:
            self.database.strike = self._rng.choice(("before", "commit", "commit", "after", "trouble", "trouble"))
            self.tell("strike:", self.database.strike)
            if self.database.strike == "trouble":
                self._wary = _WARY_CALLS
        return self.database.strike

    def _is_wary(self) -> bool:
        """Whether to rehearse a call: now and then, and after a controller has lived through trouble or refused one."""
        self._wary, self._refused = max(self._wary - 1, 0), max(self._refused - 1, 0)
        by_chance = self._wary > 0 or self._rng.random() < self.scenario.rehearse
        return by_chance or self._refused > 0

    def _rehearsed(self, call: wire.Call, clock: SimClock) -> Any:
        """What a controller that was just rebuilt from the store would make of the call."""
        fresh = self._controller(clock)
        self.machine.frozen = True
        try:
            return self.database.rehearse(lambda: answer_of(fresh, call, self._server is not None))
        except SwathError as error:
            return error
        finally:
            self.machine.frozen = False

    def _compare(self, call: wire.Call, expected: Any, answer: Any) -> None:
        found = answer if isinstance(answer, SwathError) else self.database.facts()
        if isinstance(found, SwathError) or isinstance(expected, SwathError):
            same = type(found) is type(expected) and str(found) == str(expected)
            different = [f"{expected}", f"{found}"]
        else:
            different = [] if found == expected else [*({*map(str, expected)} ^ {*map(str, found)})]
            same = not different
        if not same:
            raise LawBroken(f"a rebuilt controller decides otherwise about {_said(call)}:\n" + "\n".join(different))

    # Faults.

    def _later(self, mean: float, harm: Callable[[], None]) -> None:
        wait = self._rng.expovariate(1.0 / mean)
        if self.scheduler.now + wait < self.scenario.faults.until:
            self.scheduler.after(wait, lambda: self._do_harm(mean, harm))

    def _do_harm(self, mean: float, harm: Callable[[], None]) -> None:
        harm()
        self._later(mean, harm)

    def _harm_agent(self) -> None:
        slot = self._rng.choice(self.slots) if self.slots else None
        if slot is None or slot.process is None or slot.agent is None:
            return
        match self._rng.choice(("kill", "kill", "stop", "stop", "abort", "drain")):
            case "kill":
                slot.kill()
            case "stop":
                seconds = self._rng.choice((0.3, self.scenario.lease_s, 3 * self.scenario.lease_s))
                self.tell("sleep", slot.agent.info.id, seconds)
                slot.process.stop(self.scheduler.now + seconds)
            case "abort":
                self.tell("abort", slot.agent.info.id)
                slot.agent.abort()
            case "drain":
                self.tell("drain", slot.agent.info.id)
                slot.agent.drain()

    def _harm_store(self) -> None:
        what = self._rng.choice(("server", "server", "jump", "look", "pause"))
        if what == "server" and self._server is not None:
            self._server.kill()
        elif what == "jump":
            self.clock.offset += self._rng.choice((-20.0, 20.0, 2.0))
            self.tell("the clock jumps to", f"{self.clock.now():.3f}")
        elif what == "pause":
            self._steer(self.workspace.pause)
            self.scheduler.after(self._rng.uniform(0.1, 3.0), lambda: self._steer(self.workspace.unpause))
        else:
            self.auditor.now = self.clock.now
            self.workspace.catch_up(self.sweep_id)
            self.tell("somebody looks")

    def _steer(self, verb: Callable[[str], None]) -> None:
        """Somebody pauses the sweep or lets it go on, where that is allowed."""
        with contextlib.suppress(NotAllowed):
            verb(self.sweep_id)
            self.tell(verb.__name__)


def _said(what: object) -> str:
    return str(what) if not isinstance(what, wire.Report | wire.Finish) else _short(what)


def _short(call: wire.Report | wire.Finish) -> str:
    sizes = ", ".join(f"{chunk.segment}@{chunk.offset}+{len(chunk.data)}" for chunk in call.chunks)
    lease = f"{call.lease.run_id} attempt {call.lease.attempt} of {call.lease.agent_id}"
    if isinstance(call, wire.Report):
        return f"Report({lease}: {sizes})"
    return f"Finish({lease}: {call.outcome.ending}, {sizes}, {call.request})"
