"""What the command line and the Python API read of sweeps, trials and agents: frozen facts, derived from the store."""

from __future__ import annotations

from typing import Any

import msgspec

from swath.sweeps.states import SweepState, TrialState


class TrialView(msgspec.Struct, frozen=True):
    """One trial. `value` is what it is judged by (the metric's best for its goal), `latest` the metric's last value.

    `reason` says why it stands where it stands; `suggested` why its config was chosen; `summary` holds the last value
    of each metric; times are seconds since the epoch. `agent` is the name of the agent that has or had it. In a sweep
    with several metrics `objectives` holds the result in each, once the trial has ended. With repeats it is number
    `repeat`, from 0 on, of configuration `setup`; without, `setup` is its number.
    `memory` is what it asks for since it ran out of memory, in bytes; None where it asks for what the file says.
    """

    run_id: str
    number: int
    name: str
    state: TrialState
    config: dict[str, Any]
    value: float | None
    latest: float | None
    best: float | None
    reports: int
    attempt: int
    reason: str
    suggested: str
    agent: str
    summary: dict[str, Any]
    created: float
    started: float | None
    ended: float | None
    exit_code: int | None
    error: str
    objectives: tuple[float | None, ...] = ()
    setup: int = 0
    repeat: int = 0
    memory: int | None = None


class MarkView(msgspec.Struct, frozen=True):
    """What trial `number` had after `band` reports: its value there, its best up to there, the mean up to there.

    There is one for each checkpoint of the sweep's early stopping that the trial came to. `others`: the same three of
    each further metric, where there are several. `decided` is what early stopping made of the trial when it came there
    (`action`, `rule`, `reason`, `threshold`, `rank`, `n`); None where it was not asked.
    """

    number: int
    band: int
    value: float
    best: float
    mean: float
    others: tuple[tuple[float, float, float], ...] = ()
    decided: dict[str, Any] | None = None


class AgentView(msgspec.Struct, frozen=True):
    """One agent that works or worked for a sweep.

    `state` is active, left or dead; `standing` says more of it: working, idle, draining or stopping (it was asked to
    leave), silent (no sign of life for longer than a lease lasts), left, dead. `seen` is its last sign of life.
    `run_id` and `trial` are what it runs now, `since` when that began. `done` counts the trials that ended with it,
    `busy` are the seconds that its trials took, and `utilisation` their share of its life; None before there is any.
    """

    id: str
    name: str
    host: str
    pid: int
    kind: str
    state: str
    seen: float
    run_id: str | None
    started: float = 0.0
    standing: str = ""
    trial: int | None = None
    since: float | None = None
    done: int = 0
    busy: float = 0.0
    utilisation: float | None = None


class Best(msgspec.Struct, frozen=True):
    """The best trial so far; with repeats the first run of the best configuration.

    Then `value` is what its runs came to together by `aggregate`, and `values` are their results by repeat.
    """

    run: str
    name: str
    number: int
    metric: str
    value: float
    config: dict[str, Any]
    setup: int = 0
    aggregate: str = ""
    values: tuple[float | None, ...] = ()


class SweepView(msgspec.Struct, frozen=True):
    """One sweep.

    `trials` counts by state (every state has a key); `total` is how many it will make, None when open-ended.
    `metrics_seen` are the names of all metrics that its trials logged; `reason` says why it stands where it stands.
    """

    id: str
    name: str
    state: SweepState
    method: str
    project: str
    metric: str | None
    goal: str
    target: float | None
    trials: dict[str, int]
    total: int | None
    best: Best | None
    created: float
    started: float | None
    ended: float | None
    reason: str
    metrics_seen: list[str]
    origin: str


class EventView(msgspec.Struct, frozen=True):
    """One line of the event log: what happened to whom."""

    id: int
    time: float
    kind: str
    subject: str
    payload: dict[str, Any]
