"""What is told as out of memory or hung, and what is not."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swath.agents.causes import OomKills, Silence, says_out_of_memory, with_cause
from swath.agents.protocol import Outcome
from swath.tracking.layout import segment_name
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import Facts, Output, Row, System
from swath.tracking.testing import FakeClock

TORCH = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 15 GiB"


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):\n  ...\nMemoryError",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8.00 TiB for an array",
        TORCH,
        "torch.cuda.OutOfMemoryError: CUDA out of memory.",
        "RuntimeError: CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc",
        "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 4 bytes.",
        f"{TORCH}\n" + "a line of clean-up\n" * 15,
    ],
)
def test_programs_that_say_they_got_no_memory_are_believed(text: str) -> None:
    assert says_out_of_memory(text)
    assert with_cause(Outcome("failed", 1, error=text), lambda: False, False).cause == "oom"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ValueError: the data set is gone",
        "  if isinstance(error, MemoryError): raise",
        "MyMemoryErrors: 3",
        f"{TORCH}\nretrying with a smaller batch\n" + "epoch\n" * 30 + "ValueError: no data",
    ],
)
def test_other_failures_have_no_cause(text: str) -> None:
    assert with_cause(Outcome("failed", 1, error=text), lambda: True, False).cause == ""


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        (Outcome("crashed", None, signal.SIGKILL), "oom"),
        (Outcome("failed", 137), "oom"),
        (Outcome("crashed", None, signal.SIGSEGV), ""),
        (Outcome("preempted", None, signal.SIGKILL), ""),
        (Outcome("killed", None, signal.SIGKILL, TORCH), ""),
        (Outcome("finished", 0), ""),
    ],
)
def test_a_kill_is_the_kernel_s_only_when_it_has_counted_one_and_nobody_here_sent_it(
    outcome: Outcome, cause: str
) -> None:
    assert with_cause(outcome, lambda: True, False).cause == cause
    assert with_cause(outcome, lambda: False, False).cause == ""


def test_an_attempt_that_was_given_up_while_it_hung_did_not_hang() -> None:
    assert with_cause(Outcome("crashed", None, 15), lambda: False, True).cause == "hung"
    assert with_cause(Outcome("preempted", None, 15), lambda: False, True).cause == ""
    assert with_cause(Outcome("stopped", 0), lambda: False, True).cause == ""


def test_only_the_latest_rise_of_the_kernel_s_counter_counts() -> None:
    clock, counted = FakeClock(), [3]
    kills = OomKills(lambda: counted[0], clock)
    assert not kills.rose()
    counted[0] = 4
    assert kills.rose()
    for _ in range(3):
        clock.advance(2)
        kills.look()
    assert not kills.rose()
    counted[0] = 5
    clock.advance(2)
    kills.look()
    assert kills.rose()
    assert not OomKills(lambda: None, clock).rose()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogWriter]:
    writer = LogWriter(tmp_path / segment_name(1))
    yield writer
    writer.close()


@pytest.mark.parametrize(
    ("record", "alive"),
    [
        (Row(0, 0.0, {"loss": 1.0}), True),
        (Output("stdout", 0.0, "epoch 3\n"), True),
        (System(0.0, {"cpu": 3.0}), False),
        (Facts(0.0, {"host": "here"}), False),
    ],
)
def test_rows_and_output_are_signs_of_life_and_samples_of_the_machine_are_not(
    tmp_path: Path, log: LogWriter, record: Any, alive: bool
) -> None:
    silence = Silence(tmp_path, 1, 100.0, 0.0)
    assert not silence.lasts(50.0)
    log.append(record)
    assert not silence.lasts(60.0)
    assert silence.lasts(105.0) is not alive
    assert silence.lasts(161.0)


def test_other_attempts_say_nothing_of_this_one(tmp_path: Path, log: LogWriter) -> None:
    silence = Silence(tmp_path, 2, 10.0, 0.0)
    log.append(Row(0, 0.0, {"loss": 1.0}))
    assert not silence.lasts(9.9)
    assert silence.lasts(10.5)
