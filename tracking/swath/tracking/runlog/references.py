"""Which blobs the bytes of a run log or of a table speak of; it decodes nothing.

A digest is a string of 64 characters, which msgpack writes in one way only, so that it is found wherever it stands: in
a row, nested in a medium's record, in a `Saved` record, in a table's cell. Other strings of 64 hexadecimal digits are
found as well, and name no blob.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from pathlib import Path

from swath.tracking.blobs import Blobs

_DIGEST = re.compile(rb"\xd9\x40([0-9a-f]{64})")
#: How the msgpack map of a table begins: a small map whose first key is "version".
_TABLE = re.compile(rb"[\x80-\x8f]\xa7version")
_BLOCK = 1024 * 1024
#: So many bytes before a piece of data are searched along with it: a digest may stand across the seam.
SEAM = 66


def digests_in(data: bytes) -> list[str]:
    """The digests in `data`, each once, in order."""
    return list(dict.fromkeys(found.decode() for found in _DIGEST.findall(data)))


def digests_in_blob(path: Path) -> list[str]:
    """The digests in a table's blob; none in any other."""
    with path.open("rb") as file:
        data = file.read(_BLOCK)
        if not _TABLE.match(data):
            return []
        found = digests_in(data)
        while block := file.read(_BLOCK):
            data = data[-SEAM:] + block
            found += digests_in(data)
    return list(dict.fromkeys(found))


def blobs_behind(digest: str, blobs: Blobs, done: Container[str]) -> Iterator[tuple[str, Path]]:
    """The blob of a digest, after those that it speaks of: each once, with its file.

    Without those that are `done`, which stand for all behind them, and those that are not here: a digest may be no
    blob's.
    """
    return _behind(digest, blobs, done, set())


def _behind(digest: str, blobs: Blobs, done: Container[str], met: set[str]) -> Iterator[tuple[str, Path]]:
    path = blobs.path(digest)
    if digest in met or digest in done or not path.exists():
        return
    met.add(digest)  # before those in it: whatever they say, this ends
    for inner in digests_in_blob(path):
        yield from _behind(inner, blobs, done, met)
    yield digest, path
