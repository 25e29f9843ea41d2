"""Filters mean what a plain reading of MongoDB's rules says, in Python and where the database checks them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.tracking.api import filters, pushdown
from swath.tracking.api.fields import MISSING, dig
from swath.tracking.api.local import LocalSource
from swath.tracking.api.query import query
from swath.tracking.errors import UsageError
from swath.tracking.testing.clock import FakeClock
from swath.tracking.testing.sources import write_run

COLUMNS: dict[str, Any] = {
    "id": "abc", "name": "brave-lake", "entity": "team", "project": "vision", "run_group": "", "job_type": "train",
    "tags": ["x", "y"], "notes": "", "sweep_id": "", "state": "finished", "host": "h", "created": 1000.0,
    "updated": 1010.0, "ended": 1020.0,
    "config": {"lr": 0.1, "n": 3, "on": True, "none": None, "opt": {"name": "adam", "lr": {"value": 2}},
               "a.b": {"c": 1}, "list": [1, {"k": 5}], "w": {"value": 7}},
    "summary": {"loss": math.nan, "acc": {"max": 0.9}, "val/f1": 0.5},
}  # fmt: skip


def holds(given_filter: dict[str, Any]) -> bool:
    return filters.parse(given_filter).matches(COLUMNS)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"id": "abc"},
        {"name": "abc"},
        {"name": "brave-lake"},
        {"name": {"$regex": "^brave"}},
        {"name": {"$in": ["abc"]}},
        {"display_name": "brave-lake"},
        {"displayName": {"$regex": "lake$"}},
        {"state": "finished", "project": "vision", "entity": "team", "username": "team"},
        {"jobType": "train", "job_type": "train"},
        {"group": None},
        {"group": ""},
        {"group": {"$exists": False}},
        {"tags": "x"},
        {"tags": ["x", "y"]},
        {"tags": {"$in": ["z", "y"]}},
        {"tags": {"$nin": ["z"]}},
        {"created_at": {"$gte": 1000, "$lt": "1970-01-01T00:16:41Z"}},
        {"createdAt": {"$gt": datetime(1970, 1, 1, tzinfo=UTC)}},
        {"created_at": {"$lt": "2024-01-01"}},
        {"duration": 20},
        {"config.lr": 0.1},
        {"config.lr": {"$lt": 0.2, "$gt": 0.05}},
        {"config.lr.value": {"$lt": 0.2}},
        {"config.opt.name": "adam"},
        {"config.opt.value.name": "adam"},
        {"config.opt.name.value": "adam"},
        {"config.opt.lr.value": 2},
        {"config.w.value": 7},
        {"config.a.b.c": 1},
        {"config.list.1.k": 5},
        {"config.list": 1},
        {"config.opt": {"name": "adam", "lr": {"value": 2}}},
        {"config.n": 3.0},
        {"config.n": {"$not": {"$gt": 5}}},
        {"config.on": True},
        {"config.on": {"$ne": 1}},
        {"config.none": None},
        {"config.none": {"$exists": True}},
        {"config.gone": None},
        {"config.gone": {"$exists": False}},
        {"config.gone": {"$ne": 3}},
        {"config.gone": {"$nin": [3]}},
        {"summary_metrics.loss": math.nan},
        {"summary.acc.max": {"$gte": 0.9}},
        {"summary_metrics.val/f1": 0.5},
        {"$or": [{"config.n": 1}, {"config.n": 3}]},
        {"$and": [{"config.n": 3}, {"$nor": [{"config.n": 4}, {"config.n": 5}]}]},
        {"$not": {"config.n": 4}},
    ],
)
def test_it_matches(wanted: dict[str, Any]) -> None:
    assert holds(wanted)


@pytest.mark.parametrize(
    "unwanted",
    [
        {"name": {"$ne": "abc"}},
        {"name": {"$ne": "brave-lake"}},
        {"display_name": "abc"},
        {"group": {"$exists": True}},
        {"tags": ["y", "x"]},
        {"tags": {"$nin": ["y"]}},
        {"config.n": True},
        {"config.on": 1},
        {"config.n": "3"},
        {"config.n": {"$gt": "2"}},
        {"config.on": {"$gt": 0}},
        {"config.gone": {"$lt": 3}},
        {"config.none": {"$lt": 3}},
        {"config.n": {"$regex": "3"}},
        {"summary_metrics.loss": {"$lt": 1}},
        {"summary_metrics.loss": {"$gte": 1}},
        {"$nor": [{"config.n": 3}]},
        {"state": "crashed"},
        {"config.n": {"$in": []}},
    ],
)
def test_it_does_not_match(unwanted: dict[str, Any]) -> None:
    assert not holds(unwanted)


def test_states_may_be_called_as_wandb_calls_them() -> None:
    assert filters.parse({"state": {"$in": ["crashed"]}}).matches({"state": "lost"})
    assert filters.parse({"state": {"$ne": "crashed"}}).matches({"state": "failed"})


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"config.lr": {"$lessthan": 1}}, "operators are"),
        ({"config.lr": {"$it": 1}}, r"did you mean \$"),
        ({"config.lr": {"$get": 1}}, r"did you mean \$gt"),
        ({"$an": []}, r"did you mean \$and"),
        ({"$lt": 3}, "without a key"),
        ({"sate": "finished"}, "did you mean 'state'"),
        ({"lr": 1}, "config.KEY"),
        ({"config": {"lr": 1}}, "config.lr"),
        ({"summary_metrics": {"$exists": True}}, "whole dict"),
        ({3: 1}, "keys are strings"),
        ({"config.lr": {"$lt": 1, "x": 2}}, "mixes"),
        ({"$or": []}, "a list of filters"),
        ({"$or": {"config.lr": 1}}, "a list of filters"),
        ({"$and": ["config.lr"]}, "is no dict"),
        ({"$not": [1]}, "a filter"),
        ({"config.lr": {"$not": 3}}, "operators"),
        ({"config.lr": {"$in": 3}}, "a list"),
        ({"config.lr": {"$in": "abc"}}, "a list"),
        ({"config.lr": {"$exists": "yes"}}, "True or False"),
        ({"config.lr": {"$regex": "("}}, "no regular expression"),
        ({"config.lr": {"$regex": 3}}, "a regular expression"),
        ({"config.lr": {"$gt": None}}, "a number or a string"),
        ({"config.lr": {"$gt": [1]}}, "a number or a string"),
        ({"config.lr": object()}, "cannot be recorded"),
        ({"created_at": {"$gt": "yesterday"}}, "no time"),
        ({"created_at": {"$regex": "2024"}}, "a time is no text"),
        (["state"], "is no dict"),
    ],
)
def test_what_means_nothing_is_an_error_that_says_what_to_write(wrong: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        query(wrong)


@pytest.mark.parametrize("wrong", ["", "+", "-", "lr", "+sate", "config", None, 3, "- created_at"])
def test_an_order_that_means_nothing_is_an_error(wrong: Any) -> None:
    with pytest.raises(UsageError, match="order="):
        query(None, wrong)


# Against a plain reading of the rules.

KEYS = ["config.a", "config.b", "config.c.d", "config.a.value", "summary_metrics.m", "tags", "state", "project", "id"]
KEYS += ["display_name", "name", "group", "created_at", "notes"]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3), st.sampled_from([0.0, 1.0, 1.5, math.nan, math.inf]),
    st.sampled_from(["", "a", "b", "ab", "r1", "finished", "1"]),
)  # fmt: skip
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))
WORDS = st.sampled_from(["", "a", "b", "ab"])


@st.composite
def leaves(draw: st.DrawFn) -> dict[str, Any]:
    key = draw(st.sampled_from(KEYS))
    operand = st.one_of(st.integers(0, 3), st.none()) if key == "created_at" else VALUES
    comparable = st.integers(0, 3) if key == "created_at" else SCALARS.filter(lambda value: value is not None)
    tests: list[st.SearchStrategy[Any]] = [
        operand,
        operand.map(lambda value: {"$eq": value}),
        operand.map(lambda value: {"$ne": value}),
        st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), comparable).map(lambda pair: {pair[0]: pair[1]}),
        st.lists(operand, max_size=3).map(lambda values: {"$in": values}),
        st.lists(operand, max_size=3).map(lambda values: {"$nin": values}),
        st.booleans().map(lambda value: {"$exists": value}),
    ]
    if key != "created_at":
        tests.append(st.sampled_from(["a", "^b", "b$", "."]).map(lambda value: {"$regex": value}))
    test = draw(st.one_of(tests))
    if isinstance(test, dict) and draw(st.booleans()):
        test = {"$not": test}
    return {key: test}


FILTERS = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, min_size=1, max_size=3)).map(
            lambda pair: {pair[0]: pair[1]}
        ),
        st.tuples(inner, inner).map(lambda pair: {**pair[0], **pair[1]}),
    ),
    max_leaves=5,
)
RUNS = st.fixed_dictionaries(
    {
        "config": st.dictionaries(st.sampled_from(["a", "b"]), VALUES).flatmap(
            lambda plain: VALUES.map(lambda value: {**plain, "c": {"d": value}})
        ),
        "summary": st.dictionaries(st.just("m"), SCALARS),
        "tags": st.lists(st.sampled_from(["a", "b"]), max_size=2),
        "state": st.sampled_from(["finished", "failed"]),
        "project": WORDS, "run_group": WORDS, "notes": WORDS,
        "id": st.sampled_from(["r1", "b"]), "name": st.sampled_from(["a", "ab"]),
        "created": st.integers(0, 3).map(float),
    }
)  # fmt: skip


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return {int: "number", float: "number", str: "text"}.get(type(value), "other")


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(alike(a, b) for a, b in zip(one, other, strict=True))
    if kind(one) != kind(other):
        return False
    return bool(one == other) or (isinstance(one, float) and isinstance(other, float) and one != one and other != other)


def values_at(run: dict[str, Any], key: str) -> Any:
    """The value, or the string "gone"."""
    plain = {"tags": "tags", "state": "state", "id": "id", "display_name": "name", "created_at": "created"}
    if key == "name":
        return [run["id"], run["name"]]
    if key in plain:
        return run[plain[key]]
    if key in ("project", "group", "notes"):
        return run["run_group" if key == "group" else key] or "gone"
    column, _, path = key.partition(".")
    if path == "c.d":
        return run["config"]["c"]["d"]
    if path == "a.value":
        path = "a"
    return run["config" if column == "config" else "summary"].get(path, "gone")


def reference(run: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(entry_holds(run, key, value) for key, value in wanted.items())


def entry_holds(run: dict[str, Any], key: str, value: Any) -> bool:
    match key:
        case "$and":
            return all(reference(run, each) for each in value)
        case "$or":
            return any(reference(run, each) for each in value)
        case "$nor":
            return not any(reference(run, each) for each in value)
    tests = value if isinstance(value, dict) else {"$eq": value}
    return all(agrees(run, key, word, operand) for word, operand in tests.items())


def agrees(run: dict[str, Any], key: str, word: str, operand: Any) -> bool:
    value = values_at(run, key)
    gone = value == "gone"
    each = value if isinstance(value, list) else [value]

    def is_it(wanted: Any) -> bool:
        if wanted == "" and key in ("project", "group", "notes"):
            wanted = None
        if gone:
            return wanted is None
        return alike(value, wanted) or (isinstance(value, list) and any(alike(one, wanted) for one in value))

    match word:
        case "$not":
            return not entry_holds(run, key, operand)
        case "$eq":
            return is_it(operand)
        case "$ne":
            return not is_it(operand)
        case "$in":
            return any(is_it(one) for one in operand)
        case "$nin":
            return not any(is_it(one) for one in operand)
        case "$exists":
            return gone is not operand
        case "$regex":
            return not gone and any(isinstance(one, str) and re.search(operand, one) for one in each)
    if gone:
        return False
    if operand == "" and key in ("project", "group", "notes"):
        return False
    return any(kind(one) == kind(operand) and compared(one, word, operand) for one in each)


def compared(one: Any, word: str, other: Any) -> bool:
    return bool({"$gt": one > other, "$gte": one >= other, "$lt": one < other, "$lte": one <= other}[word])


def is_valid(wanted: dict[str, Any]) -> bool:
    try:
        filters.parse(wanted)
    except UsageError:
        return False
    return True


@given(RUNS, FILTERS.filter(is_valid))
def test_filters_agree_with_a_plain_reading(run: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert filters.parse(wanted).matches(run) == reference(run, wanted)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSource]:
    """24 runs of many kinds."""
    root = tmp_path_factory.mktemp("store") / ".swath"
    words = ["", "a", "b", "ab"]
    for number in range(24):
        config = {"a": [1, "a", True, None, [1, 2], 1.5][number % 6], "c": {"d": [0, "b", []][number % 3]}}
        who: dict[str, Any] = {
            "project": words[number % 4],
            "group": words[number // 4 % 4],
            "notes": words[number // 2 % 4],
        }
        who |= {"name": words[1 + number % 3], "tags": ("a", "b")[: number % 3], "time": float(number % 4)}
        write_run(root, "r1" if number == 0 else f"x{number}", config, [{"m": number % 3}], **who)
    source = LocalSource(root, FakeClock())
    yield source
    source.close()


@given(wanted=FILTERS.filter(is_valid))
def test_what_the_database_checks_itself_comes_to_the_same(store: LocalSource, wanted: dict[str, Any]) -> None:
    everything = store.rows(store.find(query()))
    known = {
        run_id: msgspec.structs.asdict(row) | {"run_group": row.group, "tags": list(row.tags)}
        for run_id, row in everything.items()
    }
    matching = {run_id for run_id, columns in known.items() if reference(columns, wanted)}
    found = store.find(query(wanted))
    assert set(found) == matching
    assert found == sorted(found, key=lambda run_id: (everything[run_id].created, run_id))


def test_plain_conditions_are_left_to_the_database() -> None:
    wanted = {"state": "finished", "project": {"$in": ["a", "b"]}, "created_at": {"$gt": 3}, "$and": [{"group": "g"}]}
    clauses, rest = pushdown.split(filters.parse(wanted))
    assert (len(clauses), filters.columns_of(rest)) == (4, set())
    clauses, rest = pushdown.split(filters.parse({"$or": [{"state": "a"}, {"state": "b"}], "project": "p"}))
    assert (len(clauses), filters.columns_of(rest)) == (1, {"state"})


@given(st.dictionaries(st.sampled_from(["a", "a.b", "b", "b.c"]), st.integers() | st.just({"b": 1, "b.c": 2, "c": 3})))
def test_every_key_is_found_at_its_own_path(tree: dict[str, Any]) -> None:
    for key, value in tree.items():
        assert dig(tree, key) == value
        if isinstance(value, dict):
            for inner in value:
                assert dig(tree, f"{key}.{inner}") is not MISSING
    assert dig(tree, "x.y") is MISSING
