"""What a process knows of itself is plain, safe to record, and found without asking anybody."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec
import pytest

from swath.tracking.surroundings import program, quick_facts, source
from swath.tracking.surroundings.masking import MASK


def test_quick_facts_tell_of_this_process(tmp_path: Path) -> None:
    found = quick_facts()
    assert found["pid"] == os.getpid()
    assert found["cwd"] == str(tmp_path)
    assert found["executable"] == sys.executable
    assert found["python"] == sys.version.split()[0]
    assert found["cpu_count"] == os.cpu_count()
    assert found["host"] == os.uname().nodename
    assert found["user"]
    assert found["os"].startswith(os.uname().sysname)


def test_arguments_are_recorded_with_secrets_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "--lr", "0.1", "--token", "abc"])
    assert quick_facts()["args"] == ["--lr", "0.1", "--token", MASK]


def test_arguments_that_are_no_utf8_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["t\udcff.py", "--name=\udce4"])
    found = quick_facts()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found)) == found
    assert found["args"] == ["--name=�"]


def test_many_and_long_arguments_are_cut_and_half_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "x " * 2040 + "ghp_" + "a1" * 40
    monkeypatch.setattr(sys, "argv", ["t.py", long, *["f"] * 5000])
    arguments = quick_facts()["args"]
    assert len(arguments) == 1001
    assert arguments[-1] == "... 4001 more"
    assert "ghp_" not in arguments[0]
    assert arguments[0].endswith("x ...")


def test_no_environment_variable_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "value-that-nobody-sees")
    assert "value-that-nobody-sees" not in repr(quick_facts())


def test_a_folder_that_is_gone_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    found = quick_facts()
    assert "cwd" not in found
    assert found["pid"] == os.getpid()


def test_no_arguments_at_all_are_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [])
    assert quick_facts()["args"] == []


def test_the_source_of_a_script_is_the_script(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.touch()
    assert source(str(script)) == script
    assert source("train.py") == script


def test_a_notebook_has_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = "/venv/lib/python3.11/site-packages/ipykernel_launcher.py"
    monkeypatch.setattr(sys, "argv", [launcher, "-f", "/run/user/kernel-1.json"])
    assert source(launcher) is None
    found = program.facts()
    assert found["notebook"] is True
    assert found["program"] == ""


def test_a_command_has_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    assert source("-c") is None
    assert source("") is None
    assert source("no/such/file.py") is None
