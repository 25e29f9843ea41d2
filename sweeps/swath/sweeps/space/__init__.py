"""The typed search space of a sweep: what a config may be, and the maps to the unit cube and to numbers."""

from __future__ import annotations

from swath.sweeps.space.beliefs import Belief
from swath.sweeps.space.expressions import Expression, ExpressionFault
from swath.sweeps.space.faults import SpaceFault
from swath.sweeps.space.leaves import Condition, Config, Leaf, find, read_leaves, value_in
from swath.sweeps.space.space import SearchSpace

__all__ = [
    "Belief",
    "Condition",
    "Config",
    "Expression",
    "ExpressionFault",
    "Leaf",
    "SearchSpace",
    "SpaceFault",
    "find",
    "read_leaves",
    "value_in",
]
