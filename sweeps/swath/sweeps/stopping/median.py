"""The median stopping rule of Golovin et al., "Google Vizier: A Service for Black-Box Optimization" (KDD 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from swath.sweeps.spec.stoppers import MedianSettings
from swath.sweeps.stopping.base import Action, Among, Decision, Promotion, Standing, counted
from swath.sweeps.stopping.book import Book, Rung, View
from swath.sweeps.stopping.ladder import Ladder

_LADDER = Ladder()
_MEANS, _BESTS = View("mean", cut=0.0), View("mean", own="best", cut=0.0)


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
        by_best = self.settings.compare == "best"
        held = book.compare(trial, at, _BESTS if by_best else _MEANS) if at is not None else None
        if at is None or held is None:
            return Decision("continue", "goes on: nothing is reported", trial.count, rule=self.name)
        cost, rung, among = held
        mean, n = book.own_cost(trial.number, at, _MEANS) if among is None else cost, len(rung)
        middle = rung.median_without(cost if mean is None else mean)
        if middle is None:
            return Decision("continue", f"goes on: it is the only trial at report {at}", at, n=n, rule=self.name)
        rank = min(rung.rank(cost), n)
        worse = cost > middle and rank > rung.front
        action: Action = "stop" if worse else "continue"
        if among is not None:
            reason, peers = self._joint_sentence(worse, at, among), among.by or tuple(rung.numbers[:3])
            return Decision(action, reason, at, None, rank, n, self.name, peers, among=among)
        threshold = book.value(middle)
        reason = self._sentence(worse, at, book.value(cost), threshold, n - 1)
        return Decision(action, reason, at, threshold, rank, n, self.name, _middle(rung))

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        return None

    def _sentence(self, worse: bool, at: int, own: float, threshold: float, others: int) -> str:
        verb, relation = ("stopped", "is worse than") if worse else ("goes on", "is not worse than")
        what = "best value" if self.settings.compare == "best" else "mean"
        return (
            f"{verb} at report {at}: the {what} of {self.metric} so far, {own:.6g}, {relation} {threshold:.6g}, "
            f"the median of the means of {counted(others, 'other trial')}"
        )

    def _joint_sentence(self, worse: bool, at: int, among: Among) -> str:
        verb, relation = ("stopped", "is behind") if worse else ("goes on", "is not behind")
        what = "best values" if self.settings.compare == "best" else "means"
        return (
            f"{verb} at report {at}: by its {what} so far {among.words()}, which {relation} the median front of "
            f"{counted(among.peers, 'other trial')}"
        )


def _middle(rung: Rung) -> tuple[int, ...]:
    """The trials around the median."""
    middle = len(rung) // 2
    return tuple(rung.numbers[max(middle - 1, 0) : middle + 2])
