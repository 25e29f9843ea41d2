"""What the operating system is to the product: processes by number, orphans in run folders, ids, logging; simulated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swath.agents import pulse, strays
from swath.sweeps import losses, plan, workspace
from swath.sweeps.spec import SweepSpec, parse_spec
from swath.sweeps.testing.fleet.scheduler import Actor

_KNOWN: dict[str, SweepSpec] = {}


def parsed_once(data: Any, origin: str = "") -> SweepSpec:
    """As `parse_spec`, which always gives the same for the same."""
    text = repr(data)
    if text not in _KNOWN:
        if len(_KNOWN) > 1000:
            _KNOWN.clear()
        _KNOWN[text] = parse_spec(data, origin)
    return _KNOWN[text]


@dataclass
class Process:
    """A process of an agent: its threads live and die with it. Its training program may outlive it."""

    pid: int
    host: str
    actors: list[Actor] = field(default_factory=list)
    alive: bool = True

    def kill(self) -> None:
        """SIGKILL."""
        self.alive = False
        for actor in self.actors:
            actor.kill()

    def stop(self, until: float) -> None:
        """SIGSTOP, and SIGCONT then."""
        for actor in self.actors:
            actor.asleep_until = until

    def adopt(self, actor: Actor) -> None:
        """A new thread of this process."""
        self.actors.append(actor)
        if self.actors[0].asleep_until:
            actor.asleep_until = self.actors[0].asleep_until
        if not self.alive:
            actor.kill()


class Machine:
    """All hosts at once. `programs`: how to kill the training program of a run folder's attempt.

    While it is `frozen` nothing can be done to it.
    """

    def __init__(self, trace: Callable[..., None], host: str) -> None:
        self.trace = trace
        self.host = host
        self.processes: dict[int, Process] = {}
        self.programs: dict[tuple[str, int], Callable[[], None]] = {}
        self.frozen = False

    def process(self, host: str) -> Process:
        """A new process."""
        process = Process(len(self.processes) + 1, host)
        self.processes[process.pid] = process
        return process

    def is_gone(self, host: str, pid: int, started: float) -> bool:
        """As `liveness.is_gone`, for whoever asks on the store's host."""
        return host == self.host and not self.processes[pid].alive

    def reap_orphan(self, run_dir: Path, attempt: int) -> bool:
        """As `group.reap_orphan`: only what runs in a folder of the store can be found from there."""
        kill = None if self.frozen else self.programs.pop((str(run_dir), attempt), None)
        if kill is not None:
            kill()
        return kill is not None


@contextmanager
def on(machine: Machine) -> Iterator[None]:
    """The product's code sees this machine instead of the real one, and logs into the trace."""
    logger, handler = logging.getLogger("swath"), _Handler(machine.trace)
    simulated: list[tuple[Any, str, Any]] = [
        (losses, "is_gone", machine.is_gone),
        (losses, "reap_orphan", machine.reap_orphan),
        (losses, "this_host", lambda: machine.host),
        (pulse, "oom_counter", lambda: lambda: None),
        (strays, "reap", lambda: 0),
        (workspace, "new_id", lambda: "sim"),
        (plan, "parse_spec", parsed_once),  # a seed reads the same text twenty times
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in simulated]
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    for module, name, stand_in in simulated:
        setattr(module, name, stand_in)
    try:
        yield
    finally:
        for module, name, real in before:
            setattr(module, name, real)
        logger.removeHandler(handler)
        logger.propagate = propagate


class _Handler(logging.Handler):
    def __init__(self, trace: Callable[..., None]) -> None:
        super().__init__(logging.WARNING)
        self._trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        self._trace("log", record.getMessage())
