"""What `sweep doctor` and `sweep version` print: facts about this machine and installation; changes neither."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import msgspec
import typer

from swath.sweeps.cli import words
from swath.sweeps.cli.frame import FAILED, put_json, quit_with

LIBRARIES = ("ray", "optuna", "pydantic", "msgspec", "sqlalchemy", "fastapi", "uvicorn", "httpx", "numpy", "scipy",
             "cloudpickle", "typer", "rich")  # fmt: skip
#: Less free disk than this is worth a warning.
LOW_DISK = 2 * 1024**3

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One fact: what was looked at, what was found, and whether that is a trouble."""

    name: str
    found: str
    level: Level = "ok"
    hint: str = ""


def own_version() -> str:
    """The version of swath that is installed."""
    try:
        return metadata.version("swath")
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"


def version(as_json: bool) -> None:
    """The version, alone on a line."""
    if as_json:
        put_json({"swath": own_version(), "python": platform.python_version()})
    else:
        typer.echo(f"swath {own_version()}")


def doctor(as_json: bool) -> None:
    """All findings; exit code 1 when one of them is an error."""
    findings = [finding for check in CHECKS for finding in check()]
    if as_json:
        put_json([msgspec.to_builtins(finding) for finding in findings])
    else:
        _say(findings)
    if any(finding.level == "error" for finding in findings):
        quit_with(FAILED)


def _say(findings: list[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    colours = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "error": typer.colors.RED}
    for finding in findings:
        typer.secho(f"{finding.level:8}", fg=colours[finding.level], nl=False)
        typer.echo(f"{finding.name.ljust(width)}  {finding.found}")
        if finding.hint:
            typer.echo(f"{'':8}{'':{width}}  {finding.hint}")


def _python() -> list[Finding]:
    libraries = []
    for name in LIBRARIES:
        try:
            libraries.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            libraries.append(f"{name} MISSING")
    missing = any(entry.endswith("MISSING") for entry in libraries)
    hint = "install swath again, with its dependencies: pip install swath" if missing else ""
    return [
        Finding("swath", own_version()),
        Finding("python", f"{platform.python_version()} ({sys.executable})"),
        Finding("system", platform.platform()),
        Finding("libraries", ", ".join(libraries), "error" if missing else "ok", hint),
    ]


def _store() -> list[Finding]:
    from swath.sweeps.workspace import Workspace
    from swath.tracking.errors import SwathError

    try:
        with Workspace.open() as workspace:
            root = workspace.root
            findings = [_writable(root), _disk(root)]
            count = len(workspace.sweeps()) if root.is_dir() else 0
            where = f"{root}, {words.plural(count, 'sweep')}" if root.is_dir() else f"{root} (made by the first sweep)"
            return [Finding("store", where), *findings]
    except SwathError as error:
        return [Finding("store", error.message, "error", error.hint)]


def _nearest(path: Path) -> Path:
    """The nearest folder on the way up that exists."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _writable(root: Path) -> Finding:
    folder = _nearest(root)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Finding("writable", str(folder))
    except OSError as error:
        hint = "change the folder's rights, or set SWATH_DIR to another folder"
        return Finding("writable", f"cannot write in {folder}: {error.strerror}", "error", hint)


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(_nearest(root)).free
    low = free < LOW_DISK
    return Finding("disk", f"{_gib(free)} free", "warning" if low else "ok", "run logs need room" if low else "")


def _gib(size: float) -> str:
    return f"{size / 1024**3:.1f} GiB"


def _machine() -> list[Finding]:
    import psutil

    memory = psutil.virtual_memory()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [
        Finding("cores", f"{usable} usable of {os.cpu_count()}"),
        Finding("memory", f"{_gib(memory.available)} available of {_gib(memory.total)}"),
    ]


def _gpus() -> list[Finding]:
    if shutil.which("nvidia-smi") is None:
        return [Finding("gpus", "none seen (there is no nvidia-smi)")]
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=15, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return [Finding("gpus", f"nvidia-smi failed: {error}", "warning", "check the driver by running nvidia-smi")]
    names = [line.strip() for line in told.splitlines() if line.strip()]
    return [Finding("gpus", "; ".join(names) or "none")]


def _ray() -> list[Finding]:
    from swath.tracking.settings import Settings

    address = Settings.from_environment().ray_address
    if not address:
        return [Finding("ray", "no RAY_ADDRESS: `--on ray` starts one on this machine")]
    host, _, port = address.removeprefix("ray://").partition(":")
    if not port.isdigit():
        return [Finding("ray", f"RAY_ADDRESS={address}: found when it is needed")]
    try:
        with socket.create_connection((host, int(port)), timeout=3):
            return [Finding("ray", f"RAY_ADDRESS={address} answers")]
    except OSError as error:
        hint = "start it with `ray start --head`, or unset RAY_ADDRESS"
        return [Finding("ray", f"RAY_ADDRESS={address} does not answer: {error}", "error", hint)]


CHECKS: tuple[Callable[[], list[Finding]], ...] = (_python, _store, _machine, _gpus, _ray)
