"""Alerts of a run: held back by title, carried to their targets by a thread, and recorded; sets no rules of its own."""

from __future__ import annotations

import importlib
import math
import os
import queue
import sys
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from numbers import Real
from typing import Any

import msgspec

from swath.tracking.clock import Clock
from swath.tracking.errors import UsageError
from swath.tracking.runlog.encoding import type_name, utf8_text
from swath.tracking.runlog.records import Alert
from swath.tracking.targets import AlertLevel, Target

#: How long a title is held back when the caller says nothing.
WAIT_S = 60.0
_MOST_WAITING = 1000
_MOST_TITLES = 10_000


class Titles:
    """When something was let through under each title, to hold back the same for a while. Any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._passed: dict[str, float] = {}

    def holds_back(self, title: str, wait_s: float) -> bool:
        """Whether that title was let through less than `wait_s` ago; if not, it is now."""
        with self._lock:
            now = self._clock.monotonic()
            last = self._passed.get(title)
            if last is not None and now - last < wait_s:
                return True
            self._passed.pop(title, None)
            self._passed[title] = now
            if len(self._passed) > _MOST_TITLES:
                del self._passed[next(iter(self._passed))]
            return False

    def after_fork(self) -> None:
        self._lock = threading.RLock()


class Alerts:
    """The alerts of one run, for any number of threads.

    `targets` are apprise URLs; without any, alerts are only recorded. `emit` is given the record of each alert
    once its fate is known: by the thread that delivers, or inside `send` or `close`. A fork's child goes on with
    what it raises itself. `lock` gives the lock that `emit` takes, which must be one that its holder may take again:
    then who calls `close` may hold it, as a signal's handler does that came in the middle of something.
    """

    def __init__(
        self,
        targets: Sequence[str],
        clock: Clock,
        emit: Callable[[Alert], None],
        lock: Callable[[], AbstractContextManager[Any]] | None = None,
    ) -> None:
        self._targets = [Target(url) for url in targets]
        self._clock = clock
        self._emit = emit
        self._lock = lock or (lambda: self._own_lock)
        self._titles = Titles(clock)
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
        if self._titles.holds_back(title, wait_s):
            return
        alert = Alert(self._clock.now(), utf8_text(title), utf8_text(text), known.value)
        if self._targets:
            self._post(_Delivery(alert, self))
        else:
            self._emit(alert)

    def close(self, timeout_s: float = 10.0) -> None:
        """Wait so long for what is on its way; what is still there then is recorded as not delivered.

        All is recorded when this returns, and what is raised later goes its way as before.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, timeout_s)
            late = list(self._waiting)
        for delivery in late:
            self._settle(delivery, "not delivered in time")
        self._record_settled()

    def _post(self, delivery: _Delivery) -> None:
        with self._changed:
            crowded = len(self._waiting) >= _MOST_WAITING
            self._waiting[delivery] = None
        if crowded:
            self._settle(delivery, f"{_MOST_WAITING} alerts were waiting already")
            return
        _close_with_process()
        try:
            _courier().put(delivery)
        except RuntimeError as error:  # it starts no threads then
            self._settle(delivery, f"Python is ending: {error}")

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
        """Note what became of it, once."""
        with self._changed:
            if delivery not in self._waiting:
                return
            del self._waiting[delivery]
            self._settled.append(delivery.record(left))
            self._changed.notify_all()
        self._record_settled()

    def _record_settled(self) -> None:
        """Taken off the list only with the lock of `emit`: nothing is in the hands of a thread that waits for it."""
        with self._lock():
            while self._settled:
                self._emit(self._settled.popleft())

    def _warn(self, target: Target, error: str) -> None:
        if target.warned:
            return
        target.warned = True
        _warn(f"an alert did not reach {target.label}: {error}; it is in the run's record, and later ones are tried")

    def _after_fork(self) -> None:
        self._changed = threading.Condition()
        self._own_lock = threading.RLock()
        self._waiting: dict[_Delivery, None] = {}
        self._settled: deque[Alert] = deque()
        self._titles.after_fork()


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
_closing_with_process = False
_all: weakref.WeakSet[Alerts] = weakref.WeakSet()


def _courier() -> _Courier:
    global _the_courier
    with _starting:
        if _the_courier is None:
            # Of what apprise needs, this cannot be imported while Python ends; the rest of it takes long.
            importlib.import_module("concurrent.futures.thread")
            _the_courier = _Courier()
        return _the_courier


def _watch_forks() -> None:
    global _watching_forks
    if not _watching_forks and hasattr(os, "register_at_fork"):
        _watching_forks = True
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """In a forked child: the thread is not there, and what it was carrying is the parent's to record."""
    global _the_courier, _starting, _closing_with_process
    _the_courier, _starting, _closing_with_process = None, threading.Lock(), False
    for alerts in _all:
        alerts._after_fork()


def _close_with_process() -> None:
    """A process that multiprocessing forked ends without Python's usual end, but with an end of its own."""
    global _closing_with_process
    process, util = (sys.modules.get(f"multiprocessing.{name}") for name in ("process", "util"))
    if not _closing_with_process and process is not None and util is not None and process.parent_process() is not None:
        _closing_with_process = True
        util.Finalize(None, _close_all, exitpriority=0)


def _close_all() -> None:
    for alerts in list(_all):
        alerts.close()


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
    if isinstance(wait, bool) or not isinstance(wait, Real) or wait != wait or wait < 0:
        raise UsageError(
            f"wait_duration is {wait!r}: it must be a time that is not negative",
            "pass seconds or a datetime.timedelta; 0 sends every alert",
        )
    return float(wait) if wait < sys.float_info.max else math.inf


def _warn(message: str) -> None:
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    except RuntimeWarning:
        print(message, file=sys.stderr)
