"""The verbs that steer a sweep: pause, resume, stop, cancel, retry. Each makes one call and says one line."""

from __future__ import annotations

import typer

from swath.sweeps.cli.frame import STEER, app
from swath.sweeps.cli.run_verbs import Sweep


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


def _steer(sweep: str, verb: str, said: str) -> None:
    from swath.sweeps.workspace import Workspace

    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(sweep)
        getattr(workspace, verb)(sweep_id)
    typer.echo(f"sweep {sweep_id} " + said.format(id=sweep_id))
