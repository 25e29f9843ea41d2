"""Blobs go to the source before the records that name them, each once, and only what is new is looked at."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from swath.agents import Task
from swath.agents.protocol import Chunk
from swath.agents.shipment import MOST_BYTES, Shipment, loads
from swath.agents.testing import MemorySource
from swath.agents.testing.worlds import source_of
from swath.tracking import layout
from swath.tracking.blobs import Blobs
from swath.tracking.errors import RetryLater
from swath.tracking.media.table import Table
from swath.tracking.runlog.encoding import pack
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import Row, Saved


class World:
    """A run's folder without a shared disk, what a trial writes there, and a source that takes it."""

    def __init__(self, folder: Path) -> None:
        self.run_dir = folder / "run-1"
        self.run_dir.mkdir()
        self.blobs = Blobs(layout.blobs_dir(self.run_dir))
        self.source = source_of(Task(program="train.py"))
        self._writers: dict[int, LogWriter] = {}

    def log(self, *records: Any, attempt: int = 1) -> None:
        if attempt not in self._writers:
            self._writers[attempt] = LogWriter(self.run_dir / layout.segment_name(attempt))
        for record in records:
            self._writers[attempt].append(record)

    def save(self, data: bytes, attempt: int = 1) -> str:
        digest = self.blobs.put(data)
        self.log(Saved(1.0, "file", digest, len(data)), attempt=attempt)
        return digest

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = World(tmp_path)
    yield made
    made.close()


def deliver(shipment: Shipment, source: MemorySource) -> list[Chunk]:
    """One report, as the pulse does it; what was delivered."""
    chunks = shipment.pending()
    shipment.keep_blobs(source, chunks)
    shipment.delivered(chunks)
    return chunks


def test_every_blob_that_a_delivered_record_names_is_there_before_it(world: World) -> None:
    shipment = Shipment(world.run_dir, 1)
    saved = world.save(b"model")
    row = {"a": {"b": [{"_type": "image-file", "sha256": world.blobs.put(b"picture"), "size": 7}]}}
    world.log(Row(0, 1.0, row))
    chunks = shipment.pending()
    shipment.keep_blobs(world.source, chunks)
    assert set(world.source.blobs) == {saved, row["a"]["b"][0]["sha256"]}
    shipment.delivered(chunks)
    late = world.save(b"later")
    deliver(shipment, world.source)
    assert late in world.source.blobs


def test_media_in_the_cells_of_a_table_arrive_before_the_table(world: World) -> None:
    html = pytest.importorskip("swath.tracking.media.html").Html("<b>hello</b>")
    record = Table(columns=["page"], data=[[html]]).to_record(world.blobs)
    world.log(Row(0, 1.0, {"table": record}))
    deliver(Shipment(world.run_dir, 1), world.source)
    assert list(world.source.blobs) == [hashlib.sha256(b"<b>hello</b>").hexdigest(), record["sha256"]]


def test_a_report_looks_at_no_blob_but_those_it_names(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shipment = Shipment(world.run_dir, 1)
    for number in range(20):
        world.save(b"%d" % number)
    deliver(shipment, world.source)
    looked: list[str] = []
    path = Blobs.path

    def counted(blobs: Blobs, digest: str) -> Path:
        looked.append(digest)
        return path(blobs, digest)

    digest = world.save(b"new")
    world.log(Row(0, 1.0, {"again": world.blobs.put(b"1")}))
    monkeypatch.setattr(Blobs, "path", counted)
    deliver(shipment, world.source)
    world.log(Row(1, 1.0, {"loss": 1.0}))
    deliver(shipment, world.source)
    assert set(looked) <= {digest, hashlib.sha256(b"1").hexdigest()}
    assert len(world.source.blobs) == 21


def test_a_blob_that_was_not_taken_is_handed_over_again_and_none_twice(world: World) -> None:
    shipment = Shipment(world.run_dir, 1)
    first, second = world.save(b"first"), world.save(b"second")
    taken: list[str] = []

    class Counting(MemorySource):
        def keep(self, digest: str, path: Path) -> None:
            super().keep(digest, path)
            taken.append(digest)

    source = Counting(world.source.job, [])
    shipment.keep_blobs(source, shipment.pending())
    third = world.save(b"third")
    source.fail_next(RetryLater("busy", "wait"))
    with pytest.raises(RetryLater):
        shipment.keep_blobs(source, shipment.pending())
    shipment.keep_blobs(source, shipment.pending())
    assert taken == [first, second, third]


def test_a_name_that_stands_across_two_reports_is_found(world: World) -> None:
    """Where a report was cut in the middle of a record, and only its first part was taken."""
    padding = len(pack(Saved(1.0, "file", "0" * 64, 1)))
    for shift in range(0, padding + 16, 7):
        world.log(Row(0, 1.0, {"text": "x" * (MOST_BYTES - 100 - shift)}), attempt=shift + 1)
        digest = world.save(b"%d" % shift, attempt=shift + 1)
        shipment = Shipment(world.run_dir, shift + 1)
        (first, *_) = loads(shipment.pending())
        shipment.keep_blobs(world.source, first)
        shipment.delivered(first)
        deliver(shipment, world.source)
        assert digest in world.source.blobs
        assert shipment.pending() == []


def test_after_a_restart_a_later_attempt_hands_over_what_it_names_again(world: World) -> None:
    digest = world.save(b"checkpoint")
    deliver(Shipment(world.run_dir, 1), world.source)
    world.source.blobs.clear()
    assert world.save(b"checkpoint", attempt=2) == digest
    deliver(Shipment(world.run_dir, 2), world.source)
    assert set(world.source.blobs) == {digest}


def test_a_name_of_no_blob_is_passed_over(world: World) -> None:
    shipment = Shipment(world.run_dir, 1)
    world.log(Row(0, 1.0, {"commit": "a" * 64}))
    assert deliver(shipment, world.source)
    assert world.source.blobs == {}


def test_where_the_store_has_the_blobs_nothing_is_handed_over(tmp_path: Path, world: World) -> None:
    shared = tmp_path / ".swath" / "runs" / "run-1"
    shared.mkdir(parents=True)
    writer = LogWriter(shared / layout.segment_name(1))
    writer.append(Saved(1.0, "file", Blobs(layout.blobs_dir(shared)).put(b"data"), 4))
    writer.close()
    assert deliver(Shipment(shared, 1), world.source)
    assert world.source.blobs == {}
