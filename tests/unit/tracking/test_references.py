"""Every digest is found wherever it stands in a log or a table, also across the seam of two pieces."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from swath.tracking.blobs import Blobs
from swath.tracking.media.image import Image
from swath.tracking.media.table import Table
from swath.tracking.runlog.encoding import pack
from swath.tracking.runlog.records import Row, Saved
from swath.tracking.runlog.references import SEAM, blobs_behind, digests_in, digests_in_blob

ONE, TWO = (hashlib.sha256(text).hexdigest() for text in (b"one", b"two"))


def test_digests_stand_in_saved_records_and_deep_in_rows() -> None:
    row = Row(0, 1.0, {"a": {"b": [{"_type": "image-file", "sha256": TWO, "size": 3}]}, "text": ONE[:63], "more": TWO})
    assert digests_in(pack(row)) == [TWO]
    assert digests_in(pack(Saved(1.0, "a.bin", ONE, 3)) + pack(row)) == [ONE, TWO]


def test_a_digest_across_two_pieces_is_found_with_the_seam() -> None:
    data = b"x" * 100 + pack(Saved(1.0, "a.bin", ONE, 3)) + b"y" * 100
    for cut in range(1, len(data)):
        pieces = digests_in(data[:cut]) + digests_in(data[max(0, cut - SEAM) :])
        assert set(pieces) == {ONE}


def test_tables_name_the_media_in_their_cells_and_other_files_name_none(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    image = Image(np.zeros((4, 4, 3), np.uint8))
    digest = image.to_record(blobs)["sha256"]
    padding = [["x" * 1000, None]] * 3000
    table = Table(columns=["a", "b"], data=[*padding, ["x", image]]).to_record(blobs)
    assert digests_in_blob(blobs.path(table["sha256"])) == [digest]
    assert digests_in_blob(blobs.path(digest)) == []
    assert digests_in_blob(blobs.path(blobs.put(pack(Saved(1.0, "a.bin", ONE, 3))))) == []
    assert digests_in_blob(blobs.path(blobs.put(b""))) == []


def test_a_blob_comes_after_those_that_it_speaks_of_each_once_and_none_that_is_done(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    image = Image(np.zeros((4, 4, 3), np.uint8))
    inner = Table(columns=["image"], data=[[image]])
    outer = Table(columns=["table", "image"], data=[[inner, image]]).to_record(blobs)["sha256"]
    picture, table = image.to_record(blobs)["sha256"], inner.to_record(blobs)["sha256"]
    assert [digest for digest, _ in blobs_behind(outer, blobs, ())] == [picture, table, outer]
    assert [digest for digest, _ in blobs_behind(outer, blobs, {picture})] == [table, outer]
    assert list(blobs_behind(outer, blobs, {outer})) == []
    assert list(blobs_behind(ONE, blobs, ())) == []
    assert [path for _, path in blobs_behind(picture, blobs, ())] == [blobs.path(picture)]
