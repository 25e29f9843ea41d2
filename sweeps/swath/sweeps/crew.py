"""Chooses where the agents of a sweep run, how many there are and what each gets; the launchers start them."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from swath.agents.environment import inherited
from swath.agents.executors.choice import check_executor
from swath.agents.launchers.base import Launcher
from swath.agents.launchers.local import LocalLauncher, Seat
from swath.agents.launchers.ray_options import RayOptions, Resources
from swath.agents.protocol import Needs
from swath.agents.slots import check_custom, environments, most_slots
from swath.sweeps.fleets import Fleet, InlineFleet, LauncherFleet, make_agent
from swath.sweeps.plan import folder_of, needs_of
from swath.sweeps.spec import Resources as SpecResources
from swath.sweeps.workspace import Workspace
from swath.tracking.errors import UsageError
from swath.tracking.settings import Settings
from swath.tracking.surroundings.machine import Room, room

PLACES = ("local", "ray")
#: As many agents as there is room for.
AUTO = "auto"


@dataclass(frozen=True)
class Crew:
    """The agents to be: a fleet, how many (None: that changes), and what it is for people.

    `in_this_process`: trials run in this very process.
    """

    fleet: Fleet
    agents: int | None
    where: str
    in_this_process: bool = False

    def describe(self) -> str:
        """`2 agents, local processes`."""
        if self.agents is None:
            return f"as many agents as there is room for, {self.where}"
        return f"{self.agents} {'agent' if self.agents == 1 else 'agents'}, {self.where}"


def crew_for(
    workspace: Workspace,
    sweep_id: str,
    *,
    agents: int | str | None = None,
    on: str | None = None,
    executor: str | None = None,
    address: str | None = None,
    cpu: float | None = None,
    gpu: float | None = None,
    ray: RayOptions | None = None,
    has: Mapping[str, float] | None = None,
    function: Callable[..., Any] | None = None,
) -> Crew:
    """The crew that the options ask for; what is left open the spec says.

    `function` is the one that the sweep was made of, when this process has it: one inline agent then calls it here.
    `has`: how much this machine has of the resources that the user names.
    """
    spec = workspace.spec(sweep_id)
    follow, count = agents == AUTO, (agents if isinstance(agents, int) else None) or spec.agents or 1
    if isinstance(agents, str) and not follow:
        raise UsageError(f"agents={agents!r} is no number of agents", "write a number, or auto")
    address = address or Settings.from_environment().ray_address
    place = on or ("ray" if address or spec.resources.nodes > 1 else "local")
    if place not in PLACES:
        raise UsageError(f"agents cannot run on {place!r}", "use --on local or --on ray")
    if ray not in (None, RayOptions()) and place != "ray":
        raise UsageError("where agents go and what they find there is said of agents on Ray alone", "add --on ray")
    _check_ranks(spec.resources, place, executor, gpu)
    needs = needs_of(spec.resources, gpu)
    here = place == "local" or not address
    if follow and here:
        count = most_slots(needs, room_here(), has)
    if place == "local" or (has and here):
        check_custom(count * spec.resources.nodes, needs, has or {})
    elif has:
        raise UsageError(
            "--resource says what this machine has, and the agents are on a cluster",
            "its nodes say so themselves: ray start --resources='{\"licence\": 2}'",
        )
    if executor == "inline" and function is not None and place == "local" and count == 1:
        agent = make_agent(workspace.source(sweep_id), function=function, has=has)
        return Crew(InlineFleet(agent), 1, "in this process", in_this_process=True)
    if place == "ray":
        wanted = _Wanted(count, executor, address, cpu, gpu, ray or RayOptions(), follow)
        fleet = _ray_fleet(workspace, sweep_id, spec.resources, wanted)
        return Crew(fleet, None if follow else count, _ray_place(address))
    fleet = LauncherFleet(_local_launcher(workspace, sweep_id, count, executor, needs))
    return Crew(fleet, count, "local processes")


def room_here() -> Room:
    """What this machine has for agents."""
    settings = Settings.from_environment()
    return room(settings.gpus, settings.visible_devices)


def seats(count: int, needs: Needs) -> list[Seat]:
    """This machine divided among `count` agents. Raises `UsageError` where they need more GPUs than there are."""
    words = tuple(word for name, amount in needs.custom.items() for word in ("--resource", f"{name}={amount!r}"))
    return [Seat(variables, words) for variables in environments(count, needs, room_here(), inherited())]


def _check_ranks(asked: SpecResources, place: str, executor: str | None, gpu: float | None) -> None:
    """Raise `UsageError` for agents that could not run trials of several processes."""
    if asked.nodes > 1 and place == "local":
        raise UsageError(
            f"each trial runs on {asked.nodes} nodes, and local agents have this machine alone",
            "use --on ray with the --address of a cluster, or set resources.nodes to 1",
        )
    if asked.distributed and executor == "inline":
        raise UsageError(
            "trials of several processes cannot run inside an agent",
            "leave --executor inline out, or resources.processes",
        )
    if gpu is not None and asked.distributed and 0 < gpu < asked.per_node:
        raise UsageError(
            f"each trial starts {asked.per_node} processes on a node, and would have {gpu:g} GPUs there",
            f"use --gpu {asked.per_node}, or set resources.processes",
        )


@dataclass(frozen=True)
class _Wanted:
    """What was asked for of agents on Ray."""

    agents: int
    executor: str | None
    address: str | None
    cpu: float | None
    gpu: float | None
    ray: RayOptions
    follow: bool = False


def _local_launcher(workspace: Workspace, sweep_id: str, agents: int, executor: str | None, needs: Needs) -> Launcher:
    """Agents as `sweep agent` processes. `-P`: a file of the user's must not shadow a module of the agent's."""
    check_executor(executor)
    argv = [sys.executable, "-P", "-m", "swath.sweeps", "agent", sweep_id, "--quiet"]
    argv += ["--executor", executor] if executor else []
    env = inherited() | {"SWATH_DIR": str(workspace.root), "SWATH_URL": ""}  # empty: nor the server of `sweep login`
    return LocalLauncher(
        argv, agents, on_line=_log_of(workspace, sweep_id), env=env, progress=_progress(workspace, sweep_id),
        seats=seats(agents, needs),
    )  # fmt: skip


def _ray_fleet(workspace: Workspace, sweep_id: str, asked: SpecResources, wanted: _Wanted) -> LauncherFleet:
    """Agents on Ray, and the server that they ask: reachable from other machines only for a cluster."""
    from swath.agents.launchers.ray import RayLauncher, advertise_host
    from swath.agents.launchers.ray_actor import ActorSettings
    from swath.tracking.server import ServerThread, create_app

    token = secrets.token_urlsafe(24)
    host = advertise_host(wanted.address)
    app = create_app(token, workspace.routes(), alerts=workspace.alerts())
    server = ServerThread(app, "127.0.0.1" if wanted.address is None else "0.0.0.0")
    server.start()
    settings = ActorSettings(
        server.url_at(host), token, sweep_id, wanted.executor, os.getcwd(), _carried(workspace, sweep_id, wanted.ray)
    )
    resources = Resources(
        asked.cpu if wanted.cpu is None else wanted.cpu,
        asked.gpu if wanted.gpu is None else wanted.gpu,
        asked.memory,
        asked.custom,
        nodes=asked.nodes,
        packed=asked.placement == "pack",
    )
    launcher = RayLauncher(
        settings, wanted.agents, resources=resources, address=wanted.address, placed=wanted.ray,
        follow=wanted.follow, wanting=lambda: workspace.unplaced_memory(sweep_id),
        progress=_progress(workspace, sweep_id),
    )  # fmt: skip
    return LauncherFleet(launcher, server)


def _carried(workspace: Workspace, sweep_id: str, ray: RayOptions) -> str | None:
    """The folder of this machine that the agents find where they begin; an archive stands for the sweep's own one."""
    return ray.folder or (workspace.folder(sweep_id) if ray.working_dir else None)


def _ray_place(address: str | None) -> str:
    return f"on the Ray at {address}" if address else "on a Ray started here"


def _progress(workspace: Workspace, sweep_id: str) -> Callable[[], int]:
    """How many trials came to a good end so far."""

    def progress() -> int:
        counts = workspace.show(sweep_id).trials
        return counts.get("finished", 0) + counts.get("stopped", 0)

    return progress


def _log_of(workspace: Workspace, sweep_id: str) -> Callable[[str, str], None]:
    """Keeps what agents print (warnings and errors) in the sweep's folder, as far as the disk has room for it."""
    path = folder_of(workspace.root, sweep_id) / "agents.log"

    def on_line(agent: str, line: str) -> None:
        with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as file:
            file.write(f"{agent}: {line}\n")

    return on_line
