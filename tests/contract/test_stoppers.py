"""Every stopper keeps the contract."""

from __future__ import annotations

from collections.abc import Sequence

from swath.sweeps.spec import HyperbandSettings, Metric
from swath.sweeps.spec.stoppers import (
    AnyOf,
    AshaSettings,
    BohbSettings,
    CurveSettings,
    Guard,
    Guarded,
    MedianSettings,
    PbtSettings,
    PlateauSettings,
    StopperSettings,
    ThresholdSettings,
)
from swath.sweeps.stopping import Stopper
from swath.sweeps.stopping.make import rule_for
from swath.sweeps.testing import JointStopperContract, StopperContract


class Contract(StopperContract):
    settings: StopperSettings

    def make(self) -> Stopper:
        return rule_for(self.settings, "loss")


class TestHyperbandCountedUp(Contract):
    settings = HyperbandSettings(min_iter=3)


class TestHyperbandCountedDown(Contract):
    settings = HyperbandSettings(max_iter=40, s=3, eta=2)


class TestHyperbandByTheBest(Contract):
    settings = HyperbandSettings(min_iter=1, eta=1.5, strict=False)


class TestAshaThatStops(Contract):
    settings = AshaSettings(max_iter=60)


class TestAshaThatStopsWithoutAnEnd(Contract):
    settings = AshaSettings(min_iter=2, eta=2, compare="value")


class TestAshaThatPromotes(Contract):
    settings = AshaSettings(max_iter=60, mode="promote")


class TestAshaWithBrackets(Contract):
    settings = AshaSettings(max_iter=60, brackets=2)


class TestBohb(Contract):
    settings = BohbSettings(max_iter=60)


class TestMedian(Contract):
    settings = MedianSettings()


class TestMedianByTheBest(Contract):
    settings = MedianSettings(compare="best")


class TestCurve(Contract):
    settings = CurveSettings(max_iter=60)


class TestPbt(Contract):
    settings = PbtSettings(interval=11)


class TestPlateau(Contract):
    settings = PlateauSettings(patience=6, min_delta=0.02)
    compares = False


class TestThreshold(Contract):
    settings = ThresholdSettings(above=1.5, below=-1.0, after=10)
    compares = False


class TestHeld(Contract):
    settings = Guarded(AshaSettings(max_iter=60), Guard(warmup=5, min_peers=3, non_finite="stop"))


class TestAnyOf(Contract):
    settings = AnyOf((BohbSettings(max_iter=60), Guarded(MedianSettings(), Guard(min_peers=5, warmup=10))))


class Jointly(JointStopperContract):
    settings: StopperSettings

    def make(self, metrics: Sequence[Metric]) -> Stopper:
        return rule_for(self.settings, "loss", metrics)


class TestHyperbandInSeveralMetrics(Jointly):
    settings = HyperbandSettings(min_iter=3)


class TestHyperbandByTheBestInSeveralMetrics(Jointly):
    settings = HyperbandSettings(min_iter=1, eta=1.5, strict=False)


class TestAshaThatStopsInSeveralMetrics(Jointly):
    settings = AshaSettings(max_iter=60, compare="value")


class TestAshaByTheBestOfEachMetric(Jointly):
    settings = AshaSettings(max_iter=60, eta=2)


class TestAshaThatPromotesInSeveralMetrics(Jointly):
    settings = AshaSettings(max_iter=60, mode="promote", compare="value")


class TestBohbInSeveralMetrics(Jointly):
    settings = BohbSettings(max_iter=60, compare="value")


class TestMedianInSeveralMetrics(Jointly):
    settings = MedianSettings()


class TestMedianByTheBestOfEachMetric(Jointly):
    settings = MedianSettings(compare="best")


class TestPbtInSeveralMetrics(Jointly):
    settings = PbtSettings(interval=11)


class TestHeldInSeveralMetrics(Jointly):
    settings = Guarded(AshaSettings(max_iter=60, compare="value"), Guard(warmup=5, min_peers=3, non_finite="stop"))


class TestAnyOfInSeveralMetrics(Jointly):
    settings = AnyOf((AshaSettings(max_iter=60, compare="value"), MedianSettings()))
