"""Stops a trial that has ceased to improve; it looks at no other trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swath.sweeps.spec.stoppers import PlateauSettings
from swath.sweeps.stopping.base import Action, Decision, Promotion, Standing, counted
from swath.sweeps.stopping.book import Book


@dataclass(frozen=True)
class Plateau:
    """Stops a trial whose best value of the last `patience` reports does not beat the best one before by `min_delta`.

    It looks once in a tenth of `patience`, so that a stop comes late by no more than that.
    """

    settings: PlateauSettings
    metric: str = "the metric"

    name = "plateau"
    needs_curve = True
    watches_unusable = False

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        return ()

    def next_check(self, count: int) -> int | None:
        step = max(1, self.settings.patience // 10)
        return max(self.settings.patience + 1, (count // step + 1) * step)

    def judge(self, trial: Standing, book: Book) -> Decision:
        patience = self.settings.patience
        if len(trial.curve) <= patience:
            reason = f"goes on: it may take {counted(patience, 'report')} to improve"
            return Decision("continue", reason, trial.count, rule=self.name, n=book.reporting)
        best = min if book.goal == "minimize" else max
        earlier, recent = best(trial.curve[:-patience]), best(trial.curve[-patience:])
        gain = book.cost(earlier) - book.cost(recent)
        stalls = gain < self.settings.min_delta or gain <= 0
        reason = self._sentence(stalls, earlier, recent, trial.curve)
        action: Action = "stop" if stalls else "continue"
        return Decision(action, reason, trial.count, earlier, n=book.reporting, rule=self.name)

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        return None

    def _sentence(self, stalls: bool, earlier: float, recent: float, curve: Sequence[float]) -> str:
        verb, relation = ("stopped", "does not improve") if stalls else ("goes on", "improves")
        delta = f" by {self.settings.min_delta:g}" if self.settings.min_delta else ""
        return (
            f"{verb} at report {len(curve)}: {self.metric} {recent:.6g}, the best of the last "
            f"{counted(self.settings.patience, 'report')}, {relation} on {earlier:.6g}{delta}"
        )
