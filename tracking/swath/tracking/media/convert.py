"""Which values of `log()` are media: media themselves, and what other libraries make (figures, pictures, frames)."""

from __future__ import annotations

import sys
from typing import Any

from swath.tracking.media.base import Media


def as_media(value: Any) -> Media | None:
    """The value as media; None when it is none. A library is only looked at when the program has loaded it."""
    if isinstance(value, Media):
        return value
    if _is_drawn(value):
        from swath.tracking.media.image import Image

        return Image(value)
    if _is(value, "PIL.Image", "Image"):
        from swath.tracking.media.image import Image

        return Image(value)
    if _is(value, "plotly.basedatatypes", "BaseFigure"):
        from swath.tracking.media.plotly import Plotly

        return Plotly(value)
    if _is(value, "pandas", "DataFrame"):
        from swath.tracking.media.table import Table

        return Table(dataframe=value)
    if hasattr(value, "shape") and hasattr(value, "tolist") and getattr(value.dtype, "kind", "f") in "biuf":
        from swath.tracking.media.histogram import Histogram

        return Histogram(value)
    return None


def _is_drawn(value: object) -> bool:
    """Whether a value is a figure of matplotlib, axes in one, or `pyplot`."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    is_figure = _is(value, "matplotlib.figure", "Figure") or _is(value, "matplotlib.axes", "Axes")
    return is_figure or (value is not None and value is pyplot)


def _is(value: object, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)
