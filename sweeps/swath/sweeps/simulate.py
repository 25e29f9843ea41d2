"""Replays recorded trials under an early-stopping rule on a simulated clock: what it would have cost and found.

The rule and its book are the ones that the controller uses. Nothing is drawn and no clock is read: the same trials and
the same rule give the same events, byte for byte.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from swath.sweeps.courses import Course, course_of
from swath.sweeps.front_kept import FrontKept, front_kept
from swath.sweeps.recorded import Recorded
from swath.sweeps.spec.model import Metric
from swath.sweeps.stopping.base import Decision, Goal, Stopper
from swath.sweeps.stopping.book import Book
from swath.sweeps.stopping.joint import Joint
from swath.sweeps.tallies import Vector
from swath.tracking.errors import UsageError

State = Literal["finished", "stopped", "paused"]


class Queue(Protocol):
    """Which recorded trial begins next."""

    def take(self) -> Recorded | None:
        """The next trial to begin; None when all have begun."""
        ...

    def ended(self, trial: Recorded, state: State, best: float | None, result: Vector | None = None) -> None:
        """A trial has ended or is paused, with that best value so far; with several metrics their last values."""
        ...


class InOrder:
    """The trials as they were recorded."""

    def __init__(self, trials: Iterable[Recorded]) -> None:
        self._trials = iter(trials)

    def take(self) -> Recorded | None:
        return next(self._trials, None)

    def ended(self, trial: Recorded, state: State, best: float | None, result: Vector | None = None) -> None:
        return None


@dataclass(frozen=True)
class Outcome:
    """What became of one trial: how much of it was run, when it ended on the simulated clock, and why.

    `best` is that of the first metric; with several `values` are the last ones of all.
    """

    number: int
    state: State
    reports: int
    of_reports: int
    seconds: float
    of_seconds: float
    ended: float
    best: float | None
    band: int
    rule: str
    reason: str
    values: Vector | None = None


@dataclass(frozen=True)
class RungCount:
    """How many trials came to a rung, and how many were stopped, paused and sent on there; the last threshold."""

    at: int
    reached: int
    stopped: int
    paused: int
    promoted: int
    threshold: float | None


@dataclass(frozen=True)
class Simulation:
    """A replay as a whole. Shares are of what it costs to run every trial to its end.

    With several metrics no trial is the best one, and `front` tells what was found.
    """

    goal: Goal
    rule: str
    slots: int
    outcomes: tuple[Outcome, ...]
    rungs: tuple[RungCount, ...]
    makespan: float
    full_best: float | None
    full_best_trial: int | None
    best: float | None
    best_trial: int | None
    promotions: int
    front: FrontKept | None = None

    @property
    def report_share(self) -> float:
        """The share of all reports that was run."""
        return _share(sum(each.reports for each in self.outcomes), sum(each.of_reports for each in self.outcomes))

    @property
    def time_share(self) -> float:
        """The share of all seconds of training that was run."""
        return _share(sum(each.seconds for each in self.outcomes), sum(each.of_seconds for each in self.outcomes))

    @property
    def regret(self) -> float | None:
        """By how much the best found is worse than the best of the full search."""
        if self.best is None or self.full_best is None:
            return None
        return abs(self.best - self.full_best)

    def count(self, state: State) -> int:
        """How many trials ended in `state`."""
        return sum(each.state == state for each in self.outcomes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the totals, the rungs, the trials."""
        totals = {
            "rule": self.rule, "goal": self.goal, "slots": self.slots, "trials": len(self.outcomes),
            "finished": self.count("finished"), "stopped": self.count("stopped"), "paused": self.count("paused"),
            "promotions": self.promotions, "report_share": self.report_share, "time_share": self.time_share,
            "makespan_s": self.makespan, "best": self.best, "best_trial": self.best_trial,
            "full_best": self.full_best, "full_best_trial": self.full_best_trial, "regret": self.regret,
        }  # fmt: skip
        found = {} if self.front is None else self.front.to_dict()
        rungs = [vars(rung) for rung in self.rungs]
        return {**totals, **found, "rungs": rungs, "outcomes": [self._plain(each) for each in self.outcomes]}

    def _plain(self, outcome: Outcome) -> dict[str, Any]:
        plain = dict(vars(outcome))
        values = plain.pop("values")
        if self.front is not None:
            names = (metric.name for metric in self.front.metrics)
            plain["values"] = values and dict(zip(names, values, strict=True))
        return plain


def simulate(
    trials: Sequence[Recorded],
    goal: Goal,
    stopper: Stopper | None,
    slots: int = 1,
    queue: Queue | None = None,
    metrics: Sequence[Metric] = (),
) -> Simulation:
    """Run recorded trials on `slots` at once under `stopper`; `queue` says which begins next (default: in order).

    `metrics` are those of trials that were recorded in several.
    """
    if slots < 1:
        raise UsageError("a simulation needs a slot at least", "give a whole number from 1 on")
    engine = _Engine(goal, stopper, slots, queue or InOrder(trials), tuple(metrics))
    engine.run()
    return engine.result(trials)


@dataclass
class _Running:
    """A trial on its way: `count` reports and `beat` beats of its course are behind it."""

    trial: Recorded
    course: Course
    offset: float = 0.0
    beat: int = 0
    count: int = 0
    before: int = 0
    spent: float = 0.0
    decision: Decision | None = None

    @property
    def best(self) -> float | None:
        return self.course.bests(self.count)[0] if self.count else None

    @property
    def over(self) -> bool:
        return self.beat >= self.course.beats

    def time_of(self, beat: int) -> float:
        """How long it takes to come to a beat."""
        return self.trial.seconds[beat - 1] if beat else 0.0


@dataclass
class _Tally:
    stopped: int = 0
    paused: int = 0
    promoted: int = 0
    threshold: float | None = None


@dataclass
class _Engine:
    """The clock, the slots and the heap of what happens next."""

    goal: Goal
    stopper: Stopper | None
    slots: int
    queue: Queue
    metrics: tuple[Metric, ...] = ()
    now: float = 0.0
    promotions: int = 0
    heap: list[tuple[float, int, int]] = field(default_factory=list)
    running: dict[int, _Running] = field(default_factory=dict)
    paused: dict[int, _Running] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    tallies: dict[int, _Tally] = field(default_factory=dict)
    drained: bool = False

    def __post_init__(self) -> None:
        self.book = Joint(self.metrics) if self.metrics else Book(self.goal)

    def run(self) -> None:
        """All events until nothing runs and nothing can begin."""
        self._fill()
        while self.heap:
            self.now, number, beat = heapq.heappop(self.heap)
            self._arrive(self.running[number], beat)
            self._fill()

    def _fill(self) -> None:
        while len(self.running) < self.slots:
            found = self._promoted() or self._begun() or self._promoted(last=True)
            if found is None:
                return
            self.book.go(found.trial.number)
            found.offset = self.now - found.spent
            self.running[found.trial.number] = found
            self._schedule(found)

    def _begun(self) -> _Running | None:
        trial = None if self.drained else self.queue.take()
        self.drained = trial is None
        return None if trial is None else _Running(trial, course_of(trial, self.goal, self.metrics))

    def _promoted(self, last: bool = False) -> _Running | None:
        if self.stopper is None or not self.paused:
            return None
        promotion = self.stopper.promote(self.book, last)
        if promotion is None:
            return None
        self.promotions += 1
        run = self.paused.pop(promotion.number)
        if run.decision is not None:
            self._tally(run.decision.band).promoted += 1
        return run

    def _schedule(self, run: _Running) -> None:
        """The next beat at which something may happen to a trial: its end, a check, an unusable value."""
        beat = run.course.beats
        check = self.stopper.next_check(run.count) if self.stopper is not None else None
        if check is not None and (due := run.course.beat_of(check)) is not None:
            beat = min(beat, due)
        if self.stopper is not None and self.stopper.watches_unusable:
            beat = min(beat, run.course.next_unusable(run.beat))
        heapq.heappush(self.heap, (run.offset + run.time_of(beat), run.trial.number, beat))

    def _arrive(self, run: _Running, beat: int) -> None:
        """A trial has come to a beat of its course."""
        before, run.beat = run.count, beat
        run.count, run.spent = run.course.count(beat), run.time_of(beat)
        if self.stopper is not None:
            for at in self.stopper.checkpoints(before, run.count):
                self.book.put(run.trial.number, at, run.course.mark(at))
        if run.count:
            best, *others = run.course.bests(run.count)
            self.book.tell(run.trial.number, best, others)
        decision = self._judged(run)
        run.before = run.count
        if decision is not None and decision.action == "stop" and not (run.over and run.trial.closing):
            self._end(run, "stopped", decision)
        elif run.over:
            self._end(run, "finished", decision)
        elif decision is not None and decision.action == "pause":
            self._pause(run, decision)
        elif decision is not None and decision.action == "exploit":
            raise UsageError(
                "recorded trials cannot show what pbt would do: no one knows how a changed trial goes on",
                "simulate another rule",
            )
        else:
            self._schedule(run)

    def _judged(self, run: _Running) -> Decision | None:
        stopper = self.stopper
        if stopper is None:
            return None
        check, unusable = stopper.next_check(run.before), run.course.unusable(run.beat)
        if (check is None or check > run.count) and not (unusable and stopper.watches_unusable):
            return None
        standing = run.course.standing(run.trial.number, run.beat, run.before, stopper.needs_curve)
        decision = stopper.judge(standing, self.book)
        if decision.threshold is not None:
            self._tally(decision.band).threshold = decision.threshold
        return decision

    def _pause(self, run: _Running, decision: Decision) -> None:
        number = run.trial.number
        del self.running[number]
        run.decision = decision
        self.paused[number] = run
        self.book.park(number)
        self._tally(decision.band).paused += 1
        self._note(run, "paused", decision)

    def _end(self, run: _Running, state: State, decision: Decision | None) -> None:
        del self.running[run.trial.number]
        self.book.end(run.trial.number)
        if state == "stopped" and decision is not None:
            self._tally(decision.band).stopped += 1
        self._note(run, state, decision if state == "stopped" else None)

    def _note(self, run: _Running, state: State, decision: Decision | None) -> None:
        trial = run.trial
        whole = trial.seconds[-1] if trial.seconds else 0.0
        band, rule, reason = (decision.band, decision.rule, decision.reason) if decision else (0, "", "ran to its end")
        course, result = run.course, trial.results[run.beat - 1] if self.metrics and run.beat else None
        self.outcomes[trial.number] = Outcome(
            trial.number, state, course.spent(run.beat), course.spent(course.beats), run.spent, whole, self.now,
            run.best, band, rule, reason, result,
        )  # fmt: skip
        self.queue.ended(trial, state, run.best, result)

    def _tally(self, band: int) -> _Tally:
        return self.tallies.setdefault(band, _Tally())

    def result(self, trials: Sequence[Recorded]) -> Simulation:
        """The replay as a whole, once it is over."""
        full: tuple[int | None, float | None] = (None, None)
        found = full
        if not self.metrics:
            full = _best(self.goal, ((trial.number, _best_of(trial, self.goal)) for trial in trials))
            found = _best(self.goal, ((number, each.best) for number, each in self.outcomes.items()))
        return Simulation(
            self.goal, self.stopper.name if self.stopper else "none", self.slots,
            tuple(self.outcomes[number] for number in sorted(self.outcomes)), self._rungs(), self.now,
            full[1], full[0], found[1], found[0], self.promotions, self._front(trials) if self.metrics else None,
        )  # fmt: skip

    def _front(self, trials: Sequence[Recorded]) -> FrontKept:
        found = {number: each.values for number, each in self.outcomes.items()}
        full = {trial.number: trial.results[-1] if trial.results else None for trial in trials}
        whole = {number for number, each in self.outcomes.items() if each.state == "finished"}
        return front_kept(self.metrics, found, full, whole)

    def _rungs(self) -> tuple[RungCount, ...]:
        found, lengths = [], sorted(each.reports for each in self.outcomes.values())
        marked = set(self.book.reached)
        for at in sorted({*self.tallies, *marked}):
            tally = self.tallies.get(at, _Tally())
            reached = self.book.there(at) if at in marked else len(lengths) - bisect_left(lengths, at)
            found.append(RungCount(at, reached, tally.stopped, tally.paused, tally.promoted, tally.threshold))
        return tuple(found)


def _best_of(trial: Recorded, goal: Goal) -> float | None:
    finite = [value for value in trial.values if math.isfinite(value)]
    return (max if goal == "maximize" else min)(finite, default=None)


def _best(goal: Goal, found: Iterable[tuple[int, float | None]]) -> tuple[int | None, float | None]:
    sign = -1.0 if goal == "maximize" else 1.0
    known = [(sign * value, number, value) for number, value in found if value is not None]
    _, number, value = min(known, default=(0.0, None, None))
    return number, value


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0
