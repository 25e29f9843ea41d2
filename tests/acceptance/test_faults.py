"""A small ordeal on a real Ray cluster: one kill of each kind, and all laws hold. `faults.py` runs bigger ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.faults import SHARES, Ordeal, endure

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(280),
    # Ray leaves the pipes of its own processes open, and warns of its own future.
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning", "ignore::FutureWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]


def test_sigkill_of_every_kind_of_process_of_a_cluster_loses_and_doubles_no_trial(tmp_path: Path) -> None:
    figures = endure(tmp_path, Ordeal(trials=20, kills=len(SHARES), agents=2, nodes=2, served=1, lease_s=30.0))
    assert dict(figures.kills) == dict.fromkeys(SHARES, 1)
