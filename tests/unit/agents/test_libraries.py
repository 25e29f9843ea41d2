"""What of a program is loaded before its trials: the libraries that every trial would import first, and no more."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from swath.agents.executors import libraries

Found = list[tuple[str, tuple[str, ...]]]


def read(folder: Path, text: str, **modules: str) -> Found:
    """The libraries of a program with this text; `modules` are its own ones (`a__b` is b.py in the package a)."""
    for name, body in modules.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        if path.parent != folder:
            (path.parent / "__init__.py").touch()
        path.write_text(body)
    (folder / "program.py").write_text(text)
    return libraries.Reader(folder / "program.py").libraries()


def test_imports_are_found_in_order_with_what_is_taken_from_them(tmp_path: Path) -> None:
    text = "import numpy as np, json\nfrom email import message, policy\nfrom csv import *\nimport xml.dom\n"
    wanted: Found = [("numpy", ()), ("json", ()), ("email", ("message", "policy")), ("csv", ()), ("xml.dom", ())]
    assert read(tmp_path, text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    import wave\n",
        "class A:\n    import wave\n",
        "if __name__ == '__main__':\n    import wave\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import wave\n",
        "try:\n    pass\nexcept ImportError:\n    import wave\n",
        "import os\nos.environ['A'] = '1'\nimport wave\n",
        "from os import environ\nenviron.setdefault('A', '1')\nimport wave\n",
        "import nosuchlibrary_at_all\n",
        "import swath.tracking\nfrom __future__ import annotations\n",
        "this is no Python\n",
    ],
)
def test_what_may_not_be_imported_or_only_later_is_left_to_the_trial(tmp_path: Path, text: str) -> None:
    assert "wave" not in [name for name, _ in read(tmp_path, text)]
    assert not any(name.startswith(("nosuch", "swath", "__future__")) for name, _ in read(tmp_path, text))


def test_own_modules_are_read_for_the_libraries_that_they_import_and_are_not_loaded(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "import settings\nfrom models import small\nfrom models.big import Net\nimport csv",
        settings="import argparse\nraise SystemExit('never run')",
        models__small="import wave\nfrom . import parts",
        models__parts="import sndhdr_is_not_there\nimport colorsys",
        models__big="try:\n    import json\nexcept ImportError:\n    json = None\nfrom ..above import nothing",
    )
    assert [name for name, _ in found] == ["argparse", "wave", "colorsys", "json", "csv"]
    assert "settings" not in sys.modules


def test_an_own_module_that_touches_the_environment_ends_the_reading(tmp_path: Path) -> None:
    found = read(tmp_path, "import wave\nimport setup_gpu\nimport csv", setup_gpu="import os\nos.putenv('A', '1')")
    assert [name for name, _ in found] == ["wave", "os"]


def test_modules_that_import_each_other_are_read_once(tmp_path: Path) -> None:
    assert read(tmp_path, "import a", a="import b\nimport csv", b="import a\nimport wave") == [
        ("wave", ()),
        ("csv", ()),
    ]


def test_submodules_that_are_imported_as_members_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("from xml import dom\n")
    assert libraries.load(tmp_path / "program.py") == ""
    assert "xml.dom" in sys.modules


def test_a_file_beside_the_program_with_the_name_of_a_loaded_library_makes_it_start_cold(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("")
    (tmp_path / "program.py").write_text("")
    assert "'json' beside the program" in libraries.load(tmp_path / "program.py")


def test_threads_make_forking_unsafe() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait, name="reader of data")
    before = frozenset(threading.enumerate())
    assert libraries.unsafe_to_fork(before) == ""
    thread.start()
    try:
        assert "reader of data" in libraries.unsafe_to_fork(before)
    finally:
        done.set()
        thread.join()
