"""Captures the runs of a block in memory, for the test suites of programs that are tracked; nothing is left behind."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swath.tracking import layout
from swath.tracking import records as kinds
from swath.tracking.apply import fold
from swath.tracking.context import CAPTURED
from swath.tracking.frames import HEADER_SIZE
from swath.tracking.history import read_history, read_records
from swath.tracking.runlog import read_from
from swath.tracking.store import RunRow

_MEMORY = "/dev/shm"


class CapturedRun:
    """A run as it was recorded so far, read anew at each question."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def id(self) -> str:
        """The run's id."""
        return self._folder.name

    @property
    def history(self) -> list[dict[str, Any]]:
        """The rows by step, each with its `_step`."""
        return [{"_step": row.step, **row.values} for row in read_history(self._folder)]

    @property
    def row(self) -> RunRow:
        """Name, state, config, summary and the rest, as a store would know them."""
        run = RunRow(id=self.id)
        for path in layout.segments(self._folder):
            run = fold(run, path.name, HEADER_SIZE, read_from(path, 0), True, lambda: self._folder).run
        return run

    @property
    def config(self) -> dict[str, Any]:
        """The config."""
        return self.row.config

    @property
    def summary(self) -> dict[str, Any]:
        """The summary."""
        return self.row.summary

    @property
    def state(self) -> str:
        """running, finished, failed, ..."""
        return self.row.state

    @property
    def alerts(self) -> list[kinds.Alert]:
        """The alerts that were raised."""
        return [record for record in read_records(self._folder) if isinstance(record, kinds.Alert)]


class Captured:
    """The runs of a `capture_runs` block, oldest first."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def runs(self) -> list[CapturedRun]:
        """All runs that were begun."""
        folders = sorted((self._root / "runs").glob("*"), key=lambda path: path.stat().st_ctime_ns)
        return [CapturedRun(folder) for folder in folders]


@contextmanager
def capture_runs() -> Iterator[Captured]:
    """Let every run that begins in the block (in this thread or task) be recorded in memory, and only there.

    with capture_runs() as captured:
        train()
    assert captured.runs[0].summary["loss"] < 0.1
    """
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    root = Path(tempfile.mkdtemp(prefix="swath-capture-", dir=memory))
    token = CAPTURED.set(root)
    try:
        yield Captured(root)
    finally:
        CAPTURED.reset(token)
        shutil.rmtree(root, ignore_errors=True)
