"""What the verb run does: makes a sweep, sets a crew of agents to it, looks on, and tells how it came out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from swath.agents.launchers.ray_options import RayOptions
from swath.sweeps.cli import outcome
from swath.sweeps.cli.creating import register
from swath.sweeps.cli.frame import FAILED, INTERRUPTED, complain, put_json, quit_with
from swath.sweeps.cli.observers import Lines, Picture, Silence
from swath.sweeps.cli.report import say_result
from swath.sweeps.cli.styles import console
from swath.sweeps.crew import Crew, crew_for
from swath.sweeps.fronts import front_of
from swath.sweeps.running import Ran, run_sweep
from swath.sweeps.states import TrialState
from swath.sweeps.workspace import Workspace
from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Options:
    """What `sweep run` was told."""

    agents: int | str | None = None
    on: str | None = None
    address: str | None = None
    executor: str | None = None
    cpu: float | None = None
    gpu: float | None = None
    resume: str | None = None
    as_json: bool = False
    quiet: bool = False
    ray: RayOptions | None = None
    has: Mapping[str, float] = field(default_factory=dict)


def run(spec: Path | None, options: Options) -> None:
    """The verb `run`, to its exit code."""
    if (spec is None) == (options.resume is None):
        raise UsageError(
            "give either a SPEC or --resume ID",
            "sweep run sweep.yaml makes a new sweep, --resume ID goes on with one",
        )
    with Workspace.open() as workspace:
        sweep_id = _resumed(workspace, options.resume) if options.resume else register(workspace, spec or Path())
        crew = crew_for(
            workspace, sweep_id, agents=options.agents, on=options.on, executor=options.executor,
            address=options.address, cpu=options.cpu, gpu=options.gpu, ray=options.ray,
            has=options.has,
        )  # fmt: skip
        code = attend(workspace, sweep_id, crew, options)
    if code:
        quit_with(code)


def _resumed(workspace: Workspace, prefix: str) -> str:
    sweep_id = workspace.resolve(prefix)
    workspace.revive(sweep_id)
    return sweep_id


def attend(workspace: Workspace, sweep_id: str, crew: Crew, options: Options) -> int:
    """Let the crew run the sweep, look on, say how it came out; the exit code."""
    clock, out = SYSTEM_CLOCK, console(stderr=options.as_json)
    began = clock.monotonic()
    if not options.quiet:
        _say_start(out, workspace, sweep_id, crew, resumed=options.resume is not None)
    observer = observer_for(workspace, sweep_id, quiet=options.quiet, out=out)
    ran = run_sweep(workspace, sweep_id, crew.fleet, observer)
    workspace.catch_up(sweep_id)
    spent = clock.monotonic() - began
    view, spec = workspace.show(sweep_id), workspace.spec(sweep_id)
    front = front_of(workspace.trials(sweep_id), spec.metrics) if spec.metrics else None
    if options.as_json:
        put_json(outcome.result_json(view, spent, front))
    else:
        sys.stdout.flush()
        say_result(out, view, spec, spent, front)
    return _conclude(workspace, sweep_id, ran)


def _say_start(out: Console, workspace: Workspace, sweep_id: str, crew: Crew, resumed: bool) -> None:
    view = workspace.show(sweep_id)
    verb = "goes on with" if resumed else "runs on"
    out.print(
        f"sweep {sweep_id} ({view.name}) {verb} {crew.describe()}; the store is {workspace.root}",
        soft_wrap=True,
    )
    if view.total is None:
        out.print("it has no run_cap: it runs until you end it with Ctrl-C", soft_wrap=True)


def _conclude(workspace: Workspace, sweep_id: str, ran: Ran) -> int:
    """Say what went wrong; the exit code."""
    view = workspace.show(sweep_id)
    if ran.broken is not None:
        retry = f"sweep retry {sweep_id} && " if view.trials.get("failed") else ""
        complain(ran.broken.removeprefix("error: "), f"mend it, then: {retry}sweep run --resume {sweep_id}")
        return FAILED
    if ran.interrupts and view.state != "finished":
        typer.echo(f"interrupted; go on with: sweep run --resume {sweep_id}", err=True)
        return INTERRUPTED
    failed = workspace.trials(sweep_id, TrialState.FAILED)
    end = outcome.conclude(view, lambda: failed[-1] if failed else None)
    if end.code:
        complain(end.message, end.hint)
    return end.code


def observer_for(
    workspace: Workspace, sweep_id: str, *, quiet: bool, plain: bool = False, out: Console | None = None
) -> Silence:
    """The live picture on a terminal, lines elsewhere (and where `plain` asks for it), nothing when quiet."""
    if quiet:
        return Silence()
    out, view = out or console(), workspace.show(sweep_id)
    if out.is_terminal and not out.is_dumb_terminal and not plain:
        return Picture(out, workspace, view)
    return Lines(out, workspace, view)
