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
from swath.sweeps.recorded import Recorded, of_sweep, read_recorded
from swath.sweeps.replayed_search import NearestOf
from swath.sweeps.simulate import Queue, Simulation, simulate
from swath.sweeps.spec import load_spec
from swath.sweeps.spec.faults import SpecFaults
from swath.sweeps.spec.keys import METHODS
from swath.sweeps.spec.loader import load_yaml
from swath.sweeps.spec.model import SweepSpec
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


@dataclass(frozen=True)
class _Source:
    """What is replayed: trials, the metric's name and goal, and the spec where the trials are of a sweep."""

    trials: list[Recorded]
    metric: str
    goal: Goal
    spec: SweepSpec | None = None


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
        run(str(curves), rule, goal, slots, as_json)
        return
    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(sweep or "")
        same = workspace.spec(sweep_id).method == spec.method
    method = None if same or spec.method == "grid" else spec.method
    run(sweep_id, rule, goal, slots, as_json, method, seed)


def run(
    source: str,
    rule: str | None,
    goal: str | None,
    slots: int,
    as_json: bool,
    method: str | None = None,
    seed: int = 0,
) -> None:
    """Replay `source`, a file, a folder or a sweep, under `rule` (YAML; default: the sweep's own).

    With `method` the trials of a sweep begin in the order in which that method asks for them.
    """
    found = _source(source, goal)
    stopper = _rule(rule, found)
    replay = simulate(found.trials, found.goal, stopper, slots, _queue(found, method, seed))
    cut = sum(not trial.whole for trial in found.trials)
    if as_json:
        put_json({**replay.to_dict(), "metric": found.metric, "cut_short": cut})
        return
    _say(replay, found, cut)


def _source(text: str, goal: str | None) -> _Source:
    if Path(text).exists():
        wanted: Goal = "maximize" if goal == "maximize" else "minimize"
        return _Source(read_recorded(Path(text)), "value", wanted)
    with Workspace.open() as workspace:
        try:
            sweep_id = workspace.resolve(text)
        except NotFound as error:
            raise NotFound(f"{text} is no file, no folder and no sweep here", error.hint) from None
        workspace.catch_up(sweep_id)
        spec = workspace.spec(sweep_id)
        if spec.metric is None:
            raise UsageError(f"sweep {sweep_id} has no metric to compare", "simulate a sweep that names one")
        wanted = spec.metric.goal if goal is None else "maximize" if goal == "maximize" else "minimize"
        return _Source(of_sweep(workspace, sweep_id, spec.metric.name), spec.metric.name, wanted, spec)


def _queue(source: _Source, method: str | None, seed: int) -> Queue | None:
    if method is None:
        return None
    if source.spec is None:
        raise UsageError("files of trials do not say what the parameters may be", "name a sweep to use --method")
    if method not in METHODS or method == "grid":
        others = ", ".join(known for known in METHODS if known != "grid")
        raise UsageError(f"{method} is no method to replay", f"use one of {others}")
    return NearestOf(source.trials, replace(source.spec, method=method, search={}), seed)


def _rule(text: str | None, source: _Source) -> Any:
    if text is None:
        settings = source.spec.early_terminate if source.spec is not None else None
        return _by_one_metric(settings, source) if settings is not None else None
    if text == "none":
        return None
    loaded = load_yaml(f"early_terminate: {text}")
    reader = Reader(loaded)
    settings_read = read_early_terminate(reader, loaded.data if isinstance(loaded.data, dict) else {})
    if settings_read is None or reader.faults:
        raise SpecFaults("--rule", reader.faults)
    return _by_one_metric(settings_read, source)


def _by_one_metric(settings: StopperSettings, source: _Source) -> Stopper:
    """The rule over the metric that was recorded. Raises `UsageError` where one looks at another metric."""
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
        f"best   {source.metric} {words.number(replay.best, 6)} (trial {replay.best_trial}); the full search had "
        f"{words.number(replay.full_best, 6)} (trial {replay.full_best_trial})",
    ]
    if cut:
        lines.append(f"{words.plural(cut, 'trial')} had not run to the end when recorded: what followed is not known")
    return lines


def _table(rungs: Sequence[Any]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("rung", "reached", "stopped", "paused", "sent on later", "last threshold"):
        table.add_column(name, justify="right", no_wrap=True)
    for rung in rungs:
        counts = (rung.at, rung.reached, rung.stopped, rung.paused, rung.promoted)
        table.add_row(*map(str, counts), words.metric(rung.threshold))
    return table
