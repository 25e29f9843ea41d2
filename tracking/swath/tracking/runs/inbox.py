"""Checkpoints that come from other machines: their parts are gathered in the run's folder until all are there."""

from __future__ import annotations

from pathlib import Path

from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotFound
from swath.tracking.runs.checkpoints import Checkpoint, Checkpoints, Manifest


class Inbox:
    """The parts that came for one run. Holds nothing itself: made anew for each question."""

    def __init__(self, run_dir: Path) -> None:
        self._checkpoints = Checkpoints(run_dir)
        self.blobs = Blobs(self._checkpoints.inbox)

    def missing(self, manifest: Manifest) -> tuple[str, ...]:
        """The digests of parts that are neither here nor in a checkpoint that is kept."""
        known = self._known()
        return tuple(
            sorted(each for each in manifest.digests if each not in known and not self.blobs.path(each).exists())
        )

    def keep(self, manifest: Manifest) -> bool:
        """Make it the newest checkpoint, all at once; False when it is that already."""
        newest = self._checkpoints.newest()
        if newest is not None and newest.note == manifest.note and newest.known_parts() == manifest.parts:
            return False
        known = self._known()
        self._checkpoints.assemble(manifest, lambda digest: known.get(digest) or self.blobs.path(digest))
        return True

    def newest(self) -> Manifest:
        """What the newest checkpoint consists of. Raises `NotFound` where there is none."""
        return self._newest().manifest()

    def part(self, digest: str) -> Path:
        """Where a part of the newest checkpoint lies. Raises `NotFound` when it has none of that digest."""
        newest = self._newest()
        for part in newest.manifest().parts:
            if part.digest == digest:
                return newest.folder / part.path
        raise NotFound(f"the checkpoint has no part {digest}", "ask for the checkpoint again: there is a newer one")

    def _newest(self) -> Checkpoint:
        found = self._checkpoints.newest()
        if found is None:
            raise NotFound("the run has no checkpoint here", "it begins anew")
        return found

    def _known(self) -> dict[str, Path]:
        """The parts of the checkpoints that are kept, where they are known."""
        return {
            part.digest: kept.folder / part.path
            for kept in self._checkpoints.kept()
            for part in kept.known_parts() or ()
            if part.digest
        }
