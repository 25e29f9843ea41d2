"""Changes the spec of a live sweep: what may change, what follows for its trials, and a record of what was changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from swath.sweeps import endings, ledger, reports
from swath.sweeps.ledger import TrialRow
from swath.sweeps.plan import Plan, folder_of
from swath.sweeps.settling import Settlement
from swath.sweeps.spec import SweepSpec
from swath.sweeps.states import SweepState, TrialState
from swath.sweeps.step import Step
from swath.sweeps.stopping import Promotion
from swath.tracking.errors import NotAllowed
from swath.tracking.store import runs

#: What the results so far would mean something else under.
_FIXED = ("metric.name", "metric.goal", "metrics", "repeats", "program", "command", "function", "seed")
#: The store counts trials in 64 bits; a space with more points than that is not going to be exhausted.
MOST = 2**63 - 1


class Edited(msgspec.Struct, frozen=True):
    """What an edit changed: each key's old and new value; how many trials fit the new space, and which were dropped."""

    changes: dict[str, tuple[Any, Any]]
    kept: int
    apart: int
    dropped: list[str]
    total: int | None


def compare(old: SweepSpec, new: SweepSpec) -> dict[str, tuple[Any, Any]]:
    """The keys that differ, each with its old and its new value. Raises `NotAllowed` for those that must not."""
    before, after = dict(_flat(old.to_dict())), dict(_flat(new.to_dict()))
    if new.seed is None:
        after.pop("seed", None)
        before.pop("seed", None)
    differing = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    fixed = [key for key in differing if any(key == name or key.startswith(f"{name}.") for name in _FIXED)]
    if fixed:
        raise NotAllowed(
            f"{', '.join(fixed)} of a sweep cannot be changed: its results would no longer compare",
            "create another sweep, which can begin from this one: warm_start: {sweeps: [ID]}",
        )
    return {key: (before.get(key), after.get(key)) for key in differing}


def edit(step: Step, new: SweepSpec) -> Edited:
    """Put another spec in the place of the sweep's; `step.plan` is the old one. Raises `NotAllowed`."""
    if step.sweep.state is SweepState.CANCELLED:
        raise NotAllowed(f"sweep {step.sweep.id} is cancelled", "let it go on first: sweep run --resume ID")
    changes = compare(step.plan.spec, new)
    if not changes:
        return Edited({}, step.sweep.made, 0, [], step.sweep.total)
    rules_changed = any(key.split(".")[0] == "early_terminate" for key in changes)
    step.plan = Plan(new, folder_of(step.root, step.sweep.id))
    step.plan.edited = True
    trials = ledger.trials_in(step.connection, step.sweep.id)
    if rules_changed:
        _mark_again(step, trials)
    for cache in step.plan.caches:
        cache.follow(step.connection, step.sweep, True)
    fits = [step.plan.space.contains(step.plan.spec.repeats.plain(trial.config)) for trial in trials]
    total = _total(step, trials, fits)
    ledger.update_spec(step.connection, step.sweep.id, json.dumps(new.to_dict()))
    step.change(spec=json.dumps(new.to_dict()), edits=step.sweep.edits + 1, total=total)
    dropped = list(_drop(step, trials, fits))
    if rules_changed:
        _free(step)
    edited = Edited(changes, sum(fits), len(fits) - sum(fits), dropped, total)
    step.event("sweep.edited", step.sweep.id, version=step.sweep.edits, **msgspec.to_builtins(edited))
    if step.sweep.state is SweepState.FINISHED and (total is None or step.sweep.made < total):
        step.move(SweepState.RUNNING, "edited")
    endings.finish_if_done(step)
    return edited


def _flat(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _total(step: Step, trials: list[TrialRow], fits: list[bool]) -> int | None:
    """How many trials there will be in all: those made, and what the new space and the new bounds leave to make."""
    plan, spec = step.plan, step.plan.spec
    size = plan.space.grid_size if spec.method == "grid" else plan.space.size
    limits = [] if spec.most_trials is None else [max(spec.most_trials, step.sweep.made)]
    if size is not None:
        setups = {trial.setup: trial for trial, fit in zip(trials, fits, strict=True) if fit}
        points = {plan.space.point_hash(spec.repeats.plain(trial.config)) for trial in setups.values()}
        runs_left = sum(spec.repeats.count for _ in setups) - sum(fits)
        limits.append(step.sweep.made + (size - len(points)) * spec.repeats.count + runs_left)
    return min([*limits, MOST]) if limits else None


def _drop(step: Step, trials: list[TrialRow], fits: list[bool]) -> Iterator[str]:
    """Close what waits in the queue and is no part of the new space."""
    for trial, fit in zip(trials, fits, strict=True):
        if not fit and trial.state is TrialState.QUEUED:
            settled = Settlement(TrialState.KILLED, "an edit of the sweep left its configuration out")
            endings.close(step, trial, runs.get(step.connection, trial.run_id), settled, "killed")
            yield trial.name


def _mark_again(step: Step, trials: list[TrialRow]) -> None:
    """Other rules compare at other checkpoints: what the trials had there stands in their logs."""
    for trial in trials:
        ledger.delete_rungs(step.connection, trial)
        if step.plan.spec.metric is not None and trial.reports:
            reports.mark_again(step, trial)


def _free(step: Step) -> None:
    """Trials that wait at the rungs of the old rule go on."""
    for trial in ledger.trials_in(step.connection, step.sweep.id, TrialState.PAUSED):
        endings.promote(step, Promotion(trial.number, "the rule that it waited for was changed"))
