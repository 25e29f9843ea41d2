"""Who a run is: the part of the handle that reads the header and changes what of it may be changed."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from swath.tracking.errors import UsageError
from swath.tracking.runlog import records as kinds
from swath.tracking.runlog.encoding import type_name
from swath.tracking.runs import names

_INHERITED = ("name", "entity", "project", "group", "job_type", "tags", "notes")


class Identity:
    """The names of a run. The handle fills `_append`, which records a change."""

    def __init__(self, header: kinds.Header, run_dir: Path | None) -> None:
        self._header = header
        self._run_dir = run_dir

    def _inherit(self, records: Sequence[kinds.AnyRecord]) -> None:
        """Take over what an earlier part of the run was called, where nothing was said now, and have some name."""
        known = self._header
        for record in records:
            if isinstance(record, kinds.Header):
                known = record
            elif isinstance(record, kinds.Update):
                said = {key: getattr(record, key) for key in ("name", "tags", "notes")}
                changes = {key: value for key, value in said.items() if value is not None}
                known = msgspec.structs.replace(known, **changes)
        own = {key: getattr(self._header, key) or getattr(known, key) for key in _INHERITED}
        own["name"] = own["name"] or names.new_name()
        self._header = msgspec.structs.replace(self._header, **own)

    def _append(self, record: kinds.AnyRecord, what: str) -> None:
        raise NotImplementedError

    def _update(self, record: kinds.Update, **changes: Any) -> None:
        self._append(record, next(iter(changes)))
        self._header = msgspec.structs.replace(self._header, **changes)

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
    def start_time(self) -> float:
        """When `init()` was called, in seconds since the epoch."""
        return self._header.time

    @property
    def path(self) -> str:
        """entity/project/id, without what is not set."""
        return "/".join(part for part in (self.entity, self.project, self.id) if part)

    @property
    def url(self) -> str | None:
        """Where the run can be seen: its folder; None in mode "disabled"."""
        return None if self._run_dir is None else self._run_dir.as_uri()


def checked_tags(tags: Any) -> tuple[str, ...]:
    """`tags` as a tuple of strings, each once."""
    if tags is None:
        return ()
    if isinstance(tags, str):
        tags = [tags]
    if not all(isinstance(tag, str) for tag in tags):
        raise UsageError(f"tags are {tags!r}", 'tags are strings: tags=["baseline", "v1"]')
    return tuple(dict.fromkeys(tags))


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
