"""`Plotly`: an interactive figure as JSON, of plotly or converted from matplotlib; the one file that imports plotly."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Self

import msgspec

from swath.tracking.blobs import Blobs
from swath.tracking.errors import StoreCorrupt, UsageError
from swath.tracking.media.base import Media, needs
from swath.tracking.media.cells import plain_cell
from swath.tracking.runlog.encoding import type_name

_PARTS = {"data", "layout", "frames", "config"}


class Plotly(Media):
    """A figure of plotly, a dict of that form (`data`, and `layout` where there is one), or a matplotlib figure.

    It is written to JSON at once, so what happens to the figure later changes nothing. Numbers that JSON lacks (NaN)
    are null in a dict's lists, which plotly draws as a gap. A matplotlib figure, axes or `pyplot` itself is converted
    by `plotly.tools.mpl_to_plotly`, which knows lines, points, bars and text; pictures in axes it does not know.
    """

    TYPE = "plotly-file"

    def __init__(self, figure: Any) -> None:
        self._json = _json(figure)

    def to_dict(self) -> dict[str, Any]:
        """The figure's JSON as Python values."""
        return dict(msgspec.json.decode(self._json))

    @property
    def figure(self) -> Any:
        """The plotly figure."""
        try:
            import plotly.io
        except ImportError:
            raise needs("plotly", "media", "the figure of a Plotly value") from None
        shown = {part: value for part, value in self.to_dict().items() if part != "config"}
        return plotly.io.from_json(msgspec.json.encode(shown).decode(), skip_invalid=True)

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, Plotly) else NotImplemented

    def __hash__(self) -> int:
        return hash(msgspec.json.encode(self.to_dict(), order="sorted"))

    def to_record(self, blobs: Blobs) -> dict[str, Any]:
        """The record; the JSON is among the blobs."""
        digest = blobs.put(self._json)
        return {"_type": self.TYPE, "sha256": digest, "size": len(self._json), "format": "json"}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], blobs: Blobs) -> Self:
        """The figure that was recorded."""
        content = blobs.read(record["sha256"])
        try:
            msgspec.json.decode(content, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise StoreCorrupt(f"the bytes of a plotly figure are damaged: {error}", "restore the file") from None
        plot = cls.__new__(cls)
        plot._json = content
        return plot


def _json(figure: Any) -> bytes:
    if isinstance(figure, Mapping):
        return _dict_json(figure)
    if _is_of(figure, "matplotlib"):
        figure = _converted(_matplotlib_figure(figure))
    if not (_is_of(figure, "plotly") and hasattr(figure, "to_plotly_json") and hasattr(figure, "to_json")):
        raise UsageError(
            f"Plotly() was given {type_name(figure)}",
            "pass a plotly figure, a dict with its data and layout, or a matplotlib figure",
        )
    return str(figure.to_json()).encode()


def _dict_json(figure: Mapping[Any, Any]) -> bytes:
    parts = {part: _plain_part(value) for part, value in figure.items()}
    traces = parts.get("data", [])
    is_figure = bool(parts) and parts.keys() <= _PARTS and isinstance(traces, list)
    if not is_figure or not all(isinstance(trace, Mapping) for trace in traces):
        raise UsageError(
            f"a dict with {sorted(map(str, figure))} is no plotly figure",
            'pass {"data": [{"type": "scatter", "x": [...], "y": [...]}], "layout": {...}}',
        )
    try:
        return msgspec.json.encode(plain_cell(parts, "a plotly figure"))
    except (TypeError, OverflowError, UnicodeEncodeError) as error:
        raise UsageError(f"the plotly figure is not JSON: {error}", "pass numbers, text, lists and dicts") from None


def _plain_part(value: Any) -> Any:
    """A part of a figure, or a trace: plotly's objects become dicts."""
    if isinstance(value, list | tuple):
        return [_plain_part(each) for each in value]
    return value.to_plotly_json() if hasattr(value, "to_plotly_json") else value


def _is_of(value: Any, package: str) -> bool:
    """Whether a value is an instance of a class of that package, or its module."""
    if isinstance(value, ModuleType):
        return value.__name__.partition(".")[0] == package
    return any(kind.__module__.partition(".")[0] == package for kind in type(value).__mro__)


def _matplotlib_figure(value: Any) -> Any:
    """The whole figure of pyplot, of a figure, or of something drawn in one."""
    if isinstance(value, ModuleType):
        value = sys.modules["matplotlib.pyplot"].gcf()
    owner = getattr(value, "figure", None)
    while owner is not None and owner is not value:
        value, owner = owner, getattr(owner, "figure", None)
    if not hasattr(value, "axes"):
        raise UsageError(f"{type_name(value)} belongs to no figure", "pass the figure: matplotlib.pyplot.gcf()")
    if any(axes.images for axes in value.axes):
        raise UsageError(
            "a matplotlib figure with pictures in it cannot be made a plotly figure", "log it as Image(figure)"
        )
    return value


def _converted(figure: Any) -> Any:
    try:
        import plotly.tools
    except ImportError:
        raise needs("plotly", "media", "Plotly of a matplotlib figure") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the converter's own use of matplotlib
            return plotly.tools.mpl_to_plotly(figure)
    except Exception as error:  # it raises whatever it stumbles over
        raise UsageError(
            f"the matplotlib figure cannot be made a plotly figure: {type(error).__name__}: {error}",
            "log it as Image(figure)",
        ) from error
