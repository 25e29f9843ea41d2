"""What the verb create does: registers a sweep. It loads neither what runs a sweep nor what draws one."""

from __future__ import annotations

from pathlib import Path

import typer

from swath.sweeps.cli.frame import put_json
from swath.sweeps.spec import load_spec
from swath.sweeps.workspace import Workspace


def create(spec: Path, as_json: bool) -> None:
    """Register a sweep; the id stands alone on stdout, what to do with it goes to stderr."""
    with Workspace.open() as workspace:
        sweep_id = register(workspace, spec)
    if as_json:
        put_json({"sweep": sweep_id})
        return
    typer.echo(sweep_id)
    typer.echo(f"run its trials with:  sweep agent {sweep_id}   or  sweep run --resume {sweep_id}", err=True)


def register(workspace: Workspace, path: Path) -> str:
    """Make a sweep of the file, and say what it should be told differently; the id."""
    spec = load_spec(path)
    for notice in spec.notices:
        typer.secho(f"note: {notice}", fg=typer.colors.YELLOW, err=True)
    return workspace.create(spec, origin=str(path))
