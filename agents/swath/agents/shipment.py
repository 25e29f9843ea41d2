"""What of one attempt was delivered to its source and what is new: bytes of its log, and the blobs they speak of."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from swath.agents.protocol import Chunk, TrialSource
from swath.tracking import layout
from swath.tracking.blobs import Blobs
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.logfile import read_from
from swath.tracking.runlog.references import SEAM, blobs_behind, digests_in

#: Bytes of one report.
MOST_BYTES = 4 * 1024 * 1024


class Shipment:
    """What of one attempt's segments was delivered, and what is new."""

    def __init__(self, run_dir: Path, attempt: int) -> None:
        self._run_dir = str(run_dir)
        self._prefix = f"{attempt:04d}"
        self._delivered: dict[str, int] = {}
        self._ends: dict[str, bytes] = {}
        self._blobs = Blobs(layout.blobs_dir(run_dir))
        self._has_own_blobs = self._blobs.root.parent == run_dir
        self._kept: set[str] = set()

    def pending(self) -> list[Chunk]:
        """The bytes that are new since the last `delivered`, in chunks of at most `MOST_BYTES`."""
        return [chunk for name in self._segments() for chunk in self._new_in(name)]

    def keep_blobs(self, source: TrialSource, chunks: Sequence[Chunk]) -> None:
        """Hand over the blobs that these chunks speak of, before the chunks themselves; each once.

        It costs as much as there is new, however many blobs the run has. Nothing where the store has them.
        """
        if not self._has_own_blobs:
            return
        ends = dict(self._ends)
        for chunk in chunks:
            data = ends.get(chunk.segment, b"") + chunk.data  # a digest may stand across the seam
            for digest in digests_in(data):
                for each, path in blobs_behind(digest, self._blobs, self._kept):
                    source.keep(each, path)
                    self._kept.add(each)
            ends[chunk.segment] = data[-SEAM:]

    def delivered(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self._delivered[chunk.segment] = chunk.offset + len(chunk.data)
            self._ends[chunk.segment] = (self._ends.get(chunk.segment, b"") + chunk.data[-SEAM:])[-SEAM:]

    def _segments(self) -> list[str]:
        try:
            names = os.listdir(self._run_dir)
        except FileNotFoundError:
            return []
        prefix = self._prefix
        after = len(prefix)
        return sorted(
            name for name in names if name.startswith(prefix) and name.endswith(".log") and name[after] in ".-"
        )

    def _new_in(self, name: str) -> Iterator[Chunk]:
        offset = self._delivered.get(name, HEADER_SIZE)
        data = read_from(f"{self._run_dir}/{name}", offset)
        for start in range(0, len(data), MOST_BYTES):
            yield Chunk(name, offset + start, data[start : start + MOST_BYTES])


def loads(chunks: Sequence[Chunk]) -> Iterator[list[Chunk]]:
    """`chunks` in groups that fit one report each."""
    load: list[Chunk] = []
    size = 0
    for chunk in chunks:
        if load and size + len(chunk.data) > MOST_BYTES:
            yield load
            load, size = [], 0
        load.append(chunk)
        size += len(chunk.data)
    if load:
        yield load
