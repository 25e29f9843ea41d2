"""Early stopping: the `Stopper` protocol, the `Book` that rules look into, and the rules."""

from __future__ import annotations

from swath.sweeps.stopping.asha import Asha
from swath.sweeps.stopping.base import Decision, Promotion, Standing, Stopper, is_due
from swath.sweeps.stopping.book import Book, Mark
from swath.sweeps.stopping.hyperband import Hyperband
from swath.sweeps.stopping.joint import Joint
from swath.sweeps.stopping.make import make_stopper
from swath.sweeps.stopping.pbt import Pbt, mutate

__all__ = [
    "Asha",
    "Book",
    "Decision",
    "Hyperband",
    "Joint",
    "Mark",
    "Pbt",
    "Promotion",
    "Standing",
    "Stopper",
    "is_due",
    "make_stopper",
    "mutate",
]
