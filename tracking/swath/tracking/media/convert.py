"""Which values of `log()` are media: media themselves, and what other libraries make (figures, pictures, frames)."""

from __future__ import annotations

import sys
from typing import Any

from swath.tracking.media.base import Media


def as_media(value: Any) -> Media | None:
    """The value as media; None when it is none. A library is only looked at when the program has loaded it."""
    if isinstance(value, Media):
        return value
    if _is(value, "matplotlib.figure", "Figure") or (value is not None and value is _pyplot()):
        from swath.tracking.media.image import Image

        return Image(value)
    if _is(value, "PIL.Image", "Image"):
        from swath.tracking.media.image import Image

        return Image(value)
    if _is(value, "plotly.graph_objs", "Figure"):
        from swath.tracking.media.plotly import Plotly

        return Plotly(value)
    if _is(value, "pandas", "DataFrame"):
        from swath.tracking.media.table import Table

        return Table(dataframe=value)
    if hasattr(value, "shape") and hasattr(value, "tolist"):
        from swath.tracking.media.histogram import Histogram

        return Histogram(value)
    return None


def _pyplot() -> object:
    return sys.modules.get("matplotlib.pyplot")


def _is(value: object, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)
