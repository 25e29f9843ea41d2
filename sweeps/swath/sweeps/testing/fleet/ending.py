"""The laws of whole sweeps: what must hold when everything is over, read from the store and the run logs."""

from __future__ import annotations

import math
from collections import Counter

from swath.sweeps import ledger
from swath.sweeps.ledger import TrialRow
from swath.sweeps.plan import Plan
from swath.sweeps.states import ENDED
from swath.sweeps.stopping import Mark
from swath.sweeps.testing.fleet.auditor import LawBroken
from swath.sweeps.testing.fleet.scenario import METRIC
from swath.sweeps.testing.fleet.world import World
from swath.sweeps.views import EventView
from swath.tracking import layout
from swath.tracking.runlog.history import rows_as_written

_FOLLOWS = {
    "": {"trial.started"},
    "trial.started": {"trial.requeued", "trial.paused", "trial.ended"},
    "trial.requeued": {"trial.started", "trial.ended"},
    "trial.paused": {"trial.promoted", "trial.ended"},
    "trial.promoted": {"trial.started"},
    "trial.ended": set[str](),
}


def check(world: World) -> None:
    """Raise `LawBroken` for the first law that does not hold."""
    workspace, sweep_id = world.workspace, world.sweep_id
    with world.database.read() as connection:
        trials = ledger.trials_in(connection, sweep_id)
        sweep = ledger.get_sweep(connection, sweep_id)
        kept = list(ledger.marks(connection, sweep_id))
    assert sweep is not None
    plan = Plan.load(sweep, workspace.root)
    _law(sweep.state == "finished", f"the sweep is {sweep.state}")
    _check_count(world, plan, trials, sweep.made)
    _check_configs(plan, trials)
    for trial in trials:
        _check_history(world, trial)
    _check_marks(world, plan, trials, kept)
    _check_events(workspace.events(sweep_id, limit=100_000), trials)


def _check_count(world: World, plan: Plan, trials: list[TrialRow], made: int) -> None:
    expected = world.scenario.expected
    numbers = [trial.number for trial in trials]
    _law(numbers == list(range(1, len(trials) + 1)) and made == len(trials), f"{made} were made: {numbers}")
    whole = plan.repeating is None or all(trial.best is not None and trial.state == "finished" for trial in trials)
    _law(len(trials) == expected if whole else len(trials) <= expected, f"{len(trials)} trials, not {expected}")
    open_ = [trial.run_id for trial in trials if trial.state not in ENDED]
    _law(not open_, f"the sweep is finished and {open_} are not")
    scenario = world.scenario
    for trial in trials:
        attempts = range(1, trial.attempt + 1)
        can_fail = any(scenario.script(trial.number, attempt).fate != "good" for attempt in attempts)
        spares = plan.spec.retry.on >= {"crashed", "preempted"}
        _law(trial.state != "failed" or can_fail or not spares, f"{trial.run_id} failed: {trial.reason}")
        _law(trial.state not in ("killed",), f"{trial.run_id} was killed: {trial.reason}")
        _law(trial.state != "stopped" or plan.stopper is not None, f"{trial.run_id} was stopped: {trial.reason}")


def _check_configs(plan: Plan, trials: list[TrialRow]) -> None:
    seen = Counter(str(sorted(trial.config.items())) for trial in trials)
    _law(max(seen.values()) == 1, f"a configuration was run twice: {seen.most_common(1)}")
    pairs = {(trial.setup, trial.repeat) for trial in trials}
    _law(len(pairs) == len(trials), "a repeat was run twice")


def _check_history(world: World, trial: TrialRow) -> None:
    """What is stored of a run is what its last attempt has logged, each row once."""
    logged = world.written.values.get((trial.number, trial.attempt), [])
    steps = world.scenario.script(trial.number, trial.attempt).steps
    have = rows_as_written(layout.run_dir(world.workspace.root, trial.run_id), trial.attempt)
    _law([row.step for row in have] == list(steps[: len(have)]), f"{trial.run_id} has steps {have}, logged {steps}")
    values = [row.values[METRIC] for row in have]
    _law(str(values) == str(logged[: len(have)]), f"{trial.run_id} has {values} and logged {logged}")
    finite = [value for value in logged if not math.isnan(value)]
    if trial.state == "finished":
        _law(len(have) == len(logged), f"{trial.run_id} finished with {len(have)} of {len(logged)} rows")
        _law(trial.reports == len(finite), f"{trial.run_id} finished with {trial.reports} reports of {len(finite)}")


def _check_marks(world: World, plan: Plan, trials: list[TrialRow], kept: list[tuple[int, int, Mark]]) -> None:
    """The stopper's checkpoints hold what the log says, whatever came twice or late."""
    found = {(number, band): mark for number, band, mark in kept}
    _law(len(found) == len(kept), "a checkpoint is there twice")
    if plan.stopper is None or plan.spec.metric is None:
        return
    for trial in trials:
        logged = world.written.values.get((trial.number, trial.attempt), [])
        values = [value for value in logged if not math.isnan(value)][: trial.reports]
        before = world.auditor.accounts[trial.run_id].best
        better = min if plan.spec.metric.goal == "minimize" else max
        for count in plan.stopper.checkpoints(0, len(values)):
            so_far = values[:count]
            best = better(so_far if before is None else [*so_far, before])
            mark = found[trial.number, count]
            same = (mark.value, mark.best) == (so_far[-1], best) and math.isclose(mark.mean, math.fsum(so_far) / count)
            _law(same, f"{trial.run_id} has {mark} after {count} of {values}, and had {before} before")


def _check_events(events: list[EventView], trials: list[TrialRow]) -> None:
    """The events tell one legal story of each trial, and that of the store."""
    last: dict[str, str] = {}
    starts, decided = Counter[str](), Counter[tuple[str, int]]()
    for event in events:
        if event.kind in _FOLLOWS:
            before = last.get(event.subject, "")
            _law(event.kind in _FOLLOWS[before], f"{event.subject}: {event.kind} after {before or 'nothing'}")
            last[event.subject] = event.kind
            starts[event.subject] += event.kind == "trial.started"
        elif event.kind == "trial.decided":
            decided[event.subject, starts[event.subject]] += 1
    for trial in trials:
        _law(last.get(trial.run_id) == "trial.ended", f"{trial.run_id} has no end: {last.get(trial.run_id)}")
        _law(starts[trial.run_id] == trial.attempt, f"{trial.run_id} began {starts[trial.run_id]}x: {trial.attempt}")
    twice = [key for key, count in decided.items() if count > 1]
    _law(not twice, f"decided twice about {twice}")
    ends = sum(event.kind == "sweep.state" and event.payload.get("state") == "finished" for event in events)
    _law(ends == 1, f"the sweep finished {ends} times")


def _law(holds: bool, broken: str) -> None:
    if not holds:
        raise LawBroken(broken)
