"""What the store's event log says of the alerts that runs raised; sends none of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from swath.tracking.runlog.records import Alert
from swath.tracking.store.runs import Event

#: The kind of such an event; what a server did about it is told by the others.
RAISED = "alert"
SENT, FAILED = "alert.sent", "alert.failed"
#: Of a log that comes with more of them at once, the last ones are told.
_MOST = 100
_MOST_TEXT = 8000


def notices(scope: str, run_id: str, alerts: Sequence[Alert]) -> list[Event]:
    """The events of alerts that were read from a run's log, each once: where the log's position moves on with them."""
    return [Event(RAISED, scope, run_id, _told(alert)) for alert in alerts[-_MOST:]]


def _told(alert: Alert) -> dict[str, Any]:
    told = msgspec.structs.asdict(alert)
    return {**told, "title": alert.title[:_MOST_TEXT], "text": alert.text[:_MOST_TEXT]}


def alert_of(payload: dict[str, Any]) -> Alert:
    """The alert that an event tells of."""
    return Alert(**{name: payload[name] for name in Alert.__struct_fields__ if name in payload})
