"""The verbs that check: validate, schema, doctor, version. Options and help only; imports are lazy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from swath.sweeps.cli.frame import HELP, app
from swath.sweeps.cli.run_verbs import Json


@app.command(rich_help_panel=HELP)
def validate(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The sweep's YAML file.")],
    json: Json = False,
) -> None:
    """Check a sweep file: its faults, or what it would do.

    Names every fault at once, with file and line.

    \b
    Example:  sweep validate sweep.yaml
    """
    from swath.sweeps.cli import checking

    checking.validate(spec, json)


@app.command(rich_help_panel=HELP)
def schema(
    output: Annotated[
        Optional[Path],  # noqa: UP045 - read by typer at run time
        typer.Option("--output", "-o", metavar="FILE", help="Write there instead of stdout."),
    ] = None,
) -> None:
    """Write the JSON Schema of sweep files, for editors.

    \b
    Example:  sweep schema -o sweep.schema.json
              and as the first line of sweep.yaml:
              # yaml-language-server: $schema=sweep.schema.json
    """
    from swath.sweeps.cli import checking

    checking.schema(output)


@app.command(rich_help_panel=HELP)
def doctor(json: Json = False) -> None:
    """Check this machine: libraries, store, disk, GPUs, Ray.

    \b
    Example:  sweep doctor
    """
    from swath.sweeps.cli import doctor as checkup

    checkup.doctor(json)


def _say_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def _options(
    asked: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


@app.command(rich_help_panel=HELP)
def version(json: Json = False) -> None:
    """Print the version of swath.

    \b
    Example:  sweep version
    """
    from swath.sweeps.cli import doctor as checkup

    checkup.version(json)
