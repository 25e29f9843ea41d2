"""Contract suites: subclass one for your own searcher or stopper and let pytest run it."""

from __future__ import annotations

from swath.sweeps.testing.joint_stoppers import JointStopperContract
from swath.sweeps.testing.searchers import SearcherContract
from swath.sweeps.testing.stoppers import StopperContract

__all__ = ["JointStopperContract", "SearcherContract", "StopperContract"]
