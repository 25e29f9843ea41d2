"""Mongo-style filters of runs: what they mean, told of one run at a time; where the runs come from is not known here.

As in MongoDB: all keys of a filter must hold; a missing value is None; a list matches when it or one of its elements
does; `$gt` and its like compare numbers with numbers and text with text, and hold for nothing else; `$ne`, `$nin`,
`$nor` and `$not` hold for what is missing. True is no number here, and NaN equals NaN alone.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from swath.tracking.api.fields import MISSING, Columns, Field, field_named
from swath.tracking.errors import UsageError
from swath.tracking.runlog.encoding import to_plain, to_plain_dict

OPERATORS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$regex", "$not")
JUNCTIONS = ("$and", "$or", "$nor", "$not")
_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_REST = 4
#: W&B's words for states that have another name here.
_STATES = {"crashed": "lost", "pending": "queued"}


@dataclass(frozen=True)
class Test:
    """One operator on one key: `$eq`, `$in`, `$exists`, `$regex` or an ordering."""

    field: Field
    operator: str
    operand: Any

    def matches(self, columns: Columns) -> bool:
        value = self.field.value(columns)
        match self.operator:
            case "$eq":
                return equals(value, self.operand)
            case "$in":
                return any(equals(value, each) for each in self.operand)
            case "$exists":
                return (value is not MISSING) is self.operand
            case "$regex":
                return _any(value, lambda each: isinstance(each, str) and bool(self.operand.search(each)))
        compare = _ORDERINGS[self.operator]
        return _any(value, lambda each: _rank(each) == _rank(self.operand) and compare(each, self.operand))


@dataclass(frozen=True)
class Every:
    """All parts hold; with none, everything does."""

    parts: tuple[Condition, ...]

    def matches(self, columns: Columns) -> bool:
        return all(part.matches(columns) for part in self.parts)


@dataclass(frozen=True)
class Some:
    """One part holds at least."""

    parts: tuple[Condition, ...]

    def matches(self, columns: Columns) -> bool:
        return any(part.matches(columns) for part in self.parts)


@dataclass(frozen=True)
class No:
    """The part does not hold."""

    part: Condition

    def matches(self, columns: Columns) -> bool:
        return not self.part.matches(columns)


Condition = Test | Every | Some | No


def parse(filters: Mapping[str, Any] | None) -> Condition:
    """The condition that a filter is. Raises `UsageError` that names the key, and hints at the nearest word."""
    if filters is None:
        return Every(())
    if not isinstance(filters, Mapping):
        raise UsageError(f"filters={filters!r} is no dict", 'write filters={"config.lr": {"$lt": 0.1}}')
    return _all([_entry(key, value) for key, value in filters.items()])


def plain(filters: Mapping[str, Any] | None) -> dict[str, Any]:
    """A filter as plain data, numbers of numpy and dates too, as it can be sent elsewhere."""
    return to_plain_dict(filters, "filters") if isinstance(filters, Mapping) else {}


def columns_of(condition: Condition) -> set[str]:
    """The columns that a condition looks at."""
    match condition:
        case Test():
            return set(condition.field.columns)
        case No():
            return columns_of(condition.part)
    return {name for part in condition.parts for name in columns_of(part)}


def equals(value: Any, operand: Any) -> bool:
    """Whether a value, or an element of it, is the operand; what is missing is None."""
    if same(None if value is MISSING else value, operand):
        return True
    return isinstance(value, list) and any(same(each, operand) for each in value)


def same(one: Any, other: Any) -> bool:
    """Equality of plain values, at every depth: True is not 1, NaN is NaN."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return bool(one == other or (one != one and other != other))


def sort_key(value: Any) -> tuple[int, Any] | None:
    """What puts values of any kind in one order: booleans, numbers, text, the rest by its text. None: has no place."""
    rank = _rank(value)
    if value is MISSING or value is None or value != value:
        return None
    return (rank, value) if rank else (_REST, repr(value))


def _rank(value: Any) -> int:
    """Values of one rank are comparable; 0: with nothing."""
    if isinstance(value, bool):
        return 1
    if isinstance(value, int | float):
        return 2
    return 3 if isinstance(value, str) else 0


def _any(value: Any, holds: Callable[[Any], bool]) -> bool:
    return any(map(holds, value)) if isinstance(value, list) else holds(value)


def _all(parts: Iterable[Condition]) -> Condition:
    found = tuple(parts)
    return found[0] if len(found) == 1 else Every(found)


def _entry(key: Any, value: Any) -> Condition:
    if isinstance(key, str) and key.startswith("$"):
        return _junction(key, value)
    field = field_named(key)
    words = [word for word in value if str(word).startswith("$")] if isinstance(value, Mapping) else []
    if words and len(words) < len(value):
        raise UsageError(f"the filter of {key!r} mixes operators and values: {value!r}", "write operators only")
    if not words:
        return Test(field, "$eq", _operand(field, value))
    return _all([_operator(field, word, value[word]) for word in value])


def _junction(word: str, value: Any) -> Condition:
    if word not in JUNCTIONS:
        if word in OPERATORS:
            raise UsageError(f"{word} stands without a key", f'write {{"config.lr": {{"{word}": ...}}}}')
        raise UsageError(f"there is no operator {word!r}", _near(word, JUNCTIONS))
    if word == "$not":
        return No(parse(_checked(value, isinstance(value, Mapping), word, "a filter")))
    many = isinstance(value, list | tuple) and bool(value)
    parts = tuple(parse(each) for each in _checked(value, many, word, "a list of filters"))
    if word == "$and":
        return Every(parts)
    return Some(parts) if word == "$or" else No(Some(parts))


def _operator(field: Field, word: str, value: Any) -> Condition:
    where = f"{word} of {field.key!r}"
    if word not in OPERATORS:
        raise UsageError(f"there is no operator {word!r} (in the filter of {field.key!r})", _near(word, OPERATORS))
    match word:
        case "$not":
            negated = isinstance(value, Mapping) and bool(value) and all(str(each).startswith("$") for each in value)
            return No(_entry(field.key, _checked(value, negated, where, 'operators, like {"$gt": 1}')))
        case "$in" | "$nin":
            many = isinstance(value, list | tuple | set | frozenset)
            test = Test(field, "$in", tuple(_operand(field, each) for each in _checked(value, many, where, "a list")))
            return No(test) if word == "$nin" else test
        case "$exists":
            return Test(field, word, bool(_checked(value, isinstance(value, bool | int), where, "True or False")))
        case "$regex":
            return Test(field, word, _pattern(field, value, where))
        case "$ne":
            return No(Test(field, "$eq", _operand(field, value)))
        case "$eq":
            return Test(field, word, _operand(field, value))
    operand = _operand(field, value)
    return Test(field, word, _checked(operand, bool(_rank(operand)), where, "a number or a string"))


def _operand(field: Field, value: Any) -> Any:
    """A value that a filter names, in the form that runs have it."""
    value = to_plain(value, field.key)
    if field.kind == "time":
        return _seconds(field, value)
    if field.kind == "state" and isinstance(value, str):
        return _STATES.get(value, value)
    return None if field.kind == "optional" and value == "" else value


def _seconds(field: Field, value: Any) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise UsageError(
            f"{value!r} is no time (in the filter of {field.key!r})",
            'write "2025-01-31T12:00:00Z", a datetime, or seconds since 1970',
        ) from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _pattern(field: Field, value: Any, where: str) -> re.Pattern[str]:
    if field.kind == "time":
        raise UsageError(f"{where}: a time is no text", "compare times with $gt, $gte, $lt and $lte")
    try:
        return re.compile(_checked(value, isinstance(value, str), where, "a regular expression"))
    except re.error as error:
        raise UsageError(f"{where}: {value!r} is no regular expression: {error}", "mend the expression") from None


def _checked(value: Any, fits: bool, where: str, what: str) -> Any:
    if not fits:
        raise UsageError(f"{where} is {value!r}", f"it takes {what}")
    return value


def _near(word: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(word, known, 1)
    return f"did you mean {near[0]}?" if near else f"operators are {', '.join(known)}"
