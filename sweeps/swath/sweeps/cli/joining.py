"""What the verb login does: asks a server whether it takes the token, and keeps both for this user."""

from __future__ import annotations

import sys

import msgspec
import typer

from swath.tracking.credentials import Login, forget_login, keep_login, read_login
from swath.tracking.errors import UsageError
from swath.tracking.settings import Settings, login_path
from swath.tracking.shipping.client import Client, checked_url

#: How long a server that does not answer is asked.
DEADLINE_S = 5.0


class Health(msgspec.Struct):
    """What `/health` answers."""

    status: str
    version: str


def login(url: str | None, token: str | None, forget: bool) -> None:
    """Keep a server, forget it, or say which one is kept."""
    if forget:
        if url is not None:
            raise UsageError("--forget keeps no server, and one was named", "sweep login --forget")
        _forget()
    elif url is None:
        _tell()
    else:
        _join(checked_url(url), token)


def _join(url: str, token: str | None) -> None:
    settings = Settings.from_environment()
    token = (token or settings.server_token or _asked(url)).strip()
    if not token:
        raise UsageError(f"no token for {url} was given", "pass it with --token; `sweep server` prints it")
    version = check(url, token)
    keep_login(login_path(), Login(url, token))
    typer.echo(f"logged in at {url} (swath {version}); it is kept in {login_path()}")
    if not settings.logged_in and settings.url and settings.url.rstrip("/") != url:
        typer.echo(f"SWATH_URL is set to {settings.url}, and goes before it here", err=True)


def _tell() -> None:
    kept = read_login(str(login_path()))
    if kept is None:
        raise UsageError("no server is kept", "keep one with: sweep login URL")
    typer.echo(f"logged in at {kept.url} (swath {check(kept.url, kept.token)}); it is kept in {login_path()}")


def _forget() -> None:
    path = login_path()
    typer.echo(f"{path} is removed" if forget_login(path) else "no server was kept")


def _asked(url: str) -> str:
    if sys.stdin.isatty():
        asked: str = typer.prompt(f"token of {url}", hide_input=True, err=True)
        return asked
    return sys.stdin.readline()


def check(url: str, token: str) -> str:
    """The version of the server. Raises when it does not answer, is no swath, or wants another token."""
    with Client(url, token, deadline_s=DEADLINE_S) as client:
        try:
            health = msgspec.json.decode(client.ask("GET", "/health").content, type=Health)
        except msgspec.MsgspecError:
            raise UsageError(f"{url} does not answer as a swath server", "check the URL") from None
        client.ask("GET", "/v1/runs/login/segments")  # any question that needs the token, and changes nothing
        return health.version
