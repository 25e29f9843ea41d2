"""The last values of a metric of running trials, read from their logs piece by piece; it keeps where it stood."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from swath.sweeps.cli import words
from swath.tracking import layout
from swath.tracking.runlog.frames import HEADER_SIZE, decode, names_in
from swath.tracking.runlog.logfile import read_from
from swath.tracking.runlog.records import Row

#: How many of a trial's last values are kept.
KEPT = 200


@dataclass
class _Reading:
    """One attempt's log: how far it was read, and the values found."""

    offset: int = HEADER_SIZE
    values: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))


class Curves:
    """Curves of one metric."""

    def __init__(self, root: Path, metric: str) -> None:
        self._root = root
        self._metric = metric
        self._readings: dict[tuple[str, int], _Reading] = {}

    def of(self, run_id: str, attempt: int) -> list[float]:
        """What the attempt has logged of the metric by now; only what is new is read."""
        reading = self._readings.setdefault((run_id, attempt), _Reading())
        path = layout.run_dir(self._root, run_id) / layout.segment_name(attempt)
        records, consumed = decode(read_from(path, reading.offset), names=names_in(path))
        reading.offset += consumed
        for record in records:
            if isinstance(record, Row) and (value := words.pick(record.values, self._metric)) is not None:
                reading.values.append(value)
        return list(reading.values)

    def forget_all_but(self, alive: set[tuple[str, int]]) -> None:
        """Drop the readings of attempts that no longer run."""
        for key in self._readings.keys() - alive:
            del self._readings[key]
