"""Recorded trials: configurations and learning curves, from files or from the store; nothing is replayed here."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.tracking.errors import NotFound, UsageError

if TYPE_CHECKING:
    from swath.sweeps.workspace import Workspace

_FORM = "one row a report: trial, step, value, perhaps seconds (since the trial began), and a column a parameter"
_OWN = ("trial", "step", "value", "seconds", "config", "values")


@dataclass(frozen=True)
class Recorded:
    """A trial with every value that it reported, in order, and how many seconds after its beginning it did.

    A value that is NaN or infinite took its time and is no report. `whole` is False for a trial that was ended early:
    what it would have reported later is not known.
    """

    number: int
    values: Sequence[float]
    seconds: Sequence[float]
    config: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    whole: bool = True


def read_recorded(path: Path) -> list[Recorded]:
    """The trials in a CSV or JSON lines file, or in all such files of a folder, in the order in which they begin.

    CSV has `_FORM`. A line of JSON holds the same keys, with the parameters in `config` or as keys of their own; or a
    whole trial, with lists as `values` and `seconds`. Without `seconds` a report takes one second.
    """
    files = _files(path)
    drafts: dict[str, _Draft] = {}
    for file in files:
        for place, row in _rows(file):
            name = str(row.get("trial", file.stem))
            drafts.setdefault(name, _Draft(name)).take(row, place)
    if not drafts:
        raise UsageError(f"there are no recorded trials in {path}", f"write {_FORM}")
    return [draft.done(number) for number, draft in enumerate(drafts.values(), 1)]


def of_sweep(workspace: Workspace, sweep_id: str, metric: str) -> list[Recorded]:
    """The trials of a sweep with the histories of their runs, by number; those without a report are left out."""
    from swath.tracking import layout
    from swath.tracking.apply.fold import lookup
    from swath.tracking.runlog.streaming import stream_history

    found, plain = [], workspace.spec(sweep_id).repeats.plain
    for trial in workspace.trials(sweep_id):
        folder = layout.run_dir(workspace.root, trial.run_id)
        rows = stream_history(folder) if folder.is_dir() else ()
        reports = [(_number(value), row.time) for row in rows if (value := lookup(row.values, metric)) is not None]
        if not reports:
            continue
        began = trial.started if trial.started is not None else reports[0][1]
        seconds = _rising(max(time - began, 0.0) for _, time in reports)
        whole = str(trial.state) == "finished"
        values = [value for value, _ in reports]
        found.append(Recorded(trial.number, values, seconds, plain(trial.config), trial.name, whole))
    if not found:
        raise NotFound(f"no trial of sweep {sweep_id} has reported {metric}", "see its metrics with: sweep show ID")
    return sorted(found, key=lambda each: each.number)


class _Draft:
    """A trial that is being read."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._config: dict[str, Any] = {}
        self._reports: list[tuple[float, float, float]] = []

    def take(self, row: Mapping[str, Any], place: str) -> None:
        """One row of a file; `place` is where it stands, for messages."""
        self._config |= {
            key: _plain(value) for key, value in row.items() if key not in _OWN and value not in ("", None)
        }
        if isinstance(row.get("config"), dict):
            self._config |= row["config"]
        if isinstance(row.get("values"), list):
            seconds = row.get("seconds") or range(1, len(row["values"]) + 1)
            pairs = zip(row["values"], seconds, strict=False)
            self._reports += [(n, _number(value), _number(at)) for n, (value, at) in enumerate(pairs)]
        elif "value" in row:
            count = len(self._reports)
            step, seconds = row.get("step", count), row.get("seconds")
            self._reports.append((_number(step), _number(row["value"]), _number(seconds or count + 1)))
        else:
            raise UsageError(f"{place}: there is no `value` and no list of `values`", f"write {_FORM}")

    def done(self, number: int) -> Recorded:
        """The trial, its reports by step."""
        ordered = sorted(self._reports, key=lambda report: report[0])
        values = [value for _, value, _ in ordered]
        return Recorded(number, values, _rising(seconds for _, _, seconds in ordered), self._config, self._name)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(each for each in path.iterdir() if each.suffix in (".csv", ".jsonl"))
    if not path.is_file():
        raise NotFound(f"there is no file or folder {path}", "name a file of recorded trials, or a sweep")
    return [path]


def _rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        if file.suffix == ".csv":
            for number, cells in enumerate(csv.DictReader(lines), 2):
                yield f"{file}:{number}", cells
            return
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield f"{file}:{number}", _json(line, f"{file}:{number}")


def _json(line: str, place: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{place}: not a line of JSON: {error}", f"write {_FORM}") from None
    if not isinstance(row, dict):
        raise UsageError(f"{place}: not an object of JSON", f"write {_FORM}")
    return row


def _number(value: Any) -> float:
    """A cell as a number; whatever is none is NaN."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _plain(value: Any) -> Any:
    """A cell of a CSV file as the number or flag that it says, else as text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _rising(seconds: Iterable[float]) -> list[float]:
    """Times that never go back; one that is unknown is that of the report before."""
    found, last = list[float](), 0.0
    for second in seconds:
        last = max(last, second) if math.isfinite(second) else last
        found.append(last)
    return found
