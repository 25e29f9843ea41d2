"""The agents of one run of a sweep: what is asked of a fleet of them, and the fleets there are."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import msgspec

from swath.agents.agent import Agent, AgentReport
from swath.agents.checkpoints import Carrier
from swath.agents.executors.choice import check_executor, executor_for
from swath.agents.launchers.base import AgentEvent, Launcher
from swath.agents.protocol import AgentInfo, TrialSource
from swath.agents.slots import check_custom
from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.errors import UsageError
from swath.tracking.host import this_host
from swath.tracking.runs.names import new_id
from swath.tracking.surroundings.machine import memory_here

if TYPE_CHECKING:
    from swath.tracking.server import ServerThread


class Fleet(Protocol):
    """The agents of one run of a sweep. A context manager: none of them is left behind at its end."""

    @property
    def alive(self) -> int:
        """How many agents live."""
        ...

    @property
    def broken(self) -> str | None:
        """What an agent said that found the program to be broken."""
        ...

    def __enter__(self) -> Any: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def start(self) -> None:
        """Start the agents; may return before they have joined."""
        ...

    def check(self, wanted: bool) -> list[str]:
        """See to the agents, and replace those that died while `wanted`; what happened to them, for people."""
        ...

    def drain(self) -> None:
        """Let every agent finish its trial and leave."""
        ...

    def stop(self) -> None:
        """End the trials (they go back to the queue) and the agents."""
        ...

    def kill(self) -> None:
        """End everything at once."""
        ...


def make_agent(
    source: TrialSource,
    *,
    name: str | None = None,
    executor: str | None = None,
    function: Callable[..., Any] | None = None,
    echo: bool = False,
    has: Mapping[str, float] | None = None,
    pool: str = "",
    carrier: Carrier | None = None,
) -> Agent:
    """An agent in this process with the executor that the sweep's task asks for.

    `function` is called in this process instead of whatever the sweep names. The agent's `info.name` is the one that
    the sweep knows it by, which is not `name` where another agent has that one. `has`: what it has of the resources
    that the user names; raises `UsageError` where a trial needs more. Agents of one `pool` share this machine's memory.
    `carrier` brings checkpoints to a source that does not share this disk.
    """
    check_executor(executor)
    info = msgspec.structs.replace(new_info(name), pool=pool, memory=memory_here())
    job = source.join(info)
    try:
        check_custom(1, job.needs, has or {})
    except UsageError as error:
        source.leave(info.id, error.message)
        raise
    info = msgspec.structs.replace(info, name=job.agent_name or info.name)
    made = executor_for(job.task, executor, function=function, echo=echo)
    return Agent(source, made, info, carrier=carrier)


def new_info(name: str | None = None, kind: str = "local") -> AgentInfo:
    """A new agent's facts. Its name is for people: `host-pid` unless one is given."""
    host, pid = this_host(), os.getpid()
    return AgentInfo(new_id(), name or f"{host}-{pid}", host, pid, SYSTEM_CLOCK.now(), kind)


class LauncherFleet:
    """The agents of a launcher; `server`, when there is one, is where they ask for trials, and lives as long."""

    def __init__(self, launcher: Launcher, server: ServerThread | None = None) -> None:
        self._launcher = launcher
        self._server = server

    @property
    def alive(self) -> int:
        return self._launcher.alive

    @property
    def broken(self) -> str | None:
        return self._launcher.broken

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._launcher.close()
        finally:
            if self._server is not None:
                self._server.stop()

    def start(self) -> None:
        self._launcher.start()

    def check(self, wanted: bool) -> list[str]:
        return [said for event in self._launcher.poll(replace=wanted) if (said := _say(event))]

    def drain(self) -> None:
        self._launcher.stop()

    def stop(self) -> None:
        self._launcher.stop(graceful=False)

    def kill(self) -> None:
        self._launcher.kill()


def _say(event: AgentEvent) -> str:
    """What is worth telling of an agent beside the sweep's own events."""
    if event.kind == "waiting":
        return f"{event.agent} waits for its place: {event.reason}"
    if event.kind == "replaced":
        return f"{event.agent} died ({_gist(event.reason)}) and was replaced by {event.successor}"
    return ""


def _gist(reason: str) -> str:
    """The last line of an agent's last words; what it hints at was for somebody who had started it by hand."""
    lines = [line.strip() for line in reason.splitlines() if line.strip() and not line.lstrip().startswith("hint: ")]
    return lines[-1] if lines else "it said nothing"


class InlineFleet:
    """One agent in a thread of this process: for functions that are to be called right here."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._thread = threading.Thread(target=self._run, name="swath-agent", daemon=True)
        self._report: AgentReport | None = None
        self._error: BaseException | None = None

    @property
    def alive(self) -> int:
        return int(self._thread.is_alive())

    @property
    def broken(self) -> str | None:
        return self._report.reason if self._report is not None and self._report.broken else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the agent to leave, unless something failed here."""
        if self._thread.is_alive():
            self._agent.abort()
            self._thread.join(None if error is None else 5)

    def start(self) -> None:
        self._thread.start()

    def check(self, wanted: bool) -> list[str]:
        if not self._thread.is_alive() and self._error is not None:
            error, self._error = self._error, None
            raise error
        return []

    def drain(self) -> None:
        self._agent.drain("interrupted; the running trial was finished first")

    def stop(self) -> None:
        self._agent.abort("interrupted")

    def kill(self) -> None:
        self._agent.kill("interrupted")

    def _run(self) -> None:
        try:
            self._report = self._agent.run()
        except BaseException as error:
            self._error = error
