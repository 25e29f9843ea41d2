"""The `TrialSource` protocol on the wire: each verb's path, body and answer in msgpack; no transport."""

from __future__ import annotations

from typing import Any

import msgspec

from swath.agents.protocol import AgentInfo, Chunk, Job, Lease, Offer, Outcome, Verdict
from swath.tracking.runs.checkpoints import Manifest

MEDIA_TYPE = "application/msgpack"
VERBS = ("join", "acquire", "report", "finish", "leave")


def path_of(sweep_id: str, verb: str) -> str:
    """Where a verb is posted; with `sweep_id="{sweep_id}"` the template of the route."""
    return f"/v1/sweeps/{sweep_id}/{verb}"


def checkpoints_of(sweep_id: str, *more: str) -> str:
    """Where checkpoints of a sweep's trials are kept and asked for."""
    return "/".join((f"/v1/sweeps/{sweep_id}/checkpoints", *more))


class Join(msgspec.Struct, frozen=True):
    agent: AgentInfo


class Acquire(msgspec.Struct, frozen=True):
    agent_id: str
    request: str


class Report(msgspec.Struct, frozen=True):
    lease: Lease
    chunks: tuple[Chunk, ...] = ()


class Finish(msgspec.Struct, frozen=True):
    lease: Lease
    outcome: Outcome
    chunks: tuple[Chunk, ...] = ()
    request: str | None = None


class Leave(msgspec.Struct, frozen=True):
    agent_id: str
    reason: str


class KeepCheckpoint(msgspec.Struct, frozen=True):
    lease: Lease
    manifest: Manifest


KEEP_CHECKPOINT: msgspec.msgpack.Decoder[KeepCheckpoint] = msgspec.msgpack.Decoder(KeepCheckpoint)
MISSING: msgspec.msgpack.Decoder[tuple[str, ...]] = msgspec.msgpack.Decoder(tuple[str, ...])
MANIFEST: msgspec.msgpack.Decoder[Manifest] = msgspec.msgpack.Decoder(Manifest)

Call = Join | Acquire | Report | Finish | Leave

encode = msgspec.msgpack.Encoder().encode

CALLS: dict[str, msgspec.msgpack.Decoder[Call]] = {
    "join": msgspec.msgpack.Decoder(Join),
    "acquire": msgspec.msgpack.Decoder(Acquire),
    "report": msgspec.msgpack.Decoder(Report),
    "finish": msgspec.msgpack.Decoder(Finish),
    "leave": msgspec.msgpack.Decoder(Leave),
}

ANSWERS: dict[str, msgspec.msgpack.Decoder[Any]] = {
    "join": msgspec.msgpack.Decoder(Job),
    "acquire": msgspec.msgpack.Decoder(Offer),
    "report": msgspec.msgpack.Decoder(Verdict),
    "finish": msgspec.msgpack.Decoder(Offer | None),
    "leave": msgspec.msgpack.Decoder(None),
}
