"""Simulated time: a heap of events, and actors that run one at a time, each on its own stack; it knows no sweeps.

An actor is code that blocks, such as an agent's loop. It is a greenlet: a stack that is put aside and taken up again,
for half a microsecond each, where a change of threads costs twenty. When an actor waits, it takes the next events from
the heap itself, until one of them wakes an actor: so what happens is one sequence, fixed by the order of the heap.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import greenlet

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
        self._target = target
        self._stack = greenlet.greenlet(self._live, scheduler.main)

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

    def go_on(self) -> Actor | None:
        """Leave the present stack for this actor's. Returns when it is the present stack's turn again.

        The scheduler's own stack has its turn when an actor is over, and is told who is next (None: nobody).
        """
        following: Actor | None = self._stack.switch()
        return following

    def _live(self) -> Actor | None:
        return self._scheduler.live(self, self._target)


class Scheduler:
    """The heap, the time, and whose turn it is."""

    def __init__(self) -> None:
        self.now = 0.0
        self.current: Actor | None = None
        self.main = greenlet.getcurrent()
        self._heap: list[tuple[float, int, Event | tuple[Actor, int]]] = []
        self._order = count()
        self._ended = False
        self._failure: BaseException | None = None
        self._living: set[Actor] = set()
        self.steps = 0

    def after(self, seconds: float, event: Event) -> None:
        """Let `event` happen then, on whichever stack."""
        heapq.heappush(self._heap, (self.now + max(seconds, 0.0), next(self._order), event))

    def resume_later(self, seconds: float, actor: Actor, wait: int) -> None:
        """Let `actor` go on then, if it is in this very wait still."""
        heapq.heappush(self._heap, (self.now + max(seconds, 0.0), next(self._order), (actor, wait)))

    def spawn(self, name: str, target: Callable[[], None]) -> Actor:
        """Start an actor; it runs for the first time when its turn comes."""
        actor = Actor(self, name, target)
        self._living.add(actor)
        self.resume_later(0.0, actor, actor.waits)
        return actor

    def run(self) -> None:
        """Let things happen until `end` was said and every actor is over. Raises what an event or actor raised."""
        following = self._next_actor()
        while following is not None:
            following = following.go_on()
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
                following.go_on()
        self.current = actor

    def live(self, actor: Actor, target: Callable[[], None]) -> Actor | None:
        """All that an actor does; who is next when it is over."""
        self.current = actor
        try:
            if not actor.dead:
                target()
        except Killed:
            pass
        except BaseException as error:
            self.fail(error)
        actor.over = True
        self._living.discard(actor)
        return self._next_actor()

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
