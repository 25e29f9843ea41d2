"""Every stopper keeps the contract."""

from __future__ import annotations

from swath.sweeps.spec import HyperbandSettings
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
from swath.sweeps.testing import StopperContract


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
