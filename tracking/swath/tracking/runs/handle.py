"""`Run`, the user's handle of a run: appends to the run log, knows nothing of stores, servers or sweeps."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

from swath.tracking.clock import Clock
from swath.tracking.errors import TrialStopped
from swath.tracking.runlog import metrics
from swath.tracking.runlog import records as kinds
from swath.tracking.runlog.encoding import plain_row, to_plain_dict
from swath.tracking.runlog.frames import decode
from swath.tracking.runlog.history import read_history, read_records, rows_that_count
from swath.tracking.runlog.logfile import read_from
from swath.tracking.runlog.metrics import Summarizer
from swath.tracking.runlog.recorder import Recorder
from swath.tracking.runs import process
from swath.tracking.runs.companions import Companions
from swath.tracking.runs.config import Config, merged
from swath.tracking.runs.console import Console
from swath.tracking.runs.identity import whole_step
from swath.tracking.runs.summary import Summary
from swath.tracking.settings import Settings

OnRow = Callable[[dict[str, Any]], None]

#: How long `finish` waits for what is not delivered to the server yet, in seconds; the rest is sent afterwards.
_PATIENCE_S = 10.0
_HURRIED_S = 3.0
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_./]+")


class Run(Companions):
    """A run that is being recorded. Made by `init()`; may be used as a context manager and from several threads.

    Nothing that goes wrong with the recording itself is raised; calls that are wrong are.
    """

    def __init__(
        self,
        header: kinds.Header,
        run_dir: Path | None,
        clock: Clock,
        settings: Settings,
        *,
        on_row: OnRow | None = None,
        is_global: bool = True,
        rank: int = 0,
    ) -> None:
        super().__init__(header, run_dir, clock, settings)
        self._on_row = on_row
        self.is_global = is_global
        self._recorder = (
            None
            if run_dir is None
            else Recorder(run_dir, header.attempt, clock, shared=header.mode == "shared", rank=rank)
        )
        self._console: Console | None = None
        self._step = 0
        self._pending: tuple[int, dict[str, Any]] | None = None
        self._attached: dict[str, Any] = {}
        self._summarizer = Summarizer()
        self._resumed = False
        self._simple = True
        self._going_on = False
        self._odd_name = False
        self._config = Config({}, self._record_config, {})
        self._summary = Summary(self._summarizer, self._record_summary)
        if self._recorder is not None:
            self._recorder.on_new_names = self._look_at_names

    def start(self, config: Mapping[str, Any], locked: Mapping[str, Any], *, console: bool) -> Run:
        """Open the log, behind what it holds already of this attempt, and begin to record."""
        recorder = self._recorder
        values = to_plain_dict(config, lenient=True)
        if recorder is not None:
            earlier: list[kinds.AnyRecord] = []
            if not recorder.open() and recorder.main:
                earlier = read_records(recorder.path.parent, self.attempt)
                values = merged(self._restore(earlier, decode(read_from(recorder.path, 0), final=True)[0]), values)
            self._inherit(earlier)
            self._config = Config(values, self._record_config, to_plain_dict(locked, lenient=True))
            whole = self._config.as_dict()
            recorder.begin([self._header, kinds.Config(whole)] if whole else [self._header])
            self._begin_shipping()
            if console:
                self._console = Console(recorder.output)
                self._console.start()
        else:
            self._inherit(())
            self._config = Config(values, self._record_config, to_plain_dict(locked, lenient=True))
        process.opened(self)
        return self

    def log(self, data: Mapping[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        """Record metrics and media as one row.

        `step` counts up from 0 by itself; a given one may be any whole number, also out of order. With
        `commit=False` the values wait for the next call for the same step, and are written with it as one
        row. A resumed run that logs a step it has logged before goes back to that step first. In a trial that is to
        stop, raises `TrialStopped` after the row is recorded. Raises `UsageError` when something cannot be recorded.
        """
        recorder = self._recorder
        if recorder is None:
            self._log_disabled(data, step)
            return
        values = plain_row(data, self._media)
        with recorder.lock:
            if self._finished:
                raise self._closed_error("log")
            if step is None and commit is not False and self._simple:
                number = self._step
                stop = recorder.append_row(number, values)
                self._step = number + 1
                self._summarizer.values.update(values)
                if self._on_row is None and not stop:
                    return
                rows = [values]
            else:
                rows = self._place(values, step, commit is not False)
        self._after(rows)

    def define_metric(
        self,
        name: Any,
        step_metric: Any = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: Any = None,
        goal: str | None = None,
        overwrite: bool | None = None,
    ) -> kinds.Define:
        """Say how the metrics that match `name` (a name, or a glob such as "val/*") are summarised and drawn.

        `summary` is one or more of min, max, mean, best, last, first and none, as a list or joined by commas: the
        summary then holds a dict of them. "best" goes by `goal`, minimize or maximize. `step_metric` is the metric
        on the x axis; unless `step_sync=False`, rows that leave it out get its last value. Said again, only what is
        given changes, unless `overwrite`. Raises `UsageError` for words that mean nothing.
        """
        definition = metrics.define(name, step_metric, step_sync, hidden, summary, goal)
        known = self._summarizer.definitions.get(definition.name)
        if known is not None and not overwrite:
            definition = metrics.laid_over(known, definition, hidden, step_sync)
        self._append(definition, "metrics")
        self._summarizer.definitions.add(definition)
        self._look_whether_simple()
        return definition

    def attach(self, values: dict[str, Any]) -> None:
        """Add values to the next row that is written. Any thread."""
        if self._recorder is not None:
            with self._recorder.lock:
                self._attached = self._attached | values
                self._look_whether_simple()

    def finish(self, exit_code: int | None = 0, quiet: bool | None = None) -> None:
        """End the run with an exit code. Said again, it changes nothing."""
        self._finish(exit_code or 0, "")

    def finish_by(self, signal_number: int) -> None:
        """End the run as one whose process a signal ends."""
        self._finish(128 + signal_number, "", signal_number, hurried=True)

    def finish_after(self, error: BaseException | None) -> None:
        """End the run as the program ended: with `error`, or well."""
        self._finish(*process.exit_of(error), hurried=isinstance(error, KeyboardInterrupt))

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
        """The last value of each metric (or what `define_metric` asks for), and what is set here."""
        return self._summary

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
    def step(self) -> int:
        """The step of the next row that is logged without one."""
        return self._pending[0] if self._pending else self._step

    @property
    def dropped(self) -> int:
        """How many records could not be written."""
        return self._recorder.dropped if self._recorder else 0

    def rewind(self, step: int) -> None:
        """Go back: rows of `step` and later count no more, and the next row without a step has this one."""
        number = whole_step(step)
        if self._recorder is None:
            return
        with self._recorder.lock:
            self._append(kinds.Rewind(self._clock.now(), number), "log")
            self._pending = None
            self._step = number
            self._take_over(decode(read_from(self._recorder.path, 0), final=True)[0])

    def take_in(self, definitions: Sequence[kinds.Define], rows: Sequence[kinds.Row]) -> None:
        """Record what another run had, before anything of this one."""
        for definition in definitions:
            self.record(definition)
            self._summarizer.definitions.add(definition)
        for row in rows:
            self.record(row)
            self._summarizer.add(row.values)
        self._step = max((row.step + 1 for row in rows), default=self._step)
        self._look_whether_simple()

    def _go_on_from(self, attempt: int, step: int) -> None:
        """Go on behind `step` of an attempt: of this one by going back, of an earlier one by taking in its rows."""
        if self._recorder is None or self._run_dir is None:
            return
        if attempt == self.attempt or self._step:
            self.rewind(step + 1)
            return
        earlier = read_records(self._run_dir, attempt)
        definitions = [record for record in earlier if isinstance(record, kinds.Define)]
        self.take_in(definitions, [row for row in read_history(self._run_dir, attempt) if row.step <= step])
        self._step = step + 1

    def after_fork(self) -> None:
        """In a forked child: what it records goes to a segment of its own."""
        if self._recorder is not None:
            self._recorder.after_fork()
        if self._shipper is not None:
            self._shipper.after_fork()
        if self._files is not None:
            self._files.after_fork()
        if self._console is not None:
            self._console.after_fork()

    def record(self, record: kinds.AnyRecord) -> None:
        """Write what the tracker itself found out; nothing when the run is finished."""
        if self._recorder is not None:
            with self._recorder.lock:
                if not self._finished:
                    self._recorder.append(record)

    @property
    def _recording(self) -> AbstractContextManager[Any]:
        return self._recorder.lock if self._recorder is not None else nullcontext()

    def _place(self, values: dict[str, Any], step: int | None, commit: bool) -> list[dict[str, Any]]:
        """Write or keep values that are not simply the next row; returns the rows that were written."""
        number = self.step if step is None else whole_step(step)
        if self._going_on and number < self._step and step is not None:
            self.rewind(number)
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
        self._look_whether_simple()
        return written

    def _look_whether_simple(self) -> None:
        """Whether a row is simply written: nothing waits for it, nothing is defined, and it does not go back."""
        waiting = self._pending is not None or self._attached
        self._simple = not (waiting or self._going_on or self._summarizer.definitions)

    def _write(self, step: int, values: dict[str, Any]) -> dict[str, Any]:
        assert self._recorder is not None
        if self._attached:
            values, self._attached = values | self._attached, {}
        if self._summarizer.definitions:
            values = self._summarizer.step_of(values)
        self._step = max(self._step, step + 1)
        self._going_on = False
        self._recorder.append_row(step, values)
        self._summarizer.add(values)
        return values

    def _after(self, rows: list[dict[str, Any]]) -> None:
        """What follows rows that are in the log, outside the lock: the trial's own hook, and a stop."""
        if self._on_row is not None:
            for values in rows:
                self._on_row(values)
        reason = self._recorder.stop_reason if rows and self._recorder else None
        if reason is not None:
            raise TrialStopped(reason)

    def _log_disabled(self, data: Mapping[str, Any], step: int | None) -> None:
        if self._finished:
            raise self._closed_error("log")
        self._step = max(self._step, (self._step if step is None else whole_step(step)) + 1)
        self._summarizer.values.update(data)

    def _finish(self, exit_code: int, error: str, signal_number: int | None = None, *, hurried: bool = False) -> None:
        if self._finished:
            return
        try:
            if self._recorder is not None:
                try:
                    self._await_alerts(_HURRIED_S if hurried else _PATIENCE_S)
                    process.finishing(self, hurried=hurried)
                except BaseException as trouble:  # a Ctrl-C while it waits: the end is recorded all the same
                    exit_code, error = (exit_code, error) if exit_code else process.exit_of(trouble)
                    raise
                finally:
                    with self._recorder.lock:
                        self._finish_recording(self._recorder, exit_code, error, signal_number)
            self._end_shipping(_HURRIED_S if hurried else _PATIENCE_S)
        finally:
            self._finished = True
            process.closed(self)

    def _finish_recording(self, recorder: Recorder, exit_code: int, error: str, signal_number: int | None) -> None:
        try:
            if self._pending is not None:
                self._write(*self._pending)
                self._pending = None
            self._finish_helpers()
        except BaseException as trouble:  # likewise while large files are kept
            exit_code, error = (exit_code, error) if exit_code else process.exit_of(trouble)
            raise
        finally:
            self._close_recording(recorder, exit_code, error, signal_number)

    def _close_recording(self, recorder: Recorder, exit_code: int, error: str, signal_number: int | None) -> None:
        self._finished = True
        try:
            if self._console is not None:
                self._console.stop()
            if recorder.main:
                stopped = recorder.stop_reason is not None
                now = self._clock.now()
                recorder.append(kinds.Finish(exit_code, now, error, recorder.dropped, signal_number, stopped))
        finally:
            recorder.close()

    def _restore(self, earlier: Sequence[kinds.AnyRecord], own: list[kinds.AnyRecord]) -> dict[str, Any]:
        """Take over what was recorded before, by this segment and by others; returns the config."""
        config: dict[str, Any] = {}
        for record in earlier:
            if isinstance(record, kinds.Summary):
                self._summary.restore(record.values)
            elif isinstance(record, kinds.Config):
                config.update(record.values)
            elif isinstance(record, kinds.Define):
                self._summarizer.definitions.add(record)
        self._take_over(own)
        self._resumed = self._going_on = True
        self._look_whether_simple()
        return config

    def _take_over(self, found: list[kinds.AnyRecord]) -> None:
        """Count on from the rows that are there."""
        rows = rows_that_count(found)
        self._summarizer.restart()
        for row in rows:
            self._summarizer.add(row.values)
        self._step = max((row.step + 1 for row in rows), default=0)

    def _count_lost(self, error: OSError) -> None:
        if self._recorder is not None:
            self._recorder.drop(error)

    def _look_at_names(self, names: Sequence[str]) -> None:
        """Say once that a name is one that other tools will not take."""
        odd = next((name for name in names if not _PLAIN_NAME.fullmatch(name)), None)
        if odd is not None and not self._odd_name:
            self._odd_name = True
            warnings.warn(
                f"the metric name {odd!r} is recorded as it is; every tool takes letters, digits, '_', '/' and '.'",
                stacklevel=5,
            )

    def _record_config(self, values: dict[str, Any]) -> None:
        self._append(kinds.Config(values), "config")

    def _record_summary(self, values: dict[str, Any]) -> None:
        self._append(kinds.Summary(values), "summary")

    def _append(self, record: kinds.AnyRecord, what: str) -> None:
        self._still_open(what)
        if self._recorder is not None:
            self._recorder.append(record)
