"""Every stopper keeps the contract."""

from __future__ import annotations

from swath.sweeps.spec import HyperbandSettings
from swath.sweeps.stopping import Hyperband, Stopper
from swath.sweeps.testing import StopperContract


class TestHyperbandCountedUp(StopperContract):
    def make(self) -> Stopper:
        return Hyperband(HyperbandSettings(min_iter=3))


class TestHyperbandCountedDown(StopperContract):
    def make(self) -> Stopper:
        return Hyperband(HyperbandSettings(max_iter=40, s=3, eta=2))


class TestHyperbandByTheBest(StopperContract):
    def make(self) -> Stopper:
        return Hyperband(HyperbandSettings(min_iter=1, eta=1.5, strict=False))
