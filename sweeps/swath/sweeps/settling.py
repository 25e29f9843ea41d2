"""What becomes of an attempt that ended: the rules of retrying, as a pure function of the trial and the spec."""

from __future__ import annotations

from signal import SIGKILL

import msgspec

from swath.agents.protocol import Outcome
from swath.sweeps.ledger import TrialRow
from swath.sweeps.memory import Growth, said
from swath.sweeps.spec import Retry
from swath.sweeps.states import TrialState

#: How the reason of a plain failure begins; the program's own last line tells more than it.
EXITED = "the program ended with exit code"
_POISONED = "so its configuration is set aside as poisoned"


class Settlement(msgspec.Struct, frozen=True):
    """The trial's next state and a sentence that says why; `retried`: it costs one of the spec's retries.

    `grown`: it is given more memory. A trial that goes back to the queue waits there for `delay_s`.
    """

    state: TrialState
    reason: str
    retried: bool = False
    delay_s: float = 0.0
    grown: bool = False


def settle(
    trial: TrialRow, outcome: Outcome, retry: Retry, cancelled: bool, growth: Growth | None = None
) -> Settlement:
    """What an attempt's `outcome` makes of `trial`; `growth`: what more memory would mean for it.

    A verdict that was carried out wins over the exit code. An interruption that is not the trial's own doing
    (preempted) costs no retry; a crash or a failure costs one where the spec's `retry.on` names it or its cause.
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
    if outcome.cause == "oom" and retry.oom is not None and growth is not None:
        return _starved(trial, outcome, retry, retry.oom.max, growth)
    return _broken(trial, outcome, retry)


def _interrupted(trial: TrialRow, retry: Retry) -> Settlement:
    if "preempted" in retry.on:
        return Settlement(TrialState.QUEUED, "its agent gave it up before its end; it goes back to the queue")
    return Settlement(TrialState.FAILED, "its agent gave it up before its end, and retry.on does not name preempted")


def _broken(trial: TrialRow, outcome: Outcome, retry: Retry) -> Settlement:
    """A failure is retried where its ending or the cause that is known of it is named."""
    how, tries = _how(outcome), trial.retries + trial.losses + 1
    kinds = [kind for kind in (outcome.cause, outcome.ending) if kind]
    if retry.on.isdisjoint(kinds):
        return Settlement(TrialState.FAILED, f"{how}; retry.on does not name {' or '.join(kinds)}")
    if tries >= retry.set_aside:
        return Settlement(TrialState.FAILED, f"{how}; {_set_aside(tries)}")
    if trial.retries >= retry.max:
        return Settlement(TrialState.FAILED, f"{how}, and its {retry.max} retries are used up")
    delay = retry.delay_s(tries)
    again = f"retry {trial.retries + 1} of {retry.max}{_in(delay)}"
    return Settlement(TrialState.QUEUED, f"{how}; {again}", retried=True, delay_s=delay)


def _starved(trial: TrialRow, outcome: Outcome, retry: Retry, most: int, growth: Growth) -> Settlement:
    """A trial that ran out of memory is run again with more, as often as the file says and as far as agents have it."""
    how, tries = f"{_how(outcome)} with {said(growth.had)}", trial.retries + trial.losses + trial.ooms + 1
    if tries >= retry.set_aside:
        return Settlement(TrialState.FAILED, f"{how}; {_set_aside(tries)}")
    if trial.ooms >= most:
        return Settlement(TrialState.FAILED, f"{how}, and its {most} retries with more memory are used up")
    if growth.most is not None and growth.wanted > growth.most:
        beyond = f"it would ask for {said(growth.wanted)}, and no agent can give more than {said(growth.most)}"
        return Settlement(TrialState.FAILED, f"{how}; {beyond}")
    delay = retry.delay_s(tries)
    again = f"retry {trial.ooms + 1} of {most} with {said(growth.wanted)}{_in(delay)}"
    return Settlement(TrialState.QUEUED, f"{how}; {again}", delay_s=delay, grown=True)


def is_plain(reason: str) -> bool:
    """Whether a failed trial's reason tells nothing but its exit code."""
    return reason.startswith(EXITED) and not reason.endswith(_POISONED)


def _set_aside(tries: int) -> str:
    return f"{tries} attempts of it ended badly, {_POISONED}"


def _in(delay_s: float) -> str:
    return f", in {delay_s:g} s" if delay_s else ""


def _how(outcome: Outcome) -> str:
    if outcome.cause == "hung":
        return outcome.error.partition("\n")[0] or "the program hung"
    if outcome.cause == "oom":
        return f"the trial ran out of memory ({_code(outcome)})"
    if outcome.signal is not None:
        return f"the process died by signal {outcome.signal}"
    if outcome.exit_code is not None:
        return f"{EXITED} {outcome.exit_code}"
    return "the trial failed"


def _code(outcome: Outcome) -> str:
    """How a trial that got no memory came to its end."""
    if outcome.signal == SIGKILL or outcome.exit_code == 128 + SIGKILL:
        return "the kernel killed it"
    return f"signal {outcome.signal}" if outcome.signal is not None else f"exit code {outcome.exit_code}"


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
    tries = trial.retries + trial.losses
    if tries >= retry.set_aside:
        return Settlement(TrialState.FAILED, f"{why}; {_set_aside(tries)}")
    delay = retry.delay_s(tries)
    return Settlement(TrialState.QUEUED, f"{why}; it goes back to the queue{_in(delay)}", delay_s=delay)
