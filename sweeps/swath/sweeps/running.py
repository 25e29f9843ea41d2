"""The engine behind `sweep run` and `sweeps.run()`: keeps agents at a sweep until it is over. Prints nothing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from swath.sweeps.fleets import Fleet
from swath.sweeps.states import OVER, SweepState
from swath.sweeps.views import EventView, SweepView
from swath.sweeps.workspace import Workspace
from swath.tracking.clock import SYSTEM_CLOCK, Clock

#: Between two looks at the events; between two rounds of catching up with dead agents.
LOOK_S = 0.1
#: Looking takes this share of the time at most: what it reads grows with the sweep, and the agents need the machine.
LOOK_SHARE = 0.05
CATCH_UP_S = 1.0
#: How long agents may take to notice that the sweep is over before they are stopped.
LEAVE_S = 30.0
PAGE = 1000


class Observer(Protocol):
    """Whoever looks on. A context manager; its methods are called from one thread and should return quickly."""

    def __enter__(self) -> Any: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def events(self, events: Sequence[EventView]) -> None:
        """What happened since the last call, oldest first."""
        ...

    def note(self, message: str) -> None:
        """What the engine itself does: a sentence for people."""
        ...

    def tick(self, view: SweepView, agents: int) -> None:
        """The state of things now, several times a second; `agents` are at work."""
        ...


@dataclass(frozen=True)
class Ran:
    """How a run of agents ended: the sweep as it stands then.

    `broken` is what the agents said when they found the program to be broken; `interrupts` counts the Ctrl-Cs.
    """

    view: SweepView
    broken: str | None = None
    interrupts: int = 0


class Following:
    """Reads a sweep's events and state, round by round. `news_only`: nothing of what happened before now."""

    def __init__(
        self, workspace: Workspace, sweep_id: str, clock: Clock = SYSTEM_CLOCK, *, news_only: bool = False
    ) -> None:
        self._workspace = workspace
        self._id = sweep_id
        self._clock = clock
        self._after = 0
        self._caught_up = clock.monotonic()
        self.view = workspace.show(sweep_id)
        while news_only and self._page():
            pass

    def read(self) -> list[EventView]:
        """The events since the last time; `view` is brought up to date as well."""
        now = self._clock.monotonic()
        if now - self._caught_up >= CATCH_UP_S:
            self._workspace.catch_up(self._id)
            self._caught_up = now
        events = self._page()
        if events:
            self.view = self._workspace.show(self._id)
        return events

    def rounds(self) -> Iterator[list[EventView]]:
        """Rounds of events until the sweep is over and all has been told."""
        self._workspace.catch_up(self._id)
        while True:
            events = self.read()
            yield events
            if len(events) < PAGE:
                if self.view.state in OVER and not events:
                    return
                self._clock.sleep(LOOK_S)

    def agents(self) -> int:
        """How many agents are at work."""
        return sum(agent.state == "active" for agent in self._workspace.agents(self._id))

    def _page(self) -> list[EventView]:
        events = self._workspace.events(self._id, self._after, PAGE)
        if events:
            self._after = events[-1].id
        return events


class Interrupts:
    """Counts Ctrl-C (SIGINT) and SIGTERM, which counts as two, while it is entered in the main thread.

    `terminated`: there was a SIGTERM.
    """

    def __init__(self) -> None:
        self.count = 0
        self.terminated = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: object) -> None:
        self.terminated = self.terminated or number == signal.SIGTERM
        self.count = max(self.count + 1, 2 if number == signal.SIGTERM else 0)


def run_sweep(
    workspace: Workspace, sweep_id: str, fleet: Fleet, observer: Observer, *, clock: Clock = SYSTEM_CLOCK
) -> Ran:
    """Run `fleet`'s agents until the sweep is over, the program is broken, or it is interrupted.

    The first Ctrl-C lets running trials finish, the second stops them (they go back to the queue), the third kills.
    """
    following = Following(workspace, sweep_id, clock, news_only=True)
    with Interrupts() as interrupts, observer, fleet:
        observer.tick(following.view, 0)
        fleet.start()
        return _Rounds(following, fleet, observer, interrupts, clock).run()


class _Rounds:
    """The loop of `run_sweep`, and what it has to remember."""

    def __init__(
        self, following: Following, fleet: Fleet, observer: Observer, interrupts: Interrupts, clock: Clock
    ) -> None:
        self._following = following
        self._fleet = fleet
        self._observer = observer
        self._interrupts = interrupts
        self._clock = clock
        self._heard = 0
        self._broken: str | None = None
        self._over_since: float | None = None
        self._looked_s = 0.0

    def run(self) -> Ran:
        while True:
            events = self._look()
            for said in self._fleet.check(self._wanted()):
                self._observer.note(said)
            self._hear()
            self._note_broken()
            self._hurry_leavers()
            if not self._fleet.alive and not events and self._may_end():
                self._look()
                return Ran(self._following.view, self._broken, self._interrupts.count)
            if len(events) < PAGE:
                self._clock.sleep(min(max(LOOK_S, self._looked_s / LOOK_SHARE), CATCH_UP_S))

    def _look(self) -> list[EventView]:
        began = self._clock.monotonic()
        events = self._following.read()
        self._looked_s = self._clock.monotonic() - began
        self._observer.events(events)
        self._observer.tick(self._following.view, self._fleet.alive)
        return events

    def _wanted(self) -> bool:
        """Whether agents that are gone should be replaced."""
        return self._following.view.state not in OVER and not self._interrupts.count and self._broken is None

    def _may_end(self) -> bool:
        """With no agent of ours left, only a sweep that others' agents are finishing is worth waiting for.

        Nobody who pressed Ctrl-C wants to wait for the agents of others.
        """
        finishing = self._following.view.state is SweepState.FINISHING
        return not finishing or self._broken is not None or self._interrupts.count > 0

    def _note_broken(self) -> None:
        if self._broken is None and self._fleet.broken is not None:
            self._broken = self._fleet.broken
            self._fleet.drain()

    def _hear(self) -> None:
        """Carry out the Ctrl-Cs that came since the last round."""
        count = self._interrupts.count
        if count == self._heard:
            return
        self._heard = count
        if count == 1:
            self._observer.note("interrupted: running trials finish, no new ones start. Ctrl-C again stops them")
            self._fleet.drain()
        elif count == 2:
            self._observer.note("interrupted again: running trials are stopped. Ctrl-C once more kills them")
            self._fleet.stop()
        else:
            self._fleet.kill()
            if count > 3:  # a function in this process that neither logs nor ends
                raise KeyboardInterrupt

    def _hurry_leavers(self) -> None:
        """An agent that stays though the sweep is over is stopped."""
        if self._following.view.state not in OVER or not self._fleet.alive:
            return
        now = self._clock.monotonic()
        if self._over_since is None:
            self._over_since = now
        elif now - self._over_since > LEAVE_S:
            self._fleet.stop()
            self._over_since = now
