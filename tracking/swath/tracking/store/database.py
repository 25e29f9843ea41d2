"""The one module that opens the database: connections, transactions and migrations; it knows no other table."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.errors import NotAllowed, RetryLater, StoreCorrupt, StoreFull, UsageError
from swath.tracking.store.statement import driver_of

Migration = Callable[[sa.Connection], None]

#: How long a transaction waits for other writers, in seconds.
BUSY_S = 60.0

_metadata = sa.MetaData()
_versions = sa.Table(
    "schema_versions",
    _metadata,
    sa.Column("part", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)


class Database:
    """The embedded store (SQLite, WAL): one connection of this process, used by one thread at a time.

    `parts` maps each part of the schema to its migrations in order; the number of migrations done is its version. A
    store of a newer version is refused untouched. A commit survives the death of any process; the last ones before a
    power cut may be missing, and are then applied again from the run logs.
    """

    def __init__(self, path: Path, parts: Mapping[str, Sequence[Migration]], clock: Clock = SYSTEM_CLOCK) -> None:
        self.path = path
        self._parts = parts
        self._clock = clock
        self._lock = threading.RLock()
        self._engine: sa.Engine | None = None
        self._connection: sa.Connection | None = None
        self._busy = False

    def open(self) -> Database:
        """Connect, creating or migrating the database as needed. Idempotent."""
        with self._lock:
            if self._connection is None:
                self._connect()
        return self

    def close(self) -> None:
        """Release the connection; `open()` may be called again."""
        with self._lock:
            if self._connection is not None and self._engine is not None:
                self._connection.close()
                self._engine.dispose()
            self._connection = self._engine = None

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that holds the store's write lock from its first moment; undone by an exception."""
        with self._lock, self._transaction("BEGIN IMMEDIATE", "COMMIT") as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view for reading, which waits for no writer of another process. Inside a write, that one."""
        with self._lock:
            if self._busy:
                assert self._connection is not None
                yield self._connection
            else:
                with self._transaction("BEGIN DEFERRED", "ROLLBACK") as connection:
                    yield connection

    @contextmanager
    def _transaction(self, begin: str, end: str) -> Iterator[sa.Connection]:
        """SQLAlchemy's own begin and commit cost more than SQLite's: the driver is told directly."""
        connection = self._connection or self.open()._connection
        assert connection is not None
        driver = driver_of(connection)
        execute = driver.execute
        try:
            execute(begin)
            self._busy = True
            try:
                yield connection
                execute(end)
            except BaseException:
                if driver.in_transaction:
                    execute("ROLLBACK")
                raise
            finally:
                self._busy = False
                if connection.in_transaction():
                    connection.rollback()
        except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
            raise _explained(error, self.path) from error

    def _connect(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot create the store {self.path.parent}: {error.strerror}", _WHERE) from error
        self._engine = sa.create_engine(
            f"sqlite:///{self.path}",
            poolclass=sa.pool.StaticPool,
            connect_args={"timeout": BUSY_S, "check_same_thread": False},
        )
        sa.event.listen(self._engine, "connect", _prepare)
        try:
            self._connection = self._connect_wal(self._engine)
            self._migrate()
        except sa.exc.DatabaseError as error:
            self._engine.dispose()
            self._connection = self._engine = None
            raise _explained(error, self.path) from error
        except BaseException:
            self.close()
            raise

    def _connect_wal(self, engine: sa.Engine) -> sa.Connection:
        """Processes that open a new database at once can collide in the switch to WAL, which ignores the timeout."""
        deadline = self._clock.monotonic() + BUSY_S
        while True:
            try:
                return engine.connect()
            except sa.exc.OperationalError as error:
                if "locked" not in str(error) or self._clock.monotonic() > deadline:
                    raise
                self._clock.sleep(0.01)

    def _migrate(self) -> None:
        with self.read() as connection:
            found = _read_versions(connection)
        for part, migrations in self._parts.items():
            if found.get(part, 0) > len(migrations):
                raise NotAllowed(
                    f"the store {self.path} was written by a newer swath ({part} schema {found[part]}, "
                    f"this one knows {len(migrations)})",
                    "upgrade swath (pip install -U swath), or point SWATH_DIR to another folder; nothing was changed",
                )
        if all(found.get(part) == len(migrations) for part, migrations in self._parts.items()):
            return
        with self.write() as connection:
            _metadata.create_all(connection)
            found = _read_versions(connection)
            for part, migrations in self._parts.items():
                for step in migrations[found.get(part, 0) :]:
                    step(connection)
                connection.execute(sa.delete(_versions).where(_versions.c.part == part))
                connection.execute(sa.insert(_versions).values(part=part, version=len(migrations)))


_WHERE = "set SWATH_DIR to a folder that can be written"


def _read_versions(connection: sa.Connection) -> dict[str, int]:
    if not sa.inspect(connection).has_table(_versions.name):
        return {}
    return {row.part: row.version for row in connection.execute(sa.select(_versions))}


_PRAGMAS = (
    "page_size=2048",
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "cache_size=-32000",
    "wal_autocheckpoint=32000",
)


def _prepare(dbapi_connection: object, _record: object) -> None:
    """A commit writes each changed page whole: small pages halve what a trial costs (140 us a commit to 80)."""
    connection = dbapi_connection
    connection.isolation_level = None  # type: ignore[attr-defined]  # BEGIN is ours: see _begin
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]


def _explained(error: sa.exc.DatabaseError | sqlite3.DatabaseError, path: Path) -> Exception:
    text = str(error.orig if isinstance(error, sa.exc.DatabaseError) else error)
    if "locked" in text or "busy" in text:
        return RetryLater(f"the store {path} was locked by another process for {BUSY_S:.0f} s", "try again")
    if "not a database" in text or "malformed" in text:
        return StoreCorrupt(
            f"the store {path} is damaged: {text}",
            "move swath.db aside: the run logs beside it hold every run, and a new store takes them over",
        )
    if "readonly" in text or "unable to open" in text or "full" in text or "disk I/O" in text:
        return StoreFull(f"cannot write the store {path}: {text}", f"free some space or {_WHERE}")
    return error
