"""The nodes of a gang on Ray: bundles reserved together, and helper actors in them. It is given the ray module."""

from __future__ import annotations

from typing import Any

import msgspec

from swath.agents.executors.nodes import Look, NodeLost
from swath.agents.executors.ranks import Place
from swath.agents.launchers.ray_actor import ActorSettings
from swath.agents.launchers.ray_ranks import RayRanks
from swath.agents.protocol import Assignment, Ending, Job
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.context import TrialContext
from swath.tracking.errors import SwathError

#: prepare or start, look, end and kill at the same time.
THREADS = 4
#: How long a node may take to load what trials need, and then to answer.
PREPARE_S = 300.0
SILENT_S = 30.0


def reserve(ray: Any, bundle: dict[str, float], nodes: int, strategy: str) -> Any:
    """A placement group of `nodes` bundles: it has all of them or, while one finds no room, none."""
    return ray.util.placement_group([bundle] * nodes, strategy=strategy)


def in_bundle(ray: Any, group: Any, index: int) -> Any:
    """The scheduling strategy of an actor that lives in a bundle of a group."""
    from_group = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy
    return from_group(placement_group=group, placement_group_bundle_index=index)


def other_nodes(ray: Any, settings: ActorSettings, options: dict[str, Any]) -> list[RayNode]:
    """A helper in each bundle of the calling actor's group but its own, the first."""
    group = ray.util.get_current_placement_group()
    count = group.bundle_count if group is not None else 1
    helper = ray.remote(RayRanks)

    def node(index: int) -> RayNode:
        placed = {**options, "max_concurrency": THREADS, "scheduling_strategy": in_bundle(ray, group, index)}
        return RayNode(ray, helper.options(**placed).remote(settings), index)

    return [node(index) for index in range(1, count)]


class RayNode:
    """The `Node` that a helper actor is."""

    def __init__(self, ray: Any, actor: Any, number: int, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name = str(number)
        self._ray = ray
        self._actor = actor
        self._clock = clock
        self._key = ("", 0)
        self._pending: Any = None
        self._asked_at = 0.0
        self._patience_s = SILENT_S

    def prepare(self, job: Job) -> None:
        self._get(self._actor.prepare.remote(job), PREPARE_S)

    def start(self, place: Place, assignment: Assignment, context: TrialContext) -> None:
        self._key = (assignment.lease.run_id, assignment.lease.attempt)
        plain = msgspec.structs.replace(context, on_row=None)
        self._ask(self._actor.start.remote(place, assignment, plain), PREPARE_S)  # it may have to bring a checkpoint

    def look(self) -> Look:
        if not self._ray.wait([self._pending], timeout=0)[0]:
            if self._clock.monotonic() - self._asked_at > self._patience_s:
                raise NodeLost(f"it has not answered for {self._patience_s:.0f} s", "see to that machine")
            return Look()
        found = self._get(self._pending, SILENT_S) or Look()
        if found.outcome is None:
            self._ask(self._actor.look.remote())
        return found

    def end(self, level: int, reason: str, ending: Ending) -> None:
        self._actor.end.remote(self._key, level, reason, ending)

    def kill(self) -> Any:
        """End what runs there at once; the reference of the call."""
        return self._actor.kill.remote()

    def _ask(self, reference: Any, patience_s: float = SILENT_S) -> None:
        self._pending, self._asked_at, self._patience_s = reference, self._clock.monotonic(), patience_s

    def _get(self, reference: Any, timeout_s: float) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference, timeout=timeout_s)
        except errors.RayTaskError as error:
            if isinstance(error.cause, SwathError):
                raise error.cause from error
            raise SwathError(f"its helper failed: {_first_line(error.cause)}", "see the log of that node") from error
        except (errors.RayError, errors.GetTimeoutError) as error:
            raise NodeLost(_first_line(error), "see to that machine") from error


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__
