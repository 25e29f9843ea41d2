"""Help for tests of the tracker and of what stands on it; shipped, so that users' own suites may use it."""

from swath.tracking.testing.capture import Captured, CapturedRun, capture_runs
from swath.tracking.testing.clock import FakeClock

__all__ = ["Captured", "CapturedRun", "FakeClock", "capture_runs"]
