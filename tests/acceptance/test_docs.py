"""Every snippet of README and docs does what the page says: files are written, Python and `sweep` commands run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.commands import Command
from typer.testing import CliRunner

from swath.tracking.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def fences(page: Path) -> list[tuple[str, str, str]]:
    """Language, file name and text of each fenced block."""
    return [(match[1], match[2] or "", match[3]) for match in _FENCE.finditer(page.read_text())]


def _runs_something(page: Path) -> bool:
    return any(language in ("python", "bash") for language, _, _ in fences(page))


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if _runs_something(page)], ids=lambda page: page.stem)
def test_snippets_run(page: Path, tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for number, (language, title, text) in enumerate(fences(page)):
        if title:
            (tmp_path / title).write_text(text)
        elif language == "python":
            (tmp_path / f"snippet{number}.py").write_text(text)
            _run([sys.executable, f"snippet{number}.py"], tmp_path)
        elif language == "bash":
            for line in text.splitlines():
                if line.startswith("sweep "):
                    words = shlex.split(line, comments=True)[1:]
                    _sweep(words, tmp_path)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def _sweep(words: list[str], folder: Path) -> None:
    command = Command(tuple(words), folder, os.environ)
    told = command.communicate(timeout=240)
    assert command.returncode == 0, (words, told)


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_every_key_of_the_sweep_file_is_documented() -> None:
    from swath.sweeps.spec import json_schema

    text = (ROOT / "docs" / "reference" / "spec.md").read_text()
    missing = [key for key in json_schema()["properties"] if f"`{key}`" not in text and f"{key}:" not in text]
    assert not missing, missing


def test_every_command_and_option_is_documented() -> None:
    text = (ROOT / "docs" / "reference" / "cli.md").read_text()
    for verb in _verbs():
        assert f"sweep {verb}" in text, verb
        for option in set(re.findall(r"(--[a-z][a-z-]+)", _help(verb))) - {"--help"}:
            assert option in text, f"sweep {verb} {option}"


def test_every_setting_is_documented() -> None:
    source = (ROOT / "tracking" / "swath" / "tracking" / "settings.py").read_text()
    text = (ROOT / "docs" / "reference" / "settings.md").read_text()
    names = set(re.findall(r"SWATH_[A-Z_]+[A-Z]", source))
    names |= {f"SWATH_{name}" for name in re.findall(r'said\("(\w+)"', source)}
    missing = sorted(name for name in names if name not in text)
    assert not missing, missing


def test_every_variable_that_is_read_is_documented() -> None:
    class Noting(dict[str, str]):
        """An environment that is empty and knows what it was asked for."""

        asked: ClassVar[set[str]] = set()

        def get(self, name: str, default: Any = None) -> Any:
            self.asked.add(name)
            return default

    Settings._read(Noting())
    text = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert len(Noting.asked) > 30
    assert not [name for name in Noting.asked if f"`{name}`" not in text]


def _verbs() -> list[str]:
    return re.findall(r"^  ([a-z]+)  +[A-Z]", _help(), re.MULTILINE)


def _help(*verb: str) -> str:
    from swath.sweeps.cli import app

    return CliRunner().invoke(app, [*verb, "--help"], prog_name="sweep", catch_exceptions=False).stdout


def test_there_are_verbs_to_document() -> None:
    assert {"run", "create", "agent", "show", "best"} <= set(_verbs())
