"""Printed text is cut into lines as a terminal would show them."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.tracking.runs.console import Console, Lines


@given(st.lists(st.text("ab\n\r", max_size=6), max_size=20))
def test_the_lines_do_not_depend_on_how_the_text_is_cut(pieces: list[str]) -> None:
    pieced, whole = Lines(), Lines()
    got = "".join(map(pieced.feed, pieces)) + pieced.rest()
    text = "".join(pieces)
    assert got == whole.feed(text) + whole.rest()
    assert got == "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def test_a_line_without_end_is_given_out_when_it_is_long() -> None:
    lines = Lines()
    assert len(lines.feed("x" * 100_000)) == 100_000
    assert lines.rest() == ""


def test_a_stream_wrapped_by_somebody_else_meanwhile_stays_and_is_not_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    below = io.StringIO()
    monkeypatch.setattr(sys, "stdout", below)
    seen: list[str] = []
    console = Console(lambda name, text: seen.append(text))
    console.start()
    tee = sys.stdout
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    mine = sys.stdout
    console.stop()
    assert sys.stdout is mine
    tee.write("later\n")
    assert below.getvalue() == "later\n"
    assert seen == []


def test_the_stream_keeps_its_other_abilities(monkeypatch: pytest.MonkeyPatch) -> None:
    below = io.StringIO()
    monkeypatch.setattr(sys, "stdout", below)
    seen: list[str] = []
    console = Console(lambda name, text: seen.append(text))
    console.start()
    sys.stdout.writelines(["a\n", "b"])
    sys.stdout.flush()
    assert not sys.stdout.isatty()
    console.stop()
    assert (below.getvalue(), seen) == ("a\nb", ["a\n", "b"])
