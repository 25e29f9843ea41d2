"""What the verb logs does: prints what a run printed, and follows one that goes on until it has ended."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from swath.sweeps.cli.frame import INTERRUPTED, quit_with
from swath.sweeps.remote import RemoteSweeps
from swath.sweeps.resolving import resolve_trial
from swath.sweeps.workspace import Workspace
from swath.tracking.api.api import open_source
from swath.tracking.api.output import Line, PrintedLines
from swath.tracking.api.query import Query
from swath.tracking.api.source import RunSource
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.errors import NotFound, RetryLater
from swath.tracking.settings import Settings

#: Between two looks at a run that goes on; between two questions whether it does.
LOOK_S = 0.2
ASK_S = 1.0
#: So many runs are named when a beginning fits several.
_NAMED = 5


@dataclass(frozen=True)
class LogOptions:
    """What `sweep logs` was told. `lines`: only so many of the last ones."""

    follow: bool = False
    lines: int | None = None
    attempt: int | None = None
    stderr: bool = False
    as_json: bool = False


def logs(text: str, options: LogOptions) -> None:
    """Print what the run meant by `text` printed; Ctrl-C ends the following only."""
    try:
        with _opened(text) as place:
            run = place.resolve(text)
            _Printing(place, run, options).run()
    except KeyboardInterrupt:
        quit_with(INTERRUPTED)


class _Printing:
    """The lines of one run on their way to stdout."""

    def __init__(self, place: Place, run_id: str, options: LogOptions, clock: Clock = SYSTEM_CLOCK) -> None:
        self._place = place
        self._run_id = run_id
        self._options = options
        self._clock = clock
        self._printed = PrintedLines(place.source, run_id, options.attempt)
        self._attempt = 0

    def run(self) -> None:
        goes_on = self._place.goes_on(self._run_id)
        self._put(self._last(self._wanted(final=not (goes_on and self._options.follow))))
        if self._options.follow and goes_on:
            self._follow()

    def _follow(self) -> None:
        asked = self._clock.monotonic()
        goes_on = True
        while goes_on:
            self._clock.sleep(LOOK_S)
            if (now := self._clock.monotonic()) - asked >= ASK_S:
                asked, goes_on = now, self._place.goes_on(self._run_id)
            self._put(self._wanted(final=not goes_on))

    def _wanted(self, final: bool) -> list[Line]:
        try:
            found = self._printed.read(final)
        except NotFound:
            if final or not self._options.follow:
                raise
            return []
        except RetryLater:  # a server that is away while a run is followed comes back
            if final:
                raise
            return []
        return [line for line in found if line.stream == "stderr" or not self._options.stderr]

    def _last(self, lines: list[Line]) -> list[Line]:
        return lines if self._options.lines is None else list(deque(lines, self._options.lines))

    def _put(self, lines: list[Line]) -> None:
        for line in lines:
            if self._options.as_json:
                sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
                continue
            if self._attempt and line.attempt != self._attempt:
                sys.stdout.write(f"--- attempt {line.attempt} ---\n")
            self._attempt = line.attempt
            sys.stdout.write(line.text + "\n")
        if lines:
            sys.stdout.flush()


class Place:
    """Where runs are found: a server's, or those of this folder, where trials that have no log yet are known too."""

    def __init__(
        self, source: RunSource, workspace: Workspace | None = None, sweeps: RemoteSweeps | None = None
    ) -> None:
        self.source = source
        self._workspace = workspace
        self._sweeps = sweeps

    def goes_on(self, run_id: str) -> bool:
        """Whether a run may still print something: it runs, or waits for its turn."""
        if self._workspace is not None and (sweep_id := self._sweep_of(run_id)):
            self._workspace.catch_up(sweep_id)
            return self._workspace.trial(run_id).ended is None
        try:
            return self.source.row(run_id).ended is None
        except NotFound:  # a trial that has not run yet
            sweep, _, number = run_id.rpartition("-")
            if self._sweeps is None or not number.isdecimal():
                raise
            return not self._sweeps.trial(sweep, int(number)).ended

    def _sweep_of(self, run_id: str) -> str:
        assert self._workspace is not None
        try:
            self._workspace.trial(run_id)
        except NotFound:
            return ""
        return run_id.rpartition("-")[0]

    def resolve(self, text: str) -> str:
        """The id of the run meant: an id, a unique beginning of one, `SWEEP/NUMBER`, or the name of a run."""
        sweep, slash, number = text.replace("#", "/").rpartition("/")
        if slash and number.isascii() and number.isdecimal():
            return self._numbered(sweep, int(number))
        ids = self.source.find(Query())
        if text in ids:
            return text
        begun = [run_id for run_id in ids if text and run_id.startswith(text)]
        if len(begun) == 1:
            return begun[0]
        if named := self.source.find(Query({"display_name": text})):
            return named[-1]
        if begun:
            more = f" and {len(begun) - _NAMED} more" if len(begun) > _NAMED else ""
            raise NotFound(f"{text!r} begins {len(begun)} runs: {', '.join(begun[:_NAMED])}{more}", "write one in full")
        if self._workspace is not None and self._workspace.sweeps():
            found, number_of = resolve_trial(self._workspace, text)
            return f"{found}-{number_of}"
        raise NotFound(f"there is no run {text!r} in {self.source.place}", "list the runs with: sweep runs")

    def _numbered(self, sweep: str, number: int) -> str:
        if self._workspace is not None:
            found, number = resolve_trial(self._workspace, str(number), sweep)
            return f"{found}-{number}"
        assert self._sweeps is not None, "runs are this folder's or a server's"
        return self._sweeps.trial(sweep, number).run_id


@contextmanager
def _opened(text: str) -> Iterator[Place]:
    """A server's runs when SWATH_URL names one, else this folder's; with a login, whoever of the two has the run."""
    settings = Settings.from_environment()
    if settings.url and not (settings.logged_in and _is_here(text)):
        source = open_source(None, settings.url)
        try:
            with RemoteSweeps(settings.url, settings.token or "") as sweeps:
                yield Place(source, sweeps=sweeps)
        finally:
            source.close()
        return
    with _here() as place:
        yield place


@contextmanager
def _here() -> Iterator[Place]:
    with Workspace.open() as workspace:
        source = open_source(workspace.root, None)
        try:
            yield Place(source, workspace)
        finally:
            source.close()


def _is_here(text: str) -> bool:
    with _here() as place:
        try:
            place.resolve(text)
        except NotFound:
            return False
        return True
