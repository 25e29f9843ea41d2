"""One line an event, for logs and pipes: what happened, to which trial, and why; it keeps only the trials' numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from swath.sweeps.cli import words
from swath.sweeps.views import EventView


class EventLines:
    """Turns events into lines; asks `number_of` for trials whose start it did not see.

    `keys` are the parameters worth showing; None: all of them.
    """

    def __init__(self, metric: str | None, number_of: Callable[[str], int], keys: Sequence[str] | None = None) -> None:
        self._metric = metric
        self._keys = keys
        self._number_of = number_of
        self._numbers: dict[str, int] = {}
        self._told: set[str] = set()

    def line(self, event: EventView) -> str | None:
        """The line for an event, None for those that are not worth one."""
        say = _SAYINGS.get(event.kind)
        text = say(self, event.subject, event.payload) if say else None
        return None if text is None else f"{datetime.fromtimestamp(event.time):%H:%M:%S} {text}"

    def _trial(self, run_id: str) -> str:
        if run_id not in self._numbers:
            self._numbers[run_id] = self._number_of(run_id)
        return f"trial {self._numbers[run_id]}"

    def _state(self, subject: str, payload: Mapping[str, Any]) -> str:
        return f"sweep {payload.get('state', '')}{_because(payload)}"

    def _started(self, run_id: str, payload: Mapping[str, Any]) -> str:
        if "number" in payload:
            self._numbers[run_id] = int(payload["number"])
        attempt = payload.get("attempt", 1)
        again = f" (attempt {attempt})" if attempt != 1 else ""
        return (
            f"{self._trial(run_id)} started{again}  {words.config_line(payload.get('config', {}), self._keys)}".rstrip()
        )

    def _decided(self, run_id: str, payload: Mapping[str, Any]) -> str:
        self._told.add(run_id)
        return f"{self._trial(run_id)} is told to {payload.get('action', 'stop')}{_because(payload)}"

    def _ended(self, run_id: str, payload: Mapping[str, Any]) -> str:
        value = payload.get("value")
        shown = f"  {self._metric} {words.metric(value)}" if value is not None and self._metric else ""
        why = "" if payload.get("state") == "finished" or run_id in self._told else _because(payload)
        self._told.discard(run_id)
        return f"{self._trial(run_id)} {payload.get('state', 'ended')}{shown}{why}"

    def _requeued(self, run_id: str, payload: Mapping[str, Any]) -> str:
        return f"{self._trial(run_id)} is queued again{_because(payload)}"

    def _joined(self, agent: str, payload: Mapping[str, Any]) -> str:
        return f"agent {payload.get('name') or agent} joined"

    def _asked(self, agent: str, payload: Mapping[str, Any]) -> str:
        how = "to give its trial back and leave" if payload.get("wish") == "stop" else "to leave after its trial"
        return f"agent {payload.get('name') or agent} is asked {how}"

    def _left(self, agent: str, payload: Mapping[str, Any]) -> str:
        reason = str(payload.get("reason") or "").partition("\n")[0]
        return f"agent {payload.get('name') or agent} left{_because({'reason': reason})}"

    def _best(self, subject: str, payload: Mapping[str, Any]) -> str:
        run_id = str(payload.get("run") or subject)
        return f"best so far: {self._metric or 'value'} {words.metric(payload.get('value'))} ({self._trial(run_id)})"

    def _warning(self, subject: str, payload: Mapping[str, Any]) -> str:
        return f"warning: {payload.get('message', '')}"


def _because(payload: Mapping[str, Any]) -> str:
    reason = str(payload.get("reason") or "").strip()
    return f": {words.cut(reason, 300)}" if reason else ""


_SAYINGS: dict[str, Callable[[EventLines, str, Mapping[str, Any]], str]] = {
    "sweep.state": EventLines._state,
    "trial.started": EventLines._started,
    "trial.decided": EventLines._decided,
    "trial.ended": EventLines._ended,
    "trial.requeued": EventLines._requeued,
    "agent.joined": EventLines._joined,
    "agent.asked": EventLines._asked,
    "agent.left": EventLines._left,
    "sweep.best": EventLines._best,
    "sweep.warning": EventLines._warning,
}
