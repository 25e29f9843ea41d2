"""From the record of a media value back to the value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotFound, StoreCorrupt, UsageError
from swath.tracking.media.audio import Audio
from swath.tracking.media.base import Media
from swath.tracking.media.chart import Chart
from swath.tracking.media.files import DAMAGED
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
    """The value that a record stands for. Raises `NotFound` when its bytes are not here, or were never kept."""
    kind = KINDS.get(str(record.get("_type")))
    if kind is None:
        raise UsageError(f"{record.get('_type')!r} is no kind of media", f"known are {', '.join(sorted(KINDS))}")
    if "error" in record:
        raise NotFound(f"the {kind.TYPE} was {record['error']}", "the disk refused it when it was logged")
    try:
        return kind.from_record(record, blobs)
    except (AttributeError, KeyError, TypeError) as error:
        raise StoreCorrupt(f"a record of type {kind.TYPE} is not whole: {error!r}", DAMAGED) from None
