"""Alerts are checked, held back by title, and recorded whatever becomes of them; nothing here leaves the process."""

from __future__ import annotations

import math
import sys
from datetime import timedelta
from typing import Any

import pytest

from swath.tracking.alerts import Alerts
from swath.tracking.errors import UsageError
from swath.tracking.runlog.records import Alert
from swath.tracking.targets import AlertLevel
from swath.tracking.testing import FakeClock


class Book:
    """Alerts without targets, what they recorded, and the clock they go by."""

    def __init__(self, *targets: str) -> None:
        self.clock = FakeClock()
        self.records: list[Alert] = []
        self.alerts = Alerts(targets, self.clock, self.records.append)
        self.send = self.alerts.send

    @property
    def titles(self) -> list[str]:
        return [record.title for record in self.records]


@pytest.fixture
def book() -> Book:
    return Book()


def test_without_targets_an_alert_is_recorded_at_once_as_delivered_to_nobody(book: Book) -> None:
    book.send("High loss", "loss is 7", AlertLevel.WARN)
    assert book.records == [Alert(1_000_000.0, "High loss", "loss is 7", "WARN", False, "")]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, "INFO"),
        ("info", "INFO"),
        ("WARN", "WARN"),
        ("Warning", "WARN"),
        ("error", "ERROR"),
        (AlertLevel.ERROR, "ERROR"),
    ],
)
def test_a_level_is_a_member_or_its_name_in_any_case(book: Book, said: Any, meant: str) -> None:
    book.send("t", "x", said)
    assert book.records[0].level == meant


def test_a_title_is_held_back_for_a_minute_unless_said_otherwise(book: Book) -> None:
    book.send("t", "1")
    book.clock.advance(59)
    book.send("t", "2")
    book.clock.advance(1)
    book.send("t", "3")
    assert [record.text for record in book.records] == ["1", "3"]


@pytest.mark.parametrize("wait", [10, 10.0, timedelta(seconds=10)])
def test_a_title_is_held_back_for_the_time_that_the_later_call_names(book: Book, wait: Any) -> None:
    book.send("t", "1", wait_duration=3600)
    book.clock.advance(9.5)
    book.send("t", "2", wait_duration=wait)
    book.clock.advance(0.5)
    book.send("t", "3", wait_duration=wait)
    assert [record.text for record in book.records] == ["1", "3"]


def test_an_alert_that_was_held_back_does_not_make_the_wait_longer(book: Book) -> None:
    for _ in range(4):
        book.send("t", "x", wait_duration=10)
        book.clock.advance(6)
    assert [record.time for record in book.records] == [1_000_000.0, 1_000_012.0]


def test_other_titles_are_not_held_back(book: Book) -> None:
    for title in ("a", "b", "a", "c"):
        book.send(title, "x")
    assert book.titles == ["a", "b", "c"]


@pytest.mark.parametrize("wait", [0, timedelta(0)])
def test_a_wait_of_zero_sends_every_alert(book: Book, wait: Any) -> None:
    for _ in range(3):
        book.send("t", "x", wait_duration=wait)
    assert len(book.records) == 3


def test_a_wait_may_be_longer_than_numbers_go(book: Book) -> None:
    for wait in (10**400, math.inf):
        book.send("t", "x", wait_duration=wait)
    assert len(book.records) == 1


def test_text_that_no_service_takes_is_recorded_and_sent_as_what_they_take(book: Book) -> None:
    book.send("lone \ud800", "half \udfff")
    assert (book.records[0].title, book.records[0].text) == ("lone \\ud800", "half \\udfff")


def test_titles_without_end_do_not_fill_the_memory(book: Book) -> None:
    for number in range(10_001):
        book.send(f"title {number}", "x", wait_duration=math.inf)
    book.send("title 1", "x", wait_duration=math.inf)  # remembered
    book.send("title 0", "x", wait_duration=math.inf)  # the oldest one is forgotten
    assert len(book.records) == 10_002


@pytest.mark.parametrize("wrong", [-1, -0.5, timedelta(seconds=-1), math.nan, "10", True, [1]])
def test_a_wait_that_is_no_time_is_a_usage_error(book: Book, wrong: Any) -> None:
    with pytest.raises(UsageError, match="wait_duration"):
        book.send("t", "x", wait_duration=wrong)
    assert book.records == []


@pytest.mark.parametrize("wrong", ["", "FATAL", 30, 1.5])
def test_an_unknown_level_is_a_usage_error(book: Book, wrong: Any) -> None:
    with pytest.raises(UsageError, match="level"):
        book.send("t", "x", wrong)


@pytest.mark.parametrize("wrong", [None, 3, b"bytes", ["a"]])
def test_a_title_or_text_that_is_no_string_is_a_usage_error(book: Book, wrong: Any) -> None:
    with pytest.raises(UsageError, match="title"):
        book.send(wrong, "x")
    with pytest.raises(UsageError, match="text"):
        book.send("t", wrong)


def test_a_wrong_call_does_not_hold_back_the_right_one(book: Book) -> None:
    with pytest.raises(UsageError):
        book.send("t", "x", "FATAL")
    book.send("t", "x")
    assert book.titles == ["t"]


def test_closing_with_nothing_on_its_way_records_nothing(book: Book) -> None:
    book.alerts.close()
    book.alerts.close()
    assert book.records == []


@pytest.mark.filterwarnings("ignore:an alert did not reach:RuntimeWarning")
def test_without_apprise_an_alert_is_recorded_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    book = Book("json://localhost/secret")
    book.send("t", "x")
    book.alerts.close(30)
    (record,) = book.records
    assert not record.delivered
    assert 'pip install "swath[alerts]"' in record.error
