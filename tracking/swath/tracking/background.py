"""The tracker's own thread, one a process: looks after the runs that are open for longer than a moment.

It finds out about the program, the code and the machine, lets the machine be sampled, and keeps changed files. A run
that ends before that is done waits for nothing of it: what can be read in a moment is found out when it ends.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.tracking.imports import unforked
from swath.tracking.runlog.records import Facts, System

if TYPE_CHECKING:
    from swath.tracking.runs.companions import Companions
    from swath.tracking.surroundings import Sampler

logger = logging.getLogger("swath.tracking")

#: How old a run is before it is looked after, and how often it is, in seconds.
SETTLE_S = 1.0
TICK_S = 1.0
#: Every how many ticks the files that are followed are looked at.
_FILES_EVERY = 10


def side_thread(name: str, work: Callable[[], None]) -> threading.Thread:
    """A thread beside the training that does one thing, started; `RuntimeError` at the end of the interpreter."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


class Followed:
    """A run under care. `known`: what was found out is recorded, by whoever was the first to have it."""

    def __init__(self, run: Companions) -> None:
        self.run = run
        self.ticks = 0
        self.known = False
        self.sampler: Sampler | None = None
        self._lock = threading.RLock()

    def record(self, facts: dict[str, Any]) -> bool:
        """Record what was found out, unless that was done already; whether it was recorded now."""
        with self._lock:
            if self.known:
                return False
            self.known = True
            self.run.record(Facts(self.run.now(), facts))
            return True


class Background:
    """Looks after the runs it was told to follow. Its own trouble is logged, never raised."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal may end a run while another one begins in the same thread
        self._followed: dict[int, Followed] = {}
        self._thread: threading.Thread | None = None
        self._busy = threading.Event()
        self._known_code: dict[Path, tuple[dict[str, Any], bytes]] = {}

    def follow(self, run: Companions) -> None:
        """Look after a run from a second after now."""
        with self._lock:
            self._followed[id(run)] = Followed(run)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="swath-background", daemon=True)
                self._thread.start()
        if not self._busy.is_set():
            self._busy.set()

    def forget(self, run: Companions, *, hurried: bool = False) -> None:
        """Look after it no more: it is about to end. Returns once nothing more is recorded.

        `hurried`: the process is being interrupted, and nothing more is found out.
        """
        with self._lock:
            followed = self._followed.pop(id(run), None)
        if followed is None:
            return
        if followed.sampler is not None:
            followed.sampler.stop()
        if not followed.known and not run.sweep_id and not hurried:
            self._safely(lambda: self._glance(followed))

    def after_fork(self) -> None:
        """In a forked child: the thread and its samplers stayed behind, and the runs are the parent's to look after."""
        self._lock = threading.RLock()
        self._followed.clear()
        self._thread = None
        self._busy = threading.Event()

    def _run(self) -> None:
        rest = threading.Event()  # never set: the thread ends with the process
        while True:
            self._busy.wait()
            rest.wait(TICK_S)
            with self._lock:
                due = list(self._followed.values())
                if not due:
                    self._busy.clear()
            for followed in due:
                self._safely(partial(self._tick, followed))

    def _safely(self, care: Callable[[], None]) -> None:
        try:
            care()
        except Exception:
            logger.debug("a run was not looked after", exc_info=True)

    def _tick(self, followed: Followed) -> None:
        followed.ticks += 1
        run = followed.run
        if followed.ticks * TICK_S <= SETTLE_S:
            return
        if followed.sampler is None and run.settings.system_s > 0:
            followed.sampler = self._sampler(run)
            with self._lock:
                if id(run) in self._followed:
                    followed.sampler.start()
        if not followed.known:
            self._find_out(followed)
        if followed.ticks % _FILES_EVERY == 0:
            run.look_at_files()

    def _sampler(self, run: Companions) -> Sampler:
        with unforked():
            from swath.tracking.surroundings import Sampler

        def emit(values: dict[str, float]) -> None:
            run.record(System(run.now(), values))

        return Sampler(emit, run.clock, run.settings.system_s)

    def _glance(self, followed: Followed) -> None:
        """What can be read in a moment: no other program is asked, since it might not answer."""
        run = followed.run
        with unforked():
            from swath.tracking.surroundings import glance, quick_facts, source

        facts: dict[str, Any] = quick_facts()
        patch = b""
        if run.settings.git:
            cwd = _cwd(facts)
            program = source(sys.argv[0] if sys.argv else "")
            repository, patch = self._known_code.get(cwd, ({}, b""))
            repository = repository or glance(cwd, program) or (glance(program.parent, program) if program else {})
            facts |= {"git": repository} if repository else {}
        if followed.record(facts) and patch:
            run.files.keep_bytes("diff.patch", patch)

    def _find_out(self, followed: Followed) -> None:
        """All there is to know. May take seconds, in which the run may end."""
        run = followed.run
        with unforked():
            from swath.tracking.surroundings import quick_facts, slow_facts

        facts: dict[str, Any] = quick_facts()
        patch = b""
        cwd = _cwd(facts)
        facts |= slow_facts(cwd, run.settings.visible_devices, code=False)
        if run.sweep_id:  # the same for all trials: a thousand of them need not say it a thousand times
            facts.pop("packages", None)
        elif run.settings.git:
            repository, patch = self._code(cwd)
            facts |= {"git": repository} if repository else {}
        if followed.record(facts) and patch:
            run.files.keep_bytes("diff.patch", patch)

    def _code(self, cwd: Path) -> tuple[dict[str, Any], bytes]:
        """What git says of the code, and what was not committed; asked once for each folder."""
        if cwd not in self._known_code:
            with unforked():
                from swath.tracking.surroundings import git, source

            program = source(sys.argv[0] if sys.argv else "")
            repository = git.facts(cwd, program) or (git.facts(program.parent, program) if program else {})
            patch = git.diff(Path(repository["root"])) if repository.get("dirty") else b""
            self._known_code[cwd] = (repository, patch)
        return self._known_code[cwd]


def _cwd(facts: dict[str, Any]) -> Path:
    return Path(facts.get("cwd", "/"))


BACKGROUND = Background()
