"""What the verb server does: a store's HTTP API in the foreground, until a signal ends it."""

from __future__ import annotations

import ipaddress
import os
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import typer

from swath.sweeps.cli.agents import log_to_stderr
from swath.sweeps.cli.frame import INTERRUPTED, TERMINATED, quit_with
from swath.sweeps.workspace import Workspace
from swath.tracking import layout
from swath.tracking.credentials import write_private
from swath.tracking.errors import SwathError, UsageError
from swath.tracking.host import this_host
from swath.tracking.server import ServerThread, create_app
from swath.tracking.settings import Settings

TOKEN_FILE = "server-token"
_ANYWHERE = ("", "0.0.0.0", "::")


@dataclass(frozen=True)
class ServeOptions:
    """What `sweep server` was told."""

    host: str
    port: int
    dir: Path | None = None


class _Terminated(BaseException):
    """SIGTERM came."""


def serve(options: ServeOptions) -> None:
    """Serve until Ctrl-C or SIGTERM; requests under way are answered first."""
    log_to_stderr()
    settings = Settings.from_environment()
    root = _root(options.dir, settings)
    former = signal.signal(signal.SIGTERM, _terminate)
    try:
        with Workspace(root, lease_s=settings.lease_s) as workspace:
            token = (settings.server_token or "").strip() or kept_token(root)
            app = create_app(token, workspace.routes(), alerts=workspace.alerts())
            server = ServerThread(app, options.host, options.port)
            try:
                _start(server)
                _say(server, options.host, root, token)
                server.wait()
            finally:
                server.stop()
    except _Terminated:
        quit_with(TERMINATED)
    except KeyboardInterrupt:
        quit_with(INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, former)
    raise SwathError(f"the server of {root} ended of itself", "its error is in the log above")


def kept_token(root: Path) -> str:
    """The token of the store at `root`, which nobody else on this machine can read; made when there is none."""
    path = root / TOKEN_FILE
    try:
        token = path.read_text(encoding="utf-8").strip()
        os.chmod(path, 0o600)
    except FileNotFoundError:
        token = ""
    except OSError as error:
        raise SwathError(f"cannot read {path}: {error.strerror or error}", "set SWATH_TOKEN instead") from error
    if not token:
        token = secrets.token_urlsafe(24)
        root.mkdir(parents=True, exist_ok=True)
        write_private(path, f"{token}\n".encode())
    return token


def _root(dir: Path | None, settings: Settings) -> Path:
    """The `.swath` folder: `dir` itself, that of `dir`, or the one that is found from here."""
    if dir is None:
        return layout.find_root(None, settings.root)
    if not dir.is_dir():
        raise UsageError(f"there is no folder {dir}", "--dir names a folder that has a .swath, or is to have one")
    return dir.absolute() if dir.absolute().name == layout.ROOT_NAME else layout.find_root(dir)


def _start(server: ServerThread) -> None:
    try:
        server.start()
    except UsageError as error:
        hint = "another server may be running there; name another one with --port N (0: any that is free) and --host"
        raise UsageError(error.message, hint) from error


def _say(server: ServerThread, host: str, root: Path, token: str) -> None:
    url = server.url_at(this_host()) if host in _ANYWHERE else server.url
    typer.echo(f"swath serves {root} at {url}; Ctrl-C ends it")
    typer.echo(f"its token is {token}\n")
    typer.echo("where runs are made or read:")
    typer.echo(f"  export SWATH_URL={url}\n  export SWATH_TOKEN={token}\nor once for a user:  sweep login {url}")
    if _is_public(host):
        typer.secho("warning: ", fg=typer.colors.YELLOW, bold=True, nl=False, err=True)
        typer.echo(
            f"other machines can reach {host or '*'}:{server.port}. Whoever has the token reads and writes all runs "
            "and sweeps here, and it travels unencrypted: use a network that you trust, a tunnel, or a proxy with TLS",
            err=True,
        )


def _is_public(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def _terminate(number: int, frame: object) -> NoReturn:
    raise _Terminated
