"""All facts together: plain, whatever fails left out, and the environment never in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from swath.tracking.surroundings import packages, slow_facts


def test_slow_facts_are_plain_and_complete(tmp_path: Path) -> None:
    found = slow_facts(tmp_path)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found)) == found
    assert {"packages", "cpu", "memory_bytes", "container"} <= set(found)
    assert "git" not in found or found["git"]["root"] != str(tmp_path)


def test_the_repository_of_the_program_counts_where_the_folder_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, elsewhere = tmp_path / "code", tmp_path / "elsewhere"
    code.mkdir()
    elsewhere.mkdir()
    subprocess.run(["git", "init", "--quiet", str(code)], check=True)
    (code / "train.py").touch()
    monkeypatch.setattr(sys, "argv", [str(code / "train.py")])
    found = slow_facts(elsewhere)["git"]
    assert found["root"] == str(code)
    assert found["program"] == "train.py"
    assert "git" not in slow_facts(code, code=False)


def test_what_fails_is_left_out_and_the_rest_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("metadata is broken")

    monkeypatch.setattr(packages, "installed", broken)
    found = slow_facts(tmp_path)
    assert "packages" not in found
    assert found["memory_bytes"] > 0


def test_no_environment_variable_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "value-that-nobody-sees")
    assert os.environ["SOME_SECRET"] not in repr(slow_facts(tmp_path))
