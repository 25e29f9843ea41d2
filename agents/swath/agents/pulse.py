"""The agent's pulse: the thread that delivers a running trial's new bytes and carries out the verdicts.

The agent's main thread says `begin` and `end`; between them the pulse reports. It holds its lock while a report is on
its way, so that `end` and an inline trial's own `beat` never report at the same time as the thread does.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from swath.agents.causes import OomKills, Silence
from swath.agents.executors.base import Execution
from swath.agents.protocol import Chunk, Job, Lease, TrialSource, Verdict
from swath.agents.shipment import Shipment, loads
from swath.tracking.clock import Clock
from swath.tracking.errors import LeaseLost, RetryLater
from swath.tracking.surroundings.cgroups import oom_counter

logger = logging.getLogger("swath.agents")

#: Between two looks at the logs of a running trial, where reports can stop it early and where they cannot.
EAGER_S = 0.05
EASY_S = 0.25
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class Beat:
    """One attempt under the pulse: its lease, its shipment, when it was last heard of, and whether it hangs."""

    def __init__(self, lease: Lease, job: Job, run_dir: Path, execution: Execution, now: float) -> None:
        self.lease = lease
        self.lease_s = job.lease_s
        self.shipment = Shipment(run_dir, lease.attempt)
        self.execution = execution
        self.renewed = now
        self.not_before = 0.0
        self.pause = 0.0
        self.lost: str | None = None
        self.verdict = Verdict()
        hang_after = job.hang_after_s
        self.silence = Silence(run_dir, lease.attempt, hang_after, now) if hang_after is not None else None
        self.hung = False


class Pulse:
    """Reports on one attempt at a time. A report that fails for reasons nobody foresaw ends the attempt and is kept in
    `fault` for the agent's main thread to raise: the pulse never stops in silence.
    """

    def __init__(self, source: TrialSource, clock: Clock, on_leave: Callable[[str], None]) -> None:
        self._source = source
        self._on_leave = on_leave
        self._clock = clock
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._interval = EASY_S
        self._beat: Beat | None = None
        self._thread = threading.Thread(target=self._run, name="swath-pulse", daemon=True)
        self._watched: tuple[int, Callable[[], None]] | None = None
        self.fault: Exception | None = None
        self.oom_kills = OomKills(oom_counter(), clock)
        self._delivering_in: int | None = None

    def start(self, job: Job) -> None:
        self._interval = min(EAGER_S if job.decides else EASY_S, job.lease_s / 3)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def begin(self, lease: Lease, job: Job, run_dir: Path, execution: Execution) -> None:
        """Report on this attempt from now on."""
        self._beat = Beat(lease, job, run_dir, execution, self._clock.monotonic())

    def end(self) -> Beat:
        """Report on it no more; what was not delivered is left to the caller."""
        with self._lock:
            beat, self._beat = self._beat, None
        assert beat is not None
        return beat

    def beat(self) -> None:
        """Deliver what there is now and carry out the verdict, before this call returns."""
        with self._lock:
            if self._beat is not None:
                self._tick(self._beat)

    def flush(self) -> bool:
        """Deliver what there is now; whether all of it was taken."""
        with self._lock:
            beat = self._beat
            if beat is None or self._clock.monotonic() < beat.not_before:
                return False
            self._tick(beat)
            return not beat.pause and beat.lost is None

    def over(self) -> None:
        """The attempt has ended: its silence means nothing any more, while its lease is still kept."""
        beat = self._beat
        if beat is not None:
            beat.silence = None

    def delivering_here(self) -> bool:
        """Whether the calling thread is inside the source now: a signal handler must not raise through it."""
        return self._delivering_in == threading.get_ident()

    def watch(self, fd: int, on_close: Callable[[], None]) -> None:
        """Call `on_close` once, from the pulse's thread, when the other end of the pipe `fd` is closed."""
        self._watched = (fd, on_close)

    def _run(self) -> None:
        while not self._closed.wait(self._interval):
            self._look_at_pipe()
            self.oom_kills.look()
            if self._beat is None:
                continue
            with self._lock:
                if self._beat is not None:
                    self._tick(self._beat)

    def _look_at_pipe(self) -> None:
        if self._watched is None:
            return
        fd, on_close = self._watched
        if select.select([fd], [], [], 0)[0] and not os.read(fd, 64):
            self._watched = None
            on_close()

    def _tick(self, beat: Beat) -> None:
        try:
            self._deliver(beat, self._clock.monotonic())
            self._listen(beat, self._clock.monotonic())
        except Exception as error:
            self.fault = error
            beat.lost = f"reporting failed: {type(error).__name__}: {error}"
            beat.execution.terminate(beat.lost, "preempted")

    def _deliver(self, beat: Beat, now: float) -> None:
        """Report when there is something new or the lease wants renewing; bytes not taken now are sent later."""
        if beat.lost is not None or now < beat.not_before:
            return
        chunks = beat.shipment.pending()
        if not chunks and now - beat.renewed < beat.lease_s / 3:
            return
        self._delivering_in = threading.get_ident()
        try:
            beat.shipment.keep_blobs(self._source, chunks)
            for load in list(loads(chunks)) or [[]]:
                self._report(beat, load)
            beat.pause = 0.0
        except RetryLater as error:
            beat.pause = min(max(_FIRST_PAUSE_S, 2 * beat.pause), _LONGEST_PAUSE_S)
            beat.not_before = now + beat.pause
            logger.info("report on %s postponed for %.1f s: %s", beat.lease.run_id, beat.pause, error.message)
        except LeaseLost as error:
            beat.lost = error.message
            beat.execution.kill(f"another attempt has the trial: {error.message}")
        finally:
            self._delivering_in = None

    def _listen(self, beat: Beat, now: float) -> None:
        """End an attempt that hangs, unless it is being ended anyway."""
        if beat.silence is None or beat.hung or beat.lost is not None or beat.verdict.action != "continue":
            return
        if beat.silence.lasts(now):
            beat.hung = True
            silent = f"no report and no output for {beat.silence.hang_after_s:g} s"
            beat.execution.terminate(f"{silent}: the program hangs", "crashed")

    def _report(self, beat: Beat, load: Sequence[Chunk]) -> None:
        verdict = self._source.report(beat.lease, load)
        beat.shipment.delivered(load)
        beat.renewed = self._clock.monotonic()
        if verdict.action != "continue" and beat.verdict.action != verdict.action:
            beat.verdict = verdict
            self._carry_out(beat.execution, verdict)

    def _carry_out(self, execution: Execution, verdict: Verdict) -> None:
        if verdict.action == "stop":
            execution.stop(verdict.reason)
        elif verdict.action == "leave":
            self._on_leave(verdict.reason)
        else:
            execution.terminate(verdict.reason)
