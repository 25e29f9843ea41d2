"""Reading media back from their records says what is wrong with one that is damaged or was never kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotFound, StoreCorrupt, UsageError
from swath.tracking.media.reading import KINDS, read_media


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_record_without_what_it_should_say_is_damaged(tmp_path: Path, kind: str) -> None:
    with pytest.raises(StoreCorrupt):
        read_media({"_type": kind}, Blobs(tmp_path))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_the_disk_refused_is_not_found_for_that_reason(tmp_path: Path, kind: str) -> None:
    with pytest.raises(NotFound, match="not kept: No space left"):
        read_media({"_type": kind, "error": "not kept: No space left on device"}, Blobs(tmp_path))


def test_an_unknown_kind_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'hologram'"):
        read_media({"_type": "hologram"}, Blobs(tmp_path))
