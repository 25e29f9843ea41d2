"""The installed packages and their versions are those that importlib.metadata tells of."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from swath.tracking.surroundings.packages import installed


def _install(folder: Path, name: str, number: str, text: str | None = None) -> None:
    info = folder / f"{name}-{number}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(text or f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n\nVersion: 9\n")


def test_each_package_is_there_with_its_version() -> None:
    found = installed()
    for name in ("msgspec", "psutil", "pytest", "swath"):
        assert found[name] == version(name)
    assert list(found) == sorted(found, key=str.lower)


def test_of_two_of_one_name_the_one_that_is_imported_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path / "first", "thing", "2.0")
    _install(tmp_path / "second", "thing", "1.0")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second"), *sys.path])
    assert installed()["thing"] == "2.0"


def test_broken_metadata_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, "nameless", "1.0", "Version: 1.0\n")
    _install(tmp_path, "versionless", "1.0", "Name: versionless\r\n\r\nVersion: 3\r\n")
    (tmp_path / "empty-1.dist-info").mkdir()
    (tmp_path / "binary-1.dist-info").mkdir()
    (tmp_path / "binary-1.dist-info" / "METADATA").write_bytes(b"\xff\xfe\x00")
    _install(tmp_path, "whole", "1.0")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert installed() == {"versionless": "", "whole": "1.0"}
