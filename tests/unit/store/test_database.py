"""The store's door: versions, damage, rollback, and several processes at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from swath.sweeps import tables
from swath.tracking.errors import NotAllowed, StoreCorrupt, UsageError
from swath.tracking.store import Database, RunRow, runs
from swath.tracking.store.tables import MIGRATIONS
from swath.tracking.store.tables import runs as runs_table

PARTS = {"tracking": MIGRATIONS, "sweeps": tables.MIGRATIONS}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".swath" / "swath.db"


def test_what_was_committed_is_there_for_the_next_process(path: Path) -> None:
    run = RunRow(id="a", config={"lr": 0.1, "big": 2**60}, summary={"x": float("inf")})
    first = Database(path, PARTS).open()
    with first.write() as connection:
        runs.insert(connection, run)
    first.close()
    second = Database(path, PARTS)
    with second.read() as connection:
        assert runs.get(connection, "a") == run
    second.close()


def test_only_what_has_changed_of_a_known_row_is_written(path: Path) -> None:
    known = RunRow(id="a", name="first", tags=("x",), config={"lr": 0.1})
    database = Database(path, PARTS)
    with database.write() as connection:
        runs.insert(connection, known)
        connection.execute(sa.update(runs_table).values(notes="written by another"))
        runs.update(connection, msgspec.structs.replace(known, config={"lr": 0.2}, group="g"), known)
        runs.update(connection, known, known)
        found = runs.get(connection, "a")
    assert found == msgspec.structs.replace(known, config={"lr": 0.2}, group="g", notes="written by another")
    database.close()


def test_text_that_utf8_cannot_hold_is_kept_with_an_escape(path: Path) -> None:
    database = Database(path, PARTS)
    with database.write() as connection:
        runs.insert(connection, RunRow(id="a"))
        runs.update(connection, RunRow(id="a", error="bad \udcff", config={"\udcff": "\udcff"}))
        found = runs.get(connection, "a")
    database.close()
    assert found is not None
    assert found.error == "bad \\udcff"


def test_an_exception_undoes_the_whole_transaction(path: Path) -> None:
    database = Database(path, PARTS)

    def change() -> None:
        with database.write() as connection:
            runs.insert(connection, RunRow(id="a"))
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        change()
    with database.read() as connection:
        assert runs.get(connection, "a") is None
    database.close()


def test_a_store_of_a_newer_version_is_refused_untouched_with_a_remedy(path: Path) -> None:
    Database(path, PARTS).open().close()
    raw = sqlite3.connect(path)
    raw.execute("UPDATE schema_versions SET version = 99 WHERE part = 'sweeps'")
    raw.commit()
    raw.close()
    before = path.read_bytes()
    with pytest.raises(NotAllowed, match="newer swath") as caught:
        Database(path, PARTS).open()
    assert "upgrade" in caught.value.hint
    assert path.read_bytes() == before


def test_a_store_of_an_older_version_is_migrated_by_the_steps_it_lacks(path: Path) -> None:
    Database(path, {"tracking": MIGRATIONS}).open().close()
    ran: list[str] = []

    def add_table(connection: sa.Connection) -> None:
        ran.append("add")
        connection.exec_driver_sql("CREATE TABLE later (id INTEGER PRIMARY KEY)")

    newer = Database(path, {"tracking": (*MIGRATIONS, add_table)})
    with newer.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM later").scalar() == 0
    newer.close()
    Database(path, {"tracking": (*MIGRATIONS, add_table)}).open().close()
    assert ran == ["add"]


def test_a_file_that_is_no_database_is_said_to_be_damaged_and_how_to_go_on(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(StoreCorrupt, match="damaged") as caught:
        Database(path, PARTS).open()
    assert "run logs" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot create the store"):
        Database(tmp_path / "file" / "swath.db", PARTS).open()


CREATE_AND_INSERT = """
import sys
from pathlib import Path
from swath.sweeps import tables
from swath.tracking.store import Database, RunRow, runs
from swath.tracking.store.tables import MIGRATIONS
from swath.tracking.store.tables import runs as runs_table

database = Database(Path(sys.argv[1]), {"tracking": MIGRATIONS, "sweeps": tables.MIGRATIONS})
for number in range(20):
    with database.write() as connection:
        runs.insert(connection, RunRow(id=f"{sys.argv[2]}-{number}"))
"""


def test_processes_that_create_the_store_at_once_lose_nothing(path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", CREATE_AND_INSERT, str(path), str(number)]) for number in range(4)
    ]
    assert [process.wait(120) for process in processes] == [0, 0, 0, 0]
    database = Database(path, PARTS)
    with database.read() as connection:
        assert len(runs.select(connection, limit=1000)) == 80
    database.close()
