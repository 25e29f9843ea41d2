"""Early stopping: the `Stopper` protocol and its rules."""

from __future__ import annotations

from swath.sweeps.spec.model import SweepSpec
from swath.sweeps.stopping.base import Decision, Stopper
from swath.sweeps.stopping.hyperband import Hyperband

__all__ = ["Decision", "Hyperband", "Stopper", "make_stopper"]


def make_stopper(spec: SweepSpec) -> Stopper | None:
    """The rule that `spec` asks for; None when trials run to their end."""
    if spec.early_terminate is None or spec.metric is None:
        return None
    return Hyperband(spec.early_terminate, spec.metric.name)
