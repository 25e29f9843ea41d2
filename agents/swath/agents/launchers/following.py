"""How many agents a cluster holds, looked at again and again as its nodes come and go; knows no Ray."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from swath.tracking.clock import Clock

#: Between two looks at the nodes.
LOOK_S = 2.0
#: What 0.1 and the like may be off by.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Node:
    """A node that is there: what it has in all, and its labels."""

    resources: Mapping[str, float]
    labels: Mapping[str, str]


def room(nodes: Sequence[Node], wanted: Mapping[str, float]) -> int:
    """How many agents that want so much each the nodes hold, when nothing else runs there."""
    return sum(_held(node, wanted) for node in nodes)


def _held(node: Node, wanted: Mapping[str, float]) -> int:
    fits = [node.resources.get(name, 0.0) / amount for name, amount in wanted.items()]
    return math.floor(min(fits, default=0.0) + _ROUNDING)


class Following:
    """Says how many agents are to come and how many to go.

    There is always room for one: a cluster that grows on demand begins to grow for it. Agents that left by themselves
    or were asked to are not wanted back.
    """

    def __init__(self, clock: Clock, look: Callable[[], int]) -> None:
        self._clock = clock
        self._look = look
        self._looked: float | None = None
        self.room = 1

    def step(self, agents: int) -> int:
        """How many more (above 0) or fewer agents there should be than the `agents` that there are."""
        now = self._clock.monotonic()
        if self._looked is not None and now - self._looked < LOOK_S:
            return 0
        first, self._looked = self._looked is None, now
        before, self.room = self.room, max(1, self._look())
        if first:
            return self.room - agents
        return self.room - before if self.room > before else min(0, self.room - agents)
