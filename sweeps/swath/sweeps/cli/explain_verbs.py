"""The verbs that explain a sweep: explain, importance, plot. Options and help only; imports are lazy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from swath.sweeps.cli.frame import LOOK, app
from swath.sweeps.cli.run_verbs import Json, Sweep

Kind = Literal["history", "parallel", "slice", "contour", "rungs", "front", "importance", "all"]


@app.command(rich_help_panel=LOOK)
def explain(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run id, trial name, beginning of one, SWEEP#N, or N with --sweep.")
    ],
    sweep: Annotated[
        Optional[str],  # noqa: UP045 - read by typer at run time
        typer.Option("--sweep", metavar="ID", help="The sweep that the trial is of."),
    ] = None,
    json: Json = False,
) -> None:
    """Say why a trial is what it is.

    Why its configuration was chosen, each attempt and how it ended, why it was stopped, paused or promoted and whom
    it was compared with, and how it stands beside the best.

    \b
    Example:  sweep explain last#7
    """
    from swath.sweeps.cli import explained

    explained.show(run, sweep, json)


@app.command(rich_help_panel=LOOK)
def importance(sweep: Sweep, json: Json = False) -> None:
    """Say how much each parameter matters for the metric.

    By PED-ANOVA: how far the values of the best trials lie from those of all trials. A parameter that is not in every
    configuration is judged among the trials that have it.

    \b
    Example:  sweep importance last
    """
    from swath.sweeps.cli import important

    important.show(sweep, json)


@app.command(rich_help_panel=LOOK)
def plot(
    sweep: Sweep,
    kind: Annotated[
        Optional[Kind],  # noqa: UP045
        typer.Option("--kind", "-k", help="What to draw. Default: history; with --out all that there is to draw."),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", metavar="DIR|FILE", help="A folder, or a file that ends in .html or .png."),
    ] = None,
    terminal: Annotated[bool, typer.Option("--terminal", help="Draw here as well; without --out that is so.")] = False,
    params: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--params", metavar="A,B", help="Parameters to draw. Default: all; contour: the two that matter."),
    ] = None,
    json: Json = False,
) -> None:
    """Draw a sweep: here, as one HTML page, or as PNG.

    The page needs no network; it and PNG need pip install "swath[media]".

    history: each trial and the best so far. slice: the metric by each parameter. contour: by two at once. parallel:
    whole configurations. rungs: how many trials went on at each. front: two metrics against each other.

    \b
    Example:  sweep plot last --kind all --out sweep.html
    """
    from swath.sweeps.cli import plotting

    plotting.plot(sweep, plotting.Options(kind, out, terminal, params, json))
