"""What early stopping is asked and answers; which rule decides is told elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Goal = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Decision:
    """What is to become of a running trial at `band`, and why, in a sentence.

    `threshold` is the value it was held against, `rank` its place among the values there (1 is best) and `n` how many
    values were there. These are None, or 0, where there was nothing to compare.
    """

    action: Literal["continue", "stop"]
    reason: str
    band: int
    threshold: float | None = None
    rank: int | None = None
    n: int = 0


class Stopper(Protocol):
    """Decides about a running trial from what the controller keeps: a pure function, the same facts, the same answer.

    An iteration is one finite value of the metric that a trial reported, whatever its step says. A band is a number
    of iterations at which trials are compared. The controller keeps, for each trial, how many finite values it
    reported, its best value so far, and its value at each band that it has reached. It asks when a report carries a
    trial to or past a band (`crossed`), and may ask again later for the band of `band_reached`, since the values of
    other trials there may have changed the answer.
    """

    @property
    def uses_best(self) -> bool:
        """Whether a trial is judged by its best value so far (true) or by its value at the band (false)."""
        ...

    def band_reached(self, count: int) -> int | None:
        """The highest band of at most `count` iterations; None before the first."""
        ...

    def crossed(self, before: int, after: int) -> tuple[int, ...]:
        """The bands above `before` and up to `after` iterations, rising."""
        ...

    def decide(self, goal: Goal, band: int, own_value: float, values_at_band: Sequence[float]) -> Decision:
        """The decision about a trial whose highest reached band is `band`.

        `values_at_band`: the value at this band of every trial, in any state, that has reached it, the trial itself
        included. `own_value`: its value at the band, or its best value so far where `uses_best`.
        """
        ...
