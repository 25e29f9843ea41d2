"""The agent as it lives inside a Ray actor, on whatever node; does not import ray, and is plain Python on its own."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from swath.agents.agent import Agent
from swath.agents.executors.base import Executor
from swath.agents.executors.choice import executor_for
from swath.agents.executors.group import descendants, kill_all
from swath.agents.http_source import HttpSource
from swath.agents.launchers.base import BAD_USAGE, BROKEN_PROGRAM, DONE, TERMINATED
from swath.agents.launchers.carried import CarriedSource
from swath.agents.protocol import AgentInfo, Job
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.errors import SpecError, UsageError
from swath.tracking.host import this_host
from swath.tracking.runs.names import new_id


@dataclass(frozen=True)
class ActorSettings:
    """What an actor is made with: the sweep's server, and how and where to run its trials.

    `executor` is process, inline, or None for the default. `cwd` is the folder of whoever launched. `carried`: the
    folder of the launcher's that was sent along, and is the one that the actor begins in. `memory`: the bytes that the
    actor has reserved for its trials, and `most` what one could reserve; None: none.
    """

    url: str
    token: str
    sweep_id: str
    executor: str | None = None
    cwd: str | None = None
    carried: str | None = None
    memory: int | None = None
    most: int | None = None


class RayAgent:
    """`run` blocks until the agent is done; the other methods answer beside it, so the actor needs several threads."""

    def __init__(self, settings: ActorSettings, name: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._settings = settings
        self._clock = clock
        self._source = _source_of(settings)
        self._info = AgentInfo(
            new_id(), f"{this_host()}-{name}", this_host(), os.getpid(), clock.now(), "ray",
            memory=settings.memory, most=settings.most,
        )  # fmt: skip
        self._agent: Agent | None = None
        self._leaving: list[str] = []
        if settings.carried is None:
            enter(settings.cwd)

    def ping(self) -> str:
        """Where the agent lives, for people."""
        return f"process {os.getpid()} on {this_host()}"

    def run(self) -> tuple[int, str]:
        """Run trials until there are no more; the exit code that an agent process would have, and the reason."""
        try:
            with self._source:
                job = self._source.join(self._info)
                agent = Agent(self._source, self._executor(job), self._info, carrier=self._source.carrier)
                self._agent = agent
                for wish in self._leaving:
                    getattr(agent, wish)()
                report = agent.run()
        except (UsageError, SpecError) as error:
            return BAD_USAGE, str(error)
        if report.aborted:
            return TERMINATED, report.reason
        return (BROKEN_PROGRAM if report.broken else DONE), report.reason

    def _executor(self, job: Job) -> Executor:
        return executor_for(job.task, self._settings.executor)

    def drain(self) -> None:
        self._wish("drain")

    def abort(self) -> None:
        self._wish("abort")

    def kill(self) -> None:
        """End the trial's processes, all before this returns: the actor's own process is killed next."""
        self._wish("kill")
        kill_all(descendants(os.getpid()))

    def _wish(self, wish: str) -> None:
        self._leaving.append(wish)
        if self._agent is not None:
            getattr(self._agent, wish)()


def _source_of(settings: ActorSettings) -> HttpSource:
    if settings.carried is None:
        return HttpSource(settings.url, settings.token, settings.sweep_id)
    return CarriedSource(settings.url, settings.token, settings.sweep_id, settings.carried, os.getcwd())


def enter(folder: str | None) -> None:
    """Work in the launcher's folder where this node has it, and import from there as the launcher would."""
    if folder is None or not Path(folder).is_dir():
        return
    os.chdir(folder)
    if folder not in sys.path:
        sys.path.insert(0, folder)
