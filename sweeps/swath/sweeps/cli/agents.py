"""What the verb agent does without slots: one agent in this process, saying what it takes and how that ends."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import typer

from swath.agents.agent import install_signals
from swath.agents.protocol import (
    AgentInfo,
    Assignment,
    Chunk,
    Job,
    Lease,
    Offer,
    Outcome,
    TrialSource,
    Verdict,
)
from swath.sweeps.cli import words
from swath.sweeps.cli.frame import BROKEN_PROGRAM, INTERRUPTED, TERMINATED, complain, quit_with
from swath.sweeps.fleets import make_agent
from swath.sweeps.workspace import Workspace
from swath.tracking.errors import NotFound
from swath.tracking.host import this_host
from swath.tracking.settings import Settings


@dataclass(frozen=True)
class AgentOptions:
    """What `sweep agent` was told."""

    count: int | None = None
    name: str | None = None
    executor: str | None = None
    watch_parent: int | None = None
    quiet: bool = False
    has: Mapping[str, float] = field(default_factory=dict)


def agent(prefix: str, options: AgentOptions) -> None:
    """Run one agent until there are no more trials."""
    log_to_stderr()
    with source_of(prefix) as source:
        carrier = getattr(source, "carrier", None)  # where the source is a server
        watched: TrialSource = source if options.quiet else Narrated(source)
        made = make_agent(
            watched, name=options.name, executor=options.executor, echo=not options.quiet, has=options.has,
            carrier=carrier,
            pool=f"{this_host()}-{os.getppid()}" if options.watch_parent is not None else "",
        )  # fmt: skip
        if options.name not in (None, made.info.name):
            typer.echo(f"the name {options.name} is taken: this agent is called {made.info.name}", err=True)
        if options.watch_parent is not None:
            made.watch_parent(options.watch_parent)
        restore = install_signals(made)
        try:
            report = made.run(options.count)
        finally:
            restore()
    if report.broken:
        if options.watch_parent is not None:  # a launcher listens, and says what to do itself
            typer.echo(report.reason, err=True)
        else:
            complain(report.reason, "mend the program, then run the failed trials again with: sweep retry ID")
        quit_with(BROKEN_PROGRAM)
    if not options.quiet:
        done = ", ".join(f"{count} {ending}" for ending, count in report.trials.items()) or "no trials"
        typer.echo(f"agent leaves: {report.reason} ({done})")
    if report.reason.startswith("interrupted"):
        quit_with(INTERRUPTED)
    if report.aborted:
        if options.watch_parent is not None:
            typer.echo(report.reason, err=True)
        quit_with(TERMINATED)


def asks_server(prefix: str) -> bool:
    """Whether the trials come from a server: SWATH_URL names one, or a login where this folder has no such sweep."""
    settings = Settings.from_environment()
    return bool(settings.url) and not (settings.logged_in and _is_here(prefix))


@contextmanager
def source_of(prefix: str) -> Iterator[TrialSource]:
    """The sweep's trial source: a server's, else this folder's store."""
    if asks_server(prefix):
        from swath.agents.http_source import HttpSource

        settings = Settings.from_environment()
        with HttpSource(settings.url or "", settings.token or "", prefix) as source:
            yield source
        return
    with Workspace.open() as workspace:
        yield workspace.source(workspace.resolve(prefix))


def _is_here(prefix: str) -> bool:
    """Whether this folder's store has the sweep: a login does not hide what was made here."""
    with Workspace.open() as workspace:
        if not workspace.root.is_dir():
            return False
        try:
            workspace.resolve(prefix)
        except NotFound:
            return False
        return True


def log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")


class Narrated:
    """A trial source that says on stdout which trials this agent takes and how they end."""

    def __init__(self, source: TrialSource) -> None:
        self._source = source
        self._names: dict[str, str] = {}

    def join(self, agent: AgentInfo) -> Job:
        return self._source.join(agent)

    def acquire(self, agent_id: str, request: str) -> Offer:
        return self._heard(self._source.acquire(agent_id, request))

    def report(self, lease: Lease, chunks: Sequence[Chunk]) -> Verdict:
        return self._source.report(lease, chunks)

    def finish(
        self, lease: Lease, outcome: Outcome, chunks: Sequence[Chunk], request: str | None = None
    ) -> Offer | None:
        offer = self._source.finish(lease, outcome, chunks, request)
        why = f": {words.cut(outcome.error.strip().rsplit(chr(10), 1)[-1], 200)}" if outcome.error.strip() else ""
        ending = f"{outcome.ending} ({outcome.cause})" if outcome.cause else outcome.ending
        typer.echo(f"{self._names.pop(lease.run_id, lease.run_id)} {ending}{why}")
        return self._heard(offer) if offer is not None else None

    def keep(self, digest: str, path: Path) -> None:
        self._source.keep(digest, path)

    def leave(self, agent_id: str, reason: str) -> None:
        self._source.leave(agent_id, reason)

    def _heard(self, offer: Offer) -> Offer:
        if isinstance(offer, Assignment) and offer.lease.run_id not in self._names:
            self._names[offer.lease.run_id] = f"trial {offer.number}"
            more = f", {offer.memory / 2**30:.3g} GiB of memory" if offer.memory else ""
            again = f" (attempt {offer.lease.attempt}{more})" if offer.lease.attempt > 1 else ""
            typer.echo(f"trial {offer.number} started{again}  {words.config_line(offer.config)}")
        return offer
