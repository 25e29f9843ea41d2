"""The product's agents on simulated time: `Agent` and `Pulse` as they are, with other clocks, locks and threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from swath.agents.agent import Agent, AgentReport
from swath.agents.executors.base import Executor
from swath.agents.protocol import AgentInfo, TrialSource
from swath.agents.pulse import Pulse
from swath.sweeps.testing.fleet.machine import Process
from swath.sweeps.testing.fleet.primitives import EPOCH, SimClock, SimEvent, SimLock, SimThread
from swath.sweeps.testing.fleet.scheduler import Scheduler
from swath.tracking.errors import RetryLater


class SimAgent(Agent):
    """The product's agent; only what its pulse waits with is other than usual."""

    def __init__(
        self, scheduler: Scheduler, process: Process, source: TrialSource, executor: Executor, clock: SimClock,
        run_root: Path,
    ) -> None:  # fmt: skip
        info = AgentInfo(f"agent-{process.pid}", "agent", process.host, process.pid, EPOCH + scheduler.now)
        super().__init__(source, executor, info, clock=clock, run_root=run_root)
        self._pulse = _SimPulse(scheduler, process, source, clock, self._dismiss)


class _SimPulse(Pulse):
    def __init__(
        self, scheduler: Scheduler, process: Process, source: TrialSource, clock: SimClock,
        on_leave: Callable[[str], None],
    ) -> None:  # fmt: skip
        super().__init__(source, clock, on_leave)
        self._lock = SimLock(scheduler)  # type: ignore[assignment]
        self._closed = SimEvent(scheduler, clock)  # type: ignore[assignment]
        self._thread = SimThread(scheduler, f"pulse-{process.pid}", self._run, process.adopt)  # type: ignore[assignment]


class Slot:
    """A place in the fleet: the agent that works there, and the next one when it is gone before the sweep is over."""

    def __init__(
        self, scheduler: Scheduler, hire: Callable[[Process], SimAgent], new_process: Callable[[], Process],
        is_over: Callable[[], bool], pause: Callable[[], float], trace: Callable[..., None],
    ) -> None:  # fmt: skip
        self._scheduler = scheduler
        self._hire = hire
        self._new_process = new_process
        self._is_over = is_over
        self._pause = pause
        self._trace = trace
        self.process: Process | None = None
        self.agent: SimAgent | None = None
        self.done = False
        self.start()

    def start(self) -> None:
        """Put a new agent into the slot, unless the sweep is over."""
        if self._is_over():
            self.done = True
            return
        process = self.process = self._new_process()
        self._trace("start", f"agent-{process.pid}")
        process.adopt(self._scheduler.spawn(f"agent-{process.pid}", lambda: self._work(process)))

    def kill(self) -> None:
        """SIGKILL to the agent; its training program goes on."""
        if self.process is not None and self.process.alive:
            self._trace("kill", f"agent-{self.process.pid}")
            self.process.kill()

    def _work(self, process: Process) -> None:
        self.agent = agent = self._hire(process)
        try:
            report: AgentReport | str = agent.run()
        except RetryLater as error:
            report = error.message
        finally:
            process.alive = False
            self.process = self.agent = None
            self._scheduler.after(self._pause(), self.start)
        reason = report if isinstance(report, str) else f"{report.reason} {dict(report.trials)}"
        self._trace("end", f"agent-{process.pid}", reason.splitlines()[0])
