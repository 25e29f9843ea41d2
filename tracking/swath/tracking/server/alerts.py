"""Sends the alerts of a store's runs that the runs could not deliver to the server's own targets; knows no HTTP."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from swath.tracking.alerts import WAIT_S, Titles
from swath.tracking.apply.notices import FAILED, RAISED, SENT, alert_of
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.runlog.records import Alert
from swath.tracking.store import Database, runs
from swath.tracking.store.jsontext import from_json
from swath.tracking.store.runs import Event
from swath.tracking.targets import AlertLevel, Target

logger = logging.getLogger("swath.tracking")

#: Older ones say when they were raised; those of a run that is delivered a day later are in its record only.
LATE_S = 600.0
TOO_LATE_S = 86_400.0
#: So many are sent in a minute; of the others it is said how many they were.
MOST_A_MINUTE = 20
_LOOK_EVERY_S = 1.0
_STOP_S = 3.0
_AT_ONCE = 100
#: No run and no sweep can have this id. The last event of the scope names the alert that was taken last.
_SCOPE = ":alerts"
_TAKEN = "alerts.taken"


class _Notice(NamedTuple):
    """An alert that is to be sent: the event that told of it, and whose it is."""

    event: int
    scope: str
    run_id: str
    alert: Alert


class ServerAlerts:
    """Sends each alert that a run of this store has recorded as not delivered, once, from `start` to `stop`.

    Alerts are found in the store's event log, behind the one that was taken last; what was there before the first
    `start` is left. Each is taken before it is sent: a server that dies meanwhile does not send it again. A title of
    a run is held back for a minute. What became of it is an event, `alert.sent` or `alert.failed`, and a failure is
    logged. Without targets nothing happens.
    """

    def __init__(self, database: Database, targets: Sequence[str], clock: Clock = SYSTEM_CLOCK) -> None:
        self._database = database
        self._targets = [Target(url) for url in targets]
        self._clock = clock
        self._titles = Titles(clock)
        self._sent: deque[float] = deque(maxlen=MOST_A_MINUTE)
        self._left_out = 0
        self._seen = 0
        self._troubled = False
        self._ended = threading.Event()
        self._given_up = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send, beside everything else."""
        if self._targets and self._thread is None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._work, name="swath-server-alerts", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Send nothing more; what is on its way is waited for, for some seconds."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)
            self._given_up = self._thread.is_alive()
            self._thread = None

    def _work(self) -> None:
        begun = False
        while True:
            try:
                if not begun:
                    self.begin()
                    begun = True
                self.send_new()
                self._troubled = False
            except Exception as error:
                if not self._troubled:
                    logger.warning("alerts are not sent at the moment: %s", error)
                self._troubled = True
            if self._ended.wait(_LOOK_EVERY_S):
                return

    def begin(self) -> None:
        """Go on behind the alert that was taken last; the first time, behind all that are there."""
        with self._database.write() as connection:
            if _taken(connection) is None:
                self._take(connection, runs.newest_event(connection))

    def send_new(self) -> None:
        """Send what has come."""
        while not self._ended.is_set():
            notice = self._next()
            if notice is None:
                break
            self._send(notice)
        if self._left_out and not self._is_crowded():
            count, self._left_out = self._left_out, 0
            text = f"in the last minutes, beyond {MOST_A_MINUTE} a minute; all are in the records of their runs"
            self._deliver(Alert(self._clock.now(), f"{count} more alerts were not sent", text, AlertLevel.WARN))

    def _next(self) -> _Notice | None:
        """Take the next alert that is to be sent: from then on it counts as sent."""
        while self._has_news():
            with self._database.write() as connection:
                after = max(self._seen, _taken(connection) or 0)
                found, last = self._first_due(runs.events_of(connection, RAISED, after, _AT_ONCE))
                if last:
                    self._take(connection, last)
            self._seen = last or after
            if found is not None:
                return found
        return None

    def _first_due(self, rows: Sequence[sa.Row[Any]]) -> tuple[_Notice | None, int]:
        """The first that is to be sent, and the event up to which all are settled then; 0 when there is none."""
        for row in rows:
            notice = _Notice(row.id, row.scope, row.subject, alert_of(from_json(row.payload)))
            if self._is_due(notice):
                return notice, row.id
        return None, rows[-1].id if rows else 0

    def _has_news(self) -> bool:
        """Whether an alert was raised since the last look; most of the time nothing was."""
        with self._database.read() as connection:
            newest = runs.newest_event(connection)
            if newest > self._seen and runs.events_of(connection, RAISED, self._seen, 1):
                return True
            self._seen = newest
        return False

    def _is_due(self, notice: _Notice) -> bool:
        alert = notice.alert
        if alert.delivered or not self._clock.now() - alert.time < TOO_LATE_S:
            return False
        if self._titles.holds_back(f"{notice.run_id} {alert.title}", WAIT_S):
            return False
        if self._is_crowded():
            self._left_out += 1
            return False
        self._sent.append(self._clock.monotonic())
        return True

    def _is_crowded(self) -> bool:
        return len(self._sent) == MOST_A_MINUTE and self._clock.monotonic() - self._sent[0] < 60.0

    def _take(self, connection: sa.Connection, event: int) -> None:
        runs.append_events(connection, self._clock.now(), [Event(_TAKEN, _SCOPE, str(event), {})])

    def _send(self, notice: _Notice) -> None:
        with self._database.read() as connection:
            run = runs.get(connection, notice.run_id)
        whose = f"{run.name} ({run.id})" if run is not None and run.name != run.id else notice.run_id
        text = "\n\n".join(part for part in (notice.alert.text, f"run {whose}{self._lateness(notice.alert)}") if part)
        reached, error = self._deliver(msgspec.structs.replace(notice.alert, text=text))
        payload = {"alert": notice.event, "title": notice.alert.title, "error": error}
        if self._given_up:  # the store may be closed by now
            return
        with self._database.write() as connection:
            told = Event(SENT if reached else FAILED, notice.scope, notice.run_id, payload)
            runs.append_events(connection, self._clock.now(), [told])

    def _lateness(self, alert: Alert) -> str:
        if self._clock.now() - alert.time < LATE_S:
            return ""
        raised = datetime.fromtimestamp(alert.time, UTC)
        return f", raised at {raised:%Y-%m-%d %H:%M} UTC, which the server hears of only now"

    def _deliver(self, alert: Alert) -> tuple[bool, str]:
        """Whether it reached a target, and what went wrong with others."""
        errors = []
        for target in self._targets:
            error = target.deliver(alert)
            if error:
                errors.append(f"{target.label}: {error}")
                logger.warning("the alert %r did not reach %s: %s", alert.title, target.label, error)
        return len(errors) < len(self._targets), "; ".join(errors)


def _taken(connection: sa.Connection) -> int | None:
    """The event of the alert that was taken last."""
    last = runs.last_subject(connection, _SCOPE)
    return int(last) if last is not None else None
