"""The summary of a recorded run: read like a dict, nested by attribute; `update()` records what was changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from swath.tracking.tree import Tree


class RunSummary(Tree):
    """Setting a key changes this copy; `update()`, here or of the run, records it. Nothing can be deleted."""

    __slots__ = ("_save",)

    _save: Callable[[], None]

    def __init__(self, values: Mapping[str, Any], save: Callable[[], None]) -> None:
        object.__setattr__(self, "_save", save)
        super().__init__(values, _nobody)

    def update(self, *others: Any, **more: Any) -> None:
        """Set several keys, and record all that was changed."""
        super().update(*others, **more)
        self._save()


def _nobody(key: str) -> None:
    """Changes are found by comparing."""
