"""What blocking code waits with, on simulated time: clocks, events, locks and threads like the real ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from swath.sweeps.testing.fleet.scheduler import Actor, Killed, Scheduler

EPOCH = 1_700_000_000.0


class SimClock:
    """Implements `Clock`: `rate` is how fast it runs, `offset` how far it is ahead.

    A sleep lasts up to `lag` seconds longer than it was asked to, as on a busy machine. Code that runs as an event, in
    no actor, must not sleep.
    """

    def __init__(self, scheduler: Scheduler, rng: Random, offset: float = 0.0, rate: float = 1.0, lag: float = 0.0):
        self._scheduler = scheduler
        self._rng = rng
        self.offset = offset
        self._rate = rate
        self._lag = lag

    def now(self) -> float:
        return EPOCH + self.offset + self._scheduler.now * self._rate

    def monotonic(self) -> float:
        return self._scheduler.now * self._rate

    def sleep(self, seconds: float) -> None:
        actor = self._scheduler.current
        assert actor is not None, "an event sleeps"
        actor.wait(self.real(seconds))

    def real(self, seconds: float) -> float:
        """How long an interval of this clock lasts, with the machine's lag."""
        return seconds / self._rate + self._rng.random() * self._lag


class SimEvent:
    """The face of `threading.Event`."""

    def __init__(self, scheduler: Scheduler, clock: SimClock) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._set = False
        self._waiting: list[Actor] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        for actor in self._waiting:
            actor.wake()

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        actor = self._scheduler.current
        assert actor is not None, "an event waits"
        if not self._set:
            self._waiting.append(actor)
            try:
                actor.wait(None if timeout is None else self._clock.real(timeout))
            finally:
                self._waiting.remove(actor)
        return self._set


class SimLock:
    """The face of `threading.RLock`, for actors only. A killed process lets go of all that it holds."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._owner: Actor | None = None
        self._depth = 0
        self._waiting: deque[Actor] = deque()

    def __enter__(self) -> None:
        actor = self._scheduler.current
        assert actor is not None, "an event locks"
        if actor.dead:
            raise Killed
        while self._owner not in (None, actor):
            self._waiting.append(actor)
            try:
                actor.wait()
            finally:
                if actor in self._waiting:
                    self._waiting.remove(actor)
        self._owner = actor
        self._depth += 1

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
            if self._waiting:
                self._waiting.popleft().wake()


class SimThread:
    """The face of `threading.Thread`."""

    def __init__(self, scheduler: Scheduler, name: str, target: Callable[[], None], born: Callable[[Actor], None]):
        self._scheduler = scheduler
        self._name = name
        self._target = target
        self._born = born
        self._actor: Actor | None = None
        self._joining: list[Actor] = []

    def start(self) -> None:
        self._actor = self._scheduler.spawn(self._name, self._run)
        self._born(self._actor)

    def is_alive(self) -> bool:
        return self._actor is not None and not self._actor.over

    def join(self) -> None:
        while self.is_alive():
            actor = self._scheduler.current
            assert actor is not None, "an event joins"
            self._joining.append(actor)
            actor.wait()

    def _run(self) -> None:
        try:
            self._target()
        finally:
            for actor in self._joining:
                actor.wake()
