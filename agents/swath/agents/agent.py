"""The agent: takes trials from a source, runs each with an executor, and reports how it ended."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from swath.agents import strays
from swath.agents.causes import with_cause
from swath.agents.checkpoints import Carrier, Courier
from swath.agents.executors.base import Execution, Executor
from swath.agents.executors.unstarted import Nothing
from swath.agents.flapping import Flapping
from swath.agents.protocol import (
    AgentInfo,
    Assignment,
    Chunk,
    Job,
    Lease,
    Offer,
    Outcome,
    Over,
    TrialSource,
    Wait,
)
from swath.agents.pulse import Pulse
from swath.agents.shipment import Shipment, loads
from swath.agents.task import TaskError
from swath.tracking import layout
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.context import TrialContext
from swath.tracking.errors import LeaseLost, RetryLater, SwathError, TrialStopped

logger = logging.getLogger("swath.agents")
T = TypeVar("T")

#: How long a call is repeated that the source cannot answer: normally, and when the agent is on its way out.
_PATIENCE_S = 600.0
_LEAVING_PATIENCE_S = 20.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
#: A sleeping agent looks so often whether it should leave.
_SLICE_S = 0.05


@dataclass(frozen=True)
class AgentReport:
    """What an agent did: its trials by ending (`lost`: another attempt has them), and why it stopped.

    `broken` is true when it stopped because the program is broken; `reason` then holds the program's last lines.
    `aborted` is true when it was told to end at once, and not by whoever hands out the trials.
    """

    reason: str
    trials: Mapping[str, int] = field(default_factory=dict)
    broken: bool = False
    aborted: bool = False


class Agent:
    """Runs trials in the calling thread, one at a time.

    `drain` and `abort` may be called from any thread and from signal handlers. Logs are kept under the source's own run
    root when it is on this disk, else under `run_root` (a temporary folder when None) until they are delivered. Then
    `carrier` brings checkpoints to the source and back.
    """

    def __init__(
        self,
        source: TrialSource,
        executor: Executor,
        info: AgentInfo,
        *,
        clock: Clock = SYSTEM_CLOCK,
        run_root: Path | None = None,
        carrier: Carrier | None = None,
    ) -> None:
        self.info = info
        self._source = source
        self._executor = executor
        self._clock = clock
        self._run_root = run_root
        self._carrier = carrier
        self._pulse = Pulse(source, clock, self._dismiss)
        self._flapping = Flapping(clock)
        self._trials: Counter[str] = Counter()
        self._requests = 0
        self._execution: Execution | None = None
        self._leaving: str | None = None
        self._aborting = False
        self._dismissed = False
        self._broken: str | None = None
        self._watched: int | None = None
        self._home: Path | None = None
        self._spare: Path | None = None

    def run(self, count: int | None = None) -> AgentReport:
        """Run trials until the source has no more, `count` have ended here, or the agent is told to leave.

        Raises `NotFound` when there is no such sweep, `TaskError` when its task cannot run here, and `RetryLater` when
        the source stayed away for ten minutes. A trial that is held by then is given back.
        """
        strays.reap()
        job = self._patiently(lambda: self._source.join(self.info))
        reason = "the agent failed"
        try:
            self._prepare(job)
            with self._homed(job) as run_root, _frozen_heap():
                reason = self._serve(job, run_root, count)
        except SwathError as error:
            reason = error.message
            raise
        finally:
            self._say_goodbye(reason)
        aborted = self._aborting and not self._dismissed and reason == self._leaving
        return AgentReport(reason, dict(self._trials), self._broken is not None, aborted)

    def drain(self, reason: str = "the agent was asked to leave") -> None:
        """Finish the running trial, then leave."""
        self._leaving = self._leaving or reason

    def abort(self, reason: str = "the agent was stopped") -> None:
        """End the running trial (stop request, SIGTERM, SIGKILL), give it back as preempted, and leave."""
        self._leaving = self._leaving or reason
        self._aborting = True
        if self._execution is not None:
            self._execution.stop(reason, "preempted")

    def kill(self, reason: str = "the agent was killed") -> None:
        """As `abort`, with SIGKILL at once."""
        self.abort(reason)
        if self._execution is not None:
            self._execution.kill(reason, "preempted")

    def interrupt(self) -> None:
        """For signal handlers in the main thread, after `abort`: leave the user's code, a trial's or an import."""
        if self._execution is None:
            self._executor.interrupt()
        elif not self._pulse.delivering_here():
            self._execution.interrupt()

    def watch_parent(self, fd: int) -> None:
        """When the other end of the pipe `fd` closes, the launcher has died: kill the trial, give it back, leave."""
        self._watched = fd

    def _dismiss(self, reason: str) -> None:
        """The source asks the agent to give its trial back and to leave: nobody is wanted in its place."""
        self._dismissed = self._dismissed or not self._aborting
        self.abort(reason)

    def _orphaned(self) -> None:
        self.kill("the launcher of this agent has died")
        if self._executor.inline and callable(signal.getsignal(signal.SIGTERM)):
            os.kill(os.getpid(), signal.SIGTERM)

    def _prepare(self, job: Job) -> None:
        try:
            self._executor.prepare(job)
        except (TaskError, TrialStopped):
            if not self._aborting:  # else it failed because it was interrupted
                raise

    @contextlib.contextmanager
    def _homed(self, job: Job) -> Iterator[Path]:
        """The folder of run folders, with the pulse going."""
        root = Path(job.run_root) if job.run_root else self._run_root
        made = Path(tempfile.mkdtemp(prefix=strays.HOME_PREFIX)) if root is None else None
        self._home = made
        if self._watched is not None:
            self._pulse.watch(self._watched, self._orphaned)
        self._pulse.start(job)
        try:
            yield (root or made or Path()).absolute()
        finally:
            self._pulse.close()
            self._drop_spare()
            if made is not None:
                with contextlib.suppress(OSError):  # not empty: something was not delivered
                    made.rmdir()

    def _serve(self, job: Job, run_root: Path, count: int | None) -> str:
        offer: Offer | None = None
        while self._leaving is None:
            if offer is None:
                offer = self._acquire()
            if isinstance(offer, Over):
                return offer.reason
            if isinstance(offer, Wait):
                self._nap(offer.seconds)
                offer = None
                continue
            last = count is not None and self._trials.total() + 1 >= count
            offer = self._attempt(offer, job, run_root, last)
            if self._pulse.fault is not None:
                raise self._pulse.fault
            if self._broken is not None:
                return self._broken
            if last:
                return f"{count} trials have ended, as asked"
        return self._leaving

    def _attempt(self, assignment: Assignment, job: Job, run_root: Path, last: bool) -> Offer | None:
        """Run one trial to its end and report it; the next offer when one came with the answer."""
        lease = assignment.lease
        run_dir = run_root / layout.check_run_id(lease.run_id)
        context = self._context(assignment, job, run_dir)
        self._reuse_folder(run_dir)
        if lease.attempt > 1:
            strays.reap()
            if not self._fetched(lease, job, run_dir):
                return None
        self._flapping.begin()
        execution = self._executor.start(assignment, job, run_dir, context)
        self._execution = execution
        self._pulse.begin(lease, job, run_dir, execution)
        courier = self._courier(lease, job, run_dir)
        delivered = False
        try:
            if self._aborting:
                execution.stop(self._leaving or "", "preempted")
            with self._marked(execution, job, run_dir):
                outcome = execution.wait()
            delivered = self._last_checkpoint(courier, outcome, job)
        finally:
            if courier is not None:
                courier.give_up()
            self._execution = None
            beat = self._pulse.end()
        if beat.lost is not None:
            self._lost(lease, beat.lost)
            return None
        outcome = with_cause(outcome, self._pulse.oom_kills.rose, beat.hung)
        offer = self._finish(lease, outcome, beat.shipment, job, run_dir, last)
        if delivered:
            strays.drop_checkpoints(run_dir)
        return offer

    def _fetched(self, lease: Lease, job: Job, run_dir: Path) -> bool:
        """Bring the trial's checkpoint here, with the lease kept meanwhile; False when the lease was lost."""
        carrier = self._carrier
        if carrier is None or job.run_root:
            return True
        self._pulse.begin(lease, job, run_dir, Nothing())
        try:
            self._patiently(lambda: carrier.fetch(lease.run_id, run_dir))
        except RetryLater:
            if self._leaving is None:
                raise
            return False  # the trial is given back with the agent's goodbye
        finally:
            beat = self._pulse.end()
        if beat.lost is not None:
            self._lost(lease, beat.lost)
        return beat.lost is None

    def _courier(self, lease: Lease, job: Job, run_dir: Path) -> Courier | None:
        if self._carrier is None or job.run_root:
            return None
        courier = Courier(self._carrier, lease, run_dir, self._pulse.flush, self._clock)
        courier.start()
        return courier

    def _last_checkpoint(self, courier: Courier | None, outcome: Outcome, job: Job) -> bool:
        """See the attempt's last checkpoint off, where another attempt may need it; whether it is of no use here."""
        if courier is None:
            return False
        self._pulse.over()
        needed = outcome.ending != "finished" or job.decides
        if not needed:
            return True
        return courier.finish(lambda: _PATIENCE_S if self._leaving is None else _LEAVING_PATIENCE_S)

    def _marked(self, execution: Execution, job: Job, run_dir: Path) -> contextlib.AbstractContextManager[None]:
        """Where the source cannot see the run's folder, other agents here shall know what to end if this one dies."""
        if job.run_root:
            return contextlib.nullcontext()
        return strays.marked(execution.pids, run_dir, self._home)

    def _context(self, assignment: Assignment, job: Job, run_dir: Path) -> TrialContext:
        inline = self._executor.inline
        on_row: Callable[[dict[str, Any]], None] | None = None
        if inline and job.decides:
            metric, beat = job.metric, self._pulse.beat

            def on_row(row: dict[str, Any]) -> None:
                if metric is None or metric in row:
                    beat()

        return TrialContext(
            run_id=assignment.lease.run_id,
            attempt=assignment.lease.attempt,
            sweep_id=job.sweep_id,
            run_dir=run_dir,
            name=assignment.name,
            project=job.project,
            config=assignment.config,
            capture_console=inline,
            on_row=on_row,
        )

    def _finish(
        self, lease: Lease, outcome: Outcome, shipment: Shipment, job: Job, run_dir: Path, last: bool
    ) -> Offer | None:
        self._broken = self._flapping.ended(outcome)
        more = not last and self._leaving is None and self._broken is None
        request = self._next_request() if more else None
        chunks = self._deliver_all_but_last(lease, shipment)
        if chunks is None:
            return None
        try:
            offer = self._patiently(lambda: self._source.finish(lease, outcome, chunks, request))
        except LeaseLost as error:
            self._lost(lease, error.message)
            return None
        self._trials[outcome.ending] += 1
        if not job.run_root:
            self._put_away(run_dir, lease.attempt)
        return offer

    def _put_away(self, run_dir: Path, attempt: int) -> None:
        """Delivered logs are not kept. The folder is, for the next trial: to remove one costs more than its log."""
        shutil.rmtree(layout.blobs_root(run_dir), ignore_errors=True)
        if strays.clear(run_dir, f"{attempt:04d}"):
            self._drop_spare()
            self._spare = run_dir

    def _reuse_folder(self, run_dir: Path) -> None:
        if self._spare == run_dir:
            self._spare = None  # it is this trial's again, and will hold its log
        elif self._spare is not None and not run_dir.exists():
            with contextlib.suppress(OSError):
                self._spare.rename(run_dir)
                self._spare = None

    def _drop_spare(self) -> None:
        if self._spare is not None:
            with contextlib.suppress(OSError):
                self._spare.rmdir()
            self._spare = None

    def _deliver_all_but_last(self, lease: Lease, shipment: Shipment) -> list[Chunk] | None:
        """Report what does not fit one call; the last load is left for `finish`. None when the lease was lost."""
        chunks = shipment.pending()
        self._patiently(partial(shipment.keep_blobs, self._source, chunks))
        pending = list(loads(chunks))
        for load in pending[:-1]:
            try:
                self._patiently(partial(self._source.report, lease, load))
            except LeaseLost as error:
                self._lost(lease, error.message)
                return None
        return pending[-1] if pending else []

    def _lost(self, lease: Lease, why: str) -> None:
        self._trials["lost"] += 1
        logger.warning("attempt %d of %s was given up: %s", lease.attempt, lease.run_id, why)

    def _acquire(self) -> Offer:
        request = self._next_request()
        try:
            return self._patiently(lambda: self._source.acquire(self.info.id, request), needed=False)
        except RetryLater:
            if self._leaving is None:
                raise
            return Over(self._leaving)

    def _next_request(self) -> str:
        self._requests += 1
        return f"{self.info.id}-{self._requests}"

    def _patiently(self, call: Callable[[], T], *, needed: bool = True) -> T:
        """Repeat a call that the source cannot answer now, with growing pauses, for as long as there is patience.

        Raises the last `RetryLater` then; at once when the agent leaves and the answer is not `needed` any more.
        """
        pause = _FIRST_PAUSE_S
        began = self._clock.monotonic()
        while True:
            try:
                return call()
            except RetryLater as error:
                patience = _PATIENCE_S if self._leaving is None else _LEAVING_PATIENCE_S if needed else 0.0
                if self._clock.monotonic() - began > patience:
                    raise
                logger.info("asking again in %.1f s: %s", pause, error.message)
            self._nap(pause, even_leaving=needed)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _nap(self, seconds: float, even_leaving: bool = False) -> None:
        """Sleep in slices: a signal handler cannot wake this thread safely, but it can set what is looked at."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0 and (even_leaving or self._leaving is None):
            self._clock.sleep(min(left, _SLICE_S))

    def _say_goodbye(self, reason: str) -> None:
        self._leaving = self._leaving or reason
        self._executor.close()
        try:
            self._patiently(lambda: self._source.leave(self.info.id, reason))
        except SwathError as error:
            logger.warning("could not say goodbye (the lease will run out by itself): %s", error.message)


@contextlib.contextmanager
def _frozen_heap() -> Iterator[None]:
    """Let garbage collections pass over all that was imported before: they took a tenth of a short trial's time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def install_signals(agent: Agent) -> Callable[[], None]:
    """Let signals end `agent`: SIGINT drains it, a second one aborts it, a third kills its trial; SIGTERM aborts it.

    Main thread only. Returns a function that puts the former handlers back.
    """
    seen = 0

    def on_int(number: int, frame: object) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            agent.drain("interrupted; the running trial was finished first")
            return
        (agent.abort if seen == 2 else agent.kill)("interrupted")
        agent.interrupt()

    def on_term(number: int, frame: object) -> None:
        agent.abort("the agent got SIGTERM")
        agent.interrupt()

    former = {
        signal.SIGINT: signal.signal(signal.SIGINT, on_int),
        signal.SIGTERM: signal.signal(signal.SIGTERM, on_term),
    }

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    return restore
