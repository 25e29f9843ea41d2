"""A statement of SQLAlchemy Core that is compiled once and then handed straight to the driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

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
        if self._constants:
            values = self._constants | values
        sent = values if order is None else [values[name] for name in order]
        execute: Callable[..., Cursor] = driver_of(connection).execute
        try:
            return execute(text, sent)
        except UnicodeEncodeError:  # text of a trial's error, of a host's name: it is kept with what is wrong escaped
            return execute(text, _storable(sent))

    def many(self, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Execute once for each row."""
        text, order = self._text(connection)
        sets = rows if order is None else [[row[name] for name in order] for row in rows]
        driver_of(connection).executemany(text, sets)

    def _text(self, connection: sa.Connection) -> tuple[str, Sequence[str] | None]:
        name = connection.dialect.name
        known = self._compiled.get(name)
        if known is None:
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=self._columns)  # type: ignore[attr-defined]
            self._constants = {k: v for k, v in compiled.params.items() if type(v) in (int, float, str)}
            known = self._compiled[name] = (str(compiled), compiled.positiontup if compiled.positional else None)
        return known


class Changes:
    """UPDATE of those columns of a row that have changed: most changes of a row are of few of its many columns.

    `keys` name the row; their parameters end in "_", as those of `update_by`.
    """

    def __init__(self, table: sa.Table, *keys: str) -> None:
        self._table = table
        self._where = [table.c[key] == sa.bindparam(f"{key}_") for key in keys]
        self._statements: dict[tuple[str, ...], Statement] = {}

    def __call__(self, connection: sa.Connection, changed: Mapping[str, Any], **keys: Any) -> None:
        """Set the columns `changed` of the row with those keys."""
        if not changed:
            return
        names = tuple(changed)
        statement = self._statements.get(names)
        if statement is None:
            values: dict[str, sa.BindParameter[Any]] = {name: sa.bindparam(name) for name in names}
            statement = self._statements[names] = Statement(sa.update(self._table).where(*self._where).values(values))
        statement(connection, **changed, **keys)


_drivers: WeakKeyDictionary[sa.Connection, Any] = WeakKeyDictionary()


def driver_of(connection: sa.Connection) -> Any:
    """The driver's own connection, kept: SQLAlchemy's way to it takes as long as a small statement."""
    driver = _drivers.get(connection)
    if driver is None:
        driver = _drivers[connection] = connection.connection.driver_connection
    return driver


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
