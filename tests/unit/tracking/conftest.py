"""Each test of the tracker has a folder, an environment and a current run of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from swath.tracking.runs import process


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in list(os.environ):
        if name.startswith(("SWATH_", "WANDB_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SWATH_DIR", str(tmp_path / ".swath"))
    yield tmp_path
    while (run := process.current()) is not None:
        run.finish()
