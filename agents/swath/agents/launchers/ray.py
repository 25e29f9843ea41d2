"""Agents as long-lived actors of a Ray, a local one or a cluster; the only file that imports ray, at first use."""

from __future__ import annotations

import ipaddress
import logging
import math
import os
import socket
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psutil

from swath.agents.environment import having
from swath.agents.executors.base import Executor
from swath.agents.executors.children import ChildExecutor
from swath.agents.executors.nodes import NodeLost, NodesExecutor
from swath.agents.launchers.base import TERMINATED, AgentEvent, Launcher, Worker
from swath.agents.launchers.following import Following, Node, room
from swath.agents.launchers.growing import Growing
from swath.agents.launchers.ray_actor import ActorSettings, RayAgent
from swath.agents.launchers.ray_nodes import RayNode, in_bundle, other_nodes, reserve
from swath.agents.launchers.ray_options import RayOptions, Resources
from swath.agents.launchers.ray_worker import KILL_S, RayWorker, first_lines
from swath.agents.protocol import Job
from swath.tracking.errors import UsageError

#: run, and beside it ping, drain, abort and kill.
THREADS = 4
#: Metrics travel over HTTP: Ray's object store is left at its smallest.
OBJECT_STORE = 80 * 1024 * 1024
#: How long the address of a cluster may take to answer.
CONNECT_S = 10.0


class RayLauncher(Launcher):
    """Runs agents as actors that ask the server at `settings.url` for trials.

    `address` is a cluster's ("auto", "host:port", "ray://host:port"); without one a Ray is started on this machine for
    as long as the launcher lives, with room for all agents. A Ray that this process is connected to already is used,
    and left as it is. swath must be installed on every node. `placed`: on which nodes, and with what.

    With `follow` there are as many agents as the nodes hold, whatever `agents` says: more where nodes come, fewer where
    they go. `wanting` tells how many bytes a trial waits for that no agent has: one with so much then takes the place
    of another.
    """

    def __init__(
        self,
        settings: ActorSettings,
        agents: int,
        *,
        resources: Resources | None = None,
        address: str | None = None,
        placed: RayOptions | None = None,
        patience_s: float = 10.0,
        wanting: Callable[[], int | None] = lambda: None,
        follow: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(agents, **options)
        self._settings = settings
        self._resources = resources or Resources()
        self._address = address
        self._placed = placed or RayOptions()
        self._wanting = wanting
        self._following = Following(self._clock, self._room) if follow else None
        self._growing = Growing(clock=self._clock, patience_s=patience_s)
        self._group: Any = None
        self._patience_s = patience_s
        self._ray: Any = None
        self._owns_ray = False
        self._actor_class: Any = None

    def start(self) -> None:
        self._ray = import_ray()
        if not self._ray.is_initialized():
            self._check_nodes()
            connect(self._ray, self._address, self._agents, self._resources, self._placed)
            self._owns_ray = True
        elif self._placed.folder is not None:
            told = "this process is connected to a Ray already, and a folder is sent with a new connection alone"
            raise UsageError(told, 'pass it to ray.init(runtime_env={"working_dir": ...}) instead')
        self._actor_class = self._ray.remote(RayAgent if self._resources.nodes == 1 else RayGangAgent)
        if self._following is not None:
            self._agents = max(1, self._following.step(0))
        self._placing = self._place() if self._resources.nodes == 1 else {}
        super().start()

    def poll(self, *, replace: bool = True) -> list[AgentEvent]:
        events = super().poll(replace=replace)
        if replace and not self._stopping and self._broken is None:
            workers = [worker for worker in self._workers if isinstance(worker, RayWorker)]
            step = self._growing.step(self._wanting, workers)
            for worker in step.leave:
                worker.drain()
            for amount in step.hire:
                self._workers.append(self._hire(self._next_name(), amount))
            self._follow(workers)
        return events

    def _follow(self, workers: list[RayWorker]) -> None:
        """Start agents on nodes that have come, and give those up that have no node to come to any more."""
        more = self._following.step(len(workers)) if self._following is not None else 0
        for _ in range(more):
            self._workers.append(self._hire(self._next_name()))
        waiting = [worker for worker in workers if not worker.stands and not worker.leaves]
        for worker in waiting[len(waiting) + more :] if more < 0 else []:
            worker.drain()

    def _room(self) -> int:
        """How many agents the nodes that are there hold."""
        labels = dict(self._placed.labels).items()
        nodes = [Node(node["Resources"], node.get("Labels") or {}) for node in self._ray.nodes() if node["Alive"]]
        return room([node for node in nodes if labels <= node.labels.items()], self._resources.bundle())

    def close(self) -> None:
        try:
            super().close()
            if self._group is not None:
                group, self._group = self._group, None
                self._ray.util.remove_placement_group(group)
        finally:
            if self._owns_ray:
                self._owns_ray = False
                self._ray.shutdown()

    def _check_nodes(self) -> None:
        wanted = self._resources
        if self._following is not None and (wanted.nodes > 1 or self._placed.strategy == "pack"):
            raise UsageError(
                "agents follow the nodes one by one, and these are reserved together",
                "say how many with --agents N, or leave --pack out",
            )
        if wanted.nodes > 1 and self._placed.folder is not None:
            raise UsageError(
                f"each trial runs on {wanted.nodes} nodes, and a working directory is sent to agents alone",
                "put the program where all nodes see it, or send an archive by its URI",
            )
        if self._address is None and wanted.nodes > 1 and not wanted.packed:
            raise UsageError(
                f"each trial runs on {wanted.nodes} nodes, and a Ray that is started here has one",
                "name a cluster with --address or RAY_ADDRESS, or let nodes share machines: resources.placement: pack",
            )

    def _options(self, resources: Resources) -> dict[str, Any]:
        environment = self._placed.of_agent()
        options = {**resources.options(), "max_concurrency": THREADS, "max_restarts": 0}
        return options | ({"runtime_env": environment} if environment else {})

    def _place(self) -> dict[str, Any]:
        """Where the agents go. Ray packs by groups alone: room for all of them is then held from the start."""
        labels = dict(self._placed.labels)
        if self._placed.strategy != "pack":
            spread = {"scheduling_strategy": "SPREAD"} if self._placed.strategy == "spread" else {}
            return spread | ({"label_selector": labels} if labels else {})
        bundle = self._resources.bundle()
        if not bundle:
            raise UsageError("agents that take nothing cannot be packed", "give them a share of a CPU: --cpu 0.1")
        self._group = self._ray.util.placement_group(
            [bundle] * self._agents, strategy="PACK", bundle_label_selector=[labels] * self._agents if labels else None
        )
        return {
            "scheduling_strategy": self._ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(self._group)
        }

    def _hire(self, name: str, memory: int | None = None) -> Worker:
        told_at = self._clock.monotonic() + self._patience_s
        wanted = self._resources if memory is None else replace(self._resources, memory=memory)
        settings = self._settings
        if wanted.memory is not None:
            settings = replace(settings, memory=wanted.memory, most=self._most())
        if wanted.nodes == 1:
            place = self._placing if memory is None or self._group is None else {}  # no bundle of a group is so big
            actor = self._actor_class.options(**self._options(wanted), **place).remote(settings, name)
            return RayWorker(name, self._ray, actor, wanted, self._clock, told_at)
        group = reserve(self._ray, wanted.bundle(), wanted.nodes, "PACK" if wanted.packed else "STRICT_SPREAD")
        options = self._options(wanted) | {"scheduling_strategy": in_bundle(self._ray, group, 0)}
        actor = self._actor_class.options(**options).remote(settings, name, wanted)
        return RayWorker(name, self._ray, actor, wanted, self._clock, told_at, group)

    def _most(self) -> int | None:
        """The most memory that an agent could have on a node that is there now."""
        amounts = [int(node["Resources"].get("memory", 0)) for node in self._ray.nodes() if node["Alive"]]
        return max(amounts, default=None)


class RayGangAgent(RayAgent):
    """An agent whose trials run on several nodes: those of the placement group that it was started in."""

    def __init__(self, settings: ActorSettings, name: str, resources: Resources) -> None:
        super().__init__(settings, name)
        self._resources = resources
        self._nodes: list[RayNode] = []
        self._lost = ""

    def run(self) -> tuple[int, str]:
        """As that of any agent. One that lost a node has died, so that another one gets a whole set of nodes."""
        try:
            code, reason = super().run()
        except NodeLost as error:
            self._lost, code, reason = str(error), TERMINATED, str(error)
        return (TERMINATED, self._lost) if self._lost else (code, reason)

    def _executor(self, job: Job) -> Executor:
        local = super()._executor(job)
        if not isinstance(local, ChildExecutor):
            return local
        ray = import_ray()
        self._nodes = other_nodes(ray, self._settings, {**self._resources.options(), "max_restarts": 0})
        return NodesExecutor(local, self._nodes, ray.util.get_node_ip_address(), self._lose)

    def _lose(self, why: str) -> None:
        self._lost = why
        self.drain()

    def kill(self) -> None:
        killed = [node.kill() for node in self._nodes]
        super().kill()
        if killed:
            import_ray().wait(killed, num_returns=len(killed), timeout=KILL_S / 2)


def advertise_host(address: str | None) -> str:
    """This machine's address as the nodes of the Ray at `address` reach it, for the agents' server."""
    if address is None:
        return "127.0.0.1"
    host = address.removeprefix("ray://").rpartition(":")[0].strip("[]")
    if not host or _is_loopback(host):
        found: str = import_ray().util.get_node_ip_address()
        return found
    return _address_towards(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address_towards(host: str) -> str:
    """The address that packets from here to `host` carry; none is sent."""
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, 1, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(target)
            found: str = probe.getsockname()[0]
            return found
    except OSError as error:
        raise UsageError(f"the Ray at {host!r} cannot be reached: {error}", "check the address") from error


def import_ray() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import ray
            import ray.exceptions
            import ray.util
            import ray.util.scheduling_strategies
        except ImportError as error:
            raise UsageError(
                f"Ray cannot be used here: {error}", "install it with: pip install ray, or run with --on local"
            ) from error
    return ray


def connect(ray: Any, address: str | None, agents: int, resources: Resources, placed: RayOptions) -> None:
    """Start a Ray on this machine, or connect to the one at `address`, without Ray's own noise."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if environment := placed.of_connection():
        quiet["runtime_env"] = environment
    where = f"the Ray at {address!r} cannot be reached" if address else "a Ray cannot be started here"
    try:
        _knock(address)
        with warnings.catch_warnings(), having("RAY_USAGE_STATS_ENABLED", "0"):
            warnings.simplefilter("ignore")
            if address is None:
                ray.init(address="local", **_room_for(agents, resources), **quiet)
            else:
                ray.init(address=address, **quiet)
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        hint = "see if this works here: ray status --address ADDRESS; a cluster with tokens needs RAY_AUTH_MODE=token"
        if "ray[client]" in str(error):
            hint = 'an address with ray:// needs more of Ray, here and there: pip install "ray[client]"'
        raise UsageError(f"{where}: {first_lines(error)}", hint if address else "try --on local") from error


def _knock(address: str | None) -> None:
    """Raise `OSError` when nobody listens at host:port: Ray itself would try for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()


def _room_for(agents: int, resources: Resources) -> dict[str, Any]:
    """A Ray of our own holds all the agents that were asked for, as local processes would; CPUs may be shared."""
    agents *= resources.nodes
    cpus = max(os.cpu_count() or 1, math.ceil(agents * resources.cpu))
    room: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": OBJECT_STORE}
    if resources.custom:
        room["resources"] = {name: agents * amount for name, amount in resources.custom}
    if resources.memory:
        room["_memory"] = max(agents * resources.memory, psutil.virtual_memory().available // 2)
    return room
