"""History as tables: rows of one step made one, chosen evenly, and laid out as records or as a data frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import groupby
from typing import Any, TypeVar

from swath.tracking.api.fields import MISSING, dig
from swath.tracking.api.filters import sort_key
from swath.tracking.api.held import Held
from swath.tracking.runlog.encoding import is_media
from swath.tracking.runlog.records import Row, System

Record = dict[str, Any]
T = TypeVar("T")

STEP, TIME, RUNTIME = "_step", "_timestamp", "_runtime"


def as_logged(row: Row, began: float) -> Record:
    """One row with its step, its time (seconds since 1970) and its age (seconds since the run began)."""
    return {STEP: row.step, TIME: row.time, RUNTIME: _age(row.time, began), **_own(row.values)}


def having(record: Record, keys: Sequence[str]) -> Record | None:
    """The values of `keys` alone; None unless the record has all of them."""
    picked = {key: dig(record, key) for key in keys}
    return None if any(value is MISSING for value in picked.values()) else picked


def table(
    rows: Iterable[Row], began: float, *, samples: int, keys: Sequence[str] | None, x_axis: str = STEP
) -> list[Record]:
    """At most `samples` records, one a step, by `x_axis`; with `keys` only x axis and keys, where all are there.

    Rows are not held in memory, whatever their number is.
    """
    groups = _by_step(rows)
    if not keys and x_axis == STEP:
        with Held(list[Row]) as held:
            held.extend(groups)
            return [_one(held[place], began) for place in sampled(range(len(held)), samples)]
    records = (_one(group, began) for group in groups)
    if keys:
        picked = (_having_flat(record, [x_axis, *keys]) for record in records)
    else:
        picked = (record if x_axis in record else None for record in records)
    placed = (record for record in picked if record is not None and sort_key(record[x_axis]) is not None)
    return _sampled_by(x_axis, placed, samples)


def _sampled_by(x_axis: str, records: Iterable[Record], samples: int) -> list[Record]:
    """At most `samples` of the records, which stand by step, by `x_axis`."""
    keys: list[Any] = []

    def noted(record: Record) -> Record:
        if x_axis != STEP:
            keys.append(sort_key(record[x_axis]))
        return record

    with Held(Record) as held:
        held.extend(map(noted, records))
        places = sorted(range(len(held)), key=keys.__getitem__) if keys else range(len(held))
        return [held[place] for place in sampled(places, samples)]


def system_table(records: Iterable[System], began: float, samples: int) -> list[Record]:
    """At most `samples` samples of the machine, by time; names begin with `system.`, as in W&B."""
    ordered = sorted(records, key=lambda record: record.time)
    return [
        {TIME: each.time, RUNTIME: _age(each.time, began)}
        | {f"system.{name}": value for name, value in each.values.items()}
        for each in sampled(ordered, samples)
    ]


def sampled(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, as evenly as their number allows: always the same ones, first and last included.

    Item `i` of the sample is item `round(i * (n - 1) / (count - 1))`. A sample of one is the last item.
    """
    last = len(items) - 1
    if len(items) <= count:
        return list(items)
    if count == 1:
        return [items[last]]
    return [items[(2 * i * last + count - 1) // (2 * (count - 1))] for i in range(count)]


def has_pandas() -> bool:
    """Whether pandas is installed."""
    return find_spec("pandas") is not None


def frame(records: Sequence[Record]) -> Any:
    """The records as a data frame, with a column for each key in the order of their first appearance."""
    from swath.tracking.media.dataframes import frame_of

    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [record.get(name) for record in records] for name in names}
    return frame_of(columns, [_kind(values) for values in columns.values()])


def _kind(values: Sequence[Any]) -> str:
    """The word of `frame_of` for a column: numbers with gaps are floats with NaN, as pandas itself would have them."""
    kinds = {type(value) for value in values}
    if kinds <= {int}:
        return "integer"
    return "number" if kinds <= {int, float, type(None)} and kinds != {type(None)} else "mixed"


def _by_step(rows: Iterable[Row]) -> Iterator[list[Row]]:
    return (list(group) for _, group in groupby(rows, key=lambda row: row.step))


def _one(group: Sequence[Row], began: float) -> Record:
    time = group[-1].time
    record: Record = {STEP: group[0].step, TIME: time, RUNTIME: _age(time, began)}
    for row in group:
        for key, value in _own(row.values).items():
            _flatten(record, key, value)
    return record


def _flatten(into: Record, name: str, value: Any) -> None:
    """Media stay whole, and so does an empty dict, which has nothing to be named by."""
    if isinstance(value, dict) and value and not is_media(value):
        for key, inner in value.items():
            _flatten(into, f"{name}.{key}", inner)
    else:
        into[name] = value


def _having_flat(record: Record, keys: Sequence[str]) -> Record | None:
    """`having` of a record whose nested dicts are flat: what lies below a key counts as a dict."""
    picked: Record = {}
    for key in keys:
        if key in record:
            picked[key] = record[key]
            continue
        below = {name[len(key) + 1 :]: value for name, value in record.items() if name.startswith(f"{key}.")}
        found = below or dig(record, key)
        if found is MISSING:
            return None
        picked[key] = found
    return picked


def _own(values: Record) -> Record:
    """Values without those that would take the place of the row's own step and time."""
    if STEP in values or TIME in values or RUNTIME in values:
        return {key: value for key, value in values.items() if key not in (STEP, TIME, RUNTIME)}
    return values


def _age(time: float, began: float) -> float:
    return max(time - began, 0.0)
