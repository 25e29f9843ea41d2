"""What can be wrong with the parameters of a space taken together, as a value; nothing here finds it."""

from __future__ import annotations

from dataclasses import dataclass

Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class SpaceFault:
    """What is wrong, and at which keys of the `parameters`."""

    keys: Keys
    message: str
    hint: str = ""
