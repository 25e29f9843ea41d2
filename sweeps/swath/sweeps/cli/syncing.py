"""What the verb sync does: finds runs, has what is missing of them sent, and says what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import typer

from swath.sweeps.cli.frame import FAILED, put_json, quit_with
from swath.sweeps.cli.words import plural
from swath.tracking import layout
from swath.tracking.errors import NotFound, SwathError, UsageError
from swath.tracking.settings import Settings
from swath.tracking.shipping.shipper import Synced, runs_below, sync_runs

_BAD = ("failed", "refused")


@dataclass(frozen=True)
class SyncOptions:
    """What `sweep sync` was told."""

    again: bool = False
    as_json: bool = False


def sync(paths: Iterable[Path], options: SyncOptions) -> None:
    """Send what is missing, to the exit code."""
    settings = Settings.from_environment()
    if not settings.url:
        raise UsageError("there is no server to send to", "set SWATH_URL and SWATH_TOKEN, or: sweep login URL")
    root = _own_root(settings)
    asked = list(paths) or [root]
    folders = list(dict.fromkeys(run for path in asked for run in _runs_at(path, root)))
    done: list[Synced] = []

    def hear(result: Synced) -> None:
        done.append(result)
        _say_one(result)

    try:
        sync_runs(folders, settings.url, settings.token or "", on_progress=hear, trusting=not options.again)
    except SwathError as error:
        done += [Synced(folder.name, "failed", error=error.message) for folder in folders[len(done) :]]
        _conclude(done, settings.url, options)
        raise
    _conclude(done, settings.url, options)
    if any(result.state in _BAD for result in done):
        quit_with(FAILED)


def _own_root(settings: Settings) -> Path:
    if settings.dir and not settings.root:
        return Path(settings.dir).expanduser().absolute() / layout.ROOT_NAME
    return layout.find_root(None, settings.root)


def _runs_at(path: Path, root: Path) -> list[Path]:
    """The run folders that a path means: its own, those of a `.swath`, or that of a run's id in the one found here."""
    if path == root:
        return runs_below(root)
    if layout.is_run_id(path.absolute().name) and layout.segments(path):
        return [path.absolute()]
    for folder in (path, path / layout.ROOT_NAME):
        if (folder / "runs").is_dir():
            return runs_below(folder.absolute())
    text = str(path)
    if layout.is_run_id(text) and layout.segments(layout.run_dir(root, text)):
        return [layout.run_dir(root, text)]
    if path.name == layout.ROOT_NAME and path.is_dir():
        return []
    raise NotFound(
        f"{path} is no run's folder, no .swath folder, and no run of {root}",
        "name folders like .swath/runs/ID or .swath, or nothing for the .swath that is found here",
    )


def _say_one(result: Synced) -> None:
    if result.state != "already":
        why = f": {result.error.splitlines()[0]}" if result.error else ""
        size = f" ({_size(result.sent)})" if result.sent else ""
        typer.echo(f"{result.run_id} {result.state}{size}{why}", err=True)


def _conclude(done: list[Synced], url: str, options: SyncOptions) -> None:
    if options.as_json:
        put_json([{"run": each.run_id, "state": each.state, "sent": each.sent, "error": each.error} for each in done])
        return
    count = Counter(each.state for each in done)
    parts = [f"{plural(count['delivered'], 'run')} delivered to {url}", f"{count['already']} there already"]
    parts += [f"{count['busy']} being delivered by another process"] * bool(count["busy"])
    parts += [f"{count['failed'] + count['refused']} not sent"] * bool(count["failed"] + count["refused"])
    typer.echo(", ".join(parts))


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
