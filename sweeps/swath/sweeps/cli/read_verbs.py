"""The verbs that look: list, show, watch, best, export, runs, logs. Options and help only; imports are lazy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from swath.sweeps.cli.frame import LOOK, app
from swath.sweeps.cli.run_verbs import Json, Sweep


@app.command("list", rich_help_panel=LOOK)
def list_(json: Json = False) -> None:
    """List this folder's sweeps, the newest first.

    \b
    Example:  sweep list --json
    """
    from swath.sweeps.cli import reading

    reading.list_sweeps(json)


@app.command(rich_help_panel=LOOK)
def show(
    sweep: Sweep,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="So many trials at most; 0: all.")] = 20,
    json: Json = False,
) -> None:
    """Show a sweep: its state and its trials, the best first.

    With repeats the runs of one configuration stand together.

    \b
    Example:  sweep show last --limit 0
    """
    from swath.sweeps.cli import reading

    reading.show(sweep, limit, json)


@app.command(rich_help_panel=LOOK)
def watch(sweep: Sweep, json: Json = False) -> None:
    """Watch a sweep that runs elsewhere until it is over.

    Ctrl-C ends the watching only.

    With --json every event is one JSON object on a line of its own.

    \b
    Example:  sweep watch last
    """
    from swath.sweeps.cli import watching

    watching.watch(sweep, json)


@app.command(rich_help_panel=LOOK)
def best(
    sweep: Sweep,
    top: Annotated[
        Optional[int],  # noqa: UP045 - read by typer at run time
        typer.Option("--top", min=1, metavar="N", help="The N best trials instead, one a line."),
    ] = None,
    json: Json = False,
) -> None:
    """Print the best trial, its config, and how to run it again.

    With repeats: the configuration that is best over all of its runs, with the result of each.

    With several metrics: the trials that no other one beats in all of them (the Pareto front), among those that keep
    all limits; --top N goes on with the next ones.

    \b
    Example:  sweep best last --json
    """
    from swath.sweeps.cli import reading

    reading.best(sweep, top, json)


@app.command(rich_help_panel=LOOK)
def export(
    sweep: Sweep,
    form: Annotated[Literal["csv", "json", "jsonl"], typer.Option("--format", "-f", help="How to write it.")] = "csv",
    output: Annotated[
        Optional[Path],  # noqa: UP045 - read by typer at run time
        typer.Option("--output", "-o", metavar="FILE", help="Write there instead of stdout."),
    ] = None,
) -> None:
    """Write the trials as CSV, JSON or JSON lines.

    Each with its state, value, config and summary.

    \b
    Example:  sweep export last --format csv -o trials.csv
    """
    from swath.sweeps.cli import export as exporting

    exporting.export(sweep, form, output)


@app.command(rich_help_panel=LOOK)
def runs(
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="So many runs at most; 0: all.")] = 20,
    json: Json = False,
) -> None:
    """List this folder's runs, inside sweeps or not.

    \b
    Example:  sweep runs --limit 5
    """
    from swath.sweeps.cli import reading

    reading.list_runs(limit, json)


@app.command(rich_help_panel=LOOK)
def logs(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id, beginning of one, name, or SWEEP/NUMBER.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    lines: Annotated[
        Optional[int],  # noqa: UP045 - read by typer at run time
        typer.Option("--lines", "-n", min=0, metavar="N", help="Only the last N lines of what there is."),
    ] = None,
    attempt: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--attempt", min=1, metavar="K", help="Of attempt K alone. Default: the last one."),
    ] = None,
    stderr: Annotated[bool, typer.Option("--stderr", help="Only what went to stderr.")] = False,
    json: Json = False,
) -> None:
    """Print what a trial, or another run, printed.

    With SWATH_URL (and SWATH_TOKEN) of a run of that server. Ctrl-C ends the following only.

    With --json every line is one JSON object on a line of its own.

    \b
    Example:  sweep logs last/7 --follow
    """
    from swath.sweeps.cli import logs as printing

    printing.logs(run, printing.LogOptions(follow, lines, attempt, stderr, json))
