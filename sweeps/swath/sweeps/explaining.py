"""Why a trial is what it is, as facts: the choice of its config, its attempts, decisions, rungs, and its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from swath.sweeps.flat import flatten
from swath.sweeps.setups import setups_of
from swath.sweeps.spec import SweepSpec
from swath.sweeps.values import better, violation
from swath.sweeps.views import EventView, TrialView
from swath.sweeps.workspace import Workspace

_PAGE = 10_000


class Peer(msgspec.Struct, frozen=True):
    """Another trial, and the value of it that counts here; None where it is not known any more.

    `values` holds that of each metric where several are compared at once.
    """

    trial: int
    name: str
    run: str
    value: float | None
    values: Mapping[str, float] = {}


class Choice(msgspec.Struct, frozen=True):
    """Why the config was chosen: the searcher's own sentence, and what was known of the sweep at that time."""

    method: str
    reason: str
    ended_before: int
    best_before: Peer | None


class Attempt(msgspec.Struct, frozen=True):
    """One attempt and its `end`: `running`, a state that ends a trial, `paused`, `requeued` or `exploited`.

    `cause` is what ended it: an ending as its agent saw it, `oom`, `hung` or `lost`; "" where that is not known.
    `memory` is what it was given, in bytes, where that was more than the file says.
    """

    number: int
    agent: str
    started: float
    ended: float | None
    end: str
    reason: str
    error: str = ""
    cause: str = ""
    memory: int | None = None


class Decided(msgspec.Struct, frozen=True):
    """A decision of early stopping against the trial: at `band` reports its `value` against `threshold`.

    `rank` (1 is best) is among `n` trials there; `peers` are some that it was compared with. In several metrics at once
    there is no threshold: `values` are its own, `front` is 1 where no peer dominates it, `dominated` says how many do,
    and `violation` by how much it oversteps limits.
    """

    time: float
    attempt: int
    action: str
    rule: str
    reason: str
    band: int | None
    value: float | None
    threshold: float | None
    rank: int | None
    n: int
    peers: tuple[Peer, ...]
    donor: Peer | None
    values: Mapping[str, float] = {}
    front: int | None = None
    dominated: int | None = None
    violation: float = 0.0


class Moved(msgspec.Struct, frozen=True):
    """The trial was `promoted` from its rung, or went on from a donor with another config: an `exploit`."""

    time: float
    kind: str
    reason: str
    donor: str = ""
    config: Mapping[str, Any] | None = None


class Passed(msgspec.Struct, frozen=True):
    """What early stopping made of the trial when it came to a rung: `continue`, or what was decided against it.

    `threshold`, `rank`, `n`, `front` and `dominated` are those of that time.
    """

    action: str
    rule: str
    reason: str
    threshold: float | None
    rank: int | None
    n: int
    front: int | None = None
    dominated: int | None = None


class Rung(msgspec.Struct, frozen=True):
    """How the trial stands at a checkpoint by now: `value` is `rank`-th of `n` trials that came there.

    `values` holds the value of each metric where there are several, and `value` is the first one's. `then` is what was
    decided when the trial came there; None where it was not asked about.
    """

    band: int
    value: float
    rank: int
    n: int
    values: Mapping[str, float] = {}
    then: Passed | None = None


class Repeated(msgspec.Struct, frozen=True):
    """The trial among the runs of its configuration: number `repeat`, from 0 on, of `of` of setup `setup`.

    `values` is what the `counted` of them that have a result come to together by `aggregate`, in each metric.
    """

    setup: int
    repeat: int
    of: int
    aggregate: str
    counted: int
    values: Mapping[str, float]
    runs: tuple[Peer, ...]


class Place(msgspec.Struct, frozen=True):
    """How the trial compares in one metric: `rank` of `n` trials with a value, and the best one of all.

    With repeats it is its configuration that is compared, with the configurations that have all of their runs, by what
    the runs come to together; `best` is the first run of the best one. `limit_kept` is None where the metric has no
    limit.
    """

    metric: str
    goal: str
    value: float | None
    rank: int | None
    n: int
    best: Peer | None
    limit: float | None = None
    limit_kept: bool | None = None


class Explanation(msgspec.Struct, frozen=True):
    """Everything about one trial. `different` holds its and the best trial's value of each parameter they differ in.

    `violation` is by how much it oversteps the limits of all metrics together.
    """

    sweep: str
    sweep_name: str
    run: str
    number: int
    name: str
    state: str
    reason: str
    config: dict[str, Any]
    suggested: Choice
    attempts: tuple[Attempt, ...]
    decisions: tuple[Decided, ...]
    moves: tuple[Moved, ...]
    rungs: tuple[Rung, ...]
    places: tuple[Place, ...]
    different: dict[str, tuple[Any, Any]]
    violation: float
    reports: int
    error: str
    repeats: Repeated | None = None


def explain(workspace: Workspace, sweep_id: str, number: int) -> Explanation:
    """The explanation of trial `number` of a sweep, as the store has it."""
    trials = {trial.number: trial for trial in workspace.trials(sweep_id)}
    return _Explainer(workspace, sweep_id, trials, number).explanation()


def events_of(workspace: Workspace, sweep_id: str) -> Iterator[EventView]:
    """All events of a sweep, oldest first."""
    after = 0
    while page := workspace.events(sweep_id, after, _PAGE):
        yield from page
        after = page[-1].id


class _Explainer:
    """What is read once for one explanation."""

    def __init__(self, workspace: Workspace, sweep_id: str, trials: Mapping[int, TrialView], number: int) -> None:
        self._view = workspace.show(sweep_id)
        self._spec: SweepSpec = workspace.spec(sweep_id)
        self._metrics = self._spec.metrics or ((self._spec.metric,) if self._spec.metric else ())
        self._trials = trials
        self._trial = trials[number]
        self._numbers = {trial.run_id: trial.number for trial in trials.values()}
        self._agents = {agent.id: agent.name for agent in workspace.agents(sweep_id)}
        self._marks = {(mark.number, mark.band): mark for mark in workspace.marks(sweep_id)}
        self._events = list(events_of(workspace, sweep_id))
        self._own = [event for event in self._events if event.subject == self._trial.run_id]
        self._setups = {
            setup.number: setup for setup in setups_of(list(trials.values()), self._metrics, self._spec.repeats)
        }
        self._fields = {mark: _field(self._spec.early_terminate, mark) for mark in ("median", "asha", "bohb")}

    def explanation(self) -> Explanation:
        trial, places = self._trial, tuple(self._places())
        return Explanation(
            sweep=self._view.id, sweep_name=self._view.name, run=trial.run_id, number=trial.number, name=trial.name,
            state=str(trial.state), reason=trial.reason, config=trial.config, suggested=self._choice(),
            attempts=tuple(self._attempts()), decisions=tuple(self._decisions()), moves=tuple(self._moves()),
            rungs=tuple(self._rungs()), places=places, different=self._different(places),
            violation=violation(self._spec.metrics, trial.objectives), reports=trial.reports, error=trial.error,
            repeats=self._repeats(),
        )  # fmt: skip

    def _peer(self, number: int | None, value: float | None, values: Mapping[str, float] | None = None) -> Peer | None:
        other = self._trials.get(number) if number is not None else None
        return None if other is None else Peer(other.number, other.name, other.run_id, value, values or {})

    # Why it was chosen.

    def _choice(self) -> Choice:
        first = next((event.id for event in self._own if event.kind == "trial.started"), None)
        before = [event for event in self._events if first is not None and event.id < first]
        ended = {event.subject for event in before if event.kind == "trial.ended"}
        bests = [event for event in before if event.kind == "sweep.best"]
        best = None
        if bests and not self._spec.metrics:
            told = bests[-1].payload
            best = self._peer(self._numbers.get(str(told.get("run"))), told.get("value"))
        return Choice(self._view.method, self._trial.suggested, len(ended), best)

    # What happened.

    def _attempts(self) -> Iterator[Attempt]:
        began: EventView | None = None
        for event in self._own:
            if event.kind == "trial.started":
                began = event
            elif event.kind in _ENDS and began is not None:
                yield self._attempt(began, event)
                began = None
        if began is not None:
            yield self._attempt(began, None)

    def _attempt(self, began: EventView, ended: EventView | None) -> Attempt:
        told = ended.payload if ended else {}
        agent = str(began.payload.get("agent", ""))
        return Attempt(
            number=int(began.payload.get("attempt", 1)), agent=self._agents.get(agent, agent), started=began.time,
            ended=ended.time if ended else None, reason=str(told.get("reason", "")), error=str(told.get("error", "")),
            cause=str(told.get("ending", "")), memory=began.payload.get("memory"),
            end=str(told.get("state", _ENDS[ended.kind])) if ended else "running",
        )  # fmt: skip

    def _decisions(self) -> Iterator[Decided]:
        attempt = 0
        for event in self._own:
            if event.kind == "trial.started":
                attempt = int(event.payload.get("attempt", 1))
            elif event.kind == "trial.decided":
                yield self._decided(event, attempt)

    def _decided(self, event: EventView, attempt: int) -> Decided:
        told = event.payload
        band, rule = told.get("band"), str(told.get("rule", ""))
        peers = (
            self._peer(number, self._at(number, band, rule), self._values_at(number, band, rule))
            for number in told.get("peers", ())
        )
        donor = told.get("donor")
        return Decided(
            time=event.time, attempt=attempt, action=str(told.get("action", "stop")), rule=rule,
            reason=str(told.get("reason", "")), band=band, value=self._at(self._trial.number, band, rule),
            threshold=told.get("threshold"), rank=told.get("rank"), n=int(told.get("n", 0)),
            peers=tuple(peer for peer in peers if peer is not None and peer.trial != self._trial.number),
            donor=self._peer(donor, self._at(donor, band, rule)),
            values=self._values_at(self._trial.number, band, rule) if told.get("front") else {},
            front=told.get("front"), dominated=told.get("dominated"), violation=float(told.get("violation", 0.0)),
        )  # fmt: skip

    def _at(self, number: int | None, band: int | None, rule: str) -> float | None:
        """What the rule looked at: the mark of a trial at that many reports."""
        mark = self._marks.get((number, band)) if number is not None and band is not None else None
        value: float | None = None if mark is None else getattr(mark, self._fields.get(rule, "value"))
        return value

    def _values_at(self, number: int, band: int | None, rule: str) -> dict[str, float]:
        """`_at` for each of several metrics; nothing where there is one."""
        mark = self._marks.get((number, band)) if band is not None else None
        if mark is None or not mark.others:
            return {}
        place = ("value", "best", "mean").index(self._fields.get(rule, "value"))
        parts = ((mark.value, mark.best, mark.mean), *mark.others)
        return {metric.name: part[place] for metric, part in zip(self._metrics, parts, strict=False)}

    def _moves(self) -> Iterator[Moved]:
        for event in self._own:
            told = event.payload
            if event.kind == "trial.promoted":
                yield Moved(event.time, "promoted", str(told.get("reason", "")))
            elif event.kind == "trial.exploited":
                reason = str(told.get("reason", ""))
                yield Moved(event.time, "exploit", reason, str(told.get("donor", "")), told.get("config"))

    # How it compares.

    def _rungs(self) -> Iterator[Rung]:
        there: dict[int, list[float]] = {}
        for mark in self._marks.values():
            there.setdefault(mark.band, []).append(mark.value)
        for mark in self._marks.values():
            if mark.number == self._trial.number:
                values, then = there[mark.band], mark.decided
                yield Rung(
                    mark.band, mark.value, _rank(self._view.goal, mark.value, values), len(values),
                    self._values_at(mark.number, mark.band, ""), msgspec.convert(then, Passed) if then else None,
                )  # fmt: skip

    def _places(self) -> Iterator[Place]:
        for index, metric in enumerate(self._metrics):
            found = self._compared(index)
            own = found.get(self._own_number)
            best = _best(metric.goal, found)
            kept = None if metric.limit is None or own is None else not violation((metric,), (own,))
            yield Place(
                metric.name, metric.goal, own, None if own is None else _rank(metric.goal, own, list(found.values())),
                len(found), self._peer(best, found.get(best) if best is not None else None), metric.limit, kept,
            )  # fmt: skip

    @property
    def _own_number(self) -> int:
        """The number under which the trial is compared: with repeats that of its configuration's first run."""
        setup = self._setups.get(self._trial.setup)
        return self._trial.number if setup is None else setup.first.number

    def _compared(self, index: int) -> dict[int, float]:
        """What is compared in a metric, by number: results of trials, or what those of each configuration come to."""
        if self._setups:
            known = (setup for setup in self._setups.values() if setup.complete or setup.number == self._trial.setup)
            return {setup.first.number: value for setup in known if (value := setup.values[index]) is not None}
        return {number: value for number, trial in self._trials.items()
                if (value := self._result(trial, index)) is not None}  # fmt: skip

    def _repeats(self) -> Repeated | None:
        setup = self._setups.get(self._trial.setup)
        if setup is None:
            return None
        names = [metric.name for metric in self._metrics]
        runs = []
        for run, single in zip(setup.runs, setup.singles, strict=True):
            values = {name: value for name, value in zip(names, single, strict=True) if value is not None}
            first = single[0] if single else None
            runs.append(Peer(run.number, run.name, run.run_id, first, values if len(names) > 1 else {}))
        together = {name: value for name, value in zip(names, setup.values, strict=True) if value is not None}
        return Repeated(
            setup.number, self._trial.repeat, setup.of, setup.aggregate, setup.counted, together, tuple(runs)
        )

    def _result(self, trial: TrialView, index: int) -> float | None:
        if not self._spec.metrics:
            return trial.value
        return trial.objectives[index] if index < len(trial.objectives) else None

    def _different(self, places: Sequence[Place]) -> dict[str, tuple[Any, Any]]:
        best = places[0].best if places else None
        if best is None or best.trial == self._own_number:
            return {}
        plain = self._spec.repeats.plain
        own, other = flatten(plain(self._trial.config)), flatten(plain(self._trials[best.trial].config))
        keys = [*own, *(key for key in other if key not in own)]
        return {key: (own.get(key), other.get(key)) for key in keys if own.get(key) != other.get(key)}


_ENDS = {
    "trial.ended": "ended",
    "trial.paused": "paused",
    "trial.requeued": "requeued",
    "trial.exploited": "exploited",
}


def _field(rules: Any, rule: str) -> str:
    """Which part of a mark the rule compares among trials: the median compares means, halving what `compare` says."""
    if rule == "median":
        return "mean"
    found = next((each for each in _flat(rules) if getattr(each, "kind", "") == rule), None)
    return str(getattr(found, "compare", "value"))


def _flat(rules: Any) -> Iterator[Any]:
    """Each rule of the settings, out of its guard and out of a list of rules."""
    if hasattr(rules, "rules"):
        for rule in rules.rules:
            yield from _flat(rule)
    elif hasattr(rules, "rule"):
        yield from _flat(rules.rule)
    elif rules is not None:
        yield rules


def _rank(goal: str, own: float, values: Sequence[float]) -> int:
    return 1 + sum(better(goal, value, own) for value in values)


def _best(goal: str, found: Mapping[int, float]) -> int | None:
    """The trial with the best value, the earliest of equals."""
    sign = -1.0 if goal == "maximize" else 1.0
    return min(found, key=lambda number: (sign * found[number], number), default=None)
