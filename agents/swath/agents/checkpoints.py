"""Brings checkpoints of a trial to the server and back, for agents that do not share its disk; decides nothing."""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from swath.agents import wire
from swath.agents.protocol import Lease
from swath.tracking import layout
from swath.tracking.clock import Clock
from swath.tracking.errors import LeaseLost, RetryLater, SwathError
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.logfile import write_at
from swath.tracking.runs.checkpoints import Checkpoint, Checkpoints, Manifest, Note
from swath.tracking.shipping.delivery import BlobDelivery

if TYPE_CHECKING:
    from swath.tracking.shipping.client import Client

logger = logging.getLogger("swath.agents")

#: Between two looks for a new checkpoint.
LOOK_S = 0.5
_LONGEST_PAUSE_S = 10.0


class Carrier:
    """The way of checkpoints to and from the server that `client` asks. Any number of threads."""

    def __init__(self, client: Client, sweep_id: str) -> None:
        self._client = client
        self._sweep_id = sweep_id

    def send(self, lease: Lease, found: Checkpoint) -> None:
        """Make it the trial's newest checkpoint there. Only parts that the server lacks are sent, each to be resumed.

        Raises `LeaseLost` when another attempt has the trial, and `UsageError` when the server does not want it.
        """
        manifest = found.manifest()
        places = {part.digest: found.folder / part.path for part in manifest.parts}
        parts = BlobDelivery(self._client, wire.checkpoints_of(self._sweep_id, lease.run_id))
        before: tuple[str, ...] = ()
        while missing := self._keep(lease, manifest):
            if missing == before:
                raise RetryLater(f"the server has not taken {len(missing)} parts of a checkpoint", "send them again")
            for digest in missing:
                parts.send(digest, places[digest])
            before = missing

    def fetch(self, run_id: str, run_dir: Path) -> bool:
        """Bring the trial's newest checkpoint and the rows before it to `run_dir`; False when it has none there."""
        answer = self._client.ask("GET", wire.checkpoints_of(self._sweep_id, run_id), accept=(404,))
        if answer.status == 404:
            return False
        manifest = wire.MANIFEST.decode(answer.content)
        checkpoints = Checkpoints(run_dir)
        shutil.rmtree(checkpoints.folder, ignore_errors=True)
        checkpoints.inbox.mkdir(parents=True)
        for digest in sorted(manifest.digests):
            self._fetch_part(run_id, digest, checkpoints.inbox / digest)
        checkpoints.assemble(manifest, lambda digest: checkpoints.inbox / digest)
        self._fetch_rows(run_id, run_dir, manifest.note.attempt)
        return True

    def _keep(self, lease: Lease, manifest: Manifest) -> tuple[str, ...]:
        call = wire.encode(wire.KeepCheckpoint(lease, manifest))
        return wire.MISSING.decode(self._client.ask("POST", wire.checkpoints_of(self._sweep_id), content=call).content)

    def _fetch_part(self, run_id: str, digest: str, target: Path) -> None:
        self._client.fetch("GET", wire.checkpoints_of(self._sweep_id, run_id, digest), target)
        with target.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != digest:
            raise RetryLater(f"part {digest} of a checkpoint of {run_id} came damaged", "it is asked for again")

    def _fetch_rows(self, run_id: str, run_dir: Path, attempt: int) -> None:
        """The log of the attempt that saved the checkpoint: its rows up to there count as the next one's."""
        path = f"/v1/runs/{run_id}/segments"
        ends = msgspec.json.decode(self._client.ask("GET", path).content, type=dict[str, int])
        for name in ends:
            if not layout.is_segment(name) or layout.attempt_of(name) != attempt:
                continue
            (run_dir / name).unlink(missing_ok=True)
            offset = HEADER_SIZE
            while data := self._client.ask("GET", f"{path}/{name}", query={"offset": offset}).content:
                write_at(run_dir / name, offset, data)
                offset += len(data)


class Courier:
    """Sends the newest checkpoint of a running attempt whenever there is a new one, in a thread of its own.

    `deliver` reports what the trial has logged, and says whether all of it was taken: rows come before the checkpoint
    that stands behind them. Whatever the server says, the trial goes on.
    """

    def __init__(
        self, carrier: Carrier, lease: Lease, run_dir: Path, deliver: Callable[[], bool], clock: Clock
    ) -> None:
        self._carrier = carrier
        self._lease = lease
        self._checkpoints = Checkpoints(run_dir)
        self._deliver = deliver
        self._clock = clock
        self._settled = self._newest()
        self._ended = threading.Event()
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="swath-checkpoints", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self, patience: Callable[[], float]) -> bool:
        """Send what is not sent yet, for as long as there is `patience`; whether the server has all."""
        self._ended.set()
        began = self._clock.monotonic()
        while self._thread.is_alive() and self._clock.monotonic() - began < patience():
            self._thread.join(0.05)
        return not self._thread.is_alive() and self._settled == self._newest()

    def give_up(self) -> None:
        """Send nothing more; what is on its way is left to itself."""
        self._given_up.set()
        self._ended.set()

    def _newest(self) -> tuple[str, Note] | None:
        found = self._checkpoints.newest()
        return None if found is None else (found.folder.name, found.note)

    def _run(self) -> None:
        pause = LOOK_S
        while not self._given_up.is_set():
            ended = self._ended.is_set()
            try:
                done, pause = self._look(), LOOK_S
            except RetryLater as error:
                done, pause = False, min(2 * pause, _LONGEST_PAUSE_S)
                logger.info("the checkpoint of %s is sent later: %s", self._lease.run_id, error.message)
            except (SwathError, OSError) as error:
                self._settled = self._newest()
                done = True
                if not isinstance(error, LeaseLost) and not self._given_up.is_set():
                    logger.warning("the checkpoint of %s is not sent: %s", self._lease.run_id, error)
            if ended and done:
                break
            (self._given_up if ended else self._ended).wait(pause)
        self._checkpoints.drop_aside()

    def _look(self) -> bool:
        """Send the newest one if it is new; whether there is nothing more to send."""
        newest = self._checkpoints.newest()
        if newest is None or (newest.folder.name, newest.note) == self._settled:
            return True
        try:
            aside = self._checkpoints.set_aside(newest)
        except FileNotFoundError:  # there is a newer one already
            return False
        if not self._deliver():
            return False
        self._carrier.send(self._lease, aside)
        self._settled = newest.folder.name, newest.note
        return self._settled == self._newest()
