"""How trials and sweeps end: closing, requeueing, and finishing a sweep that has nothing left to do."""

from __future__ import annotations

import msgspec

from swath.agents.protocol import Outcome
from swath.sweeps import exploiting, ledger, memory, reports, settling, targets
from swath.sweeps.ledger import TrialRow
from swath.sweeps.repeating import Repeating
from swath.sweeps.settling import Settlement
from swath.sweeps.states import SweepState, TrialState
from swath.sweeps.step import Step
from swath.sweeps.stopping import Promotion
from swath.sweeps.values import better, finite
from swath.tracking.apply.fold import lookup
from swath.tracking.store import RunRow, runs

replace = msgspec.structs.replace

#: How much of a trial's last output an event carries, in characters.
_ERROR_TAIL = 2000
#: An agent that was silent for so long does not count as one that could run what is left.
_SILENT_S = 120.0


def end(step: Step, trial: TrialRow, run: RunRow, outcome: Outcome) -> None:
    """End an attempt as its agent saw it: the trial is closed, or goes back to the queue."""
    if (outcome.ending == "preempted" or outcome.cause == "hung") and run.state == "finished":
        # It came to its end while it was asked to leave, or all it had to do was done and its process did not end.
        outcome = Outcome("finished", 0)
    cancelled = step.sweep.state is SweepState.CANCELLED
    growth = memory.growth(step, trial) if outcome.cause == "oom" else None
    settled = settling.settle(trial, outcome, step.plan.spec.retry, cancelled, growth)
    trial = replace(
        trial, exit_code=outcome.exit_code, error=outcome.error, retries=trial.retries + settled.retried,
        ooms=trial.ooms + settled.grown,
    )  # fmt: skip
    if settled.state is TrialState.QUEUED:
        requeue(step, trial, run, settled.reason, settled.delay_s, outcome.cause or outcome.ending)
    elif settled.state is TrialState.PAUSED:
        pause(step, trial, run, settled.reason)
    else:
        close(step, trial, run, settled, outcome.cause or outcome.ending)


def close(step: Step, trial: TrialRow, run: RunRow | None, settled: Settlement, ending: str) -> None:
    """Put a trial into a final state."""
    trial = step.move_trial(
        trial, settled.state, settled.reason, expires=None, ended=step.now, busy=step.busy(trial),
        objectives=_objectives(step, run),
    )  # fmt: skip
    step.event(
        "trial.ended", trial.run_id, name=trial.name, state=str(trial.state), reason=trial.reason, value=trial.best,
        ending=ending, error=trial.error[-_ERROR_TAIL:],
    )  # fmt: skip
    if run is not None:
        _close_run(step, trial, run)
        _note_best(step, trial)
        targets.note(step, trial)
        _warn_if_silent(step, trial, run)
    finish_if_done(step)


def _objectives(step: Step, run: RunRow | None) -> tuple[float | None, ...]:
    """The result in each metric where there are several: what the run's summary holds; None where that is no number."""
    if not step.plan.spec.metrics or run is None:
        return ()
    values = (lookup(run.summary, metric.name) for metric in step.plan.spec.metrics)
    return tuple(float(value) if finite(value) else None for value in values)


def requeue(
    step: Step, trial: TrialRow, run: RunRow | None, reason: str, delay_s: float = 0.0, ending: str = ""
) -> None:
    """Send a trial back to the queue under the same run id, to start over (from its checkpoint, where it has one).

    It is not handed out again before `delay_s` have passed.
    """
    if trial.verdict == "exploit" and (donor := ledger.get_trial(step.connection, f"{step.sweep.id}-{trial.donor}")):
        exploiting.exploit(step, trial, run, donor)
        finish_if_done(step)
        return
    ledger.delete_rungs(step.connection, trial)
    if step.plan.standings is not None:
        step.plan.standings.forget(trial)
    trial = step.move_trial(
        trial, TrialState.QUEUED, reason, expires=None, ended=None, reports=0, latest=None,
        value_sum=0.0, unusable=0, asked=0, best=None, told="", verdict="continue", verdict_reason="", donor=None,
        busy=step.busy(trial), not_before=step.now + delay_s if delay_s else None,
    )  # fmt: skip
    if run is not None:
        runs.update(step.connection, replace(run, state="queued", ended=None), run)
    if step.sweep.best_run == trial.run_id:
        _forget_best(step)
    step.event(
        "trial.requeued", trial.run_id, name=trial.name, reason=reason, ending=ending,
        error=trial.error[-_ERROR_TAIL:],
    )  # fmt: skip
    finish_if_done(step)


def pause(step: Step, trial: TrialRow, run: RunRow | None, reason: str) -> None:
    """Put a trial aside at its rung; it keeps its place among the others there."""
    trial = step.move_trial(trial, TrialState.PAUSED, reason, expires=None, busy=step.busy(trial))
    step.event("trial.paused", trial.run_id, name=trial.name, reason=reason)
    if run is not None:
        runs.update(step.connection, replace(run, state="paused"), run)
    finish_if_done(step)


def next_promotion(step: Step, last: bool = False) -> Promotion | None:
    """Which paused trial goes on now; `last`: there is nothing else to do any more."""
    stopper, standings = step.plan.stopper, step.plan.standings
    if stopper is None or standings is None or step.sweep.state is SweepState.FINISHING:
        return None
    standings.follow(step.connection, step.sweep, step.foreign)
    return stopper.promote(standings.book, last) if standings.book.parked else None


def promote(step: Step, promotion: Promotion) -> TrialRow:
    """Put a paused trial back into the queue, to go on from its checkpoint; what it reported before stays with it."""
    trial = ledger.get_trial(step.connection, f"{step.sweep.id}-{promotion.number}")
    assert trial is not None
    step.event("trial.promoted", trial.run_id, name=trial.name, reason=promotion.reason)
    return step.move_trial(
        trial, TrialState.QUEUED, promotion.reason, reports=0, latest=None, value_sum=0.0, unusable=0,
        told="", verdict="continue", verdict_reason="",
    )  # fmt: skip


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
    running, queued, paused = ledger.count_live(step.connection, sweep.id)
    if running or (queued and not (finishing and _is_alone(step))):
        return False
    if paused and not finishing and not queued and next_promotion(step, last=True) is not None:
        return False
    step.move(SweepState.FINISHED, sweep.reason if finishing else f"all {sweep.made} trials were run")
    if queued:
        drop_queued(step, "the sweep ended before it could run again")
    if paused:
        drop_paused(step, "the sweep ended, and others were better at its rung")
    return True


def _is_alone(step: Step) -> bool:
    return not ledger.has_agents(step.connection, step.sweep.id, step.now - _SILENT_S)


def drop_queued(step: Step, reason: str) -> None:
    """Close every trial that waits in the queue as killed."""
    for trial in ledger.trials_in(step.connection, step.sweep.id, TrialState.QUEUED):
        settled = Settlement(TrialState.KILLED, reason)
        close(step, trial, runs.get(step.connection, trial.run_id), settled, "killed")


def drop_paused(step: Step, reason: str) -> None:
    """Close every paused trial as stopped at its rung."""
    for trial in ledger.trials_in(step.connection, step.sweep.id, TrialState.PAUSED):
        settled = Settlement(TrialState.STOPPED, f"{trial.reason}; {reason}")
        close(step, trial, runs.get(step.connection, trial.run_id), settled, "stopped")


def drop_beyond(step: Step) -> bool:
    """Fail the queued trials that ask for more memory than any agent has; whether there were any."""
    if step.plan.spec.retry.oom is None:
        return False
    found = memory.beyond(step, ledger.trials_in(step.connection, step.sweep.id, TrialState.QUEUED))
    for trial, reason in found:
        close(step, trial, runs.get(step.connection, trial.run_id), Settlement(TrialState.FAILED, reason), "oom")
    return bool(found)


def _close_run(step: Step, trial: TrialRow, run: RunRow) -> None:
    if run.ended is not None and trial.error in ("", run.error):
        return
    state = "finished" if trial.exit_code == 0 else str(trial.state)
    error = run.error or trial.error
    runs.update(
        step.connection,
        replace(run, state=state, ended=run.ended or step.now, exit_code=trial.exit_code, error=error),
        run,
    )


def _note_best(step: Step, trial: TrialRow) -> None:
    metric, repeating = step.plan.spec.metric, step.plan.repeating
    if repeating is not None:
        _note_best_setup(step, repeating, trial)
        return
    if metric is None or trial.best is None or not better(metric.goal, trial.best, step.sweep.best_value):
        if trial.state in (TrialState.FINISHED, TrialState.STOPPED):
            step.change(stale=step.sweep.stale + 1)
        return
    step.change(best_value=trial.best, best_run=trial.run_id, stale=0)
    step.event("sweep.best", step.sweep.id, run=trial.run_id, name=trial.name, value=trial.best, metric=metric.name)


def _note_best_setup(step: Step, repeating: Repeating, trial: TrialRow) -> None:
    """With repeats the best is the setup that is best over all of its runs; its first run stands for it."""
    setup, best = repeating.setup_of(trial), repeating.best()
    if reason := repeating.given_up(setup):
        step.event("setup.given_up", trial.run_id, name=trial.name, setup=setup.number, reason=reason)
    if best is not None and best.trials[0].run_id != step.sweep.best_run:
        value = repeating.value(best)
        step.change(best_value=value, best_run=best.trials[0].run_id, stale=0)
        metric = step.plan.spec.metric.name if step.plan.spec.metric else ""
        first = best.trials[0]
        step.event("sweep.best", step.sweep.id, run=first.run_id, name=first.name, value=value, metric=metric)
    elif not setup.waits:
        step.change(stale=step.sweep.stale + 1)


def _forget_best(step: Step) -> None:
    """The best trial starts over: the best of the others counts until it does better again."""
    metric, repeating = step.plan.spec.metric, step.plan.repeating
    if repeating is not None:
        setup = repeating.best()
        value, run_id = (repeating.value(setup), setup.trials[0].run_id) if setup else (None, None)
        step.change(best_value=value, best_run=run_id)
        return
    best = ledger.best_trial(step.connection, step.sweep.id, metric is None or metric.goal == "minimize")
    step.change(best_value=best.best if best else None, best_run=best.run_id if best else None)


def _warn_if_silent(step: Step, trial: TrialRow, run: RunRow) -> None:
    for other, value in zip(step.plan.spec.metrics[1:], trial.objectives[1:], strict=False):
        if value is None and trial.state is TrialState.FINISHED:
            what = "it is in no comparison of several metrics"
            step.warn(f"silent:{other.name}", f"{trial.name} ended with no finite value of {other.name!r}: {what}")
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
