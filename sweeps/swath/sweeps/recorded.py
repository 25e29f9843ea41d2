"""Recorded trials: configurations and learning curves, from files or from the store; nothing is replayed here."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.sweeps.spec.model import Metric
from swath.sweeps.tallies import JointTally, Vector
from swath.tracking.apply.fold import lookup
from swath.tracking.errors import NotFound, UsageError

if TYPE_CHECKING:
    from swath.sweeps.workspace import Workspace

_FORM = "one row a report: trial, step, value, perhaps seconds (since the trial began), and a column a parameter"
_OWN = ("trial", "step", "value", "seconds", "config", "values")


@dataclass(frozen=True)
class Recorded:
    """A trial with every value that it reported, in order, and how many seconds after its beginning it did.

    A value that is NaN or infinite took its time and is no report. `whole` is False for a trial that was ended early:
    what it would have reported later is not known. With several metrics there is a time for each row of them, and
    `counts` tells how many whole reports there were by then, `vectors` what these are (see `JointTally`), `unusable`
    how many values were none, and `results` the latest value of each metric (None where one has none). `closing`: the
    last of these times is no row, but the end, which makes a report of what was waiting for other metrics.
    """

    number: int
    values: Sequence[float]
    seconds: Sequence[float]
    config: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    whole: bool = True
    vectors: Sequence[Vector] = ()
    counts: Sequence[int] = ()
    unusable: Sequence[int] = ()
    results: Sequence[Vector | None] = ()
    closing: bool = False


def read_recorded(path: Path, metrics: Sequence[Metric] = ()) -> list[Recorded]:
    """The trials in a CSV or JSON lines file, or in all such files of a folder, in the order in which they begin.

    CSV has `_FORM`. A line of JSON holds the same keys, with the parameters in `config` or as keys of their own; or a
    whole trial, with lists as `values` and `seconds`. Without `seconds` a report takes one second. With `metrics`,
    several, each has a column, key or list by its name in place of `value` and `values`; a row may leave some out.
    """
    files = _files(path)
    drafts: dict[str, _Draft | _JointDraft] = {}
    for file in files:
        missing = {metric.name for metric in metrics}
        seen = set[str]()
        for place, row in _rows(file):
            name = str(row.get("trial", file.stem))
            if name not in drafts:
                drafts[name] = _JointDraft(name, metrics) if metrics else _Draft(name)
            drafts[name].take(row, place)
            missing.difference_update(key for key, cell in row.items() if cell not in ("", None))
            seen.update(key for key in row if key)
        if missing and seen:
            raise _without(file, sorted(missing), seen)
    if not drafts:
        raise UsageError(f"there are no recorded trials in {path}", f"write {form_for(metrics)}")
    return [draft.done(number) for number, draft in enumerate(drafts.values(), 1)]


def form_for(metrics: Sequence[Metric]) -> str:
    """What files of recorded trials hold, in words."""
    if not metrics:
        return _FORM
    return _FORM.replace("value", ", ".join(metric.name for metric in metrics))


def _without(file: Path, missing: Sequence[str], seen: set[str]) -> UsageError:
    """A file in which metrics are never mentioned."""
    nearest = (get_close_matches(name, sorted(seen), n=1, cutoff=0.6) for name in missing)
    near = "".join(f"; did you mean {found[0]}?" for found in nearest if found)
    what = f"the metric {missing[0]}" if len(missing) == 1 else f"the metrics {', '.join(missing)}"
    names = ", ".join(sorted(seen.difference(("trial", "step", "seconds", "config"))))
    return UsageError(
        f"{file}: there is nothing of {what}{near}",
        f"with several metrics a file has a column (CSV) or a key (JSON lines) for each; this one has {names}",
    )


def of_sweep(workspace: Workspace, sweep_id: str, metric: str) -> list[Recorded]:
    """The trials of a sweep with the histories of their runs, by number; those without a report are left out."""
    from swath.tracking import layout
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


def of_joint_sweep(workspace: Workspace, sweep_id: str, metrics: Sequence[Metric]) -> list[Recorded]:
    """`of_sweep` with several metrics, with reports as the controller counts them."""
    from swath.tracking import layout
    from swath.tracking.runlog.history import rows_as_written

    found, plain = [], workspace.spec(sweep_id).repeats.plain
    for trial in workspace.trials(sweep_id):
        folder = layout.run_dir(workspace.root, trial.run_id)
        rows = rows_as_written(folder) if folder.is_dir() else []
        rows = [row for row in rows if any(lookup(row.values, metric.name) is not None for metric in metrics)]
        if not rows:
            continue
        began = trial.started if trial.started is not None else rows[0].time
        timed = [(max(row.time - began, 0.0), row.values) for row in rows]
        base = Recorded(trial.number, (), (), plain(trial.config), trial.name, str(trial.state) == "finished")
        found.append(_tallied(base, timed, metrics, trial.ended is not None))
    if not any(trial.vectors for trial in found):
        seen = workspace.show(sweep_id).metrics_seen
        missing = [metric.name for metric in metrics if metric.name not in seen]
        what = ", ".join(missing) or "a value of each metric"
        raise NotFound(f"no trial of sweep {sweep_id} has reported {what}", f"it has: {', '.join(seen) or 'nothing'}")
    return sorted(found, key=lambda each: each.number)


def _tallied(
    base: Recorded, rows: Iterable[tuple[float, dict[str, Any]]], metrics: Sequence[Metric], ended: bool = True
) -> Recorded:
    """The trial with the reports that its rows make; where it `ended`, what waits for other metrics is one too."""
    tally, spoilt = JointTally.of("", len(metrics)), 0
    seconds, vectors, counts, unusable, results = (
        list[float](), list[Vector](), list[int](), list[int](), list[Vector | None]()
    )  # fmt: skip
    for second, values in rows:
        found = (lookup(values, metric.name) for metric in metrics)
        spoilt += sum(isinstance(value, float) and not math.isfinite(value) for value in found)
        vectors += tally.add(values, metrics)
        latest = tuple(value for value in tally.latest if value is not None)
        seconds.append(second)
        counts.append(len(vectors))
        unusable.append(spoilt)
        results.append(latest if len(latest) == len(metrics) else None)
    last = list(tally.close(metrics)) if ended else []
    if last:
        vectors += last
        seconds.append(seconds[-1])
        counts.append(len(vectors))
        unusable.append(spoilt)
        results.append(results[-1])
    return replace(
        base, seconds=_rising(seconds), vectors=vectors, counts=counts, unusable=unusable, results=results,
        closing=bool(last),
    )  # fmt: skip


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


class _JointDraft:
    """A trial with several metrics that is being read."""

    def __init__(self, name: str, metrics: Sequence[Metric]) -> None:
        self._name, self._metrics = name, metrics
        self._names = [metric.name for metric in metrics]
        self._config: dict[str, Any] = {}
        self._rows: list[tuple[float, float | None, dict[str, float]]] = []

    def take(self, row: Mapping[str, Any], place: str) -> None:
        """One row of a file, in which a metric may be missing, or a whole trial with a list for each metric."""
        own = (*_OWN, *self._names)
        self._config |= {key: _plain(cell) for key, cell in row.items() if key not in own and cell not in ("", None)}
        if isinstance(row.get("config"), dict):
            self._config |= row["config"]
        lists = {name: row[name] for name in self._names if isinstance(row.get(name), list)}
        if not lists:
            self._put(row, row.get("step"), row.get("seconds"))
            return
        longest = max(len(values) for values in lists.values())
        seconds = row["seconds"] if isinstance(row.get("seconds"), list) else []
        for turn in range(longest):
            cells = {name: values[turn] for name, values in lists.items() if turn < len(values)}
            self._put(cells, turn, seconds[turn] if turn < len(seconds) else None)

    def _put(self, cells: Mapping[str, Any], step: Any, second: Any) -> None:
        found = {name: _number(cells[name]) for name in self._names if cells.get(name) not in (None, "")}
        if found:
            step = len(self._rows) if step in (None, "") else _number(step)
            self._rows.append((step, None if second in (None, "") else _number(second), found))

    def done(self, number: int) -> Recorded:
        """The trial, its rows by step; without times each step takes one second."""
        ordered = sorted(self._rows, key=lambda row: row[0])
        steps = {step: float(turn) for turn, step in enumerate(dict.fromkeys(step for step, _, _ in ordered), 1)}
        timed = [(steps[step] if second is None else second, values) for step, second, values in ordered]
        return _tallied(Recorded(number, (), (), self._config, self._name), timed, self._metrics)


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
