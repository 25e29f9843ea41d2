"""Where a new run is written: its id, folder and attempt, and what it takes over from an earlier run or another."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from swath.tracking import layout
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.runlog import records as kinds
from swath.tracking.runlog.history import read_history, read_records
from swath.tracking.runs import names

if TYPE_CHECKING:
    from swath.tracking.runs.handle import Run

RESUME = (None, False, True, "allow", "auto", "must", "never")
_POINT = re.compile(r"(?P<run>[^?]+)(\?_step=(?P<step>[0-9]+))?")
_AUTO = "auto-resume.json"


class Wish(msgspec.Struct, frozen=True):
    """What was said about the run's place. `shared`: other processes write the same run."""

    root: Path
    id: str | None = None
    resume: bool | str | None = None
    resume_from: str | None = None
    fork_from: str | None = None
    shared: bool = False
    disabled: bool = False


def _nothing(run: Run) -> None:
    pass


class Place(msgspec.Struct, frozen=True):
    """Where to write. `config` is taken over; `prepare` is called with the open run before anybody has it."""

    run_id: str
    attempt: int
    folder: Path
    config: dict[str, Any] = {}
    prepare: Callable[[Run], None] = _nothing


def find_place(wish: Wish) -> Place:
    """The place for a run outside sweeps. Raises `UsageError` and `NotFound` where it cannot be had."""
    if wish.resume not in RESUME:
        raise UsageError(f"there is no resume={wish.resume!r}", 'resume is "allow", "must", "never" or "auto"')
    if sum(bool(each) for each in (wish.resume, wish.resume_from, wish.fork_from)) > 1:
        raise UsageError("resume, resume_from and fork_from exclude each other", "pass one of them")
    if wish.disabled:
        run_id = layout.check_run_id(wish.id) if wish.id else names.new_id()
        return Place(run_id, 1, layout.run_dir(wish.root, run_id))
    if wish.resume_from:
        return _gone_back(wish, wish.resume_from)
    if wish.fork_from:
        return _forked(wish, wish.fork_from)
    if wish.resume in ("auto", True):
        return _auto(wish)
    return _plain(wish, wish.id)


def _plain(wish: Wish, asked: str | None) -> Place:
    if wish.resume == "must" and not asked:
        raise UsageError('resume="must" needs to know which run', 'pass its id: init(id=..., resume="must")')
    run_id = layout.check_run_id(asked) if asked else names.new_id()
    folder = layout.run_dir(wish.root, run_id)
    existing = layout.last_attempt(folder) if asked else 0
    if existing and wish.resume in (None, False, "never") and not wish.shared:
        raise UsageError(
            f"run {run_id!r} exists already in {folder}",
            'pass resume="allow" to go on with it, or another id (or none) for a new run',
        )
    if wish.resume == "must" and not existing:
        raise NotFound(f"there is no run {run_id!r} in {folder.parent}", 'resume="allow" starts it when it is new')
    return Place(run_id, existing or 1, folder)


def _gone_back(wish: Wish, point: str) -> Place:
    run_id, step = parse_point(point, "resume_from")
    if wish.id and wish.id != run_id:
        raise UsageError(f"id={wish.id!r} and resume_from={point!r} name two runs", "leave id out")
    folder = layout.run_dir(wish.root, run_id)
    attempt = layout.last_attempt(folder)
    if not attempt:
        raise NotFound(f"there is no run {run_id!r} in {folder.parent}", "resume_from names a run that exists")
    return Place(run_id, attempt, folder, prepare=_nothing if step is None else lambda run: run.rewind(step + 1))


def _forked(wish: Wish, point: str) -> Place:
    source, step = parse_point(point, "fork_from")
    folder = layout.run_dir(wish.root, source)
    if not layout.last_attempt(folder):
        raise NotFound(f"there is no run {source!r} in {folder.parent}", "fork_from names a run that exists")
    place = _plain(wish, wish.id)
    config: dict[str, Any] = {}
    definitions = []
    for record in read_records(folder):
        if isinstance(record, kinds.Config):
            config |= record.values
        elif isinstance(record, kinds.Define):
            definitions.append(record)
    rows = [row for row in read_history(folder) if step is None or row.step <= step]

    def prepare(run: Run) -> None:
        run.record(kinds.Facts(run.start_time, {"forked_from": {"run": source, "step": step}}))
        run.take_in(definitions, rows)

    return Place(place.run_id, place.attempt, place.folder, config, prepare)


def _auto(wish: Wish) -> Place:
    """The run that this program began here and did not bring to a good end; a new one where there is none."""
    note = wish.root / _AUTO
    program = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else ""
    known = _read_note(note)
    asked = wish.id or known.get(program)
    if asked and layout.is_run_id(asked) and not wish.id and _ended_well(layout.run_dir(wish.root, asked)):
        asked = None
    place = _plain(Wish(wish.root, asked, "allow"), asked)

    def prepare(run: Run) -> None:
        wish.root.mkdir(parents=True, exist_ok=True)
        draft = note.with_suffix(f".{os.getpid()}")
        draft.write_bytes(msgspec.json.encode({**_read_note(note), program: place.run_id}))
        draft.replace(note)

    return Place(place.run_id, place.attempt, place.folder, prepare=prepare)


def _read_note(note: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(note.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError):
        return {}


def _ended_well(folder: Path) -> bool:
    ends = [record for record in read_records(folder) if isinstance(record, kinds.Finish | kinds.Header)]
    return bool(ends) and isinstance(ends[-1], kinds.Finish) and ends[-1].exit_code == 0


def parse_point(point: str, what: str) -> tuple[str, int | None]:
    """Run id and step of `ID?_step=N`; the step is None when it is not said."""
    match = _POINT.fullmatch(point) if isinstance(point, str) else None
    if match is None:
        raise UsageError(f"{what}={point!r} names no point of a run", f'write {what}="ID?_step=100"')
    return layout.check_run_id(match["run"]), int(match["step"]) if match["step"] else None
