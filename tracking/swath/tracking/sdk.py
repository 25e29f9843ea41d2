"""`init()` and the module-level calls, which are shortcuts to the current run."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from swath.tracking import layout, names, process
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.context import ENTERED, TrialContext
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.handle import Run, checked_tags
from swath.tracking.host import this_host
from swath.tracking.records import Header
from swath.tracking.runconfig import read_config, selected
from swath.tracking.settings import Settings, mode_named

_LATER = ("sync_tensorboard", "tensorboard", "monitor_gym", "fork_from", "resume_from")
_MEANINGLESS = ("anonymous", "force", "magic")
_REINIT_FINISHES = (True, "finish_previous")


def init(
    project: str | None = None,
    *,
    entity: str | None = None,
    name: str | None = None,
    id: str | None = None,
    config: Any = None,
    tags: Sequence[str] | None = None,
    notes: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: str | None = None,
    resume: bool | str | None = None,
    save_code: bool | None = None,
    dir: str | os.PathLike[str] | None = None,
    reinit: bool | str | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    allow_val_change: bool | None = None,
    config_exclude_keys: Sequence[str] | None = None,
    config_include_keys: Sequence[str] | None = None,
    **others: Any,
) -> Run:
    """Start a run, and make it the current one.

    `config` is a dict, an argparse Namespace, a dataclass, or the path of a YAML file. `mode` is "online",
    "offline" or "disabled". `dir` is the folder whose `.swath` is used. `resume` says what to do when the run
    `id` exists already: "allow" and "must" go on behind its rows, "must" demands that it exists, and without
    either it is an error; nothing is ever overwritten. `save_code` keeps a copy of the program among the
    run's files. In a trial the id, the project, the group and the sweep's parameters come from the sweep.
    While a run is open, `init()` returns it and adds `config` to it; `reinit=True` finishes it first,
    `reinit="create_new"` opens another beside it.
    """
    _check_others(others)
    given = selected(read_config(config), config_include_keys, config_exclude_keys)
    open_run = process.current()
    if open_run is not None and reinit in _REINIT_FINISHES:
        open_run.finish()
    elif open_run is not None and reinit != "create_new":
        open_run.config.update(given)
        return open_run
    said = _Said(project, entity, name, id, tags, notes, group, job_type, mode, resume, dir)
    known = Settings.from_environment().overlaid(settings)
    run = _start(said, known, given, beside=open_run is not None and reinit == "create_new")
    if save_code:
        _save_code(run)
    return run


def log(data: Mapping[str, Any], step: int | None = None, commit: bool = True) -> None:
    """`Run.log` of the current run."""
    _needed("log()").log(data, step, commit)


def finish(exit_code: int | None = 0, quiet: bool | None = None) -> None:
    """`Run.finish` of the current run; nothing when there is none."""
    run = process.current()
    if run is not None:
        run.finish(exit_code, quiet)


class PreInit:
    """Stands for `config` and `summary` while no run is open: using it is an error that says so."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise _no_run(object.__getattribute__(self, "_name"))

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        self._refuse()

    __getitem__ = __setitem__ = __setattr__ = __contains__ = __iter__ = __len__ = update = _refuse


def module_attribute(name: str) -> Any:
    """The attributes of `swath.tracking` that follow the current run: `run`, `config` and `summary`."""
    run = process.current()
    if name == "run":
        return run
    if name == "config":
        return run.config if run is not None else PreInit("config")
    if name == "summary":
        return run.summary if run is not None else PreInit("summary")
    raise AttributeError(f"module 'swath.tracking' has no attribute {name!r}")


class _Said(NamedTuple):
    """What the caller of `init()` said about the run."""

    project: str | None
    entity: str | None
    name: str | None
    id: str | None
    tags: Sequence[str] | None
    notes: str | None
    group: str | None
    job_type: str | None
    mode: str | None
    resume: bool | str | None
    dir: str | os.PathLike[str] | None


def _start(said: _Said, known: Settings, given: dict[str, Any], *, beside: bool) -> Run:
    """A run that is open: the trial's, or one in a folder of its own."""
    scope = ENTERED.get()
    trial = scope.context if scope is not None else known.trial
    mode = mode_named(said.mode or known.mode or "online")
    run_id = _trial_id(trial, said.id) if trial else _own_id(said.id or known.run_id)
    attempt, folder = 1, None
    if trial is not None:
        attempt, folder = trial.attempt, trial.run_dir
    elif mode != "disabled":
        folder = _folder(said.dir, known, run_id)
        attempt = _attempt(folder, run_id, bool(said.id or known.run_id), said.resume or known.resume)
    run = Run(
        _header(said, known, trial, run_id=run_id, attempt=attempt, mode=mode, clock=SYSTEM_CLOCK),
        None if mode == "disabled" else folder,
        SYSTEM_CLOCK,
        on_row=trial.on_row if trial else None,
        is_global=scope is None and not beside,
    )
    console = (known.console or "").lower() not in ("off", "0", "false")
    console = console and (trial is None or trial.capture_console)
    return run.start(given, trial.config if trial else {}, console=console)


def _header(
    said: _Said,
    known: Settings,
    trial: TrialContext | None,
    *,
    run_id: str,
    attempt: int,
    mode: str,
    clock: Clock,
) -> Header:
    return Header(
        run_id=run_id,
        attempt=attempt,
        time=clock.now(),
        name=said.name or (trial.name if trial else known.run_name) or names.new_name(),
        project=(trial and trial.project) or said.project or known.project or "",
        group=(trial and trial.group) or said.group or (not trial and known.run_group) or "",
        job_type=said.job_type or known.run_job_type or "",
        tags=checked_tags(said.tags if said.tags is not None else known.run_tags),
        notes=said.notes or known.run_notes or "",
        sweep_id=trial.sweep_id if trial else "",
        mode=mode,
        host=this_host(),
        pid=os.getpid(),
        program=sys.argv[0] if sys.argv else "",
        python=sys.version.split()[0],
        entity=said.entity or known.entity or "",
    )


def _own_id(asked: str | None) -> str:
    return layout.check_run_id(asked) if asked else names.new_id()


def _trial_id(trial: TrialContext, asked: str | None) -> str:
    if asked and asked != trial.run_id:
        warnings.warn(f"in a trial the sweep gives the id: it is {trial.run_id!r}, not {asked!r}", stacklevel=4)
    return trial.run_id


def _folder(dir: str | os.PathLike[str] | None, known: Settings, run_id: str) -> Path:
    beside = dir or known.dir
    if dir is None and known.root:
        root = layout.find_root(override=known.root)
    elif beside:
        root = Path(beside).expanduser().absolute() / layout.ROOT_NAME
    else:
        root = layout.find_root()
    return layout.run_dir(root, run_id)


def _attempt(folder: Path, run_id: str, named: bool, resume: bool | str | None) -> int:
    """The attempt to write: the last one there is when the run is resumed, else the first."""
    if resume not in (None, False, True, "allow", "auto", "must", "never"):
        raise UsageError(f"there is no resume={resume!r}", 'resume is "allow", "must", "never" or "auto"')
    if resume == "must" and not named:
        raise UsageError('resume="must" needs to know which run', 'pass its id: init(id=..., resume="must")')
    existing = layout.last_attempt(folder) if named else 0
    if existing and resume in (None, False, "never"):
        raise UsageError(
            f"run {run_id!r} exists already in {folder}",
            'pass resume="allow" to go on with it, or another id (or none) for a new run',
        )
    if resume == "must" and not existing:
        raise NotFound(f"there is no run {run_id!r} in {folder.parent}", 'resume="allow" starts it when it is new')
    return existing or 1


def _check_others(others: Mapping[str, Any]) -> None:
    for name, value in others.items():
        if name in _LATER and value:
            raise UsageError(f"init({name}=) is not supported yet", f"leave {name} out")
        if name not in _LATER and name not in _MEANINGLESS:
            raise UsageError(f"init() has no parameter {name!r}", "see help(swath.tracking.init)")


def _save_code(run: Run) -> None:
    program = Path(sys.argv[0]) if sys.argv and sys.argv[0] else None
    if program is None or run.disabled or not program.is_file():
        return
    import shutil

    try:
        folder = Path(run.dir) / "code"
        folder.mkdir(exist_ok=True)
        shutil.copy2(program, folder / program.name)
    except OSError as error:
        warnings.warn(f"the program {program} was not saved: {error.strerror or error}", stacklevel=3)


def _needed(what: str) -> Run:
    run = process.current()
    if run is None:
        raise _no_run(what)
    return run


def _no_run(what: str) -> UsageError:
    return UsageError(f"{what} was used while no run is open", "call init() first")
