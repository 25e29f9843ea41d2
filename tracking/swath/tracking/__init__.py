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
from swath.tracking.runs.config import Config
from swath.tracking.runs.handle import Run
from swath.tracking.runs.summary import Summary
from swath.tracking.sdk import (
    alert,
    define_metric,
    finish,
    init,
    log,
    log_code,
    mark_preempting,
    save,
    unwatch,
    watch,
)
from swath.tracking.sdk import module_attribute as __getattr__  # noqa: F401
from swath.tracking.settings import Settings

if TYPE_CHECKING:
    from swath.tracking import plot
    from swath.tracking.api import Api
    from swath.tracking.media.audio import Audio
    from swath.tracking.media.histogram import Histogram
    from swath.tracking.media.html import Html
    from swath.tracking.media.image import Image
    from swath.tracking.media.masks import Classes
    from swath.tracking.media.molecule import Molecule
    from swath.tracking.media.object3d import Object3D, box3d
    from swath.tracking.media.plotly import Plotly
    from swath.tracking.media.table import Table
    from swath.tracking.media.video import Video
    from swath.tracking.plot import plot_table
    from swath.tracking.targets import AlertLevel

    run: Run | None
    config: Config
    summary: Summary

__all__ = [
    "AlertLevel",
    "Api",
    "Audio",
    "Classes",
    "Config",
    "Histogram",
    "Html",
    "Image",
    "LeaseLost",
    "Molecule",
    "NotAllowed",
    "NotFound",
    "Object3D",
    "Plotly",
    "RetryLater",
    "Run",
    "Settings",
    "SpecError",
    "StoreCorrupt",
    "StoreFull",
    "Summary",
    "SwathError",
    "SweepOver",
    "Table",
    "TrialContext",
    "TrialStopped",
    "UsageError",
    "Video",
    "alert",
    "box3d",
    "define_metric",
    "entered",
    "finish",
    "init",
    "log",
    "log_code",
    "mark_preempting",
    "plot",
    "plot_table",
    "save",
    "unwatch",
    "watch",
]
