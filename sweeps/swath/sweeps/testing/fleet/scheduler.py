"""Simulated time: a heap of events, and actors that run one at a time in threads of their own; it knows no sweeps.

An actor is code that blocks, such as an agent's loop. Its thread runs only while it holds the baton. When it waits, it
takes the next events from the heap itself, until one of them wakes an actor: so what happens is one sequence, fixed by
the order of the heap, and an actor that wakes next after itself costs no change of threads.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from itertools import count

Event = Callable[[], None]


class Killed(BaseException):
    """Raised in an actor whose process was killed: from its next wait on, and at each one after."""


class Deadlock(AssertionError):
    """An actor waits and no event is left that could wake anybody."""


class Actor:
    """One blocking piece of code. `asleep_until`: its process is stopped till then (as by SIGSTOP), and wakes late."""

    def __init__(self, scheduler: Scheduler, name: str, target: Callable[[], None]) -> None:
        self.name = name
        self.dead = False
        self.over = False
        self.asleep_until = 0.0
        self.waits = 0
        self._scheduler = scheduler
        self.target = target
        self.baton = threading.Lock()

    def wait(self, seconds: float | None = None) -> None:
        """Return when woken, or after `seconds`. Raises `Killed` when the process was killed."""
        self.waits += 1
        if self.dead:
            raise Killed
        if seconds is not None:
            self._scheduler.resume_later(seconds, self, self.waits)
        self._scheduler.hand_over(self)
        if self.dead:
            raise Killed

    def kill(self) -> None:
        """Its process is gone: it unwinds now, and can reach nobody any more."""
        self.dead = True
        self.wake()

    def wake(self) -> None:
        """End its present wait."""
        self._scheduler.resume_later(0.0, self, self.waits)


class Scheduler:
    """The heap, the time, and whose turn it is."""

    def __init__(self, pool: Pool) -> None:
        self.now = 0.0
        self.current: Actor | None = None
        self._pool = pool
        self._heap: list[tuple[float, int, Event | tuple[Actor, int]]] = []
        self._order = count()
        self._ended = False
        self._failure: BaseException | None = None
        self._living: set[Actor] = set()
        self.steps = 0
        self._main = threading.Lock()
        self._main.acquire()

    def after(self, seconds: float, event: Event) -> None:
        """Let `event` happen then, in whichever thread."""
        heapq.heappush(self._heap, (self.now + max(seconds, 0.0), next(self._order), event))

    def resume_later(self, seconds: float, actor: Actor, wait: int) -> None:
        """Let `actor` go on then, if it is in this very wait still."""
        heapq.heappush(self._heap, (self.now + max(seconds, 0.0), next(self._order), (actor, wait)))

    def spawn(self, name: str, target: Callable[[], None]) -> Actor:
        """Start an actor; it runs for the first time when its turn comes."""
        actor = Actor(self, name, target)
        actor.baton.acquire()
        self._living.add(actor)
        self._pool.run(lambda: self._live(actor))
        self.resume_later(0.0, actor, actor.waits)
        return actor

    def run(self) -> None:
        """Let things happen until `end` was said and every actor is over. Raises what an event or actor raised."""
        following = self._next_actor()
        if following is not None:
            self._pass_to(following)
            self._main.acquire()
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """Nothing more happens, but that every actor is killed."""
        self._ended = True
        for actor in sorted(self._living, key=lambda each: each.name):
            actor.kill()

    def fail(self, error: BaseException) -> None:
        """What went wrong first, to be raised by `run`."""
        self._failure = self._failure or error
        self.end()

    def hand_over(self, actor: Actor) -> None:
        """The present actor waits: let others go on until it is its turn."""
        following = self._next_actor()
        if following is not actor:
            if following is None:  # only where something is wrong: it is never woken again
                self._failure = self._failure or Deadlock(f"{actor.name} waits for ever at {self.now:.3f}")
                actor.dead = True
            else:
                self._pass_to(following)
                actor.baton.acquire()
        self.current = actor

    def _live(self, actor: Actor) -> None:
        actor.baton.acquire()
        self.current = actor
        try:
            if not actor.dead:
                actor.target()
        except Killed:
            pass
        except BaseException as error:
            self.fail(error)
        actor.over = True
        self._living.discard(actor)
        following = self._next_actor()
        if following is not None:
            self._pass_to(following)
        else:
            self._main.release()

    def _pass_to(self, actor: Actor) -> None:
        actor.baton.release()

    def _next_actor(self) -> Actor | None:
        """Let events happen up to the one that wakes an actor; None when there is none any more."""
        self.current = None
        while self._heap and (self._living or not self._ended):
            self.now, _, what = heapq.heappop(self._heap)
            self.steps += 1
            if callable(what):
                if not self._ended:
                    self._happen(what)
            elif (found := self._awake(*what)) is not None:
                return found
        return None

    def _awake(self, actor: Actor, wait: int) -> Actor | None:
        if actor.over or wait != actor.waits:
            return None
        if actor.asleep_until > self.now and not actor.dead:
            self.resume_later(actor.asleep_until - self.now, actor, wait)
            return None
        return actor

    def _happen(self, event: Event) -> None:
        try:
            event()
        except BaseException as error:
            self.fail(error)


class Pool:
    """Threads that are used again by the next actors, since a new one costs as much as a dozen steps."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []

    def run(self, work: Callable[[], None]) -> None:
        """Run `work` in a thread that is free. Said by one thread at a time."""
        worker = self._idle.pop() if self._idle else _Worker(self._idle)
        worker.start(work)


class _Worker:
    def __init__(self, idle: list[_Worker]) -> None:
        self._idle = idle
        self._work: Callable[[], None] | None = None
        self._ready = threading.Lock()
        self._ready.acquire()
        threading.Thread(target=self._run, name="fleet-actor", daemon=True).start()

    def start(self, work: Callable[[], None]) -> None:
        self._work = work
        self._ready.release()

    def _run(self) -> None:
        while True:
            self._ready.acquire()
            work, self._work = self._work, None
            assert work is not None
            work()
            self._idle.append(self)
