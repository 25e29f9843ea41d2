"""From the settings of a sweep file to the rule that they mean."""

from __future__ import annotations

from swath.sweeps.spec.model import HyperbandSettings, SweepSpec
from swath.sweeps.spec.stoppers import (
    AnyOf,
    AshaSettings,
    BohbSettings,
    CurveSettings,
    Guarded,
    MedianSettings,
    PbtSettings,
    PlateauSettings,
    StopperSettings,
    ThresholdSettings,
)
from swath.sweeps.stopping.asha import Asha
from swath.sweeps.stopping.base import Stopper
from swath.sweeps.stopping.curve import Curve
from swath.sweeps.stopping.hyperband import Hyperband
from swath.sweeps.stopping.median import Median
from swath.sweeps.stopping.pbt import Pbt
from swath.sweeps.stopping.plateau import Plateau
from swath.sweeps.stopping.several import FirstOf, Held
from swath.sweeps.stopping.threshold import Threshold


def make_stopper(spec: SweepSpec) -> Stopper | None:
    """The rule that `spec` asks for; None when trials run to their end."""
    if spec.early_terminate is None or spec.metric is None:
        return None
    return rule_for(spec.early_terminate, spec.metric.name)


def rule_for(settings: StopperSettings, metric: str) -> Stopper:
    """The rule that `settings` mean; `metric` is a name for its sentences."""
    match settings:
        case AnyOf():
            return FirstOf(tuple(rule_for(rule, metric) for rule in settings.rules))
        case Guarded():
            return Held(rule_for(settings.rule, metric), settings.guard, metric)
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
