"""The product's store in memory, with a hand on each transaction: it can be struck down, rehearsed, and audited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from swath.sweeps import tables as sweep_tables
from swath.tracking.errors import RetryLater
from swath.tracking.store import Database
from swath.tracking.store.statement import driver_of
from swath.tracking.store.tables import MIGRATIONS, events, runs

Strike = Literal["before", "commit", "trouble", "after"]
Facts = list[tuple[Any, ...]]

_TABLES = (sweep_tables.sweeps, sweep_tables.trials, sweep_tables.rungs, sweep_tables.agents, runs, events)


class StruckDown(BaseException):
    """The process that was in the store is killed at this very moment."""


class _Rehearsed(BaseException):
    """A rehearsal is over: nothing of it may stay."""


class SimDatabase(Database):
    """`strike` is what happens in the next transaction that writes.

    before: the process dies before it begins. commit: it dies when all was written and nothing committed. after: it
    dies when it was committed and nobody was told. trouble: the commit fails, and the process lives on.
    `audit` is called with the connection before each commit; what it returns is called once that has happened.
    """

    def __init__(self) -> None:
        super().__init__(Path(":memory:"), {"tracking": MIGRATIONS, "sweeps": sweep_tables.MIGRATIONS})
        self.strike: Strike | None = None
        self.audit: Callable[[sa.Connection], Callable[[], None]] | None = None
        self._rehearsing = False
        self._seen: Facts = []

    def empty(self) -> None:
        """Forget everything."""
        self.strike = self.audit = None
        with super().write() as connection:
            for table in _TABLES:
                driver_of(connection).execute(f"DELETE FROM {table.name}")

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        strike, self.strike = self.strike, None
        if strike == "before":
            raise StruckDown
        told: Callable[[], None] | None = None
        with super().write() as connection:
            yield connection
            if self._rehearsing:
                self._seen = _facts(connection)
                raise _Rehearsed
            if strike == "commit":
                raise StruckDown
            if strike == "trouble":
                raise RetryLater("the commit failed, as on a full disk", "try again")
            told = self.audit(connection) if self.audit is not None else None
        if told is not None:
            told()
        if strike == "after":
            raise StruckDown

    def rehearse(self, call: Callable[[], Any]) -> Facts:
        """What all tables would hold after `call`, which does not happen; what it raises is raised."""
        self._rehearsing = True
        try:
            call()
        except _Rehearsed:
            return self._seen
        finally:
            self._rehearsing = False
        return []

    def facts(self) -> Facts:
        """What all tables hold."""
        with self.read() as connection:
            return _facts(connection)


def _facts(connection: sa.Connection) -> Facts:
    execute = driver_of(connection).execute
    return [(table.name, *row) for table in _TABLES for row in execute(f"SELECT * FROM {table.name}").fetchall()]
