"""Runs trials whose ranks are on several machines: those of node 0 here, the others through a `Node` for each."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from swath.agents.executors.base import Execution
from swath.agents.executors.children import ChildExecutor
from swath.agents.executors.ranks import Place, free_port
from swath.agents.executors.supervised import KILL, REQUEST, TERMINATE, Wish
from swath.agents.protocol import Assignment, Chunk, Ending, Job, Outcome
from swath.agents.task import TaskError
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.context import TrialContext
from swath.tracking.errors import StoreCorrupt, SwathError
from swath.tracking.runlog.logfile import write_at

#: Between two looks at the other nodes.
_LOOK_S = 0.05
#: After a rank has failed: for so long others may be found to have died before it, which tells more.
_SETTLE_S = 1.0
#: How long the other nodes may take once one has followed a stop request.
_FOLLOW_S = 2.0


class NodeLost(SwathError):
    """A machine of a gang cannot be reached any more."""


@dataclass(frozen=True)
class Look:
    """What came from a node since the last look: bytes of its segments, and how its part ended once it has."""

    chunks: tuple[Chunk, ...] = ()
    outcome: Outcome | None = None


class Node(Protocol):
    """Another machine. No call but `prepare` blocks. Any of them may raise `NodeLost`."""

    name: str

    def prepare(self, job: Job) -> None:
        """Check that the job's task can run there. Raises `TaskError`."""
        ...

    def start(self, place: Place, assignment: Assignment, context: TrialContext) -> None:
        """Begin the part of an attempt that runs there."""
        ...

    def look(self) -> Look:
        """What came since; not called again once it told an outcome."""
        ...

    def end(self, level: int, reason: str, ending: Ending) -> None:
        """REQUEST, TERMINATE or KILL the part that runs there; nothing when none does."""
        ...


class NodesExecutor:
    """The `Executor` over `local` and the other `nodes`. `host` is this machine's address as they reach it.

    `on_lost` is called when a node was lost: no other trial can start then.
    """

    inline = False

    def __init__(
        self,
        local: ChildExecutor,
        nodes: Sequence[Node],
        host: str,
        on_lost: Callable[[str], None] = lambda why: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._local = local
        self._nodes = tuple(nodes)
        self._host = host
        self._on_lost = on_lost
        self._clock = clock
        local.spans_nodes = True

    def prepare(self, job: Job) -> None:
        wanted = job.gang.nodes if job.gang is not None else 1
        if wanted != len(self._nodes) + 1:
            raise TaskError(
                f"each trial runs on {wanted} nodes, and {len(self._nodes) + 1} were reserved for this agent",
                "launch the agents again: the sweep was edited since",
            )
        self._local.prepare(job)
        for node in self._nodes:
            node.prepare(job)

    def start(self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext) -> Execution:
        assert job.gang is not None
        first = Place(job.gang, 0, (self._host, free_port()))
        parts: list[_Part] = []
        for number, node in enumerate(self._nodes, 1):
            parts.append(part := _Part(node, run_dir))
            part.start(Place(job.gang, number, first.master), assignment, context)
        local = self._local.start_at(first, assignment, job, run_dir, context)
        return Spread(local, parts, self._on_lost, self._clock)

    def interrupt(self) -> None:
        self._local.interrupt()

    def close(self) -> None:
        self._local.close()


class _Part:
    """What runs on one other node. `asked`: it was told to end while it ran, so that its end tells nothing."""

    def __init__(self, node: Node, run_dir: Path) -> None:
        self.node = node
        self.outcome: Outcome | None = None
        self.lost = ""
        self.asked = False
        self._run_dir = run_dir

    @property
    def over(self) -> bool:
        return self.outcome is not None

    def start(self, place: Place, assignment: Assignment, context: TrialContext) -> None:
        with self._watched():
            self.node.start(place, assignment, msgspec.structs.replace(context, on_row=None))

    def look(self) -> None:
        with self._watched():
            seen = self.node.look()
            for chunk in seen.chunks:
                with contextlib.suppress(OSError, StoreCorrupt):  # a full disk costs records, never the trial
                    write_at(self._run_dir / chunk.segment, chunk.offset, chunk.data)
            self.outcome = seen.outcome

    def end(self, level: int, reason: str, ending: Ending) -> None:
        if not self.over:
            with self._watched():
                self.node.end(level, reason, ending)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except NodeLost as error:
            self.lost = f"node {self.node.name} was lost: {error.message}"
            self.outcome = Outcome("crashed", error=self.lost)
        except SwathError as error:
            self.outcome = Outcome("failed", error=f"on node {self.node.name}: {error}")


class Spread:
    """The `Execution` of an attempt on several nodes. What ends a part for good ends all others."""

    def __init__(self, local: Execution, parts: Sequence[_Part], on_lost: Callable[[str], None], clock: Clock) -> None:
        self._local = local
        self._parts = tuple(parts)
        self._on_lost = on_lost
        self._clock = clock
        self._wish = Wish()
        self._outcome: Outcome | None = None
        self._fault: BaseException | None = None
        self._asked = False
        self._local_asked = False
        self._since: float | None = None
        self._followed = False
        self._over = threading.Event()

    @property
    def pids(self) -> tuple[int, ...]:
        return self._local.pids

    def stop(self, reason: str, ending: Ending = "stopped") -> None:
        self._wish.raise_to(REQUEST, reason, ending)
        self._end(REQUEST, reason, ending)

    def terminate(self, reason: str, ending: Ending = "killed") -> None:
        self._wish.raise_to(TERMINATE, reason, ending)
        self._end(TERMINATE, reason, ending)

    def kill(self, reason: str, ending: Ending = "killed") -> None:
        self._wish.raise_to(KILL, reason, ending)
        self._end(KILL, reason, ending)

    def interrupt(self) -> None:
        """The trial runs in other processes."""

    def _end(self, level: int, reason: str, ending: Ending) -> None:
        act = {REQUEST: self._local.stop, TERMINATE: self._local.terminate, KILL: self._local.kill}[level]
        act(reason, ending)
        for part in self._parts:
            part.end(level, reason, ending)

    def wait(self) -> Outcome:
        thread = threading.Thread(target=self._wait_here, name="swath-node-0", daemon=True)
        thread.start()
        try:
            while not self._look():
                self._judge()
                if self._over.wait(_LOOK_S):
                    self._clock.sleep(_LOOK_S)
        except BaseException:
            self._end(KILL, "its agent failed", "preempted")
            raise
        finally:
            thread.join()
        if self._fault is not None:
            raise self._fault
        return self._merged()

    def _wait_here(self) -> None:
        try:
            self._outcome = self._local.wait()
        except BaseException as error:
            self._fault = error
            self._outcome = Outcome("crashed", error=str(error))
        finally:
            self._over.set()

    def _look(self) -> bool:
        """Hear from all nodes that run; whether none does any more."""
        for part in self._parts:
            if not part.over:
                part.look()
                if part.lost:
                    self._on_lost(part.lost)
        return self._over.is_set() and all(part.over for part in self._parts)

    def _judge(self) -> None:
        """End what still runs, when one part has failed, or has followed a request that others may not hear of."""
        if self._wish.ending:
            if self._wish.level == REQUEST and self._some_over() and self._waited(_FOLLOW_S) and not self._followed:
                self._followed = True
                self._end(TERMINATE, self._wish.reason, self._wish.ending)
            return
        culprit = self._culprit()
        if culprit is None or self._asked:
            return
        if culprit.ending == "crashed" or self._waited(_SETTLE_S):
            self._asked, self._local_asked = True, not self._over.is_set()
            for part in self._parts:
                part.asked = not part.over
            self._end(TERMINATE, culprit.error.partition("\n")[0], culprit.ending)

    def _some_over(self) -> bool:
        return self._over.is_set() or any(part.over for part in self._parts)

    def _waited(self, seconds: float) -> bool:
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
        return now - self._since >= seconds

    def _culprit(self) -> Outcome | None:
        """How the part ended that failed by itself; one that crashed, or was lost, before others."""
        ended = [part.outcome for part in self._parts if part.outcome is not None and (part.lost or not part.asked)]
        if self._outcome is not None and not self._local_asked:
            ended.insert(0, self._outcome)
        bad = [outcome for outcome in ended if outcome.ending != "finished"]
        return min(bad, key=lambda outcome: outcome.ending != "crashed", default=None)

    def _merged(self) -> Outcome:
        assert self._outcome is not None
        wished = self._wish.ending
        if wished is not None:
            error = self._outcome.error or self._wish.reason
            return msgspec.structs.replace(self._outcome, ending=wished, error=error)
        return self._culprit() or self._outcome
