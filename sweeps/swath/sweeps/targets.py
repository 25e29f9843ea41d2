"""Whether a sweep has reached what it was after: the target of its metric, or those of its metrics."""

from __future__ import annotations

from swath.sweeps import ledger
from swath.sweeps.ledger import TrialRow
from swath.sweeps.states import SweepState
from swath.sweeps.step import Step
from swath.sweeps.values import better


def note(step: Step, trial: TrialRow) -> None:
    """A trial has reported, or ended: make no more trials when that reaches the target."""
    if step.sweep.state is SweepState.RUNNING and (reached := reached_by(step, trial)):
        step.move(SweepState.FINISHING, reached)


def reached(step: Step) -> str:
    """A sentence about the trial that reached the target before; "" where none has, or there is no target."""
    spec = step.plan.spec
    if spec.metrics:
        if not any(metric.target is not None for metric in spec.metrics):
            return ""
        ended = (trial for trial in ledger.trials_in(step.connection, step.sweep.id) if trial.objectives)
        return next((words for trial in ended if (words := reached_by(step, trial))), "")
    if spec.metric is None or spec.metric.target is None:
        return ""
    best = ledger.best_trial(step.connection, step.sweep.id, spec.metric.goal == "minimize")
    return reached_by(step, best) if best else ""


def reached_by(step: Step, trial: TrialRow) -> str:
    """A sentence about how `trial` has reached the target; "" where it has not."""
    spec = step.plan.spec
    if spec.metrics:
        return _all_reached(step, trial)
    value, name = trial.best, trial.name
    if step.plan.repeating is not None:
        value, name = step.sweep.best_value, f"setup of {step.sweep.best_run}"
    if spec.metric is None or spec.metric.target is None or value is None:
        return ""
    if better(spec.metric.goal, spec.metric.target, value):
        return ""
    return f"{name} reached the target: {spec.metric.name} {value:g} (target {spec.metric.target:g})"


def _all_reached(step: Step, trial: TrialRow) -> str:
    """With several metrics one trial must reach the target of each that has one."""
    pairs = zip(step.plan.spec.metrics, trial.objectives, strict=False)
    wanted = [(metric, metric.target, value) for metric, value in pairs if metric.target is not None]
    if not wanted or any(value is None or better(metric.goal, target, value) for metric, target, value in wanted):
        return ""
    words = ", ".join(f"{metric.name} {value:g} (target {target:g})" for metric, target, value in wanted)
    return f"{trial.name} reached the targets: {words}"
