"""Reads the metric of a spec, or its several metrics."""

from __future__ import annotations

from typing import Any, cast

from swath.sweeps.spec import keys
from swath.sweeps.spec.loader import Path
from swath.sweeps.spec.model import Goal, Impute, Metric
from swath.sweeps.spec.reader import Reader, shown


def read_metrics(read: Reader, data: dict[str, Any]) -> tuple[Metric, ...]:
    """The metrics that the sweep optimises: none, one, or several."""
    several = data.get("metrics")
    if "metrics" in data and "metric" in data:
        read.fault(("metrics",), "there is a `metric` as well", "keep one of the two")
        return ()
    if "metrics" not in data:
        metric = read.mapping(data, "metric")
        return () if metric is None else (_metric(read, metric, ("metric",), keys.METRIC),)
    if not isinstance(several, list) or len(several) < 2:
        hint = "for one metric write metric: {name: ...}"
        read.fault(("metrics",), f"must be a list of two metrics or more, not {shown(several)}", hint)
        return ()
    found = []
    for index, metric in enumerate(several):
        if isinstance(metric, dict):
            found.append(_metric(read, metric, ("metrics", index), keys.METRICS))
        else:
            read.fault(("metrics", index), f"must hold keys and values, not {shown(metric)}", "write {name: loss}")
    names = [metric.name for metric in found]
    for index, name in enumerate(names):
        if name and name in names[:index]:
            read.fault(("metrics", index, "name"), f"there is a metric {name!r} already", "name each metric once")
    return tuple(found)


def _metric(read: Reader, metric: dict[str, Any], path: Path, known: dict[str, str]) -> Metric:
    read.keys(metric, path, known)
    if "name" not in metric:
        read.fault(path, "the name of the metric is missing", "add name: as the program logs it")
    running = metric.get("impute_while_running")
    if running is not False and running != "false":
        running = read.choice(metric, "impute_while_running", (*keys.IMPUTES, "false"), path)
    return Metric(
        name=read.text(metric, "name", path) or "",
        goal=cast(Goal, read.choice(metric, "goal", keys.GOALS, path) or "minimize"),
        target=read.number(metric, "target", path),
        impute=cast(Impute, read.choice(metric, "impute", keys.IMPUTES, path) or "worst"),
        impute_while_running=cast(Impute, running) if running in keys.IMPUTES else None,
        limit=read.number(metric, "limit", path),
    )
