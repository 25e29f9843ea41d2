"""The states of trials and sweeps and the legal moves between them: the one table that code and documentation read."""

from __future__ import annotations

from enum import StrEnum

from swath.tracking.errors import NotAllowed


class TrialState(StrEnum):
    """Where a trial stands. `paused`: it gave its slot away at a rung, and goes on if it is among the best there."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    KILLED = "killed"


class SweepState(StrEnum):
    """Where a sweep stands. `finishing`: hands out no new trials, running ones go on to their end."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHING = "finishing"
    FINISHED = "finished"
    CANCELLED = "cancelled"


T, S = TrialState, SweepState

TRIAL_MOVES: dict[TrialState, frozenset[TrialState]] = {
    T.QUEUED: frozenset({T.RUNNING, T.KILLED, T.FAILED}),
    T.RUNNING: frozenset({T.FINISHED, T.STOPPED, T.FAILED, T.KILLED, T.QUEUED, T.PAUSED}),
    T.PAUSED: frozenset({T.QUEUED, T.STOPPED, T.KILLED}),
    T.FINISHED: frozenset(),
    T.STOPPED: frozenset(),
    T.FAILED: frozenset({T.QUEUED}),
    T.KILLED: frozenset({T.QUEUED}),
}

SWEEP_MOVES: dict[SweepState, frozenset[SweepState]] = {
    S.PENDING: frozenset({S.RUNNING, S.PAUSED, S.FINISHED, S.FINISHING, S.CANCELLED}),
    S.RUNNING: frozenset({S.PAUSED, S.FINISHING, S.FINISHED, S.CANCELLED}),
    S.PAUSED: frozenset({S.RUNNING, S.FINISHING, S.FINISHED, S.CANCELLED}),
    S.FINISHING: frozenset({S.RUNNING, S.FINISHED, S.CANCELLED}),
    S.FINISHED: frozenset({S.RUNNING}),
    S.CANCELLED: frozenset({S.RUNNING}),
}

#: Trials that will not run again by themselves.
ENDED = frozenset({T.FINISHED, T.STOPPED, T.FAILED, T.KILLED})
#: Sweeps that hand out nothing any more.
OVER = frozenset({S.FINISHED, S.CANCELLED})


def check_trial_move(run_id: str, old: TrialState, new: TrialState) -> None:
    """Raise `NotAllowed` unless a trial may go from `old` to `new`."""
    if new not in TRIAL_MOVES[old]:
        raise NotAllowed(f"trial {run_id} is {old} and cannot become {new}", _legal(TRIAL_MOVES[old]))


def check_sweep_move(sweep_id: str, old: SweepState, new: SweepState) -> None:
    """Raise `NotAllowed` unless a sweep may go from `old` to `new`."""
    if new not in SWEEP_MOVES[old]:
        raise NotAllowed(f"sweep {sweep_id} is {old} and cannot become {new}", _legal(SWEEP_MOVES[old]))


def _legal(moves: frozenset[TrialState] | frozenset[SweepState]) -> str:
    return "from here it can become " + ", ".join(sorted(moves)) if moves else "this state is final"
