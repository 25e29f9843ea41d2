"""The ledger's rows and tables say the same in the same order."""

from __future__ import annotations

from swath.sweeps import tables
from swath.sweeps.ledger import SweepRow, TrialRow


def test_rows_are_read_by_position_so_their_fields_follow_the_columns() -> None:
    assert list(SweepRow.__struct_fields__) == [column.name for column in tables.sweeps.columns]
    assert list(TrialRow.__struct_fields__) == [column.name for column in tables.trials.columns]
