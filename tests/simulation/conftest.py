"""The option that picks one seed: `pytest tests/simulation --seed N`."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="run this seed of the simulation alone, with its trace")
