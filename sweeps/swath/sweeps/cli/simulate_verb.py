"""The verb simulate: options and help only; imports are lazy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from swath.sweeps.cli.frame import LOOK, app
from swath.sweeps.cli.run_verbs import Json


@app.command(rich_help_panel=LOOK)
def simulate(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The sweep file whose method and rule are tried.")],
    curves: Annotated[
        Optional[Path],  # noqa: UP045 - read by typer at run time
        typer.Option("--curves", metavar="PATH", help="Recorded trials: a CSV or JSON lines file, or a folder."),
    ] = None,
    from_: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--from", metavar="ID", help="The trials of a sweep that ran here."),
    ] = None,
    slots: Annotated[int, typer.Option("--slots", min=1, metavar="N", help="How many trials run at once.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Seed of the method.")] = 0,
    json: Json = False,
) -> None:
    """Replay recorded trials under another rule or method.

    Says what the sweep file would have spent on them, and whether it would have lost the best one, or with several
    metrics how much of the Pareto front.

    Files have the columns trial, step, value, perhaps seconds, and one for each parameter; with several metrics one for
    each of them in place of value. The trials of a sweep begin in the order in which the file's method asks for them,
    where that is not the sweep's own.

    \b
    Example:  sweep simulate asha.yaml --from last --slots 4
    """
    from swath.sweeps.cli import simulating

    simulating.run_spec(spec, curves, from_, slots, json, seed)
