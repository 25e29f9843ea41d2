"""How trials and sweeps end: closing, requeueing, and finishing a sweep that has nothing left to do."""

from __future__ import annotations

import msgspec

from swath.agents.protocol import Outcome
from swath.sweeps import ledger, reports, settling
from swath.sweeps.ledger import TrialRow
from swath.sweeps.settling import Settlement
from swath.sweeps.states import SweepState, TrialState
from swath.sweeps.step import Step
from swath.tracking.store import RunRow, runs

replace = msgspec.structs.replace

#: How much of a trial's last output an event carries, in characters.
_ERROR_TAIL = 2000
#: An agent that was silent for so long does not count as one that could run what is left.
_SILENT_S = 120.0


def end(step: Step, trial: TrialRow, run: RunRow, outcome: Outcome) -> None:
    """End an attempt as its agent saw it: the trial is closed, or goes back to the queue."""
    if outcome.ending == "preempted" and run.state == "finished":  # it came to its end while it was asked to leave
        outcome = Outcome("finished", 0)
    settled = settling.settle(trial, outcome, step.plan.spec.retry, step.sweep.state is SweepState.CANCELLED)
    trial = replace(trial, exit_code=outcome.exit_code, error=outcome.error, retries=trial.retries + settled.retried)
    if settled.state is TrialState.QUEUED:
        requeue(step, trial, run, settled.reason)
    else:
        close(step, trial, run, settled, outcome.ending)


def close(step: Step, trial: TrialRow, run: RunRow | None, settled: Settlement, ending: str) -> None:
    """Put a trial into a final state."""
    trial = step.move_trial(trial, settled.state, settled.reason, expires=None, ended=step.now)
    step.event(
        "trial.ended", trial.run_id, name=trial.name, state=str(trial.state), reason=trial.reason, value=trial.best,
        ending=ending, error=trial.error[-_ERROR_TAIL:],
    )  # fmt: skip
    if run is not None:
        _close_run(step, trial, run)
        _note_best(step, trial)
        _warn_if_silent(step, trial, run)
    finish_if_done(step)


def requeue(step: Step, trial: TrialRow, run: RunRow | None, reason: str) -> None:
    """Send a trial back to the queue under the same run id, to start over."""
    ledger.delete_rungs(step.connection, trial)
    trial = step.move_trial(
        trial, TrialState.QUEUED, reason, expires=None, ended=None, reports=0, latest=None,
        best=None, verdict="continue", verdict_reason="",
    )  # fmt: skip
    if run is not None:
        runs.update(step.connection, replace(run, state="queued", ended=None))
    if step.sweep.best_run == trial.run_id:
        _forget_best(step)
    step.event("trial.requeued", trial.run_id, name=trial.name, reason=reason, error=trial.error[-_ERROR_TAIL:])
    finish_if_done(step)


def finish_if_done(step: Step) -> bool:
    """End the sweep when it makes no more trials and none is under way or waiting; whether it is over now.

    A sweep that is finishing lets its agents run again what came back to the queue; without agents nothing will.
    """
    sweep = step.sweep
    if sweep.state in (SweepState.FINISHED, SweepState.CANCELLED):
        return True
    finishing = sweep.state is SweepState.FINISHING
    exhausted = sweep.total is not None and sweep.made >= sweep.total
    if sweep.state is SweepState.PAUSED or not (exhausted or finishing):
        return False
    running, queued = ledger.count_live(step.connection, sweep.id)
    if running or (queued and not (finishing and _is_alone(step))):
        return False
    step.move(SweepState.FINISHED, sweep.reason if finishing else f"all {sweep.made} trials were run")
    if queued:
        drop_queued(step, "the sweep ended before it could run again")
    return True


def _is_alone(step: Step) -> bool:
    return not ledger.has_agents(step.connection, step.sweep.id, step.now - _SILENT_S)


def drop_queued(step: Step, reason: str) -> None:
    """Close every trial that waits in the queue as killed."""
    for trial in ledger.trials_in(step.connection, step.sweep.id, TrialState.QUEUED):
        settled = Settlement(TrialState.KILLED, reason)
        close(step, trial, runs.get(step.connection, trial.run_id), settled, "killed")


def _close_run(step: Step, trial: TrialRow, run: RunRow) -> None:
    if run.ended is not None and trial.error in ("", run.error):
        return
    state = "finished" if trial.exit_code == 0 else str(trial.state)
    error = run.error or trial.error
    runs.update(
        step.connection,
        replace(run, state=state, ended=run.ended or step.now, exit_code=trial.exit_code, error=error),
    )


def _note_best(step: Step, trial: TrialRow) -> None:
    metric = step.plan.spec.metric
    if metric is None or trial.best is None or not reports.better(metric.goal, trial.best, step.sweep.best_value):
        return
    step.change(best_value=trial.best, best_run=trial.run_id)
    step.event("sweep.best", step.sweep.id, run=trial.run_id, name=trial.name, value=trial.best, metric=metric.name)


def _forget_best(step: Step) -> None:
    """The best trial starts over: the best of the others counts until it does better again."""
    metric = step.plan.spec.metric
    best = ledger.best_trial(step.connection, step.sweep.id, metric is None or metric.goal == "minimize")
    step.change(best_value=best.best if best else None, best_run=best.run_id if best else None)


def _warn_if_silent(step: Step, trial: TrialRow, run: RunRow) -> None:
    metric = step.plan.spec.metric
    if metric is None or trial.reports or trial.state is not TrialState.FINISHED:
        return
    logged = sorted(set(reports.names(run.summary)))
    if metric.name in logged:
        message = f"{trial.name} ended with no finite value of {metric.name!r}: it cannot be compared with others"
        step.warn(f"silent:{metric.name}", message)
        return
    step.warn(
        f"silent:{metric.name}",
        f"{trial.name} ended without logging the sweep's metric {metric.name!r}; it logged "
        f"{', '.join(logged) or 'no metric at all'}. Log it with run.log({{{metric.name!r}: value}}), "
        "or name the right one in the spec's metric.name",
    )
