"""Stops a trial whose metric is beyond a fixed bound; it looks at no other trial."""

from __future__ import annotations

from dataclasses import dataclass

from swath.sweeps.spec.stoppers import ThresholdSettings
from swath.sweeps.stopping.base import Decision, Promotion, Standing
from swath.sweeps.stopping.book import Book


@dataclass(frozen=True)
class Threshold:
    """Stops a trial whose latest value is above or below a bound, from report number `after` on."""

    settings: ThresholdSettings
    metric: str = "the metric"

    name = "threshold"
    needs_curve = False
    watches_unusable = False

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        return ()

    def next_check(self, count: int) -> int | None:
        return max(count + 1, self.settings.after)

    def judge(self, trial: Standing, book: Book) -> Decision:
        above, below, value, n = self.settings.above, self.settings.below, trial.latest, book.reporting
        if value is None or trial.count < self.settings.after:
            return Decision("continue", "goes on: the bound does not hold yet", trial.count, n=n, rule=self.name)
        for bound, over, word in ((above, above is not None and value > above, "above"),
                                  (below, below is not None and value < below, "below")):  # fmt: skip
            if over:
                reason = f"stopped at report {trial.count}: {self.metric} {value:.6g} is {word} the bound {bound:.6g}"
                return Decision("stop", reason, trial.count, bound, n=n, rule=self.name)
        reason = f"goes on at report {trial.count}: {self.metric} {value:.6g} is within its bounds"
        return Decision("continue", reason, trial.count, above if above is not None else below, n=n, rule=self.name)

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        return None
