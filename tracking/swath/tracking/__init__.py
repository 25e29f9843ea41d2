"""swath's experiment tracker: `init()`, `log()`, `finish()`; may be imported as `wandb`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swath.tracking.context import TrialContext, entered
from swath.tracking.errors import (
    LeaseLost,
    NotAllowed,
    NotFound,
    RetryLater,
    SpecError,
    StoreCorrupt,
    StoreFull,
    SwathError,
    SweepOver,
    TrialStopped,
    UsageError,
)
from swath.tracking.handle import Run
from swath.tracking.runconfig import Config
from swath.tracking.runsummary import Summary
from swath.tracking.sdk import finish, init, log
from swath.tracking.sdk import module_attribute as __getattr__  # noqa: F401
from swath.tracking.settings import Settings

if TYPE_CHECKING:
    run: Run | None
    config: Config
    summary: Summary

__all__ = [
    "Config",
    "LeaseLost",
    "NotAllowed",
    "NotFound",
    "RetryLater",
    "Run",
    "Settings",
    "SpecError",
    "StoreCorrupt",
    "StoreFull",
    "Summary",
    "SwathError",
    "SweepOver",
    "TrialContext",
    "TrialStopped",
    "UsageError",
    "entered",
    "finish",
    "init",
    "log",
]
