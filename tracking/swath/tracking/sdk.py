"""`init()` and the module-level calls, which are shortcuts to the current run."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from swath.tracking import layout
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.context import CAPTURED, ENTERED, TrialContext
from swath.tracking.errors import UsageError
from swath.tracking.host import this_host
from swath.tracking.runlog.records import Define, Header
from swath.tracking.runs import process
from swath.tracking.runs.config import read_config, selected
from swath.tracking.runs.handle import Run
from swath.tracking.runs.identity import checked_tags
from swath.tracking.runs.resuming import Place, Wish, find_place
from swath.tracking.settings import Settings, mode_named

if TYPE_CHECKING:
    from datetime import timedelta

    from swath.tracking.targets import AlertLevel

_LATER = ("sync_tensorboard", "tensorboard", "monitor_gym")
_MEANINGLESS = ("anonymous", "force", "magic")
_REINIT = (None, True, False, "default", "return_previous", "finish_previous", "create_new")


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
    resume_from: str | None = None,
    fork_from: str | None = None,
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

    `config` is a dict, an argparse Namespace, a dataclass, a pydantic model, or the path of a YAML file. `mode` is
    "online", "offline", "disabled", or "shared" for one of several processes that write one run. `dir` is the folder
    whose `.swath` is used. `resume` says what to do when the run `id` exists already: "allow" and "must" go on behind
    its rows, "must" demands that it exists, "auto" goes on with the run of this program that did not end well, and
    without any it is an error; nothing is ever overwritten. `resume_from="ID?_step=N"` goes on behind step N,
    `fork_from` begins a new run with the config and the rows of another up to there. `save_code` keeps the program's
    source with the run. In a trial the id, the project, the group and the sweep's parameters come from the sweep.
    While a run is open, `init()` returns it and adds `config` to it (in a notebook it finishes it first, so that each
    run of the cell is a run); `reinit=True` finishes it first, `reinit="create_new"` opens another beside it.
    """
    _check_others(others)
    if reinit not in _REINIT:
        raise UsageError(
            f"there is no reinit={reinit!r}", 'reinit is "return_previous", "finish_previous", "create_new"'
        )
    given = selected(read_config(config), config_include_keys, config_exclude_keys)
    open_run = process.current()
    if open_run is not None and (
        reinit in (True, "finish_previous") or (reinit in (None, "default") and _in_notebook())
    ):
        open_run.finish()
    elif open_run is not None and reinit != "create_new":
        open_run.config.update(given, allow_val_change=allow_val_change)
        return open_run
    said = _Said(project, entity, name, id, tags, notes, group, job_type, mode, resume, dir, resume_from, fork_from)
    known = Settings.from_environment().overlaid(settings)
    run = _start(said, known, given, beside=open_run is not None and reinit == "create_new")
    if save_code or (save_code is None and known.save_code):
        run.save_program()
    return run


def log(data: Mapping[str, Any], step: int | None = None, commit: bool | None = None) -> None:
    """`Run.log` of the current run."""
    _needed("log()").log(data, step, commit)


def finish(exit_code: int | None = 0, quiet: bool | None = None) -> None:
    """`Run.finish` of the current run; nothing when there is none."""
    run = process.current()
    if run is not None:
        run.finish(exit_code, quiet)


def define_metric(name: Any, *args: Any, **options: Any) -> Define:
    """`Run.define_metric` of the current run."""
    return _needed("define_metric()").define_metric(name, *args, **options)


def save(
    glob_str: str | os.PathLike[str], base_path: str | os.PathLike[str] | None = None, policy: str = "live"
) -> list[str]:
    """`Run.save` of the current run."""
    return _needed("save()").save(glob_str, base_path, policy)


def log_code(root: str | os.PathLike[str] = ".", **options: Any) -> list[str]:
    """`Run.log_code` of the current run."""
    return _needed("log_code()").log_code(root, **options)


def alert(
    title: str,
    text: str = "",
    level: AlertLevel | str | None = None,
    wait_duration: int | float | timedelta | None = None,
) -> None:
    """`Run.alert` of the current run."""
    _needed("alert()").alert(title, text, level, wait_duration)


def watch(models: Any, *args: Any, **options: Any) -> None:
    """`Run.watch` of the current run."""
    _needed("watch()").watch(models, *args, **options)


def unwatch(models: Any = None) -> None:
    """`Run.unwatch` of the current run."""
    _needed("unwatch()").unwatch(models)


def mark_preempting() -> None:
    """`Run.mark_preempting` of the current run."""
    _needed("mark_preempting()").mark_preempting()


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
    if name in _LAZY:
        return _lazy(name)
    raise AttributeError(f"module 'swath.tracking' has no attribute {name!r}")


#: Public names whose modules cost too much for every program that tracks.
_LAZY = {
    "AlertLevel": "targets", "Api": "api", "plot": "plot", "plot_table": "plot", "Audio": "media.audio",
    "Classes": "media.masks", "Histogram": "media.histogram", "Html": "media.html", "Image": "media.image",
    "Molecule": "media.molecule", "Object3D": "media.object3d", "box3d": "media.object3d", "Plotly": "media.plotly",
    "Table": "media.table", "Video": "media.video",
}  # fmt: skip


def _lazy(name: str) -> Any:
    module = importlib.import_module(f"swath.tracking.{_LAZY[name]}")
    return module if name == "plot" else getattr(module, name)


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
    resume_from: str | None
    fork_from: str | None


def _start(said: _Said, known: Settings, given: dict[str, Any], *, beside: bool) -> Run:
    """A run that is open: the trial's, or one in a folder of its own."""
    scope = ENTERED.get()
    trial = scope.context if scope is not None else known.trial
    mode = mode_named(said.mode or known.mode or "online")
    place = _place_of_trial(trial, said) if trial is not None else find_place(_wish(said, known, mode))
    header = _header(said, known, trial, run_id=place.run_id, attempt=place.attempt, mode=mode, clock=SYSTEM_CLOCK)
    run = Run(
        header,
        None if mode == "disabled" else place.folder,
        SYSTEM_CLOCK,
        known,
        on_row=trial.on_row if trial else None,
        is_global=scope is None and not beside,
        rank=trial.rank if trial is not None else 0,
    )
    console = (known.console or "").lower() not in ("off", "0", "false")
    console = console and (trial is None or trial.capture_console)
    run.start({**place.config, **given}, trial.config if trial else {}, console=console)
    place.prepare(run)
    return run


def _place_of_trial(trial: TrialContext, said: _Said) -> Place:
    return Place(_trial_id(trial, said.id), trial.attempt, trial.run_dir)


def _wish(said: _Said, known: Settings, mode: str) -> Wish:
    asks = mode == "online" and CAPTURED.get() is None
    return Wish(
        root=_root(said.dir, known),
        id=said.id or known.run_id,
        resume=said.resume if said.resume is not None else known.resume,
        resume_from=said.resume_from,
        fork_from=said.fork_from,
        shared=mode == "shared",
        disabled=mode == "disabled",
        url=(known.url or "") if asks else "",
        token=(known.token or "") if asks else "",
    )


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
        name=said.name or (trial.name if trial else known.run_name) or "",
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


def _trial_id(trial: TrialContext, asked: str | None) -> str:
    if asked and asked != trial.run_id:
        warnings.warn(f"in a trial the sweep gives the id: it is {trial.run_id!r}, not {asked!r}", stacklevel=4)
    return trial.run_id


def _root(dir: str | os.PathLike[str] | None, known: Settings) -> Path:
    captured = CAPTURED.get()
    if captured is not None:
        return captured
    beside = dir or known.dir
    if dir is None and known.root:
        return layout.find_root(override=known.root)
    if beside:
        return Path(beside).expanduser().absolute() / layout.ROOT_NAME
    return layout.find_root()


def _check_others(others: Mapping[str, Any]) -> None:
    for name, value in others.items():
        if name in _LATER and value:
            raise UsageError(f"init({name}=) is not supported yet", f"leave {name} out")
        if name not in _LATER and name not in _MEANINGLESS:
            raise UsageError(f"init() has no parameter {name!r}", "see help(swath.tracking.init)")


def _in_notebook() -> bool:
    if "ipykernel" not in sys.modules:
        return False
    from swath.tracking.surroundings.program import in_notebook

    return in_notebook()


def _needed(what: str) -> Run:
    run = process.current()
    if run is None:
        raise _no_run(what)
    return run


def _no_run(what: str) -> UsageError:
    return UsageError(f"{what} was used while no run is open", "call init() first")
