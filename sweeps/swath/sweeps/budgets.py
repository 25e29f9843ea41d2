"""When a sweep has used up its budget and makes no more trials; trials that run go on to their end."""

from __future__ import annotations

from swath.sweeps import ledger
from swath.sweeps.step import Step


def used_up(step: Step) -> str:
    """A sentence about the bound of the budget that is reached, "" while none is; that of trials is the total."""
    budget, sweep = step.plan.spec.budget, step.sweep
    if budget.time_s is not None and sweep.started is not None and step.now - sweep.started >= budget.time_s:
        return f"the budget of time is used up: it began {step.now - sweep.started:.0f} s ago ({budget.time_s:g} s)"
    if budget.no_improvement is not None and sweep.stale >= budget.no_improvement:
        return f"{sweep.stale} trials in a row ended without a better result (budget.no_improvement)"
    if budget.gpu_hours is not None:
        needed = step.plan.spec.resources
        hours = ledger.seconds_used(step.connection, sweep.id, step.now) * needed.gpu * needed.nodes / 3600
        if hours >= budget.gpu_hours:
            return f"the budget of GPU time is used up: {hours:.2f} of {budget.gpu_hours:g} GPU hours"
    return ""
