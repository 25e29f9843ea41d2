"""Numbers, times, configs and curves in words."""

from __future__ import annotations

import math

import pytest

from swath.sweeps.cli import words


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (0.5, "0.5"), (2.0, "2.0"), (0.123456, "0.1235"), (1e-7, "1e-07"), (math.nan, "nan"), (True, "True")],
)
def test_numbers_keep_four_digits(value: object, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (1.00004, "1.000"), (12.0, "12.00"), (math.inf, "inf")])
def test_metrics_keep_their_zeros(value: float | None, text: str) -> None:
    assert words.metric(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.42, "0.4s"), (9.96, "10s"), (59.4, "59s"), (185, "3m 05s"), (4320, "1h 12m"), (183600, "2d 03h")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


def test_a_config_is_one_line_with_short_names_cut_at_the_width() -> None:
    config = {"lr": 0.123456, "model": {"width": 3, "lr": 1}, "note": "two\nlines"}
    assert words.config_line(config) == "lr=0.1235 width=3 model.lr=1 note=two lines".replace("lr=0.1235", "lr=0.1235")
    assert words.config_line(config, ["model.width"]) == "width=3"
    assert words.config_line(config, width=10) == "lr=0.1235…"


def test_names_that_end_alike_are_written_in_full() -> None:
    assert words.short_names(["a.x", "b.x", "b.y"]) == {"a.x": "a.x", "b.x": "b.x", "b.y": "y"}


def test_only_what_differs_is_shown() -> None:
    assert words.varied([{"a": 1, "b": 1}, {"a": 1, "b": 2}]) == ["b"]
    assert words.varied([{"a": 1}, {"a": 1}]) == ["a"]


def test_a_curve_is_scaled_squeezed_and_skips_what_is_not_finite() -> None:
    assert words.sparkline([0, 1, math.nan, 2], 10) == "▁▅█"
    assert words.sparkline([5.0, 5.0], 10) == "▄▄"
    assert len(words.sparkline(list(range(1000)), 12)) == 12
    assert words.sparkline([], 12) == ""
    assert words.sparkline([0, 1], 2, ascii_only=True).isascii()


def test_a_metric_is_found_in_nested_rows() -> None:
    assert words.pick({"val": {"loss": 1}}, "val.loss") == 1.0
    assert words.pick({"val.loss": 2}, "val.loss") == 2.0
    assert words.pick({"loss": "high"}, "loss") is None


def test_a_summary_names_its_metrics_whole_and_its_media_by_kind() -> None:
    table = {"_type": "table-file", "sha256": "0" * 64, "columns": ["a", "b"]}
    summary = {"val/acc": {"max": 0.9, "last": 0.8}, "wrong": table, "nested": {"picture": {"_type": "image-file"}}}
    assert words.summary_line(summary) == "val/acc.max=0.9 val/acc.last=0.8 wrong=<table> nested.picture=<image>"
