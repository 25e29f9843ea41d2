"""Ships runs to a server: beside the training, after it in a process of its own, and later those that stayed here.

What is sent and how is told in `delivery`. `python -m swath.tracking.shipping.shipper RUN_DIR` is that process.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from swath.tracking import layout
from swath.tracking.background import side_thread
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.errors import RetryLater, StoreFull, SwathError
from swath.tracking.settings import Settings, helper_environment
from swath.tracking.shipping.delivery import Delivery, RunLock, is_marked, mark

if TYPE_CHECKING:
    from swath.tracking.shipping.client import Client

logger = logging.getLogger("swath.tracking")

#: How often new records are sent.
INTERVAL_S = 1.0
#: How long `sync` goes on asking a server that does not answer, and how long a process of its own does.
SYNC_S = 10.0
DETACHED_S = 24 * 3600.0
LONGEST_PAUSE_S = 30.0
_SHORTEST_PAUSE_S = 0.2
#: How long such a process may take to be born.
_BORN_S = 5.0
_LOG = "shipping.log"
#: Trouble that may be over by itself.
_FOR_NOW = (RetryLater, StoreFull, OSError)


class Shipper:
    """Delivers the run in `run_dir` to the server at `url`, all segments of it, from a thread of its own.

    Nothing of the network is waited for but in `finish` and `close`, and no trouble is raised: the first of each
    kind is warned of, the last is in `trouble`. Without a server it goes on trying, ever more slowly. Several
    shippers of one run take turns. A forked child calls `after_fork`, and ships nothing: the parent ships its
    segment too.
    """

    def __init__(
        self,
        run_dir: Path,
        url: str,
        token: str = "",
        clock: Clock = SYSTEM_CLOCK,
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self.trouble: SwathError | None = None
        self._run_dir = Path(os.path.abspath(run_dir))
        self._url = url.rstrip("/")
        self._token = token
        self._clock = clock
        self._interval_s = interval_s
        self._lock = RunLock(self._run_dir)
        self._thread: threading.Thread | None = None
        self._finishing = threading.Event()
        self._given_up = threading.Event()
        self._delivered = False
        self._refused = False
        self._left = False
        self._hurry_s = LONGEST_PAUSE_S
        self._warned: set[type[SwathError]] = set()
        self._forked = False
        self._ferry: tuple[Client, Delivery] | None = None

    def start(self) -> None:
        """Begin to send what the log holds, and what comes."""
        if self._thread is None and not self._forked:
            with suppress(RuntimeError):  # no more threads: the rest is left to a process of its own
                self._thread = side_thread("swath-shipper", self._run)

    def finish(self, timeout_s: float = 10.0) -> bool:
        """Send the rest, waiting for it no longer than `timeout_s`; whether all was delivered.

        What was not is left to a process of its own, unless the server refuses it: then `trouble` says why.
        """
        try:
            delivered = self.close(timeout_s)
        except KeyboardInterrupt:
            self._given_up.set()
            self._leave()
            raise
        if not delivered:
            self._leave()
        return delivered

    def close(self, deadline_s: float = 0.0) -> bool:
        """Send the rest for up to `deadline_s`, then give up; whether all was delivered."""
        if self._forked:
            return True
        self._hurry_s = min(max(deadline_s / 20, _SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
        self._finishing.set()
        self.start()
        if self._thread is not None:
            self._thread.join(deadline_s)
        self._given_up.set()
        return self._delivered

    def ship_once(self) -> bool:
        """Send what is new, in this thread; whether the server has all of it now. For those who started no thread.

        Without an answer it goes on trying until `close` gives up, then it is False. Raises what the server refuses.
        """
        if not self._lock.acquire():
            return False
        try:
            delivery = self._opened()[1]
            delivery.ship()
        except (RetryLater, StoreFull):
            if self._given_up.is_set():
                return False
            raise
        return delivery.complete()

    def after_fork(self) -> None:
        """In a forked child: the thread stayed behind, and shipping is the parent's."""
        self._forked = True
        self._lock.abandon()

    def _leave(self) -> None:
        """Leave the rest to a process of its own, once, unless it would be refused too."""
        if not self._refused and not self._left:
            self._left = ship_detached(self._run_dir, self._url, self._token)

    def _run(self) -> None:
        try:
            pause = self._interval_s
            while not self._finishing.wait(pause):
                pause = self._interval_s if self._round() else min(2 * pause, LONGEST_PAUSE_S)
            self._ship_rest()
        except Exception as error:
            logger.debug("the shipping of %s ended", self._run_dir, exc_info=True)
            self._note(SwathError(f"the shipper failed: {type(error).__name__}: {error}"))
        finally:
            self._let_go()

    def _round(self) -> bool:
        """Ship what is new, or leave that to another; false after trouble."""
        try:
            if self._lock.acquire():
                self._opened()[1].ship()
            return True
        except (SwathError, OSError) as error:
            self._note(error)
            return False

    def _ship_rest(self) -> None:
        pause = _SHORTEST_PAUSE_S
        while not self._given_up.is_set():
            try:
                if self._lock.acquire():
                    delivery = self._opened()[1]
                    delivery.ship()
                    self._delivered = delivery.complete()
                else:
                    self._delivered = self._opened()[1].complete_by_others()
            except (SwathError, OSError) as error:
                self._note(error)
                self._refused = not self._given_up.is_set() and not isinstance(error, _FOR_NOW)
            if self._delivered or self._refused:
                return
            self._given_up.wait(pause)
            pause = min(2 * pause, self._hurry_s)

    def _let_go(self) -> None:
        if self._ferry is not None:
            client, delivery = self._ferry
            if self._lock.held:
                mark(self._run_dir, self._url, delivery.ends(), self._clock.now())
            client.close()
        self._lock.release()

    def _opened(self) -> tuple[Client, Delivery]:
        if self._ferry is None:
            from swath.tracking.imports import unforked

            with unforked():
                from swath.tracking.shipping.client import Client
            client = Client(
                self._url,
                self._token,
                deadline_s=None,
                longest_pause_s=LONGEST_PAUSE_S,
                ended=self._given_up,
                sleep=self._pause,
                on_retry=self._note,
            )
            self._ferry = client, Delivery(self._run_dir, client)
        return self._ferry

    def _pause(self, seconds: float) -> None:
        """Between two tries: long while the training goes on, short when somebody waits for the end."""
        if not self._finishing.is_set():
            self._finishing.wait(seconds)
        else:
            self._given_up.wait(min(seconds, self._hurry_s))

    def _note(self, error: SwathError | OSError) -> None:
        if not isinstance(error, SwathError):
            error = SwathError(f"{self._run_dir} cannot be read: {error}")
        self.trouble = error
        if type(error) in self._warned:
            return
        self._warned.add(type(error))
        message = (
            f"run {self._run_dir.name} is not delivered to {self._url} for now: {error.message}; training goes on, and "
            f"all is recorded in {self._run_dir}"
        )
        try:
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        except RuntimeWarning:
            print(message, file=sys.stderr)


class Synced(msgspec.Struct, frozen=True):
    """What `sync` did with a run.

    `state`: delivered, already (nothing was new), busy (another shipper is at it), refused (by the server) or
    failed; `error` says why. `sent`: how many bytes of logs and files.
    """

    run_id: str
    state: str
    sent: int = 0
    error: str = ""


def sync(
    root: Path,
    url: str,
    token: str = "",
    clock: Clock = SYSTEM_CLOCK,
    on_progress: Callable[[Synced], None] | None = None,
) -> list[Synced]:
    """`sync_runs` of every run below `root`: offline ones, crashed ones, interrupted ones."""
    return sync_runs(runs_below(root), url, token, clock, on_progress)


def runs_below(root: Path) -> list[Path]:
    """The folders of the runs of a `.swath` folder that have a log, by id."""
    folder = root / "runs"
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if layout.is_run_id(path.name) and layout.segments(path)]


def sync_runs(
    run_dirs: Sequence[Path],
    url: str,
    token: str = "",
    clock: Clock = SYSTEM_CLOCK,
    on_progress: Callable[[Synced], None] | None = None,
    *,
    trusting: bool = True,
) -> list[Synced]:
    """Deliver what the server has not got yet of these runs.

    `trusting`: a run that is noted as delivered is not asked for. `on_progress` hears of each. Raises when the server
    cannot be asked at all; the runs stay as they are, and may be sent at any later time.
    """
    from swath.tracking.shipping.client import Client

    results = []
    with Client(url, token, deadline_s=SYNC_S) as client:
        for path in run_dirs:
            noted = trusting and _is_noted(path, client.url)
            results.append(Synced(path.name, "already") if noted else _sync_run(path, client, clock))
            if on_progress is not None:
                on_progress(results[-1])
    return results


def _is_noted(run_dir: Path, url: str) -> bool:
    """`is_marked`; a log that cannot be read is looked at again, for its trouble to be told."""
    try:
        return is_marked(run_dir, url)
    except (SwathError, OSError):
        return False


def _sync_run(run_dir: Path, client: Client, clock: Clock) -> Synced:
    run_id = run_dir.name
    lock = RunLock(run_dir)
    if not lock.acquire():
        return Synced(run_id, "busy", error="another process is delivering it")
    delivery = Delivery(run_dir, client)
    try:
        delivery.begin()
        try:
            delivery.ship()
        except (SwathError, OSError) as error:
            state = "failed" if isinstance(error, _FOR_NOW) else "refused"
            return Synced(run_id, state, delivery.sent, str(error))
        mark(run_dir, client.url, delivery.ends(), clock.now())
        return Synced(run_id, "delivered" if delivery.sent else "already", delivery.sent)
    finally:
        lock.release()


def ship_detached(run_dir: Path, url: str, token: str = "") -> bool:
    """Start a process that delivers the rest of a run and outlives this one; whether it could be started."""
    argv = [sys.executable, "-P", "-m", "swath.tracking.shipping.shipper", os.path.abspath(run_dir)]
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    try:
        # Not `subprocess`: at the end of the interpreter, where runs are finished, it may not be used.
        pid = os.posix_spawn(sys.executable, argv, helper_environment(url, token), file_actions=null)
    except (OSError, ValueError) as error:
        logger.warning("no process was started to deliver %s: %s", run_dir, error)
        return False
    _reap(pid, SYSTEM_CLOCK)
    return True


def _reap(pid: int, clock: Clock) -> None:
    """Wait for a process that forks and ends at once; were it slow, it is left as it is."""
    until = clock.monotonic() + _BORN_S
    with suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and clock.monotonic() < until:
            clock.sleep(0.01)


def main() -> None:
    """Deliver the run in the folder that is the argument, to SWATH_URL with SWATH_TOKEN; trouble goes to its log."""
    run_dir = Path(sys.argv[1])
    if os.fork():
        os._exit(0)
    os.setsid()
    os.closerange(3, 65536)  # what the training had open is not ours to keep open
    warnings.simplefilter("ignore")
    settings = Settings.from_environment()
    shipper = Shipper(run_dir, settings.url or "", settings.token or "", SYSTEM_CLOCK)
    if not shipper.close(DETACHED_S):
        with (run_dir / _LOG).open("a", encoding="utf-8") as log:
            log.write(f"not delivered to {settings.url}: {shipper.trouble or 'the time was up'}\n")


if __name__ == "__main__":
    main()
