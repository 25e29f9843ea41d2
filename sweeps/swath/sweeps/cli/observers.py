"""Who looks on while a sweep runs: as a live picture, as lines, or in silence. They only read and print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.text import Text

from swath.sweeps.cli import live
from swath.sweeps.cli.curves import Curves
from swath.sweeps.cli.lines import EventLines
from swath.sweeps.cli.roster import at_work
from swath.sweeps.space import SearchSpace
from swath.sweeps.states import TrialState
from swath.sweeps.views import AgentView, EventView, SweepView, TrialView
from swath.tracking.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from rich.console import Console

    from swath.sweeps.workspace import Workspace

#: Between two pictures.
REFRESH_S = 0.25
#: Between two looks at the agents.
CREW_S = 1.0


def searched_keys(workspace: Workspace, sweep_id: str) -> list[str]:
    """The parameters that differ between trials, with dots."""
    return [leaf.name for leaf in SearchSpace.from_parameters(workspace.spec(sweep_id).parameters).searched]


class Silence:
    """Prints nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""

    def events(self, events: Sequence[EventView]) -> None:
        """Nothing to say."""

    def note(self, message: str) -> None:
        """Nothing to say."""

    def tick(self, view: SweepView, agents: int) -> None:
        """Nothing to draw."""


class Lines(Silence):
    """Prints one line an event."""

    def __init__(self, out: Console, workspace: Workspace, view: SweepView) -> None:
        self._out = out
        self._lines = EventLines(
            view.metric, lambda run_id: workspace.trial(run_id).number, searched_keys(workspace, view.id)
        )

    def events(self, events: Sequence[EventView]) -> None:
        for event in events:
            line = self._lines.line(event)
            if line:
                self._out.print(Text(line), soft_wrap=True)

    def note(self, message: str) -> None:
        self._out.print(Text(message), soft_wrap=True)


class Picture(Silence):
    """Draws the live picture, a few times a second, and takes it away at the end."""

    def __init__(self, out: Console, workspace: Workspace, view: SweepView, clock: Clock = SYSTEM_CLOCK) -> None:
        self._out = out
        self._clock = clock
        self._snapshots = Snapshots(workspace, view, clock)
        self._notices: list[str] = []
        self._drawn = 0.0
        self._live = Live(console=out, auto_refresh=False, transient=True, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def events(self, events: Sequence[EventView]) -> None:
        for event in events:
            if event.kind == "sweep.warning":
                self.note(str(event.payload.get("message", "")))

    def note(self, message: str) -> None:
        self._notices.append(message)
        self._drawn = 0.0

    def tick(self, view: SweepView, agents: int) -> None:
        now = self._clock.monotonic()
        if now - self._drawn < REFRESH_S:
            return
        size = self._out.size
        # Two columns stay free: a terminal echoes Ctrl-C as ^C, which must not break the last line.
        screen = live.Screen(size.width - 2, size.height, self._out.options.ascii_only)
        snapshot = self._snapshots.take(view, agents, self._notices, screen.height)
        self._live.update(live.picture(snapshot, screen), refresh=True)
        self._drawn = self._clock.monotonic()


class Snapshots:
    """Reads what a picture shows."""

    def __init__(self, workspace: Workspace, view: SweepView, clock: Clock) -> None:
        self._workspace = workspace
        self._clock = clock
        self._id = view.id
        self._began = clock.monotonic()
        self._done_before = live.progress_counts(view)[0]
        self._keys = searched_keys(workspace, view.id)
        self._crew: list[AgentView] = []
        self._crew_seen = -math.inf
        self._curves = Curves(workspace.root, view.metric) if view.metric else None

    def take(self, view: SweepView, agents: int, notices: Sequence[str], height: int) -> live.Snapshot:
        """The present state of things; curves only for as many trials as fit."""
        elapsed = self._clock.monotonic() - self._began
        trials = self._workspace.trials(self._id, TrialState.RUNNING)
        if self._curves:
            self._curves.forget_all_but({(trial.run_id, trial.attempt) for trial in trials})
        drawn = [self._running(trial, at < height) for at, trial in enumerate(trials)]
        self._look_at_crew()
        return live.Snapshot(
            view, drawn, self._keys, elapsed, self._left(view, elapsed), agents, tuple(notices), self._crew,
            self._clock.now(),
        )  # fmt: skip

    def _look_at_crew(self) -> None:
        """Not with every picture: what agents did is counted over all trials."""
        now = self._clock.monotonic()
        if now - self._crew_seen >= CREW_S:
            self._crew = at_work(self._workspace.agents(self._id))
            self._crew_seen = self._clock.monotonic()

    def _running(self, trial: TrialView, with_curve: bool) -> live.RunningTrial:
        curve = self._curves.of(trial.run_id, trial.attempt) if self._curves and with_curve else []
        elapsed = max(self._clock.now() - (trial.started or self._clock.now()), 0.0)
        return live.RunningTrial(trial.number, trial.config, curve, elapsed, trial.attempt)

    def _left(self, view: SweepView, elapsed: float) -> float | None:
        """The time that the rest takes at the pace so far; None before the first trial has ended."""
        done, total = live.progress_counts(view)
        ended_here = done - self._done_before
        if total is None or ended_here < 1 or done >= total:
            return None
        return elapsed / ended_here * (total - done)
