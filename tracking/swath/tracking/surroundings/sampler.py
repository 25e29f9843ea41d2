"""The thread that takes a sample of the machine every few seconds; what a sample is made of stands elsewhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.imports import unforked
from swath.tracking.surroundings.usage import Readings, sample

if TYPE_CHECKING:
    from swath.tracking.surroundings.readings import Reader

_SETTLE_S = 1.0
_FIRST_S = 3.0
_JOIN_S = 2.0


class Sampler:
    """Hands a sample to `emit` a few seconds after `start()` and then every `interval_s`, until `stop()`.

    The names and units of a sample stand in `usage`. A run of less than a second is not sampled and pays for
    nothing but the thread; a longer one that ends before its first sample is sampled when it ends. Trouble in
    `emit` or in a reading is passed over. A forked child has no thread: it calls `after_fork()`, and may start
    its own. `wait` is how the thread waits on the event of its end.
    """

    def __init__(
        self,
        emit: Callable[[dict[str, float]], None],
        clock: Clock = SYSTEM_CLOCK,
        interval_s: float = 10.0,
        pid: int | None = None,
        *,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self._emit = emit
        self._clock = clock
        self._interval_s = interval_s
        self._pid = pid
        self._wait = wait
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._owner = 0

    def start(self) -> None:
        """Begin to take samples; nothing when it has begun already."""
        if self._running():
            return
        self._owner = os.getpid()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._ended,), name="swath-sampler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread. No sample is emitted after this, even if a reading should hang."""
        thread = self._thread
        if thread is None or not self._running():
            return
        self._ended.set()
        if thread is not threading.current_thread():
            thread.join(_JOIN_S)
        self._thread = None

    def after_fork(self) -> None:
        """In a forked child: forget the thread, which stayed behind in the parent."""
        self._thread = None
        self._ended = threading.Event()

    def _running(self) -> bool:
        return self._thread is not None and self._owner == os.getpid()

    def _run(self, ended: threading.Event) -> None:
        begun = self._clock.monotonic()
        if self._wait(ended, min(_SETTLE_S, self._interval_s / 3)):
            return
        try:
            reader = self._reader()
            first = before = reader.read()
        except Exception:  # no psutil for this system: then there are no samples
            return
        due = begun + min(_FIRST_S, self._interval_s)
        taken = False
        while not self._wait(ended, max(0.0, due - self._clock.monotonic())):
            before = self._sample(reader, first, before, ended)
            taken = True
            # After a machine's sleep the missed samples are not made up for.
            due = max(due + self._interval_s, self._clock.monotonic())
        if not taken:
            self._sample(reader, first, before, ended)

    def _reader(self) -> Reader:
        # Imported here, in the thread: a short run must not pay for it.
        with unforked():
            from swath.tracking.surroundings.readings import Reader

        return Reader(self._pid if self._pid is not None else self._owner, self._clock)

    def _sample(self, reader: Reader, first: Readings, before: Readings, ended: threading.Event) -> Readings:
        try:
            now = reader.read()
            if self._thread is threading.current_thread():
                self._emit(sample(first, before, now))
            return now
        except Exception:  # the tracker's own trouble never reaches the training, nor ends the samples
            return before
