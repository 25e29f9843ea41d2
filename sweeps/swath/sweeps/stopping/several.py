"""Several rules as one, what holds a rule back (warm-up, peers, grace, values that are no numbers), and its metric."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from swath.sweeps.spec.stoppers import Guard
from swath.sweeps.stopping.base import Decision, Promotion, Standing, Stopper, counted, is_due
from swath.sweeps.stopping.book import Book


@dataclass(frozen=True)
class Held:
    """A rule that is asked only when its guard lets it: until then a trial goes on.

    What a rule would have decided at a checkpoint while it was held back is not made up for later.
    """

    rule: Stopper
    guard: Guard
    metric: str = "the metric"

    @property
    def name(self) -> str:
        """The name of the rule."""
        return self.rule.name

    @property
    def needs_curve(self) -> bool:
        """Whether the rule looks at the trial's own values."""
        return self.rule.needs_curve

    @property
    def watches_unusable(self) -> bool:
        """Whether a value that is no number stops a trial."""
        return self.guard.non_finite == "stop"

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        return self.rule.checkpoints(before, after)

    def next_check(self, count: int) -> int | None:
        return self.rule.next_check(max(count, self.guard.warmup))

    def judge(self, trial: Standing, book: Book) -> Decision:
        guard = self.guard
        if guard.non_finite == "stop" and trial.unusable:
            reason = f"stopped at report {trial.count}: {self.metric} was NaN or infinite, and non_finite is stop"
            return Decision("stop", reason, trial.count, rule="non_finite")
        if not is_due(self, trial):
            return self._goes_on(trial, "nothing is due")
        if trial.count <= guard.warmup:
            return self._goes_on(trial, f"its first {counted(guard.warmup, 'report')} are warm-up")
        if book.ended < guard.grace:
            return self._goes_on(trial, f"{counted(book.ended)} of the {guard.grace} of the grace have ended")
        decision = self.rule.judge(trial, book)
        if decision.action == "continue" or decision.n - 1 >= guard.min_peers:
            return decision
        peers = max(decision.n - 1, 0)
        why = f"{counted(peers, 'peer')} at report {decision.band}, and min_peers is {guard.min_peers}"
        return dataclasses.replace(decision, action="continue", reason=f"goes on: {why}", donor=None)

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        return self.rule.promote(book, last)

    def _goes_on(self, trial: Standing, why: str) -> Decision:
        return Decision("continue", f"goes on at report {trial.count}: {why}", trial.count, rule=self.name)


@dataclass(frozen=True)
class OnMetric:
    """A rule that looks at one of several metrics, number `index`, as if there were no other."""

    rule: Stopper
    index: int

    @property
    def name(self) -> str:
        """The name of the rule."""
        return self.rule.name

    @property
    def needs_curve(self) -> bool:
        """Whether the rule looks at the trial's own values."""
        return self.rule.needs_curve

    @property
    def watches_unusable(self) -> bool:
        """Whether a value that is no number stops a trial."""
        return self.rule.watches_unusable

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        return self.rule.checkpoints(before, after)

    def next_check(self, count: int) -> int | None:
        return self.rule.next_check(count)

    def judge(self, trial: Standing, book: Book) -> Decision:
        return self.rule.judge(trial.of(self.index), book.of(self.index))

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        return self.rule.promote(book.of(self.index), last)


@dataclass(frozen=True)
class FirstOf:
    """Several rules: a stop of any of them counts most, then an exploit, then a pause; of equals the first.

    Where all of them let a trial go on, the first that has compared it with others says so.
    """

    rules: tuple[Stopper, ...]

    name = "any"

    @property
    def needs_curve(self) -> bool:
        """Whether one of the rules looks at the trial's own values."""
        return any(rule.needs_curve for rule in self.rules)

    @property
    def watches_unusable(self) -> bool:
        """Whether a value that is no number may stop a trial."""
        return any(rule.watches_unusable for rule in self.rules)

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        return tuple(sorted({at for rule in self.rules for at in rule.checkpoints(before, after)}))

    def next_check(self, count: int) -> int | None:
        found = [check for rule in self.rules if (check := rule.next_check(count)) is not None]
        return min(found, default=None)

    def judge(self, trial: Standing, book: Book) -> Decision:
        asked = [rule for rule in self.rules if is_due(rule, trial) or (rule.watches_unusable and trial.unusable)]
        if not asked:
            reason = f"goes on at report {trial.count}: nothing is due"
            return Decision("continue", reason, trial.count, rule=self.name)
        return max((rule.judge(trial, book) for rule in asked), key=_weight)

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        found = (rule.promote(book, last) for rule in self.rules)
        return next((promotion for promotion in found if promotion is not None), None)


_WEIGHT = {"continue": 0, "pause": 1, "exploit": 2, "stop": 3}


def _weight(decision: Decision) -> tuple[int, bool]:
    goes_on = decision.action == "continue"
    return _WEIGHT[decision.action], goes_on and decision.rank is not None
