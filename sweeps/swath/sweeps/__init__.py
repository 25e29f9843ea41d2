"""Hyperparameter sweeps: `sweeps.run(spec, train)` makes one, runs it and gives back the best configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swath.sweeps.api import agent, call, create, run, sweep
    from swath.sweeps.result import BestTrial, Result
    from swath.sweeps.spec import SweepSpec
    from swath.sweeps.workspace import Workspace

__all__ = ["BestTrial", "Result", "SweepSpec", "Workspace", "agent", "call", "create", "run", "sweep"]

_HOMES = {
    "run": "swath.sweeps.api",
    "create": "swath.sweeps.api",
    "sweep": "swath.sweeps.api",
    "agent": "swath.sweeps.api",
    "call": "swath.sweeps.api",
    "Result": "swath.sweeps.result",
    "BestTrial": "swath.sweeps.result",
    "SweepSpec": "swath.sweeps.spec",
    "Workspace": "swath.sweeps.workspace",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, and only then: `from swath import sweeps` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
