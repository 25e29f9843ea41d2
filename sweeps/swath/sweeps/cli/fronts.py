"""Several metrics in words: what a front is called, and the head of a metric's column. Prints nothing."""

from __future__ import annotations

from collections.abc import Sequence

from swath.sweeps.cli import words
from swath.sweeps.fronts import Front, Ranked
from swath.sweeps.spec import Metric


def front_title(front: Front, shown: Sequence[Ranked] = ()) -> str:
    """Which trials are shown: the front, the first ones of all, or those that overstep limits least."""
    names = " and ".join(metric.name for metric in front.metrics)
    if not front.ranked:
        return f"no trial has a result in each of {names} yet"
    if not front.keeps_limits:
        limits = ", ".join(f"{m.name} {_side(m)} {m.limit:g}" for m in front.metrics if m.limit is not None)
        return (
            f"no trial keeps all limits ({limits}); the nearest to it:"
            if shown
            else f"no trial keeps all limits ({limits})"
        )
    kept = sum(each.front is not None for each in front.ranked)
    best, limited = len(front.best), any(metric.limit is not None for metric in front.metrics)
    among = f"{words.plural(kept, 'trial')}{' that keep all limits' if limited else ''}"
    if any(each.front != 1 for each in shown):
        return f"the first {len(shown)} of {among}, {best} of them on the Pareto front of {names}"
    return f"Pareto front of {names}: {best} of {among}"


def metric_title(metric: Metric) -> str:
    """`latency ↓ (≤ 30)`."""
    limit = f" ({_side(metric)} {metric.limit:g})" if metric.limit is not None else ""
    return f"{metric.name} {'↑' if metric.goal == 'maximize' else '↓'}{limit}"


def _side(metric: Metric) -> str:
    return "≥" if metric.goal == "maximize" else "≤"
