"""The alerts in a run's log are told in the store's event log, each once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from swath.tracking import layout
from swath.tracking.apply.catchup import take_over_runs, trials_by_log
from swath.tracking.apply.notices import RAISED, alert_of, notices
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import Alert, Finish, Header
from swath.tracking.store import Database
from swath.tracking.store.jsontext import from_json
from swath.tracking.store.runs import events_of
from swath.tracking.store.tables import MIGRATIONS
from swath.tracking.testing import FakeClock

CLOCK = FakeClock()
ALERT = Alert(5.0, "t", "x", "WARN", error="no network")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(layout.database_path(tmp_path), {"tracking": MIGRATIONS})
    yield made
    made.close()


def test_each_alert_is_told_once_however_often_the_log_is_looked_at(tmp_path: Path, database: Database) -> None:
    told = []
    writer = LogWriter(tmp_path / "runs" / "r1" / "0001.log")
    writer.append(Header("r1", 1, CLOCK.now(), "name", host="elsewhere", pid=1))
    for record in (ALERT, Alert(6.0, "u", "y", "INFO", delivered=True), Finish(0, 7.0)):
        writer.append(record)
        for _ in range(2):
            take_over_runs(database, tmp_path, CLOCK, trials_by_log(tmp_path))
    writer.close()
    with database.read() as connection:
        told = events_of(connection, RAISED, 0, 100)
    assert [(row.scope, row.subject) for row in told] == [("r1", "r1")] * 2
    assert [alert_of(from_json(row.payload)) for row in told] == [ALERT, Alert(6.0, "u", "y", "INFO", delivered=True)]


def test_of_very_many_alerts_the_last_are_told_and_of_very_long_ones_the_beginning() -> None:
    many = [Alert(float(number), f"{number}" + "t" * 9000, "x" * 9000, "INFO") for number in range(1000)]
    told = notices("s", "r", many)
    assert [alert_of(event.payload).time for event in told] == [float(number) for number in range(900, 1000)]
    assert all(len(event.payload["title"]) == len(event.payload["text"]) == 8000 for event in told)
