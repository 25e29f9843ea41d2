"""Captures the runs of a block in memory, for the test suites of programs that are tracked; nothing is left behind."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from swath.tracking import layout
from swath.tracking.apply.fold import fold
from swath.tracking.context import CAPTURED
from swath.tracking.runlog import records as kinds
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.history import read_history, read_records
from swath.tracking.runlog.logfile import read_from
from swath.tracking.store import RunRow

_MEMORY = "/dev/shm"


class _Told(NamedTuple):
    """What the log of a run says."""

    rows: list[kinds.Row]
    run: RunRow
    alerts: list[kinds.Alert]


class CapturedRun:
    """A run as it was recorded so far; after the block, as it was at its end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: _Told | None = None

    @property
    def id(self) -> str:
        """The run's id."""
        return self._folder.name

    @property
    def history(self) -> list[dict[str, Any]]:
        """The rows by step, each with its `_step`."""
        return [{"_step": row.step, **row.values} for row in self._told().rows]

    @property
    def row(self) -> RunRow:
        """Name, state, config, summary and the rest, as a store would know them."""
        return self._told().run

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
        return self._told().alerts

    def keep(self) -> None:
        """Remember what the log says: it is about to go."""
        self._last = self._told()

    def _told(self) -> _Told:
        if self._last is not None:
            return self._last
        run = RunRow(id=self.id)
        for path in layout.segments(self._folder):
            run = fold(run, path.name, HEADER_SIZE, read_from(path, 0), True, lambda: self._folder).run
        alerts = [record for record in read_records(self._folder) if isinstance(record, kinds.Alert)]
        return _Told(read_history(self._folder), run, alerts)


class Captured:
    """The runs of a `capture_runs` block, in the block and after it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._kept: list[CapturedRun] | None = None

    @property
    def runs(self) -> list[CapturedRun]:
        """All runs that were begun, oldest first."""
        if self._kept is not None:
            return self._kept
        found = [CapturedRun(folder) for folder in (self._root / "runs").glob("*")]
        return sorted(found, key=lambda run: run.row.created)

    def keep(self) -> None:
        """Remember all runs: the folder is about to go."""
        kept = self.runs
        for run in kept:
            run.keep()
        self._kept = kept


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
    captured = Captured(root)
    try:
        yield captured
    finally:
        CAPTURED.reset(token)
        captured.keep()
        shutil.rmtree(root, ignore_errors=True)
