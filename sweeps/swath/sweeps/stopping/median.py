"""The median stopping rule of Golovin et al., "Google Vizier: A Service for Black-Box Optimization" (KDD 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from swath.sweeps.spec.stoppers import MedianSettings
from swath.sweeps.stopping.base import Decision, Promotion, Standing, counted
from swath.sweeps.stopping.book import Book, Rung, View
from swath.sweeps.stopping.ladder import Ladder

_LADDER = Ladder()
_MEANS = View("mean")


@dataclass(frozen=True)
class Median:
    """Stops a trial whose running mean is worse than the median of the others' running means at that many reports.

    With `compare: best` its best value so far is held against that median, as the paper has it. It looks at the
    numbers of reports of a ladder that grows by a tenth.
    """

    settings: MedianSettings
    metric: str = "the metric"

    name = "median"
    needs_curve = False
    watches_unusable = False

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        return _LADDER.between(before, after)

    def next_check(self, count: int) -> int | None:
        return _LADDER.above(count)

    def judge(self, trial: Standing, book: Book) -> Decision:
        at = _LADDER.reached(trial.count)
        mark = book.mark(trial.number, at) if at is not None else None
        if at is None or mark is None:
            return Decision("continue", "goes on: nothing is reported", trial.count, rule=self.name)
        rung = book.rung(at, _MEANS)
        middle, n = rung.median_without(book.cost(mark.mean)), len(rung)
        if middle is None:
            return Decision("continue", f"goes on: it is the only trial at report {at}", at, n=n, rule=self.name)
        own = mark.best if self.settings.compare == "best" else mark.mean
        worse, rank, threshold = book.cost(own) > middle, rung.rank(book.cost(own)), book.value(middle)
        reason = self._sentence(worse, at, own, threshold, n - 1)
        return Decision(
            "stop" if worse else "continue", reason, at, threshold, min(rank, n), n, self.name, _middle(rung)
        )

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        return None

    def _sentence(self, worse: bool, at: int, own: float, threshold: float, others: int) -> str:
        verb, relation = ("stopped", "is worse than") if worse else ("goes on", "is not worse than")
        what = "best value" if self.settings.compare == "best" else "mean"
        return (
            f"{verb} at report {at}: the {what} of {self.metric} so far, {own:.6g}, {relation} {threshold:.6g}, "
            f"the median of the means of {counted(others, 'other trial')}"
        )


def _middle(rung: Rung) -> tuple[int, ...]:
    """The trials around the median."""
    middle = len(rung) // 2
    return tuple(rung.numbers[max(middle - 1, 0) : middle + 2])
