"""`Run`, the user's handle of a run: appends to the run log, knows nothing of stores, servers or sweeps."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from swath.tracking import layout, process
from swath.tracking import records as kinds
from swath.tracking.clock import Clock
from swath.tracking.console import Console
from swath.tracking.encoding import plain_row, to_plain_dict, type_name
from swath.tracking.errors import TrialStopped, UsageError
from swath.tracking.recorder import Recorder
from swath.tracking.runconfig import Config, merged
from swath.tracking.runlog import decode, read_from
from swath.tracking.runsummary import Summary

OnRow = Callable[[dict[str, Any]], None]


class Run:
    """A run that is being recorded. Made by `init()`; may be used as a context manager and from several threads.

    Nothing that goes wrong with the recording itself is raised; calls that are wrong are.
    """

    def __init__(
        self,
        header: kinds.Header,
        run_dir: Path | None,
        clock: Clock,
        *,
        on_row: OnRow | None = None,
        is_global: bool = True,
    ) -> None:
        self._header = header
        self._run_dir = run_dir
        self._clock = clock
        self._on_row = on_row
        self.is_global = is_global
        self._recorder = None if run_dir is None else Recorder(run_dir, header.attempt, clock)
        self._console: Console | None = None
        self._step = 0
        self._pending: tuple[int, dict[str, Any]] | None = None
        self._last: dict[str, Any] = {}
        self._finished = False
        self._resumed = False
        self._files: Path | None = None
        self._config = Config({}, self._record_config, {})
        self._summary = Summary(self._last, self._record_summary)

    def start(self, config: Mapping[str, Any], locked: Mapping[str, Any], *, console: bool) -> Run:
        """Open the log, behind what it holds already of this attempt, and begin to record."""
        recorder = self._recorder
        values = to_plain_dict(config, lenient=True)
        if recorder is not None:
            if not recorder.open() and recorder.main:
                values = merged(self._restore(recorder.path), values)
            self._config = Config(values, self._record_config, to_plain_dict(locked, lenient=True))
            whole = self._config.as_dict()
            recorder.begin([self._header, kinds.Config(whole)] if whole else [self._header])
            if console:
                self._console = Console(recorder.output)
                self._console.start()
        else:
            self._config = Config(values, self._record_config, to_plain_dict(locked, lenient=True))
        process.opened(self)
        return self

    def log(self, data: Mapping[str, Any], step: int | None = None, commit: bool = True) -> None:
        """Record metrics as one row.

        `step` counts up from 0 by itself; a given one may be any whole number, also out of order. With
        `commit=False` the values wait for the next call for the same step, and are written with it as one
        row. In a trial that is to stop, raises `TrialStopped` after the row is recorded. Raises `UsageError`
        when something cannot be recorded.
        """
        values = plain_row(data)
        recorder = self._recorder
        if recorder is None:
            self._log_disabled(values, step)
            return
        with recorder.lock:
            if self._finished:
                raise self._closed_error("log")
            if step is None and commit and self._pending is None:
                number = self._step
                self._step = number + 1
                stop = recorder.append_row(number, values)
                self._last.update(values)
                if self._on_row is None and not stop:
                    return
                rows = [values]
            else:
                rows = self._place(values, step, commit)
        self._after(rows)

    def finish(self, exit_code: int | None = 0, quiet: bool | None = None) -> None:
        """End the run with an exit code. Said again, it changes nothing."""
        self._finish(exit_code or 0, "")

    def finish_after(self, error: BaseException | None) -> None:
        """End the run as the program ended: with `error`, or well."""
        self._finish(*process.exit_of(error))

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish_after(error)

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.name!r}{' finished' if self._finished else ''}>"

    @property
    def config(self) -> Config:
        """The hyperparameters: read and set by item or attribute."""
        return self._config

    @property
    def summary(self) -> Summary:
        """The last value of each metric, and what is set here."""
        return self._summary

    @property
    def id(self) -> str:
        """The id of the run, which names its folder."""
        return self._header.run_id

    @property
    def name(self) -> str:
        """The name for people; may be set."""
        return self._header.name

    @name.setter
    def name(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise UsageError(f"{name!r} cannot be the name of a run", "a name is a string that is not empty")
        self._update(kinds.Update(name=name), name=name)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags; may be set: `run.tags += ("best",)`."""
        return self._header.tags

    @tags.setter
    def tags(self, tags: Sequence[str] | None) -> None:
        checked = checked_tags(tags)
        self._update(kinds.Update(tags=checked), tags=checked)

    @property
    def notes(self) -> str:
        """The notes; may be set."""
        return self._header.notes

    @notes.setter
    def notes(self, notes: str | None) -> None:
        self._update(kinds.Update(notes=str(notes or "")), notes=str(notes or ""))

    @property
    def group(self) -> str:
        """The group the run belongs to, or ""."""
        return self._header.group

    @property
    def job_type(self) -> str:
        """What kind of run it is, or ""."""
        return self._header.job_type

    @property
    def project(self) -> str:
        """The project, or ""."""
        return self._header.project

    @property
    def entity(self) -> str:
        """The user or team, or ""."""
        return self._header.entity

    @property
    def sweep_id(self) -> str | None:
        """The sweep the run is a trial of, or None."""
        return self._header.sweep_id or None

    @property
    def attempt(self) -> int:
        """Which attempt at the run this is, from 1."""
        return self._header.attempt

    @property
    def mode(self) -> str:
        """ "online", "offline" or "disabled"."""
        return self._header.mode

    @property
    def offline(self) -> bool:
        """Whether the mode is "offline"."""
        return self.mode == "offline"

    @property
    def disabled(self) -> bool:
        """Whether nothing is recorded."""
        return self._recorder is None

    @property
    def resumed(self) -> bool:
        """Whether the run goes on behind rows that were recorded before."""
        return self._resumed

    @property
    def finished(self) -> bool:
        """Whether the run was finished."""
        return self._finished

    @property
    def start_time(self) -> float:
        """When `init()` was called, in seconds since the epoch."""
        return self._header.time

    @property
    def step(self) -> int:
        """The step of the next row that is logged without one."""
        return self._pending[0] if self._pending else self._step

    @property
    def path(self) -> str:
        """entity/project/id, without what is not set."""
        return "/".join(part for part in (self.entity, self.project, self.id) if part)

    @property
    def url(self) -> str | None:
        """Where the run can be seen: its folder; None in mode "disabled"."""
        return None if self._run_dir is None else self._run_dir.as_uri()

    @property
    def dir(self) -> str:
        """A folder for files of the run; it exists."""
        if self._files is None:
            if self._run_dir is None:
                import tempfile

                self._files = Path(tempfile.mkdtemp(prefix="swath-"))
            else:
                self._files = layout.files_dir(self._run_dir)
                self._files.mkdir(parents=True, exist_ok=True)
        return str(self._files)

    @property
    def dropped(self) -> int:
        """How many records could not be written."""
        return self._recorder.dropped if self._recorder else 0

    def after_fork(self) -> None:
        """In a forked child: what it records goes to a segment of its own."""
        if self._recorder is not None:
            self._recorder.after_fork()

    def _place(self, values: dict[str, Any], step: int | None, commit: bool) -> list[dict[str, Any]]:
        """Write or keep values that are not simply the next row; returns the rows that were written."""
        number = self.step if step is None else whole_step(step)
        written: list[dict[str, Any]] = []
        pending = self._pending
        if pending is not None:
            if pending[0] == number:
                values = {**pending[1], **values}
                self._pending = None
            elif number > pending[0] or not commit:
                written.append(self._write(*pending))
                self._pending = None
        if commit:
            written.append(self._write(number, values))
        else:
            self._pending = (number, values.copy())
        return written

    def _write(self, step: int, values: dict[str, Any]) -> dict[str, Any]:
        assert self._recorder is not None
        self._step = max(self._step, step + 1)
        self._recorder.append_row(step, values)
        self._last.update(values)
        return values

    def _after(self, rows: list[dict[str, Any]]) -> None:
        """What follows rows that are in the log, outside the lock: the trial's own hook, and a stop."""
        if self._on_row is not None:
            for values in rows:
                self._on_row(values)
        reason = self._recorder.stop_reason if rows and self._recorder else None
        if reason is not None:
            raise TrialStopped(reason)

    def _log_disabled(self, values: dict[str, Any], step: int | None) -> None:
        if self._finished:
            raise self._closed_error("log")
        self._step = max(self._step, (self._step if step is None else whole_step(step)) + 1)
        self._last.update(values)

    def _finish(self, exit_code: int, error: str) -> None:
        if self._finished:
            return
        try:
            if self._recorder is not None:
                with self._recorder.lock:
                    self._finish_recording(self._recorder, exit_code, error)
        finally:
            self._finished = True
            process.closed(self)

    def _finish_recording(self, recorder: Recorder, exit_code: int, error: str) -> None:
        try:
            if self._pending is not None:
                self._write(*self._pending)
                self._pending = None
            self._finished = True
            if self._console is not None:
                self._console.stop()
            if recorder.main:
                stopped = recorder.stop_reason is not None
                recorder.append(kinds.Finish(exit_code, self._clock.now(), error, recorder.dropped, stopped=stopped))
        finally:
            recorder.close()

    def _restore(self, path: Path) -> dict[str, Any]:
        """Take over what the segment holds already; returns the config."""
        config: dict[str, Any] = {}
        for record in decode(read_from(path, 0), final=True)[0]:
            if isinstance(record, kinds.Row):
                self._step = max(self._step, record.step + 1)
                self._last.update(record.values)
            elif isinstance(record, kinds.Summary):
                self._summary.restore(record.values)
            elif isinstance(record, kinds.Config):
                config.update(record.values)
        self._resumed = True
        return config

    def _record_config(self, values: dict[str, Any]) -> None:
        self._append(kinds.Config(values), "config")

    def _record_summary(self, values: dict[str, Any]) -> None:
        self._append(kinds.Summary(values), "summary")

    def _update(self, record: kinds.Update, **changes: Any) -> None:
        self._append(record, next(iter(changes)))
        self._header = msgspec.structs.replace(self._header, **changes)

    def _append(self, record: kinds.Record, what: str) -> None:
        if self._finished:
            raise self._closed_error(what)
        if self._recorder is not None:
            self._recorder.append(record)

    def _closed_error(self, what: str) -> UsageError:
        return UsageError(
            f"run {self.id} is finished: its {what} can no longer be written",
            "call init() for a new run, or finish this one later",
        )


def whole_step(step: Any) -> int:
    """`step` as an int; raises `UsageError` when it is no whole number."""
    number: int | None = None
    if isinstance(step, float) and step.is_integer():
        number = int(step)
    elif not isinstance(step, bool | str):
        try:
            number = operator.index(step)
        except TypeError:
            number = None
    if number is None or not 0 <= number < 2**63:
        raise UsageError(
            f"step is {step!r}, {type_name(step)}: it must be a whole number from 0",
            "leave step out, or pass an int; other x axes are logged as metrics of their own",
        )
    return number


def checked_tags(tags: Any) -> tuple[str, ...]:
    """`tags` as a tuple of strings, each once."""
    if tags is None:
        return ()
    if isinstance(tags, str):
        tags = [tags]
    if not all(isinstance(tag, str) for tag in tags):
        raise UsageError(f"tags are {tags!r}", 'tags are strings: tags=["baseline", "v1"]')
    return tuple(dict.fromkeys(tags))
