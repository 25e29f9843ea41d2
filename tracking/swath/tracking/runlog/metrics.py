"""How metrics are summarised, as `define_metric` says: definitions, and the summary of a run as its rows come in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from swath.tracking.errors import UsageError
from swath.tracking.runlog.encoding import is_media
from swath.tracking.runlog.records import Define

#: What a summary may hold of a metric. "last" alone, the default, is the value itself; the rest makes a dict.
KINDS = ("min", "max", "mean", "best", "last", "first")
PLAIN = ("copy", "none")
GOALS = {"minimize": "minimize", "min": "minimize", "maximize": "maximize", "max": "maximize"}


def define(
    name: Any, step_metric: Any, step_sync: bool | None, hidden: bool | None, summary: Any, goal: str | None
) -> Define:
    """A checked definition. Raises `UsageError` that names the argument."""
    step = _name(step_metric, "step_metric") if step_metric is not None else ""
    if goal is not None and goal not in GOALS:
        raise UsageError(f"there is no goal={goal!r}", 'a goal is "minimize" or "maximize"')
    return Define(
        name=_name(name, "name"),
        step_metric=step,
        step_sync=bool(step) if step_sync is None else bool(step_sync),
        summary=_kinds(summary),
        goal=GOALS.get(goal or "", ""),
        hidden=bool(hidden),
    )


def laid_over(known: Define, said: Define, hidden: bool | None, step_sync: bool | None) -> Define:
    """`known` with what was said now; `hidden` and `step_sync` as they were given."""
    return Define(
        name=known.name,
        step_metric=said.step_metric or known.step_metric,
        step_sync=said.step_sync if step_sync is not None or said.step_metric else known.step_sync,
        summary=said.summary or known.summary,
        goal=said.goal or known.goal,
        hidden=known.hidden if hidden is None else said.hidden,
    )


def _name(value: Any, what: str) -> str:
    name = value if isinstance(value, str) else getattr(value, "name", None)
    if not isinstance(name, str) or not name:
        raise UsageError(f"define_metric({what}={value!r}) names no metric", 'pass a name or a glob, like "val/*"')
    return name


def _kinds(summary: Any) -> tuple[str, ...]:
    words = summary.split(",") if isinstance(summary, str) else list(summary or ())
    kinds = tuple(dict.fromkeys(str(word).strip().lower() for word in words if str(word).strip()))
    for kind in kinds:
        if kind not in KINDS + PLAIN:
            raise UsageError(f"there is no summary={kind!r}", f"a summary is one or more of {', '.join(KINDS + PLAIN)}")
    if "none" in kinds and len(kinds) > 1:
        raise UsageError(f"summary={','.join(kinds)!r} is both something and nothing", 'pass "none" alone')
    return kinds


class Definitions:
    """The definitions of a run; the last one that matches a metric counts."""

    def __init__(self, known: Iterable[Define] = ()) -> None:
        self._all: dict[str, Define] = {}
        self._found: dict[str, Define | None] = {}
        for definition in known:
            self.add(definition)

    def add(self, definition: Define) -> None:
        """Define, or define anew."""
        self._all.pop(definition.name, None)
        self._all[definition.name] = definition
        self._found.clear()

    def get(self, name: str) -> Define | None:
        """The definition made under just that name or glob."""
        return self._all.get(name)

    def of(self, metric: str) -> Define | None:
        """The definition that counts for a metric; None where there is none."""
        if metric not in self._found:
            matching = [each for each in self._all.values() if fnmatchcase(metric, each.name)]
            exact = self._all.get(metric)
            self._found[metric] = exact or (matching[-1] if matching else None)
        return self._found[metric]

    def __bool__(self) -> bool:
        return bool(self._all)

    def __iter__(self) -> Iterator[Define]:
        return iter(self._all.values())


class Summarizer:
    """The summary of the rows so far, in `values`. `means` holds count and mean of each metric that needs them."""

    def __init__(
        self,
        definitions: Definitions | None = None,
        values: Mapping[str, Any] | None = None,
        means: Mapping[str, tuple[int, float]] | None = None,
    ) -> None:
        self.definitions = definitions or Definitions()
        self.values: dict[str, Any] = dict(values or {})
        self.means: dict[str, tuple[int, float]] = dict(means or {})

    def restart(self) -> None:
        """Forget all rows; the definitions stay."""
        self.values.clear()
        self.means.clear()

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row in."""
        if not self.definitions:
            self.values.update(row)
            return
        for name, value in row.items():
            self._take(self.values, name, name, value)

    def _take(self, into: dict[str, Any], key: str, name: str, value: Any) -> None:
        if isinstance(value, dict) and not is_media(value):
            inner = into.get(key)
            into[key] = dict(inner) if isinstance(inner, dict) else {}
            for below, each in value.items():
                self._take(into[key], below, f"{name}.{below}", each)
            return
        definition = self.definitions.of(name)
        kinds = definition.summary if definition is not None else ()
        if not kinds or kinds == ("copy",) or not _is_number(value):
            into[key] = value
        elif kinds != ("none",):
            assert definition is not None
            before = into.get(key)
            known = before if isinstance(before, dict) else {}
            into[key] = known | self._news(definition, known, name, value)

    def _news(self, definition: Define, known: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
        news: dict[str, Any] = {}
        for kind in definition.summary:
            before = known.get(kind)
            if kind == "mean":
                news[kind] = self._mean(name, value)
            elif kind in ("last", "copy") or before is None or _replaces(kind, definition.goal, value, before):
                news["last" if kind == "copy" else kind] = value
        return news

    def _mean(self, name: str, value: float) -> float:
        count, mean = self.means.get(name, (0, 0.0))
        if math.isfinite(value):
            count, mean = count + 1, mean + (value - mean) / (count + 1)
            self.means[name] = (count, mean)
        return mean if count else math.nan

    def step_of(self, row: dict[str, Any]) -> dict[str, Any]:
        """`row` with the last value of each step metric that its metrics are drawn over and that it leaves out."""
        added: dict[str, Any] = {}
        for name in row:
            definition = self.definitions.of(name)
            if definition is not None and definition.step_sync and definition.step_metric not in row:
                last = self._last_of(definition.step_metric)
                if last is not None:
                    added[definition.step_metric] = last
        return row | added if added else row

    def _last_of(self, name: str) -> Any:
        value = self.values.get(name)
        return value.get("last") if isinstance(value, dict) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _replaces(kind: str, goal: str, value: float, before: float) -> bool:
    """Whether `value` is the new minimum, maximum or best; not-a-number never is, and gives way to any number."""
    if value != value or kind == "first":
        return False
    if before != before:
        return True
    larger = kind == "max" or (kind == "best" and goal == "maximize")
    return value > before if larger else value < before


def to_plain(definition: Define) -> list[Any]:
    """A definition as a list, for a column of JSON."""
    return list(msgspec.structs.astuple(definition))


def from_plain(values: Iterable[Any]) -> Define:
    """The definition that `to_plain` wrote down."""
    return msgspec.convert([Define.__struct_config__.tag, *values], Define)
