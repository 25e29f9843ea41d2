"""What a launcher is: keeps N agents alive until they are done. Where an agent runs is its `Worker`'s affair."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.errors import UsageError

logger = logging.getLogger("swath.agents")

#: Exit codes of an agent: it is done, the call was wrong, the program is broken, somebody interrupted it.
DONE, BAD_USAGE, BROKEN_PROGRAM, INTERRUPTED = 0, 2, 3, 130
#: It was told to end at once and gave its trial back. With this code, as with any other one, or killed by a signal,
#: the agent has died: whoever holds a launcher and tells an agent to end wants no other one in its place.
TERMINATED = 143

Fate = Literal["done", "broken", "died"]
"""What an agent's end means: nothing left to do, no use in another one, or another one is needed."""


@dataclass(frozen=True)
class Ended:
    """How an agent ended. `reason` is for people: its last words, or the signal that killed it."""

    fate: Fate
    reason: str
    exit_code: int | None = None


@dataclass(frozen=True)
class AgentEvent:
    """Something that happened to an agent.

    started: it stands. waiting: the place where it is to run has no room for it yet. ended: see `Ended`.
    replaced: it died, for `reason`, and the agent `successor` was started. gave_up: it died, and no other will be
    started.
    """

    kind: Literal["started", "waiting", "ended", "replaced", "gave_up"]
    agent: str
    reason: str = ""
    exit_code: int | None = None
    successor: str = ""


def fate_of(exit_code: int) -> Fate:
    """What the exit code of an agent means for its launcher."""
    if exit_code in (DONE, INTERRUPTED):
        return "done"
    return "broken" if exit_code in (BAD_USAGE, BROKEN_PROGRAM) else "died"


class Worker(Protocol):
    """One agent somewhere else, as its launcher holds it. No call blocks; all but `look` may come after the end."""

    name: str

    def look(self) -> tuple[list[AgentEvent], Ended | None]:
        """What happened since the last look, and how the agent ended once it has; not called again after that."""
        ...

    def drain(self) -> None:
        """Ask the agent to finish its trial and leave."""
        ...

    def abort(self) -> None:
        """Ask the agent to stop its trial, give it back and leave."""
        ...

    def kill(self) -> None:
        """End the agent, and what it started, at once."""
        ...

    def close(self) -> None:
        """Release what this object holds; the agent has ended."""
        ...


class Deaths:
    """Says when agents die so fast, or so often in a row, that replacing them is of no use.

    That is after more than `limit` deaths within `window_s` seconds during which no trial was finished, or after more
    than `in_a_row` of them however far apart. `progress` counts the trials finished so far.
    """

    def __init__(
        self,
        clock: Clock,
        progress: Callable[[], int],
        limit: int = 25,
        window_s: float = 60.0,
        in_a_row: int = 25,
    ) -> None:
        self._clock = clock
        self._progress = progress
        self._limit = limit
        self._window_s = window_s
        self._in_a_row = in_a_row
        self._count = 0
        self._times: deque[float] = deque()
        self._finished = 0

    def died(self, agent: str, ended: Ended) -> str | None:
        """Count a death; the message for people when there shall be no more agents, else None."""
        now, finished = self._clock.monotonic(), self._progress()
        if finished > self._finished:
            self._finished = finished
            self._count = 0
            self._times.clear()
        self._count += 1
        self._times.append(now)
        while now - self._times[0] > self._window_s:
            self._times.popleft()
        if len(self._times) > self._limit:
            how = f"{len(self._times)} agents died within {self._window_s:.0f} s"
        elif self._count > self._in_a_row:
            how = f"{self._count} agents died in a row"
        else:
            return None
        return f"{how} and no trial was finished meanwhile; no more are started. The last one, {agent}: {ended.reason}"


class Launcher(ABC):
    """Starts `agents` agents, replaces those that die, and ends them. A context manager that leaves none behind.

    Nothing happens between the calls of `poll`: whoever holds a launcher polls it a few times a second.
    An agent that is done or finds the program broken is not replaced; one that died is, until `Deaths` says enough.
    """

    def __init__(
        self,
        agents: int,
        *,
        progress: Callable[[], int] = lambda: 0,
        clock: Clock = SYSTEM_CLOCK,
        leave_s: float = 30.0,
    ) -> None:
        if agents < 1:
            raise UsageError(f"{agents} agents cannot run a sweep", "ask for at least one")
        self._agents = agents
        self._clock = clock
        self._leave_s = leave_s
        self._deaths = Deaths(clock, progress, in_a_row=max(25, 5 * agents))
        self._workers: list[Worker] = []
        self._named = 0
        self._stopping = False
        self._broken: str | None = None

    @abstractmethod
    def _hire(self, name: str) -> Worker:
        """Start one agent."""

    @property
    def alive(self) -> int:
        """How many agents have not ended, those that are still being started among them."""
        return len(self._workers)

    @property
    def broken(self) -> str | None:
        """Why no more agents are started: what an agent said of a broken program, or that agents die too fast."""
        return self._broken

    def start(self) -> None:
        """Start the agents; returns before they stand."""
        for _ in range(self._agents):
            self._workers.append(self._hire(self._next_name()))

    def poll(self, *, replace: bool = True) -> list[AgentEvent]:
        """See to the agents and tell what happened since the last poll; `replace`: start others for the dead."""
        return [event for worker in list(self._workers) for event in self._see_to(worker, replace)]

    def stop(self, graceful: bool = True) -> None:
        """Ask the agents to leave: after their running trial, or, not `graceful`, after giving it back."""
        self._stopping = True
        for worker in self._workers:
            if graceful:
                worker.drain()
            else:
                worker.abort()

    def kill(self) -> None:
        """End agents and trials at once; the leases of the trials run out by themselves."""
        self._stopping = True
        for worker in self._workers:
            worker.kill()

    def wait(self, timeout_s: float) -> bool:
        """Poll until no agent lives; False when some still do after `timeout_s`."""
        until = self._clock.monotonic() + timeout_s
        while self._workers and self._clock.monotonic() < until:
            self.poll()
            if self._workers:
                self._clock.sleep(0.02)
        return not self._workers

    def close(self) -> None:
        """Leave no agent behind: ask them to give their trials back, and kill those that do not leave."""
        if self._workers:
            self.stop(graceful=False)
        if not self.wait(self._leave_s):
            logger.warning("%d agents did not leave within %.0f s and are killed", self.alive, self._leave_s)
            self.kill()
            self.wait(self._leave_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next_name(self) -> str:
        self._named += 1
        return f"agent-{self._named}"

    def _see_to(self, worker: Worker, replace: bool) -> list[AgentEvent]:
        events, ended = worker.look()
        if ended is None:
            return events
        worker.close()
        self._workers.remove(worker)
        events.append(AgentEvent("ended", worker.name, ended.reason, ended.exit_code))
        if ended.fate == "broken":
            self._broken = self._broken or ended.reason
        elif ended.fate == "died" and replace and not self._stopping and self._broken is None:
            events.append(self._replace(worker.name, ended))
        return events

    def _replace(self, name: str, ended: Ended) -> AgentEvent:
        enough = self._deaths.died(name, ended)
        if enough is not None:
            self._broken = enough
            self.stop(graceful=True)
            return AgentEvent("gave_up", name, enough)
        successor = self._hire(self._next_name())
        self._workers.append(successor)
        return AgentEvent("replaced", name, ended.reason, ended.exit_code, successor.name)
