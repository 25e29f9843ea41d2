"""Sweeps from Python: `run` makes one and sees it to its end, `create` and `agent` do the two halves of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from swath.sweeps.pickling import pickled_function
from swath.sweeps.result import Result
from swath.sweeps.spec import SweepSpec, load_spec, parse_spec
from swath.sweeps.workspace import Workspace
from swath.tracking.errors import SwathError, UsageError

Spec: TypeAlias = "str | Path | Mapping[str, Any] | SweepSpec"
Function: TypeAlias = Callable[..., Any]


def run(
    spec: Spec,
    function: Function | None = None,
    *,
    agents: int | str | None = None,
    on: str | None = None,
    executor: str | None = None,
    address: str | None = None,
    cpu: float | None = None,
    gpu: float | None = None,
    ray: Mapping[str, Any] | None = None,
    resources: Mapping[str, float] | None = None,
    root: str | Path | None = None,
    quiet: bool = False,
) -> Result:
    """Make a sweep, run it to its end, and give back its trials and the best of them.

    `spec`: a YAML file, YAML text, a dict, or a `SweepSpec`. `function`: what a trial calls, as `function(config)` or
    `function()`; without it, what the spec names. `agents` trials run at the same time ("auto": as many as there is
    room for). `on`: "local" or "ray"; the default is ray when there is an `address` (or RAY_ADDRESS). `executor`:
    "process" (a child for each trial) or "inline" (with one local agent: called in this very process). `ray`: where
    agents on Ray go and what they find there, a dict with any of `strategy` ("spread" or "pack"), `labels` (of nodes),
    `working_dir` (a folder that is sent along), `pip` (packages), `env` (variables). `resources`: what this machine has
    of what the spec's `resources.custom` names. `root`: the `.swath` folder.

    Raises `SpecError` for a wrong spec and `SwathError` when the program is broken. Ctrl-C lets running trials
    finish, a second one stops them; the result tells how far it came, and `sweep run --resume ID` goes on with it.
    """
    from swath.agents.launchers.ray_options import RayOptions
    from swath.sweeps.cli.running import observer_for
    from swath.sweeps.crew import crew_for
    from swath.sweeps.running import run_sweep

    with _opened(root) as workspace:
        sweep_id = _create(workspace, _parsed(spec), _origin(spec), function)
        crew = crew_for(
            workspace, sweep_id, agents=agents, on=on, executor=executor, address=address, cpu=cpu, gpu=gpu,
            ray=RayOptions.of(ray), has=resources, function=function,
        )  # fmt: skip
        observer = observer_for(workspace, sweep_id, quiet=quiet, plain=crew.in_this_process)
        ran = run_sweep(workspace, sweep_id, crew.fleet, observer)
        workspace.catch_up(sweep_id)
        result = _result(workspace, sweep_id)
    if ran.broken is not None:
        raise SwathError(ran.broken, f"mend it, then: sweep retry {sweep_id} && sweep run --resume {sweep_id}")
    return result


def create(
    spec: Spec,
    function: Function | None = None,
    *,
    project: str | None = None,
    entity: str | None = None,
    root: str | Path | None = None,
) -> str:
    """Register a sweep and return its id; nothing runs yet.

    Without `function`, and with a spec that names nothing to run, the function is given to `agent()` later.
    """
    checked = _parsed(spec)
    checked = replace(checked, project=project or checked.project, entity=entity or checked.entity)
    with _opened(root) as workspace:
        return _create(workspace, checked, _origin(spec), function)


def sweep(sweep: Spec, entity: str | None = None, project: str | None = None, *, root: str | Path | None = None) -> str:
    """`create`, with the arguments of `wandb.sweep`."""
    return create(sweep, project=project, entity=entity, root=root)


def agent(
    sweep_id: str,
    function: Function | None = None,
    count: int | None = None,
    *,
    entity: str | None = None,
    project: str | None = None,
    resources: Mapping[str, float] | None = None,
    root: str | Path | None = None,
) -> Result:
    """Run trials of a sweep in this process, one after the other, until there are no more or `count` have ended.

    `function` is called right here, as `function(config)` or `function()`; without it, what the spec names is run.
    `sweep_id` may be a beginning of an id, a name, `last`, or W&B's `entity/project/id`. `resources`: what this agent
    has of what the spec's `resources.custom` names. Raises `SwathError` when
    the program is broken (it failed three times at the start).
    """
    from swath.agents.agent import install_signals
    from swath.sweeps.fleets import make_agent

    with _opened(root) as workspace:
        full = workspace.resolve(sweep_id.rsplit("/", 1)[-1])
        made = make_agent(workspace.source(full), function=function, has=resources)
        restore = install_signals(made) if _in_main_thread() else lambda: None
        try:
            report = made.run(count)
        finally:
            restore()
        workspace.catch_up(full)
        result = _result(workspace, full)
    if report.broken:
        raise SwathError(report.reason, f"mend it, then requeue the failed trials: sweep retry {full}")
    return result


def call(function: str | Function, config: Mapping[str, Any], *, root: str | Path | None = None) -> Any:
    """Call a training function once as a trial would, outside of any sweep; what it logs is a run of its own.

    `function` is the function or its name, `package.module:train`. Returns what it returns.
    """
    from swath.agents.executors.function import TrialConfig, takes_config
    from swath.agents.protocol import Task
    from swath.agents.task import load_function
    from swath.tracking.context import TrialContext, entered
    from swath.tracking.layout import run_dir
    from swath.tracking.runs.names import new_id, new_name

    found = load_function(Task(function=function)) if isinstance(function, str) else function
    with _opened(root) as workspace:
        folder, run_id = workspace.root, new_id()
    context = TrialContext(
        run_id=run_id, attempt=1, sweep_id="", run_dir=run_dir(folder, run_id), name=new_name(), config=dict(config)
    )
    with entered(context):
        return found(TrialConfig.of(dict(config))) if takes_config(found) else found()


def _result(workspace: Workspace, sweep_id: str) -> Result:
    spec = workspace.spec(sweep_id)
    return Result(workspace.show(sweep_id), workspace.trials(sweep_id), spec.metrics, spec.repeats)


def _create(workspace: Workspace, spec: SweepSpec, origin: str, function: Function | None) -> str:
    pickled = pickled_function(function) if function is not None else None
    return workspace.create(spec, origin=origin, pickled=pickled, function_later=pickled is None)


def _parsed(spec: Spec) -> SweepSpec:
    if isinstance(spec, SweepSpec):
        return spec
    if isinstance(spec, Mapping):
        return parse_spec(spec, "the spec")
    if isinstance(spec, str) and "\n" in spec:
        return parse_spec(spec, "the spec")
    if isinstance(spec, str | Path):
        return load_spec(spec)
    raise UsageError(f"a spec cannot be read from a {type(spec).__name__}", "pass a path, YAML text, or a dict")


def _origin(spec: Spec) -> str:
    return str(spec) if isinstance(spec, Path) or (isinstance(spec, str) and "\n" not in spec) else ""


@contextmanager
def _opened(root: str | Path | None) -> Any:
    with Workspace(Path(root).absolute()) if root is not None else Workspace.open() as workspace:
        yield workspace


def _in_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()
