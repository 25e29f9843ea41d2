"""One agent that is a Ray actor, as its launcher holds it; it is given the ray module."""

from __future__ import annotations

from typing import Any

from swath.agents.launchers.base import AgentEvent, Ended, fate_of
from swath.agents.launchers.ray_options import Resources
from swath.tracking.clock import Clock
from swath.tracking.errors import SwathError

#: How long a killed agent may take to kill its trial.
KILL_S = 2.0


class RayWorker:
    """One actor with its agent."""

    def __init__(
        self,
        name: str,
        ray: Any,
        actor: Any,
        resources: Resources,
        clock: Clock,
        waits_from: float,
        group: Any = None,
    ) -> None:
        self.name = name
        self.memory = resources.memory or 0
        self.leaves = False
        self._ray = ray
        self._actor = actor
        self._resources = resources
        self._clock = clock
        self._waits_from: float | None = waits_from
        self._group = group
        self._standing: Any = actor.ping.remote()
        self._running = actor.run.remote()
        self._killed = False
        self._dismissed = False

    def look(self) -> tuple[list[AgentEvent], Ended | None]:
        ended = self._ended() if self._is_ready(self._running) else None
        return [*self._beginnings(ended)], ended

    def _is_ready(self, reference: Any) -> bool:
        return bool(self._ray.wait([reference], timeout=0)[0])

    def _beginnings(self, ended: Ended | None) -> list[AgentEvent]:
        if self._standing is None:
            return []
        if self._is_ready(self._standing):
            standing, self._standing = self._standing, None
            try:
                return [AgentEvent("started", self.name, self._ray.get(standing))]
            except self._ray.exceptions.RayError:
                return []
        if ended is None and self._waits_from is not None and self._clock.monotonic() > self._waits_from:
            self._waits_from = None
            return [AgentEvent("waiting", self.name, self._shortage())]
        return []

    def _shortage(self) -> str:
        cluster, free = self._ray.cluster_resources(), self._ray.available_resources()
        names = ["CPU", "GPU", *(name for name, _ in self._resources.custom)]
        there = ", ".join(f"{free.get(name, 0):g} of {cluster.get(name, 0):g} {name}" for name in names)
        told = f"it needs {self._resources.describe()}; free in the cluster: {there}"
        if not self._fits_a_node():
            return f"{told}. No node that is there now could ever hold it"
        enough = all(free.get(name, 0) >= amount for name, amount in self._resources.bundle().items())
        return f"{told}; that is enough, so Ray is still starting it, or it is not on one node" if enough else told

    def _fits_a_node(self) -> bool:
        """Whether some node has, when nothing runs there, what one agent takes of a node."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        wanted = self._resources.bundle().items()
        return any(all(has.get(name, 0) >= amount for name, amount in wanted) for has in nodes)

    def _ended(self) -> Ended:
        if self._dismissed:
            return Ended("done", "it was told to leave before it stood")
        errors = self._ray.exceptions
        try:
            code, reason = self._ray.get(self._running)
        except errors.RuntimeEnvSetupError as error:
            return Ended("broken", f"what the agents need cannot be set up on a node: {_first_and_last_line(error)}")
        except errors.RayActorError as error:
            return Ended("died", f"its actor died: {first_lines(error)}")
        except errors.RayTaskError as error:
            cause = error.cause
            kind = "" if isinstance(cause, SwathError) else f"{type(cause).__name__}: "
            return Ended("died", f"it failed: {kind}{first_lines(cause)}")
        except errors.RayError as error:
            return Ended("died", f"Ray lost it: {first_lines(error)}")
        return Ended(fate_of(code), reason, code)

    @property
    def stands(self) -> bool:
        """Whether the agent has begun to work."""
        return self._standing is None

    def drain(self) -> None:
        self.leaves = True
        if not self._dismiss():
            self._actor.drain.remote()

    def abort(self) -> None:
        if not self._dismiss():
            self._actor.abort.remote()

    def kill(self) -> None:
        """The trial's processes are in a group of their own and would outlive the actor's."""
        if not self._dismiss() and not self._killed:
            self._killed = True
            self._ray.wait([self._actor.kill.remote()], timeout=KILL_S)
            self._ray.kill(self._actor)

    def _dismiss(self) -> bool:
        """End an actor that does not stand yet: it has no trial, and may wait for its place for ever."""
        if self._standing is not None and not self._is_ready(self._standing):
            self._dismissed = True
            self._ray.kill(self._actor)
        return self._dismissed

    def close(self) -> None:
        self._ray.kill(self._actor)
        if self._group is not None:
            self._ray.util.remove_placement_group(self._group)


def _first_and_last_line(error: BaseException) -> str:
    """Of a message around a traceback what was not possible, and why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(line[:400] for line in dict.fromkeys((lines[0], lines[-1])))


def first_lines(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3]) or type(error).__name__
