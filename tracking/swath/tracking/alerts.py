"""Alerts of a run: held back by title, recorded, and carried by a thread through apprise; sets no rules of its own."""

from __future__ import annotations

import math
import os
import queue
import re
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from numbers import Real
from typing import Any

import msgspec

from swath.tracking.clock import Clock
from swath.tracking.errors import UsageError
from swath.tracking.media.base import needs
from swath.tracking.runlog.encoding import type_name
from swath.tracking.runlog.records import Alert

#: How long a title is held back when the caller says nothing.
WAIT_S = 60.0
_MOST_WAITING = 1000
_MOST_TITLES = 10_000
_MOST_ERROR = 500
_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_OPEN_OPTIONS = frozenset({"smtp", "mode", "format", "method", "verify", "overflow"})


class AlertLevel(StrEnum):
    """How bad it is; a string in capitals or small letters means the same."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"

    @classmethod
    def _missing_(cls, value: object) -> AlertLevel | None:
        word = value.upper() if isinstance(value, str) else ""
        return cls.__members__.get("WARN" if word == "WARNING" else word)


class Alerts:
    """The alerts of one run, for any number of threads.

    `targets` are apprise URLs; without any, alerts are only recorded. `emit` is given the record of each alert
    once its fate is known: by the thread that delivers, or inside `send` or `close`. A fork's child goes on with
    what it raises itself.
    """

    def __init__(self, targets: Sequence[str], clock: Clock, emit: Callable[[Alert], None]) -> None:
        self._targets = [_Target(url) for url in targets]
        self._clock = clock
        self._emit = emit
        self._sent: dict[str, float] = {}
        self._after_fork()
        _watch_forks()
        _all.add(self)

    def send(
        self,
        title: str,
        text: str,
        level: AlertLevel | str | None = None,
        wait_duration: float | timedelta | None = None,
    ) -> None:
        """Record an alert and start it on its way; returns at once.

        Nothing happens when an alert of that title was sent less than `wait_duration` (seconds or a timedelta,
        None: a minute, 0: never held back) ago. `level` is INFO unless said. Raises `UsageError` for arguments of
        the wrong kind, and for nothing else.
        """
        _check_text("title", title)
        _check_text("text", text)
        known, wait_s = _level(level), _seconds(wait_duration)
        if self._is_held_back(title, wait_s):
            return
        alert = Alert(self._clock.now(), title, text, known.value)
        if self._targets:
            self._post(_Delivery(alert, self))
        else:
            self._emit(alert)

    def close(self, timeout_s: float = 10.0) -> None:
        """Wait so long for what is on its way; what is still there then is recorded as not delivered.

        Must not be called with a lock held that `emit` takes.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._emitting, timeout_s)
            late = list(self._waiting)
        for delivery in late:
            self._settle(delivery, "not delivered in time")

    def _is_held_back(self, title: str, wait_s: float) -> bool:
        with self._changed:
            now = self._clock.monotonic()
            last = self._sent.get(title)
            if last is not None and now - last < wait_s:
                return True
            self._sent.pop(title, None)
            self._sent[title] = now
            if len(self._sent) > _MOST_TITLES:
                del self._sent[next(iter(self._sent))]
            return False

    def _post(self, delivery: _Delivery) -> None:
        with self._changed:
            crowded = len(self._waiting) >= _MOST_WAITING
            self._waiting[delivery] = None
        if crowded:
            self._settle(delivery, f"{_MOST_WAITING} alerts were waiting already")
            return
        try:
            _courier().put(delivery)
        except RuntimeError as error:  # Python starts no threads while it ends
            self._settle(delivery, str(error))

    def _carry(self, delivery: _Delivery) -> None:
        """On the courier's thread: bring it to every target, unless it was given up meanwhile."""
        for target in self._targets:
            if delivery not in self._waiting:
                return
            error = target.deliver(delivery.alert)
            if error:
                delivery.errors.append(f"{target.label}: {error}")
                self._warn(target, error)
            else:
                delivery.reached = True
        self._settle(delivery)

    def _settle(self, delivery: _Delivery, left: str = "") -> None:
        """Write the record, once; outside the lock, since `emit` takes others."""
        with self._changed:
            if delivery not in self._waiting:
                return
            del self._waiting[delivery]
            self._emitting += 1
        try:
            self._emit(delivery.record(left))
        finally:
            with self._changed:
                self._emitting -= 1
                self._changed.notify_all()

    def _warn(self, target: _Target, error: str) -> None:
        if target.warned:
            return
        target.warned = True
        _warn(f"an alert did not reach {target.label}: {error}; it is in the run's record, and later ones are tried")

    def _after_fork(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[_Delivery, None] = {}
        self._emitting = 0


class _Delivery:
    """One alert on its way; hashed by identity."""

    def __init__(self, alert: Alert, owner: Alerts) -> None:
        self.alert = alert
        self.owner = owner
        self.reached = False
        self.errors: list[str] = []

    def record(self, left: str) -> Alert:
        """The alert with what became of it; `left`: why some targets were not tried."""
        error = "; ".join([*self.errors, left] if left else self.errors)
        return msgspec.structs.replace(self.alert, delivered=self.reached, error=error)


class _Target:
    """One place where alerts go. Nothing that it says of itself holds the secrets of its URL."""

    def __init__(self, url: str) -> None:
        self.label = _label(url)
        self.warned = False
        self._url = url
        self._service: Any = None

    def deliver(self, alert: Alert) -> str:
        """Why the alert did not get there; "" when it did."""
        try:
            import apprise
        except ImportError:
            missing = needs("apprise", "alerts", "delivering an alert")
            return f"{missing.message}: {missing.hint}"
        with _heard() as words:
            try:
                if not self._connected(apprise):
                    return "this is not the URL of a target that apprise knows"
                if self._notify(apprise, alert):
                    return ""
            except Exception as error:
                words.append(f"{type(error).__name__}: {error}")
        return _without_secrets("; ".join(words) or "it was not accepted", self._url, self.label)[:_MOST_ERROR]

    def _connected(self, apprise: Any) -> bool:
        if self._service is None:
            service = apprise.Apprise(asset=_asset(apprise))
            if service.add(self._url):
                self._service = service
                self.label = _label(self._url, service[0])
        return self._service is not None

    def _notify(self, apprise: Any, alert: Alert) -> bool:
        kinds = {AlertLevel.INFO: "info", AlertLevel.WARN: "warning", AlertLevel.ERROR: "failure"}
        kind = apprise.NotifyType(kinds[AlertLevel(alert.level)])
        return bool(self._service.notify(alert.text, alert.title, notify_type=kind, body_format="text"))


class _Courier:
    """The thread of this process that delivers. Deliveries queue: nobody waits for a slow server but they."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Delivery] = queue.SimpleQueue()
        self.put = self._queue.put
        threading.Thread(target=self._work, name="swath-alerts", daemon=True).start()

    def _work(self) -> None:
        while True:
            delivery = self._queue.get()
            try:
                delivery.owner._carry(delivery)
            except Exception as error:
                _warn(f"an alert could not be recorded: {error!r}")
            del delivery


_the_courier: _Courier | None = None
_starting = threading.Lock()
_watching_forks = False
_all: weakref.WeakSet[Alerts] = weakref.WeakSet()


def _courier() -> _Courier:
    global _the_courier
    with _starting:
        if _the_courier is None:
            _the_courier = _Courier()
        return _the_courier


def _watch_forks() -> None:
    global _watching_forks
    if not _watching_forks and hasattr(os, "register_at_fork"):
        _watching_forks = True
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """In a forked child: the thread is not there, and what it was carrying is the parent's to record."""
    global _the_courier, _starting
    _the_courier, _starting = None, threading.Lock()
    for alerts in _all:
        alerts._after_fork()


def _asset(apprise: Any) -> Any:
    """How apprise introduces itself. It is to work on the calling thread: a pool's threads hold up Python's end."""
    options: dict[str, Any] = {"app_id": "swath", "app_desc": "swath", "app_url": "", "image_url_mask": ""}
    if hasattr(apprise.AppriseAsset, "_service_timeout"):  # such a limit, where there is one, takes a pool
        options["service_timeout"] = 0
    return apprise.AppriseAsset(async_mode=False, **options)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What apprise says on this thread meanwhile: its reasons stand in its log, not in its result.

    Nobody else gets to hear it, since it names secrets: the program's own log handlers would print them.
    """
    import logging

    words: list[str] = []
    thread = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        if record.thread != thread:
            return True
        if record.name == "apprise" and record.levelno >= logging.WARNING:
            words.append(record.getMessage().rstrip(" ."))
        return False

    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3.connectionpool")]
    for logger in loggers:
        logger.addFilter(keep)
    try:
        yield words
    finally:
        for logger in loggers:
            logger.removeFilter(keep)


def _label(url: str, service: Any = None) -> str:
    """A target's name for people: its scheme, and its host where apprise itself shows that in public."""
    from urllib.parse import urlsplit

    found = _SCHEME.match(url)
    if found is None:
        return "an alert target without a scheme"
    place = "***"
    if service is not None and "host" in service.template_tokens:
        public = urlsplit(service.url(privacy=True))
        if public.hostname and public.hostname == str(service.host).lower():
            place = public.netloc.rpartition("@")[2]
    return f"{found[1].lower()}://{place}"


def _without_secrets(text: str, url: str, label: str) -> str:
    """`text` with whatever it repeats of the URL's user, password, path and options blanked out."""
    from urllib.parse import parse_qsl, unquote

    place, _, options = _SCHEME.sub("", url, count=1).partition("?")
    values = [value for key, value in parse_qsl(options.replace("+", "%2B")) if key not in _OPEN_OPTIONS]
    parts = re.split(r"[/:@\s]+", place) + [word for value in values for word in (value, *re.split(r"[,;/]", value))]
    shown = set(re.split(r"[/:]+", label))
    secrets = {word for part in parts for word in (part, unquote(part)) if len(word) > 2 and word not in shown}
    for secret in sorted(secrets, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return text


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise UsageError(
            f"the {name} of an alert is {type_name(value)}, it must be a string",
            'write run.alert(title="Loss is high", text=f"loss is {loss:.3f}")',
        )


def _level(level: Any) -> AlertLevel:
    try:
        return AlertLevel.INFO if level is None else AlertLevel(level)
    except ValueError:
        raise UsageError(f"there is no alert level {level!r}", 'level is "INFO", "WARN" or "ERROR"') from None


def _seconds(wait: Any) -> float:
    if wait is None:
        return WAIT_S
    if isinstance(wait, timedelta):
        wait = wait.total_seconds()
    if isinstance(wait, bool) or not isinstance(wait, Real) or math.isnan(wait) or wait < 0:
        raise UsageError(
            f"wait_duration is {wait!r}: it must be a time that is not negative",
            "pass seconds or a datetime.timedelta; 0 sends every alert",
        )
    return float(wait)


def _warn(message: str) -> None:
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    except RuntimeWarning:
        print(message, file=sys.stderr)
