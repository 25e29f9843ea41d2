"""Printed text is cut into lines as a terminal would show them."""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath import tracking
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


def test_what_a_thread_prints_while_its_run_ends_is_printed_and_raises_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The thread has come as far as the log's lock, which the end of the run holds."""
    run = tracking.init()
    assert run._recorder is not None
    late = sys.stdout
    run.finish()
    run._recorder.output("stdout", "after the end\n")
    print("after the end", file=late)
    assert capsys.readouterr().out.endswith("after the end\n")


def test_runs_may_end_in_any_order_and_leave_nothing_between_program_and_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each new run begins before the former one ends, more often than calls may be nested."""
    below = io.StringIO()
    monkeypatch.setattr(sys, "stdout", below)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    seen: list[str] = []
    consoles = [Console(lambda name, text: seen.append(text))]
    consoles[0].start()
    for _ in range(sys.getrecursionlimit()):
        consoles.append(Console(lambda name, text: seen.append(text)))
        consoles[-1].start()
        consoles.pop(0).stop()
    print("here")
    consoles[0].stop()
    assert sys.stdout is below
    assert (below.getvalue(), seen) == ("here\n", ["here\n"])


def test_threads_that_print_lose_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    seen: list[str] = []
    console = Console(lambda name, text: seen.append(text))
    console.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=lambda: [print("x") for _ in range(2000)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
        console.stop()
    assert "".join(seen).count("x") == 8000
    assert "".join(seen).count("\n") == 8000
