"""`RunSource`: what `Api` needs of whoever keeps the runs, be it a folder of this machine or a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from swath.tracking.api.query import Query
from swath.tracking.blobs import Blobs
from swath.tracking.runlog.records import AnyRecord, Config, Row, Summary, Update
from swath.tracking.store import RunRow

Change = Config | Summary | Update


class FileInfo(msgspec.Struct, frozen=True):
    """A file of a run: its path among the run's files, `/` between folders. `sha256`: "" when it is still changing."""

    name: str
    size: int
    sha256: str = ""
    time: float = 0.0


class RunSource(Protocol):
    """Keeps runs. May be used by several threads.

    Every method that takes a `run_id` raises `NotFound` when there is no such run, `find` and `rows` aside.
    """

    @property
    def place(self) -> str:
        """Where the runs are kept, for messages."""
        ...

    def find(self, query: Query) -> list[str]:
        """The ids of the runs that a query means, in its order, from what the logs say at this moment.

        Runs of equal order stand by the time they were created.
        """
        ...

    def rows(self, ids: Sequence[str]) -> dict[str, RunRow]:
        """Those of the runs that there are, as `find` saw them or later."""
        ...

    def row(self, run_id: str) -> RunRow:
        """One run, from what its log says at this moment."""
        ...

    def history(
        self, run_id: str, first: int | None = None, end: int | None = None, page_size: int = 1000
    ) -> Iterator[Row]:
        """The rows of the last attempt from step `first` on and before step `end`, by step and then by time.

        What a rewind has left behind is not among them. They are given in bounded memory, as they were when the first
        was asked for. `page_size`: how many are fetched at a time, where they are.
        """
        ...

    def records(self, run_id: str, kinds: tuple[type[AnyRecord], ...], every_attempt: bool = False) -> list[AnyRecord]:
        """The records of some kinds in the order of their log; of the last attempt unless all are asked for."""
        ...

    def segments(self, run_id: str) -> dict[str, int]:
        """Up to where each segment of the run's log can be read; empty for a run that has no log here."""
        ...

    def segment(self, run_id: str, name: str, offset: int) -> bytes:
        """Bytes of a segment from `offset` on, a few megabytes at most; b"" at its end."""
        ...

    def files(self, run_id: str) -> list[FileInfo]:
        """The run's files by name: what was saved, in its last version, and what lies in its folder besides."""
        ...

    def read_file(self, run_id: str, file: FileInfo) -> bytes:
        """What a file holds. Raises `NotFound` when it is not there any more."""
        ...

    def copy_file(self, run_id: str, file: FileInfo, target: Path) -> None:
        """Write what a file holds to `target`, which is overwritten. Raises `NotFound` as `read_file` does."""
        ...

    def blobs(self, run_id: str) -> Blobs:
        """Where the bytes of the run's media are read."""
        ...

    def change(self, run_id: str, changes: Sequence[Change]) -> RunRow:
        """Record changes in the run's own log and in its row, both or neither; the row as it is then."""
        ...

    def delete(self, run_id: str) -> None:
        """Remove a run, its log and its folder; bytes among the blobs stay, since other runs may have the same.

        Raises `NotAllowed` for a run that is going on, and for a trial of a sweep.
        """
        ...

    def url(self, run_id: str) -> str:
        """Where people see the run."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...
