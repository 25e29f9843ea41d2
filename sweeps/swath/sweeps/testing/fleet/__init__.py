"""A deterministic simulation of a whole fleet: one seed, one process, simulated time, the product's own code."""

from __future__ import annotations

from swath.sweeps.testing.fleet.simulation import Verdict, broken_among, simulate

__all__ = ["Verdict", "broken_among", "simulate"]
