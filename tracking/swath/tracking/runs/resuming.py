"""Where a new run is written: its id, folder and attempt, and what it takes over from an earlier run or another.

Where a server is set, it is asked too: what it has beyond this folder is brought here first.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from swath.tracking import layout
from swath.tracking.errors import NotFound, SwathError, UsageError
from swath.tracking.runlog import records as kinds
from swath.tracking.runlog.history import read_history, read_records
from swath.tracking.runs import names

if TYPE_CHECKING:
    from swath.tracking.runs.handle import Run
    from swath.tracking.shipping.fetching import Remote

RESUME = (None, False, True, "allow", "auto", "must", "never")
_POINT = re.compile(r"(?P<run>[^?]+)(\?_step=(?P<step>[0-9]+))?")
_AUTO = "auto-resume.json"


class Wish(msgspec.Struct, frozen=True):
    """What was said about the run's place. `shared`: other processes write the same run. `url`: the server to ask."""

    root: Path
    id: str | None = None
    resume: bool | str | None = None
    resume_from: str | None = None
    fork_from: str | None = None
    shared: bool = False
    disabled: bool = False
    url: str = ""
    token: str = ""


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
    if not asked:
        run_id = names.new_id()
        return Place(run_id, 1, layout.run_dir(wish.root, run_id))
    run_id = layout.check_run_id(asked)
    folder = layout.run_dir(wish.root, run_id)
    if wish.resume in (None, False, "never") and not wish.shared:
        _must_be_new(wish, run_id, folder)
        return Place(run_id, 1, folder)
    existing = _last_attempt(wish, run_id, folder, needed=wish.resume == "must")
    if wish.resume == "must" and not existing:
        raise _nowhere(wish, run_id, folder, 'resume="allow" starts it when it is new')
    return Place(run_id, existing or 1, folder)


def _must_be_new(wish: Wish, run_id: str, folder: Path) -> None:
    exists = layout.last_attempt(folder) > 0
    where = str(folder)
    if not exists and wish.url:
        where = wish.url
        with _asked(wish, run_id, needed=False) as remote:
            exists = remote is not None and remote.attempt > 0
    if exists:
        raise UsageError(
            f"run {run_id!r} exists already in {where}",
            'pass resume="allow" to go on with it, or another id (or none) for a new run',
        )


def _last_attempt(wish: Wish, run_id: str, folder: Path, *, needed: bool) -> int:
    """The run's last attempt in `folder`; 0 when it has none.

    What the server has of a later one, begun on another machine, is brought here first, as an attempt of its own:
    that machine may still have to send what belongs to the other. `needed`: without the server it cannot be done.
    """
    here = layout.last_attempt(folder)
    if not wish.url or wish.shared:
        return here
    trial_of = ""
    found = here
    with _asked(wish, run_id, needed=needed and not here) as remote:
        if remote is not None and remote.attempt > here:
            header = remote.header()
            trial_of = header.sweep_id if header is not None else ""
            if not trial_of:
                remote.fetch(folder, remote.attempt + 1)
                found = remote.attempt + 1
    if trial_of:
        raise UsageError(
            f"run {run_id!r} is a trial of sweep {trial_of} of {wish.url}: its agents go on with it",
            f'begin a run of your own with what it has: init(fork_from="{run_id}")',
        )
    return found


@contextmanager
def _asked(wish: Wish, run_id: str, *, needed: bool) -> Iterator[Remote | None]:
    """What the server has of the run; None when it cannot be asked, which is warned of, or raised when it is `needed`.

    Trouble in the block is the server's too: the block is left, and it is as if there had been no answer.
    """
    from swath.tracking.shipping.fetching import Remote

    begun = False
    try:
        with Remote(wish.url, wish.token, run_id) as remote:
            begun = True
            yield remote
        return
    except (SwathError, OSError) as error:
        _say_unknown(wish, run_id, error, needed=needed)
    if not begun:
        yield None


def _say_unknown(wish: Wish, run_id: str, error: SwathError | OSError, *, needed: bool) -> None:
    why = error.message if isinstance(error, SwathError) else str(error)
    told = f"it is not known what {wish.url} has of run {run_id!r}: {why}"
    if needed:
        kind = type(error) if isinstance(error, SwathError) else SwathError
        raise kind(told, 'try again when it answers; resume="allow" begins the run where nothing is known of it')
    warnings.warn(f"{told}; this goes on with what is in {wish.root}", RuntimeWarning, stacklevel=9)


def _nowhere(wish: Wish, run_id: str, folder: Path, hint: str) -> NotFound:
    where = f"{folder.parent}, nor at {wish.url}" if wish.url and not wish.shared else str(folder.parent)
    return NotFound(f"there is no run {run_id!r} in {where}", hint)


def _gone_back(wish: Wish, point: str) -> Place:
    run_id, step = parse_point(point, "resume_from")
    if wish.id and wish.id != run_id:
        raise UsageError(f"id={wish.id!r} and resume_from={point!r} name two runs", "leave id out")
    folder = layout.run_dir(wish.root, run_id)
    attempt = _last_attempt(wish, run_id, folder, needed=True)
    if not attempt:
        raise _nowhere(wish, run_id, folder, "resume_from names a run that exists")
    return Place(run_id, attempt, folder, prepare=_nothing if step is None else lambda run: run.rewind(step + 1))


def _forked(wish: Wish, point: str) -> Place:
    source, step = parse_point(point, "fork_from")
    place = _plain(wish, wish.id)
    config, definitions, rows = _taken(wish, source, step)

    def prepare(run: Run) -> None:
        run.record(kinds.Facts(run.start_time, {"forked_from": {"run": source, "step": step}}))
        run.take_in(definitions, rows)

    return Place(place.run_id, place.attempt, place.folder, config, prepare)


def _taken(wish: Wish, source: str, step: int | None) -> tuple[dict[str, Any], list[kinds.Define], list[kinds.Row]]:
    """Config, definitions and rows up to `step` of another run: the server's where that has gone on, else ours."""
    folder = layout.run_dir(wish.root, source)
    here = layout.last_attempt(folder)
    if wish.url and not wish.shared:
        with tempfile.TemporaryDirectory(prefix="swath-fork-") as name:
            found = False
            with _asked(wish, source, needed=not here) as remote:
                if remote is not None and remote.attempt > here:
                    remote.fetch(Path(name), remote.attempt)
                    found = True
            if found:
                return _read(Path(name), step)
    if not here:
        raise _nowhere(wish, source, folder, "fork_from names a run that exists")
    return _read(folder, step)


def _read(folder: Path, step: int | None) -> tuple[dict[str, Any], list[kinds.Define], list[kinds.Row]]:
    config: dict[str, Any] = {}
    definitions = []
    for record in read_records(folder):
        if isinstance(record, kinds.Config):
            config |= record.values
        elif isinstance(record, kinds.Define):
            definitions.append(record)
    return config, definitions, [row for row in read_history(folder) if step is None or row.step <= step]


def _auto(wish: Wish) -> Place:
    """The run that this program began here and did not bring to a good end; a new one where there is none."""
    note = wish.root / _AUTO
    program = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else ""
    known = _read_note(note)
    asked = wish.id or known.get(program)
    if asked and layout.is_run_id(asked) and not wish.id and _ended_well(layout.run_dir(wish.root, asked)):
        asked = None
    place = _plain(msgspec.structs.replace(wish, id=asked, resume="allow"), asked)

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
