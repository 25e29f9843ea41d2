"""The sweep file: from YAML or a mapping to a checked, frozen `SweepSpec`."""

from __future__ import annotations

from swath.sweeps.spec.faults import Fault, SpecFaults
from swath.sweeps.spec.model import Budget, HyperbandSettings, Metric, Repeats, Resources, Retry, SweepSpec, WarmStart
from swath.sweeps.spec.parse import load_spec, parse_spec
from swath.sweeps.spec.schema import json_schema

__all__ = [
    "Budget",
    "Fault",
    "HyperbandSettings",
    "Metric",
    "Repeats",
    "Resources",
    "Retry",
    "SpecFaults",
    "SweepSpec",
    "WarmStart",
    "json_schema",
    "load_spec",
    "parse_spec",
]
