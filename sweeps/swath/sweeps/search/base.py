"""What a searcher is asked and what it may know; how configurations are chosen is told elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from numpy.random import Generator

Goal = Literal["minimize", "maximize"]
Impute = Literal["latest", "best", "worst"]


@dataclass(frozen=True)
class Observation:
    """What is known of trial `number` now; numbers below 1 are trials of other sweeps.

    `value` is the objective of a trial that ended (None when it has none), `latest` and `best` what it reported last
    and best while it ran. `state` is the trial's state by name: queued, running, paused, finished, stopped, failed
    or killed. Where there are several metrics `values` holds the objective of each, in the order of the spec, and
    `violation` by how much the limits of the metrics are overstepped in all (0: none is).
    """

    number: int
    config: dict[str, Any]
    state: str
    value: float | None = None
    latest: float | None = None
    best: float | None = None
    values: tuple[float | None, ...] = ()
    violation: float = 0.0


@dataclass
class History:
    """All that a searcher may know of a sweep: a handle that the controller keeps and adds to.

    `changes` is append-only and holds the number of each observation that was put, in order, so that a searcher can
    keep a cursor and read only what is new. `seen` holds the hashes of all points handed out. `goals` has the goal of
    each metric where there are several, and is empty where there is one.
    """

    goal: Goal = "minimize"
    impute: Impute = "worst"
    impute_while_running: Impute | None = None
    observations: dict[int, Observation] = field(default_factory=dict)
    changes: list[int] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    goals: tuple[Goal, ...] = ()

    def put(self, observation: Observation, point_hash: str) -> None:
        """Add a trial, or what is new about it. The hash may be "" in a continuous space."""
        self.observations[observation.number] = observation
        self.changes.append(observation.number)
        if point_hash:
            self.seen.add(point_hash)


@dataclass(frozen=True)
class Suggestion:
    """A configuration to try, and in a few words why this one."""

    config: dict[str, Any]
    reason: str


class Searcher(Protocol):
    """Suggests configurations: a function of the space it was made for, the history, the number and the generator.

    Asked again with an equal history, the same number and an equal generator it gives the same suggestion, also when
    it is another object that has never seen the history before; whatever it keeps is a cache. In a space with a size it
    never suggests a point whose hash is in `history.seen`, and answers None when no other is left. It changes neither
    the history nor the configurations in it.
    """

    @property
    def uses_history(self) -> bool:
        """Whether suggestions depend on the results of earlier trials (and not only on which points they were)."""
        ...

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        """The configuration of new trial `number` (1, 2, ...); None: there is no other any more."""
        ...


def rng_for(seed: int, number: int) -> Generator:
    """The generator for trial `number` of a sweep with `seed`: independent streams, the same every time.

    A counter-based generator takes the two as its key; to seed another one costs three times as much.
    """
    from numpy.random import Generator, Philox

    return Generator(Philox(key=[seed, number]))
