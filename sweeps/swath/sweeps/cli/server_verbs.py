"""The verbs around a server: server, login, sync. Options and help only; imports are lazy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from swath.sweeps.cli.frame import SERVE, app
from swath.sweeps.cli.run_verbs import Json


@app.command(rich_help_panel=SERVE)
def server(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0: for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="The port; 0: any that is free.")] = 8787,
    dir: Annotated[
        Optional[Path],  # noqa: UP045 - read by typer at run time
        typer.Option(metavar="DIR", help="The folder whose .swath is served. Default: the nearest one upwards."),
    ] = None,
) -> None:
    """Serve this folder's sweeps and runs to other machines.

    Runs in the foreground: agents take trials there, runs are delivered there, and Api() reads there. Whoever asks
    needs the token: that of SWATH_TOKEN, else one that is made once and kept in .swath.
    Exit codes: 2 the port is taken, 130 ended by Ctrl-C, 143 ended by SIGTERM.

    \b
    Example:  sweep server --host 0.0.0.0
    """
    from swath.sweeps.cli import serving

    serving.serve(serving.ServeOptions(host, port, dir))


@app.command(rich_help_panel=SERVE)
def login(
    url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="URL", help="The server, as http://host:port. Without it: say which one is kept."),
    ] = None,
    token: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="T", help="Its token. Default: SWATH_TOKEN, else it is asked for, or read from stdin."),
    ] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Keep no server any more.")] = False,
) -> None:
    """Keep a server and its token for this user.

    It is asked first whether it answers and takes the token. From then on it is used wherever SWATH_URL is not set;
    an empty SWATH_URL means no server.

    \b
    Example:  sweep login http://gpu1:8787
              sweep login --forget
    """
    from swath.sweeps.cli import joining

    joining.login(url, token, forget)


@app.command(rich_help_panel=SERVE)
def sync(
    paths: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(metavar="PATH", help="Folders of runs, .swath folders, or ids of runs. Default: this .swath."),
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Ask for runs that are noted as delivered, too: the server may have lost them."),
    ] = False,
    json: Json = False,
) -> None:
    """Send the server the runs that it has not got whole.

    Those of mode "offline", those whose machine died, and those whose delivery was interrupted. May be repeated:
    nothing is sent twice. The server is that of SWATH_URL, else that of `sweep login`.
    Exit codes: 1 something could not be sent, 2 no server, or not its token.

    \b
    Example:  sweep sync
              sweep sync ~/project/.swath other/.swath/runs/abcd2345
    """
    from swath.sweeps.cli import syncing

    syncing.sync(paths or [], syncing.SyncOptions(again, json))
