"""`Run`: a recorded run as users see it, read from a source and changed through it; it knows no files and no store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from swath.tracking.api import rows
from swath.tracking.api.files import File
from swath.tracking.api.filters import same
from swath.tracking.api.source import Change, RunSource
from swath.tracking.api.summary import RunSummary
from swath.tracking.api.values import copied, iso, whole
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.runlog.encoding import to_plain_dict, type_name
from swath.tracking.runlog.records import Alert, Config, Facts, Output, Summary, System, Update
from swath.tracking.runs.identity import checked_tags
from swath.tracking.store import RunRow

if TYPE_CHECKING:
    from swath.tracking.media.base import Media

STREAMS = ("default", "system")
replace = msgspec.structs.replace


class Run:
    """A run that was or is being recorded.

    Name, tags, notes, `config` and `summary` may be changed: they are copies until `update()` records them. All else is
    as it was when the run was loaded; history, files, output, alerts and metadata are read at each call.
    """

    def __init__(self, source: RunSource, row: RunRow) -> None:
        self._source = source
        self._take(row)

    def _take(self, row: RunRow) -> None:
        self._row = self._base = row
        self._metadata: dict[str, Any] | None = None
        self._name = row.name
        self._notes = row.notes
        self._tags = list(row.tags)
        self._config: dict[str, Any] | None = None
        self._summary: RunSummary | None = None

    def load(self, force: bool = False) -> None:
        """Read the run anew with `force=True`; what was changed and not recorded is gone then."""
        if force:
            self._take(self._source.row(self.id))

    # Who the run is.

    @property
    def id(self) -> str:
        """The id, which no other run of the store has."""
        return self._row.id

    @property
    def name(self) -> str:
        """The name for people; may be set."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise UsageError(f"{name!r} cannot be the name of a run", "a name is a string that is not empty")
        self._name = name

    @property
    def display_name(self) -> str:
        """The same as `name`."""
        return self._name

    @display_name.setter
    def display_name(self, name: str) -> None:
        self.name = name

    @property
    def tags(self) -> list[str]:
        """The tags; may be set and changed."""
        return self._tags

    @tags.setter
    def tags(self, tags: Sequence[str] | None) -> None:
        self._tags = list(checked_tags(tags))

    @property
    def notes(self) -> str:
        """The notes; may be set."""
        return self._notes

    @notes.setter
    def notes(self, notes: str | None) -> None:
        self._notes = str(notes or "")

    @property
    def group(self) -> str:
        """The group, or ""."""
        return self._row.group

    @property
    def job_type(self) -> str:
        """What kind of run it is, or ""."""
        return self._row.job_type

    @property
    def project(self) -> str:
        """The project, or ""."""
        return self._row.project

    @property
    def entity(self) -> str:
        """The user or team, or ""."""
        return self._row.entity

    @property
    def sweep_id(self) -> str | None:
        """The sweep that the run is a trial of, or None."""
        return self._row.sweep_id or None

    @property
    def sweep_name(self) -> str | None:
        """The same as `sweep_id`, as in W&B."""
        return self.sweep_id

    @property
    def path(self) -> list[str]:
        """Entity, project and id, without what is not set: `"/".join(run.path)` is what `Api.run` takes."""
        return [part for part in (self.entity, self.project, self.id) if part]

    @property
    def url(self) -> str:
        """Where people see the run."""
        return self._source.url(self.id)

    # What became of it.

    @property
    def state(self) -> str:
        """How it goes or ended: running, preempting, preempted, finished, stopped, failed, killed, lost, damaged."""
        return self._row.state

    @property
    def created_at(self) -> str:
        """When the run began, in ISO 8601, UTC."""
        return iso(self._row.created)

    @property
    def heartbeat_at(self) -> str:
        """The time of the last row that is known, in ISO 8601, UTC."""
        return iso(self._row.updated)

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it is not known."""
        return self._row.exit_code

    @property
    def error(self) -> str:
        """The traceback of a failed run, or what else was wrong; "" when nothing was."""
        return self._row.error

    @property
    def config(self) -> dict[str, Any]:
        """The config, a copy; `update()` records what was changed in it."""
        if self._config is None:
            self._config = copied(self._base.config)
        return self._config

    @property
    def summary(self) -> RunSummary:
        """The summary: a dict that is also read by attribute."""
        if self._summary is None:
            self._summary = RunSummary(self._base.summary, self._save_summary)
        return self._summary

    @property
    def summary_metrics(self) -> dict[str, Any]:
        """The summary as a plain dict."""
        return self.summary.as_dict()

    @property
    def metadata(self) -> dict[str, Any]:
        """What was found out about program, code, packages and machine."""
        if self._metadata is None:
            found: dict[str, Any] = {}
            for record in self._source.records(self.id, (Facts,), every_attempt=True):
                if isinstance(record, Facts):
                    found |= record.values
            self._metadata = found
        return self._metadata

    @property
    def user(self) -> str | None:
        """Who ran it, as the operating system called them; None when that was not recorded."""
        return self.metadata.get("user")

    @property
    def system_metrics(self) -> dict[str, float]:
        """The last value of each metric of the machine."""
        samples = sorted(self._samples(), key=lambda sample: sample.time)
        return {f"system.{name}": value for sample in samples for name, value in sample.values.items()}

    @property
    def lastHistoryStep(self) -> int:
        """The highest step that was logged; -1 when none was."""
        return max((row.step for row in self._source.history(self.id)), default=-1)

    # What it recorded.

    def history(
        self,
        samples: int = 500,
        keys: Sequence[str] | None = None,
        x_axis: str = rows.STEP,
        pandas: bool = True,
        stream: str = "default",
    ) -> Any:
        """At most `samples` records of the history, one for each step: a data frame, or dicts where there is no pandas.

        Each has `_step`, `_timestamp` (seconds since 1970), `_runtime` (seconds since the run began) and the values of
        all rows of the step, nested ones as `a.b`. With `keys` it has these and the x axis, and steps that lack one are
        left out. Of more steps than `samples` every so manieth is taken, the first and the last always, and each time
        the same. `stream="system"` gives the metrics of the machine instead.
        """
        samples = whole("samples", samples, 1)
        names = _checked_keys(keys)
        if stream not in STREAMS:
            raise UsageError(f"there is no stream={stream!r}", 'a stream is "default" or "system"')
        if names and stream == "system":
            raise UsageError("keys= is not for the system stream", "leave keys out, and pick columns of the result")
        if stream == "system":
            records = rows.system_table(self._samples(), self._row.created, samples)
        else:
            logged = self._source.history(self.id)
            records = rows.table(logged, self._row.created, samples=samples, keys=names, x_axis=x_axis)
        return rows.frame(records) if pandas and rows.has_pandas() else records

    def scan_history(
        self,
        keys: Sequence[str] | None = None,
        page_size: int = 1000,
        min_step: int | None = None,
        max_step: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """All rows from `min_step` on and before `max_step`, exactly as they were logged, with step, time and age.

        With `keys`: these values alone, of the rows that have all of them; nested ones are named `a.b`.
        """
        names = _checked_keys(keys)
        first = whole("min_step", min_step, 0) if min_step is not None else None
        end = whole("max_step", max_step, 0) if max_step is not None else None
        return self._scan(names, whole("page_size", page_size, 1), first, end)

    def _scan(
        self, keys: list[str] | None, page_size: int, first: int | None, end: int | None
    ) -> Iterator[dict[str, Any]]:
        for row in self._source.history(self.id, first, end, page_size):
            record = rows.as_logged(row, self._row.created)
            picked = rows.having(record, keys) if keys else record
            if picked is not None:
                yield picked

    def _samples(self) -> list[System]:
        return [record for record in self._source.records(self.id, (System,)) if isinstance(record, System)]

    def output(self) -> str:
        """What the program printed, stdout and stderr together."""
        printed = [record for record in self._source.records(self.id, (Output,)) if isinstance(record, Output)]
        return "".join(record.text for record in sorted(printed, key=lambda record: record.time))

    def alerts(self) -> list[Alert]:
        """The alerts that the program raised, oldest first."""
        raised = self._source.records(self.id, (Alert,), every_attempt=True)
        return sorted((each for each in raised if isinstance(each, Alert)), key=lambda record: record.time)

    def media(self, value: Any) -> Media | list[Media]:
        """The media that a value of a row or of the summary stands for; of a list of them each."""
        from swath.tracking.media.reading import read_media

        blobs = self._source.blobs(self.id)
        if isinstance(value, list):
            return [read_media(_record(each), blobs) for each in value]
        return read_media(_record(value), blobs)

    def files(self, names: Sequence[str] | None = None) -> list[File]:
        """The files of the run by name, or those of `names` that there are."""
        wanted = {names} if isinstance(names, str) else set(names or ())
        found = self._source.files(self.id)
        return [File(self._source, self.id, each) for each in found if not wanted or each.name in wanted]

    def file(self, name: str) -> File:
        """The file of that name. Raises `NotFound` when there is none."""
        found = self.files([name])
        if not found:
            raise NotFound(f"run {self.id} has no file {name!r}", "list them with run.files()")
        return found[0]

    # Changing it.

    def update(self) -> None:
        """Record what was changed of name, tags, notes, config and summary; nothing when nothing was.

        The program of a run that is going on does not notice. A key of the config cannot be removed, only set to None.
        """
        self._record([*self._config_changes(), *self._summary_changes(), *self._identity_changes()])

    def save(self) -> None:
        """The same as `update()`."""
        self.update()

    def delete(self) -> None:
        """Remove the run and its folder for good. Media and saved files stay among the blobs, which runs share.

        Raises `NotAllowed` for a run that is going on, and for a trial of a sweep.
        """
        self._source.delete(self.id)

    def _save_summary(self) -> None:
        self._record(self._summary_changes())

    def _record(self, changes: Sequence[Change]) -> None:
        """Record changes. `_base` is what the copies here were made from, and so differs from what others change."""
        if not changes:
            return
        self._row = self._source.change(self.id, changes)
        for change in changes:
            match change:
                case Config():
                    self._base = replace(self._base, config=self._base.config | change.values)
                case Summary():
                    self._base = replace(self._base, summary=self._base.summary | change.values)
                case Update():
                    self._base = replace(self._base, name=self._name, tags=checked_tags(self._tags), notes=self._notes)

    def _config_changes(self) -> list[Change]:
        if self._config is None:
            return []
        config, known = to_plain_dict(self._config, "config", lenient=True), self._base.config
        gone = known.keys() - config.keys()
        if gone:
            key = min(gone)
            raise UsageError(f"config key {key!r} cannot be deleted: it is on record", "set it to None instead")
        changed = _changed(config, known)
        return [Config(changed)] if changed else []

    def _summary_changes(self) -> list[Change]:
        if self._summary is None:
            return []
        changed = _changed(self._summary.as_dict(), self._base.summary)
        return [Summary(changed)] if changed else []

    def _identity_changes(self) -> list[Change]:
        tags = checked_tags(self._tags)
        change = Update(
            name=self._name if self._name != self._base.name else None,
            tags=tags if tags != self._base.tags else None,
            notes=self._notes if self._notes != self._base.notes else None,
        )
        return [change] if change != Update() else []

    def __repr__(self) -> str:
        return f"<Run {'/'.join(self.path)} ({self.state})>"


def _changed(values: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in known or not same(value, known[key])}


def _checked_keys(keys: Sequence[str] | None) -> list[str] | None:
    if keys is None:
        return None
    if not isinstance(keys, list | tuple) or not all(isinstance(key, str) for key in keys):
        raise UsageError(f"keys={keys!r}", 'keys are a list of names: keys=["loss"]')
    return list(keys)


def _record(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{type_name(value)} is no record of media", "pass a value of a row that was logged as media")
    return value
