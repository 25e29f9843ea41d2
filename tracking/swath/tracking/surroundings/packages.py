"""The installed distributions and their versions, as Python's own records of them say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from swath.tracking.imports import unforked

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_NAME = re.compile(r"^Name:[ \t]*(.+?)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_VERSION = re.compile(r"^Version:[ \t]*(.+?)[ \t]*$", re.MULTILINE | re.IGNORECASE)


def installed() -> dict[str, str]:
    """The version of each distribution by name, sorted; of two of one name the one that imports find."""
    with unforked():
        from importlib.metadata import distributions

    found: dict[str, str] = {}
    for distribution in distributions():
        name, version = _of(distribution)
        if name and name not in found:
            found[name] = version
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _of(distribution: Distribution) -> tuple[str, str]:
    """Name and version from the head of the metadata: to parse all of it takes ten times as long."""
    try:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except (OSError, ValueError):
        return "", ""
    head = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    name, version = _NAME.search(head), _VERSION.search(head)
    return (name[1] if name else ""), (version[1] if version else "")
