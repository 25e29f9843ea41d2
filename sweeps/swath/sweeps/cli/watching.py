"""What the verb watch does: shows a sweep that others run, until it is over."""

from __future__ import annotations

import msgspec
import typer

from swath.sweeps.cli import outcome
from swath.sweeps.cli.frame import INTERRUPTED, complain, quit_with
from swath.sweeps.cli.observers import Lines, Picture
from swath.sweeps.cli.report import say_result
from swath.sweeps.cli.styles import console
from swath.sweeps.fronts import front_of
from swath.sweeps.running import Following
from swath.sweeps.states import TrialState
from swath.sweeps.workspace import Workspace
from swath.tracking.clock import SYSTEM_CLOCK


def watch(prefix: str, as_json: bool) -> None:
    """Follow the sweep; its outcome is the exit code. Ctrl-C ends the watching only."""
    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(prefix)
        following = Following(workspace, sweep_id)
        try:
            if as_json:
                _print_events(following)
                return
            _look_on(workspace, sweep_id, following)
        except KeyboardInterrupt:
            quit_with(INTERRUPTED)
        view = workspace.show(sweep_id)
        spent = (view.ended or SYSTEM_CLOCK.now()) - (view.started or view.created)
        spec = workspace.spec(sweep_id)
        front = front_of(workspace.trials(sweep_id), spec.metrics) if spec.metrics else None
        say_result(console(), view, spec, spent, front)
        failed = workspace.trials(sweep_id, TrialState.FAILED)
    end = outcome.conclude(view, lambda: failed[-1] if failed else None)
    if end.code:
        complain(end.message, end.hint)
        quit_with(end.code)


def _print_events(following: Following) -> None:
    for events in following.rounds():
        for event in events:
            typer.echo(msgspec.json.encode(event).decode())


def _look_on(workspace: Workspace, sweep_id: str, following: Following) -> None:
    out, view = console(), workspace.show(sweep_id)
    observer = Picture(out, workspace, view) if out.is_terminal else Lines(out, workspace, view)
    with observer:
        for events in following.rounds():
            observer.events(events)
            observer.tick(following.view, following.agents())
