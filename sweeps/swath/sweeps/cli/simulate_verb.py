"""The verb simulate: options and help only; imports are lazy."""

from __future__ import annotations

from typing import Annotated, Literal, Optional

import typer

from swath.sweeps.cli.frame import HELP, app
from swath.sweeps.cli.run_verbs import Json

Goal = Literal["minimize", "maximize"]


@app.command(rich_help_panel=HELP)
def simulate(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A sweep, or a file or folder of recorded trials.")],
    rule: Annotated[
        Optional[str],  # noqa: UP045 - read by typer at run time
        typer.Option("--rule", "-r", metavar="YAML", help="What early_terminate would hold; default: the sweep's own."),
    ] = None,
    goal: Annotated[
        Optional[Goal],  # noqa: UP045
        typer.Option("--goal", help="What is better; default: the sweep's, of files minimize."),
    ] = None,
    slots: Annotated[int, typer.Option("--slots", min=1, metavar="N", help="How many trials run at once.")] = 1,
    method: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--method", metavar="NAME", help="Begin a sweep's trials as this method would ask for them."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Seed of the method.")] = 0,
    json: Json = False,
) -> None:
    """Replay trials under another early-stopping rule: what it costs and finds.

    Files are CSV with the columns trial, step, value, perhaps seconds, and one for each parameter; or JSON lines.

    \b
    Example:  sweep simulate last --slots 4 --rule '{type: asha, max_iter: 81}'
    """
    from swath.sweeps.cli import simulating

    simulating.run(source, rule, goal, slots, json, method, seed)
