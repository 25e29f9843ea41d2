"""From the settings of a sweep file to the rule that they mean."""

from __future__ import annotations

from collections.abc import Sequence

from swath.sweeps.spec.model import HyperbandSettings, Metric, SweepSpec
from swath.sweeps.spec.stoppers import (
    AnyOf,
    AshaSettings,
    BohbSettings,
    CurveSettings,
    Guarded,
    MedianSettings,
    PbtSettings,
    PlateauSettings,
    Rule,
    StopperSettings,
    ThresholdSettings,
    compares,
)
from swath.sweeps.stopping.asha import Asha
from swath.sweeps.stopping.base import Stopper
from swath.sweeps.stopping.curve import Curve
from swath.sweeps.stopping.hyperband import Hyperband
from swath.sweeps.stopping.median import Median
from swath.sweeps.stopping.pbt import Pbt
from swath.sweeps.stopping.plateau import Plateau
from swath.sweeps.stopping.several import FirstOf, Held, OnMetric
from swath.sweeps.stopping.threshold import Threshold


def make_stopper(spec: SweepSpec) -> Stopper | None:
    """The rule that `spec` asks for; None when trials run to their end."""
    if spec.early_terminate is None or spec.metric is None:
        return None
    return rule_for(spec.early_terminate, spec.metric.name, spec.metrics)


def rule_for(settings: StopperSettings, metric: str, metrics: Sequence[Metric] = ()) -> Stopper:
    """The rule that `settings` mean; `metric` is a name for its sentences, `metrics` are all where there are several.

    Of several metrics a rule that compares trials looks at all, and one that does not at the first, unless its
    settings name one.
    """
    match settings:
        case AnyOf():
            return FirstOf(tuple(rule_for(rule, metric, metrics) for rule in settings.rules))
        case Guarded():
            rule = _on_metrics(settings.rule, settings.metric, metric, metrics)
            return Held(rule, settings.guard, " or ".join(each.name for each in metrics) or metric)
        case _:
            return _on_metrics(settings, None, metric, metrics)


def _on_metrics(settings: Rule, wanted: str | None, metric: str, metrics: Sequence[Metric]) -> Stopper:
    """A rule that looks at the metrics it should: `wanted` is the one that the settings name."""
    if not metrics:
        return _rule(settings, metric)
    if wanted is None and compares(settings.to_dict()["type"]):
        return _rule(settings, " and ".join(each.name for each in metrics))
    index = next((place for place, each in enumerate(metrics) if each.name == wanted), 0)
    return OnMetric(_rule(settings, metrics[index].name), index)


def _rule(settings: Rule, metric: str) -> Stopper:
    match settings:
        case HyperbandSettings():
            return Hyperband(settings, metric)
        case AshaSettings() | BohbSettings():
            return Asha(settings, metric)
        case MedianSettings():
            return Median(settings, metric)
        case PlateauSettings():
            return Plateau(settings, metric)
        case ThresholdSettings():
            return Threshold(settings, metric)
        case CurveSettings():
            return Curve(settings, metric)
        case PbtSettings():
            return Pbt(settings, metric)
