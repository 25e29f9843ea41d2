"""Trials as CSV, JSON or JSON lines, written to a file or to stdout."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer

from swath.sweeps.cli import words
from swath.sweeps.cli.frame import complain, quit_with
from swath.sweeps.result import rows_of
from swath.sweeps.views import TrialView
from swath.sweeps.workspace import Workspace

#: What the columns of config and summary begin with.
NESTED = ("config.", "summary.")


def export(prefix: str, form: str, output: Path | None) -> None:
    """Write the trials of a sweep, in the order of their numbers."""
    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(prefix)
        workspace.catch_up(sweep_id)
        trials = sorted(workspace.trials(sweep_id), key=lambda trial: trial.number)
    text = FORMATS[form](trials)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text)
    except OSError as error:
        complain(f"cannot write {output}: {error.strerror}", "name another file with -o")
        quit_with(2)
    typer.echo(f"wrote {words.plural(len(trials), 'trial')} of sweep {sweep_id} to {output}", err=True)


def record(trial: TrialView) -> dict[str, Any]:
    """One trial with nested config and summary."""
    flat = rows_of([trial])[0]
    fields = {key: value for key, value in flat.items() if not key.startswith(NESTED)}
    return {**fields, "config": trial.config, "summary": trial.summary}


def as_csv(trials: Sequence[TrialView]) -> str:
    """CSV with the union of all columns; lists and dicts as JSON."""
    rows = rows_of(trials)
    columns = list(dict.fromkeys(key for row in rows for key in row if not key.startswith(NESTED)))
    nested = sorted({key for row in rows for key in row if key.startswith(NESTED)})
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns, *nested], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value)
    return "" if value is None else value


def as_json(trials: Sequence[TrialView]) -> str:
    """One JSON list; NaN and infinity become null."""
    return msgspec.json.format(msgspec.json.encode([record(trial) for trial in trials])).decode() + "\n"


def as_jsonl(trials: Sequence[TrialView]) -> str:
    """One JSON object a line."""
    return "".join(msgspec.json.encode(record(trial)).decode() + "\n" for trial in trials)


FORMATS = {"csv": as_csv, "json": as_json, "jsonl": as_jsonl}
