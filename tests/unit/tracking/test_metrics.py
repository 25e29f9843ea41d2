"""Summaries: whatever `define_metric` asks for equals what all rows together give, and the last definition counts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.tracking.errors import UsageError
from swath.tracking.runlog.metrics import Definitions, Summarizer, define, from_plain, to_plain

NUMBERS = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6)
ROWS = st.lists(st.dictionaries(st.sampled_from(["loss", "val/acc", "other"]), NUMBERS, min_size=1), max_size=12)


def summarizer(*definitions: Any) -> Summarizer:
    return Summarizer(Definitions(definitions))


@given(ROWS)
def test_without_definitions_the_summary_is_the_last_value_of_each_metric(rows: list[dict[str, Any]]) -> None:
    found = summarizer()
    expected: dict[str, Any] = {}
    for row in rows:
        found.add(row)
        expected |= row
    assert found.values == expected


@given(ROWS)
def test_each_kind_of_summary_is_that_of_all_values(rows: list[dict[str, Any]]) -> None:
    found = summarizer(define("*", None, None, None, "min,max,mean,first,last,best", "maximize"))
    for row in rows:
        found.add(row)
    for name in {name for row in rows for name in row}:
        values = [row[name] for row in rows if name in row]
        got = found.values[name]
        assert got["mean"] == pytest.approx(sum(values) / len(values), abs=1e-6)
        expected = {"min": min(values), "max": max(values), "first": values[0], "last": values[-1], "best": max(values)}
        assert {key: got[key] for key in expected} == expected


@given(ROWS, st.integers(0, 12))
def test_a_summary_goes_on_from_its_stored_form(rows: list[dict[str, Any]], cut: int) -> None:
    definition = define("*", None, None, None, ["mean", "min"], None)
    whole, first = summarizer(definition), summarizer(definition)
    for row in rows:
        whole.add(row)
    for row in rows[:cut]:
        first.add(row)
    second = Summarizer(Definitions([from_plain(to_plain(definition))]), first.values, first.means)
    for row in rows[cut:]:
        second.add(row)
    assert second.values == whole.values


def test_not_a_number_is_never_the_best_and_gives_way_to_any_number() -> None:
    found = summarizer(define("loss", None, None, None, "min,max,best,mean,last", None))
    for value in (math.nan, 3.0, math.nan, 1.0, 2.0, math.nan):
        found.add({"loss": value})
    assert math.isnan(found.values["loss"].pop("last"))
    assert found.values["loss"] == {"min": 1.0, "max": 3.0, "best": 1.0, "mean": 2.0}


def test_none_leaves_a_metric_out_and_an_exact_name_wins_over_a_glob() -> None:
    found = summarizer(
        define("val/*", None, None, None, "none", None), define("val/acc", None, None, None, "max", None)
    )
    found.add({"val/acc": 1, "val/loss": 2, "loss": 3})
    assert found.values == {"val/acc": {"max": 1}, "loss": 3}


def test_nested_metrics_are_found_under_their_dotted_names() -> None:
    found = summarizer(define("a.b", None, None, None, "max", None))
    found.add({"a": {"b": 2, "c": 5}})
    found.add({"a": {"b": 1, "c": 6}})
    assert found.values == {"a": {"b": {"max": 2}, "c": 6}}


def test_text_and_media_keep_their_last_value_whatever_was_asked_for() -> None:
    found = summarizer(define("*", None, None, None, "min", None))
    found.add({"note": "a", "image": {"_type": "image-file", "sha256": "0" * 64}})
    assert found.values == {"note": "a", "image": {"_type": "image-file", "sha256": "0" * 64}}


def test_a_row_without_its_step_metric_gets_the_last_value_of_it() -> None:
    found = summarizer(define("val/*", "epoch", None, None, None, None))
    found.add({"epoch": 5})
    assert found.step_of({"val/loss": 1.0}) == {"val/loss": 1.0, "epoch": 5}
    assert found.step_of({"loss": 1.0}) == {"loss": 1.0}
    assert found.step_of({"val/loss": 1.0, "epoch": 7}) == {"val/loss": 1.0, "epoch": 7}


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ((3, None, None, None, None, None), "name=3"),
        (("", None, None, None, None, None), "name=''"),
        (("a", 4, None, None, None, None), "step_metric=4"),
        (("a", None, None, None, "median", None), "summary='median'"),
        (("a", None, None, None, "none,min", None), "both something and nothing"),
        (("a", None, None, None, None, "biggest"), "goal='biggest'"),
    ],
)
def test_words_that_mean_nothing_are_refused_by_name(arguments: tuple[Any, ...], wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong) as caught:
        define(*arguments)
    assert caught.value.hint
