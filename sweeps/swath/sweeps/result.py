"""What `sweeps.run()` gives back: the sweep as it ended, its trials and the best one, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from swath.agents.executors.function import TrialConfig
from swath.sweeps.flat import flatten
from swath.sweeps.fronts import front_of
from swath.sweeps.setups import SetupView, setups_of, standing_for
from swath.sweeps.spec import Metric, Repeats
from swath.sweeps.views import SweepView, TrialView
from swath.tracking.errors import UsageError

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class BestTrial:
    """The best trial. `config` is read by attribute or item; `metrics` holds the last value of each logged metric.

    With repeats it is the first run of the best configuration, `setup`: `value` is what its runs came to together by
    `aggregate`, and `values` are their results by repeat.
    """

    run: str
    number: int
    name: str
    metric: str
    value: float
    config: TrialConfig
    metrics: dict[str, Any]
    setup: int = 0
    aggregate: str = ""
    values: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Result:
    """A sweep as it stood when it was over (or interrupted): `trials` in the order of their numbers.

    `metrics` holds the metrics of a sweep with several, and is empty for a sweep with one. `repeats` says how often
    each configuration was run.
    """

    view: SweepView
    trials: Sequence[TrialView]
    metrics: tuple[Metric, ...] = ()
    repeats: Repeats = field(default_factory=Repeats)

    @property
    def id(self) -> str:
        """The sweep's id: what `sweep show` and the other verbs take."""
        return self.view.id

    @property
    def state(self) -> str:
        """`finished`, `cancelled`, or another state when the run was interrupted."""
        return str(self.view.state)

    @property
    def counts(self) -> dict[str, int]:
        """How many trials are in each state."""
        return dict(self.view.trials)

    @property
    def best(self) -> BestTrial:
        """The best trial. Raises `UsageError` when there is none: no metric in the spec, or no trial logged it.

        With several metrics no trial is the best one: see `front`.
        """
        if self.metrics:
            names = ", ".join(metric.name for metric in self.metrics)
            raise UsageError(
                f"sweep {self.id} has no one best trial: it has several metrics ({names})",
                "result.front holds the trials that no other one beats in all of them",
            )
        best = self.view.best
        if best is None:
            seen = ", ".join(self.view.metrics_seen) or "none"
            wanted = (
                f"no trial logged the metric {self.view.metric}" if self.view.metric else "the spec names no metric"
            )
            raise UsageError(f"sweep {self.id} has no best trial: {wanted}", f"metrics that were logged: {seen}")
        summary = next((trial.summary for trial in self.trials if trial.run_id == best.run), {})
        config = TrialConfig.of(best.config)
        return BestTrial(
            best.run, best.number, best.name, best.metric, best.value, config, dict(summary), best.setup,
            best.aggregate, best.values,
        )  # fmt: skip

    @property
    def setups(self) -> list[SetupView]:
        """The configurations of a sweep with repeats, best first, each with its runs and what they came to together.

        Those that have not been run as often as asked stand behind the others. Empty for a sweep without repeats.
        """
        return setups_of(self.trials, self._all_metrics, self.repeats)

    @property
    def _all_metrics(self) -> tuple[Metric, ...]:
        if self.metrics or self.view.metric is None:
            return self.metrics
        return (Metric(self.view.metric, "maximize" if self.view.goal == "maximize" else "minimize"),)

    @property
    def front(self) -> list[TrialView]:
        """The Pareto front: the trials that keep all limits and that no other one beats in all metrics at once.

        They stand in the order of the first metric, best first, each with its results in `objectives`; the list is
        empty while no trial with all results keeps the limits. With repeats a trial stands for all runs of its
        configuration, with what they came to together. Raises `UsageError` for a sweep without several metrics.
        """
        if not self.metrics:
            raise UsageError(f"sweep {self.id} does not have several metrics", "result.best is its best trial")
        return list(front_of(standing_for(self.trials, self.metrics, self.repeats), self.metrics).best)

    def to_pandas(self) -> pandas.DataFrame:
        """One row a trial, with columns `config.x` and `summary.x`. Needs pandas: pip install "swath[pandas]"."""
        try:
            import pandas
        except ImportError:
            raise UsageError("to_pandas() needs pandas", 'pip install "swath[pandas]"') from None
        return pandas.DataFrame(rows_of(self.trials))

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {state}" for state, count in self.view.trials.items() if count) or "no trials"
        best = self.view.best
        shown = f", best {best.metric}={best.value:.6g} (trial {best.number})" if best else ""
        if self.metrics:
            shown = f", {len(self.front)} trials on the front of {', '.join(metric.name for metric in self.metrics)}"
        return f"<Result of sweep {self.id}: {self.state}, {counts}{shown}>"

    def _repr_html_(self) -> str:
        """A small table for notebooks: the best trial's config, or the front, and the counts."""
        counts = " · ".join(f"{count} {state}" for state, count in self.view.trials.items() if count)
        head = f"<p><b>{escape(self.view.name)}</b> (sweep {escape(self.id)}) {self.state}: {counts}</p>"
        if self.metrics:
            return head + self._front_html()
        best = self.view.best
        if best is None:
            return head
        rows = "".join(
            f"<tr><td>{escape(key)}</td><td>{escape(str(value))}</td></tr>" for key, value in best.config.items()
        )
        runs = f" ({best.aggregate} of {len(best.values)} runs)" if best.values else ""
        title = f"{escape(best.metric)} = {best.value:.6g}{runs}, trial {best.number} (run {escape(best.run)})"
        return f"{head}<table><caption>best: {title}</caption>{rows}</table>"

    def _front_html(self) -> str:
        names = "".join(f"<th>{escape(metric.name)}</th>" for metric in self.metrics)
        rows = "".join(
            f"<tr><td>{trial.number}</td>{''.join(f'<td>{value:.6g}</td>' for value in trial.objectives)}"
            f"<td>{escape(' '.join(f'{key}={value}' for key, value in flatten(trial.config).items()))}</td></tr>"
            for trial in self.front
        )
        head = f"<tr><th>trial</th>{names}<th>config</th></tr>"
        return f"<table><caption>Pareto front</caption>{head}{rows}</table>"


def rows_of(trials: Sequence[TrialView]) -> list[dict[str, Any]]:
    """One flat dict a trial."""
    return [_row(trial) for trial in trials]


def _row(trial: TrialView) -> dict[str, Any]:
    both = trial.started is not None and trial.ended is not None
    return {
        "run": trial.run_id,
        "number": trial.number,
        "name": trial.name,
        "state": str(trial.state),
        "value": trial.value,
        "best": trial.best,
        "latest": trial.latest,
        "reports": trial.reports,
        "attempt": trial.attempt,
        "reason": trial.reason,
        "agent": trial.agent,
        "created": trial.created,
        "started": trial.started,
        "ended": trial.ended,
        "duration_s": round(trial.ended - trial.started, 3) if both else None,  # type: ignore[operator]
        "exit_code": trial.exit_code,
        "error": trial.error,
        **flatten(trial.config, "config."),
        **flatten(trial.summary, "summary."),
    }
