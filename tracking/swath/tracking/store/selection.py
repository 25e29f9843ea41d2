"""Reads chosen columns of many runs at once, JSON decoded; which runs are meant is said by the caller."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from swath.tracking.store.jsontext import from_json
from swath.tracking.store.tables import runs

_JSON = frozenset({"tags", "config", "summary", "metrics", "applied"})


def select_ids(connection: sa.Connection, clauses: Sequence[sa.ColumnElement[bool]]) -> list[str]:
    """The ids of the runs that all clauses hold for, oldest first."""
    return list(connection.execute(_ordered(sa.select(runs.c.id), clauses)).scalars())


def select_columns(
    connection: sa.Connection, columns: Collection[str], clauses: Sequence[sa.ColumnElement[bool]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Id and columns of the runs that all clauses hold for, oldest first; one at a time."""
    names = ["id", *sorted(set(columns) - {"id"})]
    decoded = [at for at, name in enumerate(names) if name in _JSON]
    for row in connection.execute(_ordered(sa.select(*(runs.c[name] for name in names)), clauses)):
        values = list(row)
        for at in decoded:
            values[at] = from_json(values[at])
        yield values[0], dict(zip(names, values, strict=True))


def _ordered(query: sa.Select[Any], clauses: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    return query.where(*clauses).order_by(runs.c.created, runs.c.id)
