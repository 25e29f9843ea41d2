"""What every kind of media is: a value of `log()` whose bytes go to the blobs and whose record goes into the row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError


class Media(ABC):
    """A value that is more than numbers and text.

    A constructor checks what it is given and raises `UsageError` at once; nothing is read or encoded later than that
    except what `to_record` needs. `TYPE` is the `_type` of its records.
    """

    TYPE: ClassVar[str]

    @abstractmethod
    def to_record(self, blobs: Blobs) -> dict[str, Any]:
        """The plain form for a row, with `_type`; bytes are put into `blobs` and named by `sha256` and `size`."""

    @classmethod
    @abstractmethod
    def from_record(cls, record: Mapping[str, Any], blobs: Blobs) -> Self:
        """The value again, equal in every pixel, sample and number to what was recorded."""


def needs(module: str, extra: str, what: str) -> UsageError:
    """The error for a library that is not installed."""
    return UsageError(f"{what} needs {module}, which is not installed", f'pip install "swath[{extra}]"')
