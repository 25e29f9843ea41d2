"""What `sweep simulate` does and prints: recorded trials under rules of early stopping, for people or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swath.sweeps.cli import words
from swath.sweeps.cli.frame import put_json
from swath.sweeps.cli.styles import console
from swath.sweeps.recorded import Recorded, of_joint_sweep, of_sweep, read_recorded
from swath.sweeps.replayed_search import NearestOf
from swath.sweeps.simulate import Queue, Simulation, simulate
from swath.sweeps.spec import load_spec
from swath.sweeps.spec.faults import SpecFaults
from swath.sweeps.spec.keys import METHODS
from swath.sweeps.spec.loader import load_yaml
from swath.sweeps.spec.model import Metric, SweepSpec
from swath.sweeps.spec.read_stoppers import read_early_terminate
from swath.sweeps.spec.reader import Reader
from swath.sweeps.spec.stoppers import Guarded, StopperSettings, rules_in
from swath.sweeps.stopping import Stopper
from swath.sweeps.stopping.base import Goal
from swath.sweeps.stopping.make import rule_for
from swath.sweeps.workspace import Workspace
from swath.tracking.errors import NotFound, UsageError

#: So many rungs of a replay are shown.
_RUNGS = 30
#: So many trials of the front that were lost are named.
_LOST = 10


@dataclass(frozen=True)
class _Source:
    """What is replayed: trials, the metric's name and goal, and the spec where the trials are of a sweep.

    `metrics` are all where they were recorded in several; name and goal are then the first one's.
    """

    trials: list[Recorded]
    metric: str
    goal: Goal
    spec: SweepSpec | None = None
    metrics: tuple[Metric, ...] = ()


def run_spec(path: Path, curves: Path | None, sweep: str | None, slots: int, as_json: bool, seed: int = 0) -> None:
    """Replay recorded trials as the sweep file at `path` would have run them."""
    spec = load_spec(path)
    if (curves is None) == (sweep is None):
        raise UsageError("nothing says which trials to replay", "give --curves PATH, or --from ID for a sweep's")
    rule = "none" if spec.early_terminate is None else json.dumps(spec.early_terminate.to_dict())
    goal = spec.metric.goal if spec.metric else None
    if curves is not None:
        if not curves.exists():
            raise NotFound(f"there is no file or folder {curves}", "name the recorded trials with --curves")
        run(str(curves), rule, goal, slots, as_json, metrics=spec.metrics)
        return
    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(sweep or "")
        same = workspace.spec(sweep_id).method == spec.method
    method = None if same or spec.method == "grid" else spec.method
    run(sweep_id, rule, goal, slots, as_json, method, seed, metrics=spec.metrics)


def run(
    source: str,
    rule: str | None,
    goal: str | None,
    slots: int,
    as_json: bool,
    method: str | None = None,
    seed: int = 0,
    metrics: tuple[Metric, ...] | None = None,
) -> None:
    """Replay `source`, a file, a folder or a sweep, under `rule` (YAML; default: the sweep's own).

    With `method` the trials of a sweep begin in the order in which that method asks for them. `metrics`: the several
    that are looked at, () for one; default: those of the sweep.
    """
    found = _source(source, goal, metrics)
    stopper = _rule(rule, found)
    replay = simulate(found.trials, found.goal, stopper, slots, _queue(found, method, seed), found.metrics)
    cut = sum(not trial.whole for trial in found.trials)
    if as_json:
        metric = {} if found.metrics else {"metric": found.metric}
        put_json({**replay.to_dict(), **metric, "cut_short": cut})
        return
    _say(replay, found, cut)


def _source(text: str, goal: str | None, metrics: tuple[Metric, ...] | None) -> _Source:
    if Path(text).exists():
        trials = read_recorded(Path(text), metrics or ())
        if metrics:
            return _Source(trials, metrics[0].name, metrics[0].goal, metrics=metrics)
        return _Source(trials, "value", "maximize" if goal == "maximize" else "minimize")
    with Workspace.open() as workspace:
        try:
            sweep_id = workspace.resolve(text)
        except NotFound as error:
            raise NotFound(f"{text} is no file, no folder and no sweep here", error.hint) from None
        workspace.catch_up(sweep_id)
        spec = workspace.spec(sweep_id)
        if spec.metric is None:
            raise UsageError(f"sweep {sweep_id} has no metric to compare", "simulate a sweep that names one")
        if several := spec.metrics if metrics is None else metrics:
            trials = of_joint_sweep(workspace, sweep_id, several)
            return _Source(trials, several[0].name, several[0].goal, spec, several)
        wanted: Goal = spec.metric.goal if goal is None else "maximize" if goal == "maximize" else "minimize"
        return _Source(of_sweep(workspace, sweep_id, spec.metric.name), spec.metric.name, wanted, spec)


def _queue(source: _Source, method: str | None, seed: int) -> Queue | None:
    if method is None:
        return None
    if source.spec is None:
        raise UsageError("files of trials do not say what the parameters may be", "name a sweep to use --method")
    if method not in METHODS or method == "grid":
        others = ", ".join(known for known in METHODS if known != "grid")
        raise UsageError(f"{method} is no method to replay", f"use one of {others}")
    metric = source.metrics[0] if source.metrics else source.spec.metric
    spec = replace(source.spec, method=method, search={}, metric=metric, metrics=source.metrics)
    return NearestOf(source.trials, spec, seed)


def _rule(text: str | None, source: _Source) -> Any:
    if text is None:
        settings = source.spec.early_terminate if source.spec is not None else None
        return _stopper(settings, source) if settings is not None else None
    if text == "none":
        return None
    loaded = load_yaml(f"early_terminate: {text}")
    reader = Reader(loaded)
    data = loaded.data if isinstance(loaded.data, dict) else {}
    if source.metrics:
        data = {**data, "metrics": [metric.to_dict() for metric in source.metrics]}
    settings_read = read_early_terminate(reader, data)
    if settings_read is None or reader.faults:
        raise SpecFaults("--rule", reader.faults)
    return _stopper(settings_read, source)


def _stopper(settings: StopperSettings, source: _Source) -> Stopper:
    """The rule over the metrics that were recorded. Raises `UsageError` where one looks at another metric."""
    if source.metrics:
        return rule_for(settings, source.metric, source.metrics)
    for rule in rules_in(settings):
        if isinstance(rule, Guarded) and rule.metric not in (None, source.metric):
            raise UsageError(
                f"a rule looks at {rule.metric}, and what is replayed is {source.metric}",
                "leave that rule out: --rule, or another sweep file, takes its place",
            )
    return rule_for(settings, source.metric)


def _say(replay: Simulation, source: _Source, cut: int) -> None:
    out = console()
    for line in _head(replay, source, cut):
        out.print(line)
    rungs = [rung for rung in replay.rungs if rung.stopped or rung.paused or rung.promoted]
    if rungs:
        out.print("")
        out.print(_table(rungs[:_RUNGS]))
    if len(rungs) > _RUNGS:
        out.print(f"and {words.plural(len(rungs) - _RUNGS, 'more rung')}: --json has all of them", style="dim")


def _head(replay: Simulation, source: _Source, cut: int) -> list[str]:
    trials = words.plural(len(replay.outcomes), "trial")
    ends = f"{replay.count('finished')} ran to their end, {replay.count('stopped')} were stopped"
    waits = f", {replay.count('paused')} were left paused after {words.plural(replay.promotions, 'promotion')}"
    lines = [
        f"{trials} under {replay.rule}, {words.plural(replay.slots, 'slot')}: "
        f"{ends}{waits if replay.promotions or replay.count('paused') else ''}",
        f"spent  {replay.report_share:.1%} of the reports and {replay.time_share:.1%} of the time of all trials "
        f"in full; the whole took {words.duration(replay.makespan)}",
        *_found(replay, source),
    ]
    if cut:
        lines.append(f"{words.plural(cut, 'trial')} had not run to the end when recorded: what followed is not known")
    return lines


def _found(replay: Simulation, source: _Source) -> list[str]:
    """What is left of the best trial, or of the front, of the full search."""
    front = replay.front
    if front is None:
        return [
            f"best   {source.metric} {words.number(replay.best, 6)} (trial {replay.best_trial}); the full search had "
            f"{words.number(replay.full_best, 6)} (trial {replay.full_best_trial})"
        ]
    names = " and ".join(metric.name for metric in source.metrics)
    if not front.full_front:
        return [f"front  {names}: no trial of the full search has a result that keeps all limits"]
    whole, of = len(front.run_whole), words.plural(len(front.full_front), "trial")
    kept = "" if front.hypervolume is None else f"; {front.hypervolume:.1%} of its hypervolume was found"
    lines = [f"front  {names}: {whole} of the {of} on the front of the full search ran to their end{kept}"]
    if lost := [str(number) for number in front.full_front if number not in front.run_whole]:
        more = f" and {len(lost) - _LOST} more" if len(lost) > _LOST else ""
        lines.append(f"       not run to their end: {', '.join(lost[:_LOST])}{more}")
    return lines


def _table(rungs: Sequence[Any]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    held = any(rung.threshold is not None for rung in rungs)
    for name in ("rung", "reached", "stopped", "paused", "sent on later", *(["last threshold"] if held else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for rung in rungs:
        counts = (rung.at, rung.reached, rung.stopped, rung.paused, rung.promoted)
        table.add_row(*map(str, counts), *([words.metric(rung.threshold)] if held else []))
    return table
