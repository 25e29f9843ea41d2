"""The ledger's rows and tables say the same in the same order."""

from __future__ import annotations

from pathlib import Path

from swath.sweeps import ledger, tables
from swath.sweeps.ledger import AgentRow, SweepRow, TrialRow
from swath.sweeps.stopping import Mark
from swath.tracking.store import Database
from swath.tracking.store.tables import MIGRATIONS


def test_rows_are_read_by_position_so_their_fields_follow_the_columns() -> None:
    assert list(SweepRow.__struct_fields__) == [column.name for column in tables.sweeps.columns]
    assert list(TrialRow.__struct_fields__) == [column.name for column in tables.trials.columns]
    assert list(AgentRow.__struct_fields__) == [column.name for column in tables.agents.columns]


def test_a_store_of_the_first_version_gets_the_columns_that_it_lacks(tmp_path: Path) -> None:
    parts = {"tracking": MIGRATIONS, "sweeps": tables.MIGRATIONS[:1]}
    old = Database(tmp_path / "swath.db", parts)
    with old.write() as connection:
        added = {
            "trials": ["told", "ooms"],
            "rungs": ["others", "decided"],
            "agents": ["wish", "pool", "memory", "most"],
            "sweeps": ["heard"],
        }
        for table, column in ((table, column) for table, columns in added.items() for column in columns):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.exec_driver_sql(
            "INSERT INTO rungs (sweep_id, number, band, value, best, mean) VALUES ('s', 1, 3, 0.5, 0.4, 0.6)"
        )
    old.close()
    new = Database(tmp_path / "swath.db", {"tracking": MIGRATIONS, "sweeps": tables.MIGRATIONS})
    with new.read() as connection:
        assert list(ledger.marks(connection, "s")) == [(1, 3, Mark(0.5, 0.4, 0.6))]
        assert ledger.decided_at(connection, "s") == {}
        assert ledger.trials_in(connection, "s") == []
        assert ledger.agents_of(connection, "s") == []
        assert ledger.all_sweeps(connection) == []
    new.close()
