"""Libraries that take seconds to import: every worker reads all test files, those that run such tests load them."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Later:
    """Stands for a module, which is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest looks at all that a test file has
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)
