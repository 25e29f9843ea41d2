"""Searchers of the user's own: how they are found, and what is said when they are wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swath.sweeps.search import History, Observation, Searcher, make_searcher, rng_for
from swath.sweeps.space import SearchSpace
from swath.sweeps.spec import SweepSpec
from swath.tracking.errors import UsageError

PARAMETERS: dict[str, Any] = {
    "a": {"values": [1, 2, 3]},
    "net": {"parameters": {"b": {"values": [1, 2, 3], "when": {"a": [2, 3]}}}},
}
SPACE = SearchSpace.from_parameters(PARAMETERS, ["a + net.b <= 5"])
MODULE = """
from swath.sweeps.search import Suggestion

class Fixed:
    uses_history = False

    def __init__(self, space, options):
        self.config = options["config"]

    def suggest(self, history, number, rng):
        return Suggestion(self.config, "fixed")

class Bad(Fixed):
    def suggest(self, history, number, rng):
        return {"zero": 1 / (number - 1), "dict": {}}

class Silent:
    def __init__(self, space, options):
        pass

class Outer:
    Inner = Fixed
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that holds the module `own_search`, on the path as long as the test takes."""
    path, modules = list(sys.path), set(sys.modules)
    (tmp_path / "own_search.py").write_text(MODULE)
    (tmp_path / "broken_search.py").write_text("import no_such_package")
    (tmp_path / "failing_search.py").write_text("1 / 0")
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.endswith("_search"):
            del sys.modules[name]


def load(name: str, folder: Path, **options: Any) -> Searcher:
    return make_searcher(SweepSpec(f"custom: {name}", PARAMETERS, search=options), SPACE, folder=folder)


@pytest.mark.parametrize("name", ["own_search:Fixed", "own_search:Outer.Inner"])
def test_it_is_imported_from_beside_the_sweep_file_and_given_its_options(name: str, folder: Path) -> None:
    searcher = load(name, folder, config={"a": 1})
    assert not searcher.uses_history
    suggestion = searcher.suggest(History(), 1, rng_for(1, 1))
    assert suggestion is not None
    assert suggestion.config == {"a": 1}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere_at_all:Searcher", "cannot be imported: No module named 'nowhere_at_all'"),
        ("broken_search:Searcher", "cannot be imported: No module named 'no_such_package'"),
        ("failing_search:Searcher", "failed: ZeroDivisionError"),
        ("own_search:Fixd", "did you mean 'Fixed'?"),
        ("own_search:Fixed", "cannot be made: KeyError: 'config'"),
        ("own_search:Silent", "has no method suggest(history, number, rng)"),
    ],
)
def test_one_that_cannot_be_used_says_why(name: str, told: str, folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(name, folder)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"a": 4}, "a cannot be 4"),
        ({"a": 1, "net": {"b": 1}}, "conditional parameters are missing, or there where they do not belong"),
        ({"a": 2}, "conditional parameters are missing"),
        ({}, "'a' is missing"),
        ({"a": 1, "c": 2}, "there is no parameter 'c'"),
        ({"a": 3, "net": {"b": 3}}, "it does not meet the constraint 'a + net.b <= 5'"),
        ([1], "it is list, and not a dict"),
        ({"a": 2, "net": {"b": 2}}, "handed out already"),
    ],
)
def test_a_configuration_outside_the_space_is_named_with_what_is_wrong(config: Any, told: str, folder: Path) -> None:
    history = History()
    old = {"a": 2, "net": {"b": 2}}
    history.put(Observation(1, old, "running"), SPACE.point_hash(old))
    with pytest.raises(UsageError) as caught:
        load("own_search:Fixed", folder, config=config).suggest(history, 7, rng_for(1, 7))
    assert told in str(caught.value)
    assert "'own_search:Fixed', asked for trial 7" in str(caught.value)


def test_an_error_inside_it_is_told_with_its_place(folder: Path) -> None:
    searcher = load("own_search:Bad", folder, config={})
    with pytest.raises(UsageError) as caught:
        searcher.suggest(History(), 1, rng_for(1, 1))
    assert "ZeroDivisionError" in str(caught.value)
    assert "own_search.py, line 15" in str(caught.value)
    with pytest.raises(UsageError, match="gave dict, and not a Suggestion"):
        searcher.suggest(History(), 2, rng_for(1, 2))
