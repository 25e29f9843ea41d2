"""What becomes of an attempt that ended: the rules of retrying, as a pure function of the trial and the spec."""

from __future__ import annotations

import msgspec

from swath.agents.protocol import Outcome
from swath.sweeps.ledger import TrialRow
from swath.sweeps.spec import Retry
from swath.sweeps.states import TrialState

#: A trial whose agents vanish again and again is the likely cause: after so many it is set aside as failed.
MAX_LOSSES = 20


class Settlement(msgspec.Struct, frozen=True):
    """The trial's next state and a sentence that says why; `retried`: it costs one of the spec's retries."""

    state: TrialState
    reason: str
    retried: bool = False


def settle(trial: TrialRow, outcome: Outcome, retry: Retry, cancelled: bool) -> Settlement:
    """What an attempt's `outcome` makes of `trial`.

    A verdict that was carried out wins over the exit code. An interruption that is not the trial's own doing
    (preempted) costs no retry; a crash or a failure costs one where the spec's `retry.on` names it.
    """
    match outcome.ending:
        case "stopped" if trial.verdict == "pause":
            return Settlement(TrialState.PAUSED, trial.verdict_reason)
        case "stopped" if trial.verdict == "exploit":
            return Settlement(TrialState.QUEUED, trial.verdict_reason)
        case "stopped":
            return Settlement(TrialState.STOPPED, trial.verdict_reason or "stopped on request")
        case "killed" if trial.verdict == "kill" and not cancelled:
            return Settlement(TrialState.QUEUED, "it was killed with the sweep, which goes on after all")
        case "killed":
            return Settlement(TrialState.KILLED, trial.verdict_reason or "killed on request")
        case "finished":
            return Settlement(TrialState.FINISHED, "ran to its end")
        case _ if cancelled:
            return Settlement(TrialState.KILLED, "the sweep was cancelled")
        case "preempted":
            return _interrupted(trial, retry)
    return _broken(trial, outcome, retry)


def _interrupted(trial: TrialRow, retry: Retry) -> Settlement:
    if "preempted" in retry.on:
        return Settlement(TrialState.QUEUED, "its agent gave it up before its end; it goes back to the queue")
    return Settlement(TrialState.FAILED, "its agent gave it up before its end, and retry.on does not name preempted")


def _broken(trial: TrialRow, outcome: Outcome, retry: Retry) -> Settlement:
    how = _how(outcome)
    if outcome.ending not in retry.on:
        return Settlement(TrialState.FAILED, f"{how}; retry.on does not name {outcome.ending}")
    if trial.retries >= retry.max:
        return Settlement(TrialState.FAILED, f"{how}, and its {retry.max} retries are used up")
    return Settlement(TrialState.QUEUED, f"{how}; retry {trial.retries + 1} of {retry.max}", retried=True)


def _how(outcome: Outcome) -> str:
    if outcome.signal is not None:
        return f"the process died by signal {outcome.signal}"
    if outcome.exit_code is not None:
        return f"the program ended with exit code {outcome.exit_code}"
    return "the trial failed"


def left(trial: TrialRow, retry: Retry, begun: bool, why: str) -> Settlement:
    """What an agent that leaves in good order makes of a trial that it holds: what it never began costs nothing."""
    if begun and "preempted" not in retry.on:
        return Settlement(TrialState.FAILED, f"{why}, and retry.on does not name preempted")
    return Settlement(TrialState.QUEUED, f"{why}; it goes back to the queue")


def lost(trial: TrialRow, retry: Retry, why: str) -> Settlement:
    """What a lost lease, counted in `trial.losses` already, makes of a trial.

    It is run again, until it must be the trial itself that kills its agents.
    """
    if "crashed" not in retry.on:
        return Settlement(TrialState.FAILED, f"{why}, and retry.on does not name crashed")
    if trial.losses >= MAX_LOSSES:
        return Settlement(TrialState.FAILED, f"{why}; that is the {MAX_LOSSES}th time, so the trial is set aside")
    return Settlement(TrialState.QUEUED, f"{why}; it goes back to the queue")
