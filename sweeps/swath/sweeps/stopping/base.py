"""What early stopping is asked and answers; which rule decides is told elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from swath.sweeps.stopping.book import Book

Goal = Literal["minimize", "maximize"]
Action = Literal["continue", "stop", "pause", "exploit"]


@dataclass(frozen=True)
class Among:
    """A trial among its `peers` at a rung in several metrics at once.

    `dominated`: how many of them dominate it, and `by`: a few of these. One that keeps all limits dominates one that
    oversteps some, by `violation` in all; of two that overstep them the one that does so by less. `front` is 1 where
    nobody dominates it, 2 where only those of front 1 do, and so on.
    """

    front: int
    dominated: int
    peers: int
    violation: float = 0.0
    by: tuple[int, ...] = ()

    def words(self) -> str:
        """`5 of 9 peers dominate it`, and by how much it oversteps limits."""
        over = f"it oversteps limits by {self.violation:.6g} in all, and " if self.violation else ""
        if not self.peers:
            return f"{over}it is the only trial there"
        if not self.dominated:
            return f"{over}none of {counted(self.peers, 'peer')} dominates it"
        verb = "dominates" if self.dominated == 1 else "dominate"
        return f"{over}{self.dominated} of {counted(self.peers, 'peer')} {verb} it (front {self.front})"


@dataclass(frozen=True)
class Decision:
    """What is to become of a running trial, and why, in a sentence for people.

    `band` is the number of reports at which it was compared, `threshold` the value it was held against, `rank` its
    place among the values there (1 is best) and `n` how many values were there, its own included. These are None, or
    0, where there was nothing to compare. `peers` are the numbers of a few trials that it was compared with. For
    `exploit`, `donor` is the trial whose checkpoint and configuration it is to go on from. Compared in several metrics
    at once, there is no `threshold`, `rank` is by fronts, and `among` says more.
    """

    action: Action
    reason: str
    band: int
    threshold: float | None = None
    rank: int | None = None
    n: int = 0
    rule: str = ""
    peers: tuple[int, ...] = ()
    donor: int | None = None
    among: Among | None = None


@dataclass(frozen=True)
class Promotion:
    """A paused trial that goes on, and why, in a sentence for people."""

    number: int
    reason: str


@dataclass(frozen=True)
class Standing:
    """A running trial as it stands: `count` finite reports so far, the latest and the best of them.

    `before` is the number of reports at which it was asked about last; 0: never. `unusable` counts the reports that
    were NaN or infinite; they are no reports otherwise. `curve` holds the finite values in order, for a rule that
    `needs_curve`; it may be empty for the others. In a sweep with several metrics a report holds a value of each:
    `latests` and `bests` are those of each, `curves` the values in order, and the fields without an s are the first
    metric's.
    """

    number: int
    count: int
    latest: float | None = None
    best: float | None = None
    before: int = 0
    unusable: int = 0
    curve: Sequence[float] = ()
    latests: Sequence[float] = ()
    bests: Sequence[float] = ()
    curves: Sequence[Sequence[float]] = ()

    def of(self, index: int) -> Standing:
        """The trial as it stands in metric number `index` alone."""
        if not self.latests:
            return Standing(self.number, self.count, before=self.before, unusable=self.unusable)
        curve = self.curves[index] if self.curves else ()
        return Standing(
            self.number, self.count, self.latests[index], self.bests[index], self.before, self.unusable, curve
        )


class Stopper(Protocol):
    """Decides about running trials from what the controller keeps: a pure function, the same facts, the same answer.

    A report is one finite value of the metric, whatever its step says; with several metrics one of each, as
    `JointTally` counts them. The controller keeps a `Book` of the sweep, a `Joint` one with several metrics: when a
    trial's reports go from `before` to `after` it puts the trial's `Mark` at each of `checkpoints(before, after)` into
    it. It asks `judge` when the trial's reports have come to `next_check` of the number at which it asked last, or
    past it, after the marks are in the book; and for a rule that `watches_unusable` also when a report was NaN or
    infinite. A rule that has nothing against a trial says `continue`. Several reports that arrive together are judged
    as one, at the trial's highest checkpoint. A trial that is paused and goes on later keeps its marks.
    """

    @property
    def name(self) -> str:
        """The rule as specs call it."""
        ...

    @property
    def needs_curve(self) -> bool:
        """Whether `judge` looks at the trial's own finite values."""
        ...

    @property
    def watches_unusable(self) -> bool:
        """Whether a report that is NaN or infinite may end a trial."""
        ...

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        """The numbers of reports above `before` and up to `after` at which marks are kept, rising."""
        ...

    def next_check(self, count: int) -> int | None:
        """The next number of reports above `count` at which the rule wants to be asked; None: never again."""
        ...

    def judge(self, trial: Standing, book: Book) -> Decision:
        """The decision about a running trial whose marks are in the book."""
        ...

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        """Which of the book's parked trials goes on now that a slot is free; None: a new trial is the better use.

        `last`: there are no new trials any more and none is running, so that what stays parked will never end.
        """
        ...


def is_due(rule: Stopper, trial: Standing) -> bool:
    """Whether the trial has come to the next check of `rule` since it was asked about last."""
    check = rule.next_check(trial.before)
    return check is not None and check <= trial.count


def counted(count: int, word: str = "trial") -> str:
    """`1 trial`, `2 trials`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def ordinal(place: int) -> str:
    """`the best`, `2nd best`, `11th best`."""
    if place == 1:
        return "the best"
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending} best"
