"""What of a filter the database can check by itself, as conditions of SQL; the rest is left to `filters`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from swath.tracking.api.filters import Condition, Every, Test
from swath.tracking.store.tables import runs

_COMPARISONS: dict[str, Callable[[Any, float], sa.ColumnElement[bool]]] = {
    "$eq": operator.eq,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_TEXTS: dict[str, sa.Column[str]] = {
    "id": runs.c.id, "display_name": runs.c.name, "state": runs.c.state, "group": runs.c.run_group,
    "job_type": runs.c.job_type, "entity": runs.c.entity, "project": runs.c.project, "sweep": runs.c.sweep_id,
    "host": runs.c.host,
}  # fmt: skip
_TIMES: dict[str, sa.Column[float]] = {"created_at": runs.c.created, "heartbeat_at": runs.c.updated}
#: SQLite and PostgreSQL take that many parameters and more.
_MOST = 500


def split(condition: Condition) -> tuple[list[sa.ColumnElement[bool]], Condition]:
    """Clauses that hold exactly where a part of the condition does, and the other parts."""
    parts = _conjuncts(condition)
    clauses = [_clause(part) for part in parts]
    rest = tuple(part for part, clause in zip(parts, clauses, strict=True) if clause is None)
    return [clause for clause in clauses if clause is not None], Every(rest)


def _conjuncts(condition: Condition) -> list[Condition]:
    if isinstance(condition, Every):
        return [inner for part in condition.parts for inner in _conjuncts(part)]
    return [condition]


def _clause(condition: Condition) -> sa.ColumnElement[bool] | None:
    if not isinstance(condition, Test):
        return None
    operand = condition.operand
    if condition.field.key in _TEXTS:
        column: sa.ColumnElement[str] = _TEXTS[condition.field.key]
        if condition.operator == "$eq" and _is_text(operand):
            return column.in_([operand])
        if condition.operator == "$in" and len(operand) <= _MOST and all(map(_is_text, operand)):
            return column.in_(operand)
    if condition.field.key in _TIMES and isinstance(operand, int | float):
        compare = _COMPARISONS.get(condition.operator)
        if compare is not None:
            return compare(_TIMES[condition.field.key], float(operand))
    return None


def _is_text(value: Any) -> bool:
    """Text that means itself in a column: "" stands for what was not said, and is not equal to anything."""
    return isinstance(value, str) and value != ""
