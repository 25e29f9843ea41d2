"""A statement of SQLAlchemy Core that is compiled once and then handed straight to the driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from swath.tracking.runlog.encoding import utf8_text


class Cursor(Protocol):
    """What is used of a driver's cursor (PEP 249)."""

    def fetchone(self) -> tuple[Any, ...] | None: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...


class Statement:
    """Call it with a connection and its parameters by name.

    Core's own execution costs about 70 us a statement, the driver's about 17, and a trial needs a dozen of them. The
    price: values are not converted, so only columns of plain text, integers and floats may take part, and errors are
    the driver's own.
    """

    def __init__(self, statement: sa.Executable, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = list(columns) if columns is not None else None
        self._compiled: dict[str, tuple[str, Sequence[str] | None]] = {}
        self._constants: dict[str, Any] = {}

    def __call__(self, connection: sa.Connection, **values: Any) -> Cursor:
        """Execute; the driver's cursor gives the rows as plain tuples."""
        text, order = self._text(connection)
        values = self._constants | values
        sent = values if order is None else [values[name] for name in order]
        execute: Callable[..., Cursor] = connection.connection.driver_connection.execute  # type: ignore[union-attr]
        try:
            return execute(text, sent)
        except UnicodeEncodeError:  # text of a trial's error, of a host's name: it is kept with what is wrong escaped
            return execute(text, _storable(sent))

    def many(self, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Execute once for each row."""
        text, order = self._text(connection)
        sets = rows if order is None else [[row[name] for name in order] for row in rows]
        connection.connection.driver_connection.executemany(text, sets)  # type: ignore[union-attr]

    def _text(self, connection: sa.Connection) -> tuple[str, Sequence[str] | None]:
        name = connection.dialect.name
        if name not in self._compiled:
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=self._columns)  # type: ignore[attr-defined]
            self._constants = {k: v for k, v in compiled.params.items() if type(v) in (int, float, str)}
            self._compiled[name] = (str(compiled), compiled.positiontup if compiled.positional else None)
        return self._compiled[name]


def _storable(sent: Any) -> Any:
    if isinstance(sent, dict):
        return dict(zip(sent, _storable(list(sent.values())), strict=True))
    return [utf8_text(value) if isinstance(value, str) else value for value in sent]


def insert_into(table: sa.Table) -> Statement:
    """INSERT of a whole row."""
    return Statement(sa.insert(table), [column.name for column in table.columns])


def update_by(table: sa.Table, key: str, *columns: str) -> Statement:
    """UPDATE of `columns` where `key` equals the parameter of that name."""
    values: dict[str, sa.BindParameter[Any]] = {name: sa.bindparam(name) for name in columns}
    return Statement(sa.update(table).where(table.c[key] == sa.bindparam(f"{key}_")).values(values))
