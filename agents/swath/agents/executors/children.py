"""What the executors that start child processes have in common: one child for an attempt, or one for each rank."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import msgspec

from swath.agents.environment import child_environment
from swath.agents.executors.base import Execution
from swath.agents.executors.member import Born, discard
from swath.agents.executors.output import echo_with
from swath.agents.executors.ranks import Place, check_one_node, here
from swath.agents.executors.server import WarmServer
from swath.agents.executors.supervised import Wake, supervise
from swath.agents.executors.unstarted import NotStarted
from swath.agents.protocol import Assignment, Job
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.context import TrialContext
from swath.tracking.errors import SwathError

Birth = Callable[[], Born]
"""Starts a child that everything is ready for. Raises `OSError`, `EOFError` or `SwathError`."""


class ChildExecutor(ABC):
    """An `Executor` of child processes. With `echo`, each line of output is printed here too, after the trial's name.

    A subclass says how a child is born; one that forks children keeps the process they are forked from in `_server`.
    """

    inline = False

    def __init__(self, clock: Clock = SYSTEM_CLOCK, echo: bool = False) -> None:
        self._clock = clock
        self._echo = echo
        self._wake = Wake()
        self._server: WarmServer | None = None
        self.spans_nodes = False

    def prepare(self, job: Job) -> None:
        if not self.spans_nodes:
            check_one_node(job)

    def start(self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext) -> Execution:
        return self.start_at(here(job.gang) if job.gang is not None else None, assignment, job, run_dir, context)

    def start_at(
        self, place: Place | None, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext
    ) -> Execution:
        """Begin an attempt, or the part of it that runs at `place`. All ranks of that part start, or none does."""
        attempt, writer = assignment.lease.attempt, place.writer if place is not None else "agent"
        born: list[tuple[int, Born]] = []
        try:
            for rank, birth in self._births(place, assignment, job, run_dir, context):
                born.append((rank, birth()))
        except (OSError, EOFError, SwathError) as error:
            for _, each in born:
                discard(each)
            message = f"could not start {job.task.describe()}: {error}"
            return NotStarted(message, run_dir, attempt, self._clock, writer)
        echo = echo_with(f"[{assignment.name}] ") if self._echo else None
        return supervise(born, run_dir, attempt, job.grace_s, self._clock, self._woken(), echo, writer)

    def _births(
        self, place: Place | None, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext
    ) -> list[tuple[int, Birth]]:
        """All is written and worked out before the first child runs, which may read it at once."""
        base = child_environment(context)
        if place is None:
            return [(0, self._birth(assignment, job, run_dir, context, base))]
        births = []
        for rank in place.ranks:
            each = msgspec.structs.replace(context, rank=rank)
            births.append((rank, self._birth(assignment, job, run_dir, each, base | place.environment(rank))))
        return births

    @abstractmethod
    def _birth(
        self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext, environment: dict[str, str]
    ) -> Birth:
        """What starts one child with this environment."""

    def _woken(self) -> Wake:
        if not self._wake.open:
            self._wake = Wake()
        return self._wake

    def interrupt(self) -> None:
        if self._server is not None:
            self._server.give_up()

    def close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def close(self) -> None:
        self.close_server()
        self._wake.close()
