"""The ranks of a trial on another node than its agent's, as a Ray actor there keeps them; does not import ray."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from pathlib import Path

import msgspec

from swath.agents import strays
from swath.agents.executors.base import Execution
from swath.agents.executors.children import ChildExecutor
from swath.agents.executors.choice import executor_for
from swath.agents.executors.group import descendants, kill_all
from swath.agents.executors.guard import Guard
from swath.agents.executors.nodes import Look, NodeLost
from swath.agents.executors.ranks import Place
from swath.agents.executors.supervised import KILL, REQUEST, TERMINATE
from swath.agents.http_source import HttpSource
from swath.agents.launchers.ray_actor import ActorSettings, enter
from swath.agents.protocol import Assignment, Ending, Job, Outcome
from swath.agents.shipment import Shipment, loads
from swath.agents.task import TaskError
from swath.tracking import layout
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.context import TrialContext
from swath.tracking.errors import RetryLater

#: How long a look waits for something new, in slices.
_WAIT_S = 0.25
_SLICE_S = 0.02


class RayRanks:
    """Starts ranks of one attempt at a time and hands their logs to whoever looks; its run folders are its own.

    Files that the ranks record go to the sweep's server from here. Several threads: `look` waits, `end` does not.
    """

    def __init__(self, settings: ActorSettings, clock: Clock = SYSTEM_CLOCK) -> None:
        self._settings = settings
        self._clock = clock
        self._source = HttpSource(settings.url, settings.token, settings.sweep_id)
        self._guard = Guard()
        self._job: Job | None = None
        self._executor: ChildExecutor | None = None
        self._running: _Running | None = None
        self._early: list[tuple[tuple[str, int], int, str, Ending]] = []
        self._lock = threading.Lock()
        enter(settings.cwd)

    def prepare(self, job: Job) -> None:
        """Load what trials need. Raises `TaskError` when they cannot run here."""
        strays.reap()
        executor = executor_for(job.task, self._settings.executor)
        if not isinstance(executor, ChildExecutor):
            raise TaskError("ranks cannot run inside an agent", "leave --executor inline out")
        executor.spans_nodes = True
        executor.prepare(job)
        self._job, self._executor = job, executor

    def start(self, place: Place, assignment: Assignment, context: TrialContext) -> None:
        """Begin the ranks of `place`, with the trial's checkpoint at hand where it has one."""
        assert self._job is not None
        assert self._executor is not None
        lease = assignment.lease
        home = Path(tempfile.mkdtemp(prefix=strays.HOME_PREFIX))
        run_dir = home / layout.check_run_id(lease.run_id)
        if lease.attempt > 1:
            self._fetch_checkpoint(lease.run_id, run_dir)
        context = msgspec.structs.replace(context, run_dir=run_dir)
        execution = self._executor.start_at(place, assignment, self._job, run_dir, context)
        key = (lease.run_id, lease.attempt)
        with self._lock:
            self._running = _Running(key, execution, run_dir, home, self._guard)
            early, self._early = self._early, []
        for of, level, reason, ending in early:
            if of == key:
                _end(execution, level, reason, ending)

    def _fetch_checkpoint(self, run_id: str, run_dir: Path) -> None:
        try:
            self._source.carrier.fetch(run_id, run_dir)
        except RetryLater as error:
            raise NodeLost(f"the checkpoint did not come there: {error.message}", error.hint) from error

    def look(self) -> Look:
        """What is new, or after a moment that there is nothing. The outcome comes when all else was delivered."""
        running = self._running
        assert running is not None
        until = self._clock.monotonic() + _WAIT_S
        while True:
            outcome = running.outcome
            chunks = running.shipment.pending()
            if chunks or outcome is not None or self._clock.monotonic() >= until:
                break
            self._clock.sleep(_SLICE_S)
        load = next(iter(loads(chunks)), [])
        running.shipment.keep_blobs(self._source, load)
        running.shipment.delivered(load)
        if outcome is None or len(load) < len(chunks):
            return Look(tuple(load))
        running.tidy()
        return Look(tuple(load), outcome)

    def end(self, key: tuple[str, int], level: int, reason: str, ending: Ending) -> None:
        """Request, terminate or kill the attempt `key`, now or when it starts."""
        with self._lock:
            running = self._running
            if running is None or running.key != key:
                self._early.append((key, level, reason, ending))
                return
        _end(running.execution, level, reason, ending)

    def kill(self) -> None:
        """End all ranks here, before this returns."""
        kill_all(descendants(os.getpid()))


class _Running:
    """One attempt's part: a thread waits for its end."""

    def __init__(self, key: tuple[str, int], execution: Execution, run_dir: Path, home: Path, guard: Guard) -> None:
        self.key = key
        self.execution = execution
        self.shipment = Shipment(run_dir, key[1])
        self.outcome: Outcome | None = None
        self._run_dir = run_dir
        self._home = home
        self._guard = guard
        threading.Thread(target=self._wait, name="swath-ranks", daemon=True).start()

    def _wait(self) -> None:
        try:
            pids = self.execution.pids
            with strays.marked(pids, self._run_dir, self._home), self._guard.over(pids):
                self.outcome = self.execution.wait()
        except BaseException as error:
            self.outcome = Outcome("crashed", error=f"{type(error).__name__}: {error}")
            raise

    def tidy(self) -> None:
        """What was delivered is not kept."""
        shutil.rmtree(layout.blobs_root(self._run_dir), ignore_errors=True)
        strays.drop_checkpoints(self._run_dir)
        strays.tidy(self._run_dir)
        with contextlib.suppress(OSError):  # not empty: the program left files
            self._home.rmdir()


def _end(execution: Execution, level: int, reason: str, ending: Ending) -> None:
    {REQUEST: execution.stop, TERMINATE: execution.terminate, KILL: execution.kill}[level](reason, ending)
