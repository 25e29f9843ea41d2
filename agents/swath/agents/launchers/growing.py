"""When an agent with more memory takes the place of others, as a trial needs it that ran out of it; knows no Ray."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from swath.tracking.clock import Clock

#: How often it is asked what trials wait for.
ASK_S = 1.0


class Sized(Protocol):
    """An agent as seen here: the memory that it has reserved, whether it works, and whether it was asked to leave."""

    memory: int
    leaves: bool

    @property
    def stands(self) -> bool: ...

    def drain(self) -> None: ...


@dataclass(frozen=True)
class Change:
    """Agents that are to leave after their trials, and how much memory new ones get; None: as much as ever."""

    leave: tuple[Sized, ...] = ()
    hire: tuple[int | None, ...] = ()


class Growing:
    """Keeps the number of agents: one leaves for each that comes.

    Where the new one finds no room within `patience_s`, one more leaves, and comes back once the new one works.
    """

    def __init__(self, clock: Clock, patience_s: float) -> None:
        self._clock = clock
        self._patience_s = patience_s
        self._asked = 0.0
        self._since = 0.0
        self._owed = 0

    def step(self, wanting: Callable[[], int | None], agents: Sequence[Sized]) -> Change:
        """What is to change now; `wanting` tells the memory that a trial waits for and no agent has."""
        now = self._clock.monotonic()
        if now - self._asked < ASK_S:
            return Change()
        self._asked = now
        waiting = [agent for agent in agents if not agent.stands and not agent.leaves]
        wanted = wanting()
        if wanted is None:
            owed, self._owed = self._owed, 0
            return Change(hire=(None,) * owed)
        small = [agent for agent in agents if agent.stands and not agent.leaves and agent.memory < wanted]
        if not any(agent.memory >= wanted for agent in agents if not agent.leaves):
            self._since = now
            return Change(tuple(small[:1]), (wanted,))
        stuck = any(agent.memory >= wanted for agent in waiting) and now - self._since > self._patience_s
        if stuck and small and not any(agent.leaves for agent in agents):
            self._since = now
            self._owed += 1
            return Change(tuple(small[:1]))
        return Change()
