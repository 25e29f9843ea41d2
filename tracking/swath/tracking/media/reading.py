"""From the record of a media value back to the value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media.audio import Audio
from swath.tracking.media.base import Media
from swath.tracking.media.chart import Chart
from swath.tracking.media.histogram import Histogram
from swath.tracking.media.html import Html
from swath.tracking.media.image import Image
from swath.tracking.media.molecule import Molecule
from swath.tracking.media.object3d import Object3D
from swath.tracking.media.plotly import Plotly
from swath.tracking.media.table import Table
from swath.tracking.media.video import Video

KINDS: dict[str, type[Media]] = {
    kind.TYPE: kind for kind in (Audio, Chart, Histogram, Html, Image, Molecule, Object3D, Plotly, Table, Video)
}


def read_media(record: Mapping[str, Any], blobs: Blobs) -> Media:
    """The value that a record stands for. Raises `NotFound` when its bytes are not here."""
    kind = KINDS.get(str(record.get("_type")))
    if kind is None:
        raise UsageError(f"{record.get('_type')!r} is no kind of media", f"known are {', '.join(sorted(KINDS))}")
    return kind.from_record(record, blobs)
