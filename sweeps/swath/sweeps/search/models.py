"""What a model of the trials is asked, by whatever library it is made; which trials it is told of is told elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from swath.sweeps.search.evidence import Counted
from swath.sweeps.space import Config


@dataclass(frozen=True)
class Asked:
    """What a suggestion is asked for: trial `number`, with the randomness of `seed`.

    `barred` says which configs the constraints forbid or were handed out; it is None where every config will do.
    """

    number: int
    seed: int
    barred: Callable[[Config], bool] | None = None

    def refuses(self, config: Config) -> bool:
        """Whether `config` is barred."""
        return self.barred is not None and self.barred(config)


class Model(Protocol):
    """The trials by number, each as it counts now. It holds no randomness of its own and depends on no order."""

    #: How often it is worth asking again, with another seed, when what it gave is barred.
    attempts: int

    def put(self, number: int, counted: Counted) -> None:
        """Trial `number` counts as `counted`."""
        ...

    def leave_out(self, number: int) -> None:
        """Trial `number` counts for nothing."""
        ...

    def sample(self, asked: Asked) -> Config:
        """A config to try, one that is not barred if it has one."""
        ...
