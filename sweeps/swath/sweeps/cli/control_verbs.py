"""The verbs that steer a sweep: pause, resume, stop, cancel, edit, retry, agents. Each makes one call and tells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from swath.sweeps.cli.frame import STEER, app
from swath.sweeps.cli.run_verbs import Json, Sweep


@app.command(rich_help_panel=STEER)
def pause(sweep: Sweep) -> None:
    """Hand out no more trials for now.

    Running trials go on to their end; agents wait.

    \b
    Example:  sweep pause last         and later:  sweep resume last
    """
    _steer(sweep, "pause", "is paused: running trials go on, no new ones start. Go on with: sweep resume {id}")


@app.command(rich_help_panel=STEER)
def resume(sweep: Sweep) -> None:
    """Hand out trials of a paused sweep again.

    \b
    Example:  sweep resume last        (to start agents as well:  sweep run --resume last)
    """
    _steer(sweep, "unpause", "hands out trials again. If its agents are gone: sweep run --resume {id}")


@app.command(rich_help_panel=STEER)
def stop(sweep: Sweep) -> None:
    """End a sweep gently: no new trials, running ones finish.

    \b
    Example:  sweep stop last
    """
    _steer(sweep, "stop", "makes no more trials: running ones finish")


@app.command(rich_help_panel=STEER)
def cancel(sweep: Sweep) -> None:
    """End a sweep at once: running trials are killed.

    \b
    Example:  sweep cancel last
    """
    _steer(sweep, "cancel", "is cancelled: running trials are killed")


@app.command(rich_help_panel=STEER)
def edit(
    sweep: Sweep, spec: Annotated[Path, typer.Argument(help="The changed sweep file.")], json: Json = False
) -> None:
    """Change a live sweep: parameters, budget, agents, early stopping.

    Trials that were made stay, and count for the search where they fit the changed parameters. Those that wait in the
    queue and no longer fit are dropped. The metric, the repeats and what is run cannot change.

    \b
    Example:  sweep edit last sweep.yaml
    """
    import msgspec

    from swath.sweeps.cli.frame import put_json
    from swath.sweeps.spec import load_spec
    from swath.sweeps.workspace import Workspace

    changed = load_spec(spec)
    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(sweep)
        edited = workspace.edit(sweep_id, changed)
    if json:
        put_json({"sweep": sweep_id, **msgspec.to_builtins(edited)})
        return
    if not edited.changes:
        typer.echo(f"{sweep_id} is like that already: nothing was changed")
        return
    for key, (old, new) in edited.changes.items():
        typer.echo(f"  {key}: {_said(old)} -> {_said(new)}")
    total = "" if edited.total is None else f" of {edited.total}"
    apart = f", {edited.apart} no longer do" if edited.apart else ""
    gone = f"; dropped from the queue: {', '.join(edited.dropped)}" if edited.dropped else ""
    typer.echo(f"{sweep_id} is changed: {edited.kept} trials{total} fit{apart}{gone}")


def _said(value: Any) -> str:
    return "(not set)" if value is None else str(value)


@app.command(rich_help_panel=STEER)
def retry(sweep: Sweep) -> None:
    """Queue failed and killed trials again, as the same runs.

    \b
    Example:  sweep retry last && sweep run --resume last
    """
    from swath.sweeps.cli.words import plural
    from swath.sweeps.workspace import Workspace

    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(sweep)
        count = workspace.retry(sweep_id)
    if count:
        typer.echo(
            f"sweep {sweep_id}: {plural(count, 'trial')} queued again. Run them with: sweep run --resume {sweep_id}"
        )
    else:
        typer.echo(f"sweep {sweep_id} has no failed or killed trials: nothing to do")


@app.command(rich_help_panel=STEER)
def agents(
    sweep: Sweep,
    stop: Annotated[
        Optional[list[str]],  # noqa: UP045 - read by typer at run time
        typer.Option("--stop", metavar="NAME|all", help="It gives its running trial back and leaves. Repeatable."),
    ] = None,
    drain: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--drain", metavar="NAME|all", help="It finishes its running trial and leaves. Repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Show a sweep's agents, or ask some of them to leave.

    Wherever they run: on this machine, on Ray or elsewhere. They hear of it with their next report, which is due after
    a third of a lease (10 s) at the latest; nobody is started in their place.

    \b
    Examples:  sweep agents last
               sweep agents last --drain node3-4711
    """
    from swath.sweeps.cli import crewing

    crewing.agents(sweep, stop or [], drain or [], json)


def _steer(sweep: str, verb: str, said: str) -> None:
    from swath.sweeps.workspace import Workspace

    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(sweep)
        getattr(workspace, verb)(sweep_id)
    typer.echo(f"sweep {sweep_id} " + said.format(id=sweep_id))
