"""How `method` and `search` of a spec are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from swath.sweeps.spec.loader import load_mapping, load_yaml
from swath.sweeps.spec.reader import Reader
from swath.sweeps.spec.search import OPTIONS, learns, options_of, read_method, read_search, several_goals


def read(text: str) -> tuple[str | None, dict[str, Any], list[str]]:
    """The method, its options, and the faults as text."""
    loaded = load_yaml(text)
    reader = Reader(loaded)
    method = read_method(reader, loaded.data)
    options = read_search(reader, loaded.data, method)
    return method, options, [str(fault) for fault in reader.faults]


@pytest.mark.parametrize(
    "text",
    [
        'method: "custom: pkg.mod:Searcher"',
        "method: custom:pkg.mod:Searcher",
        "method: {custom: pkg.mod:Searcher}",
        "method:\n  custom: pkg.mod:Searcher",
    ],
)
def test_a_custom_method_is_named_in_any_of_these_ways(text: str) -> None:
    assert read(text + "\nsearch: {anything: [1, 2]}" if "\n" not in text else text)[0] == "custom: pkg.mod:Searcher"


def test_the_options_of_a_custom_method_are_its_own() -> None:
    assert read("{method: 'custom:m:S', search: {deep: {er: 1}}}")[1:] == ({"deep": {"er": 1}}, [])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("method: custom", "does not name a searcher"),
        ("method: 'custom: Searcher'", "write it as method"),
        ("method: {custom: 3}", "does not name a searcher"),
        ("method: tpee", "did you mean 'tpe'?"),
        ("method: 3", "must be one of grid"),
        ("seed: 1", "the key is missing"),
        ("{method: tpe, search: {startup: 0}}", "whole number of at least 1"),
        ("{method: tpe, search: {start: 3}}", "did you mean 'startup'?"),
        ("{method: tpe, search: [1]}", "must hold keys and values"),
        ("{method: nsga2, search: {population: 1}}", "at least 2"),
        ("{method: nsga2, search: {mutation: 1.5}}", "from 0 to 1"),
        ("{method: cmaes, search: {sigma0: 0}}", "above 0"),
        ("{method: qmc, search: {scramble: 1}}", "true or false"),
        ("{method: grid, search: {startup: 3}}", "grid has no options"),
    ],
)
def test_what_is_wrong_is_said(text: str, told: str) -> None:
    faults = read(text)[2]
    assert len(faults) == 1
    assert told in faults[0]


def test_given_options_are_kept_as_given_and_the_others_have_defaults() -> None:
    method, options, faults = read("{method: tpe, search: {startup: 4, liar: false}}")
    assert (method, options, faults) == ("tpe", {"startup": 4, "liar": False}, [])
    assert options_of("tpe", options) == {"startup": 4, "candidates": 24, "liar": False}


@pytest.mark.parametrize("method", OPTIONS)
def test_every_method_takes_its_own_defaults(method: str) -> None:
    given = {name: value for name, value in options_of(method, {}).items() if value is not None}
    reader = Reader(load_mapping({"method": method, "search": given}))
    assert read_search(reader, {"search": given} if given else {}, method) == given
    assert reader.faults == []


def test_which_methods_learn_and_which_take_several_goals() -> None:
    assert [method for method in OPTIONS if learns(method)] == ["bayes", "tpe", "gp", "cmaes", "nsga2", "nsga3"]
    assert [method for method in OPTIONS if not several_goals(method)] == ["cmaes"]
    assert several_goals("custom: a:B")
    assert not learns("custom: a:B")


def test_the_reference_lists_every_option_with_its_default() -> None:
    reference = Path(__file__).parents[3] / "docs" / "reference" / "spec.md"
    table = reference.read_text().partition("## `search`")[2].partition("\n## ")[0]
    told: dict[str, dict[str, str]] = {}
    for names, options in re.findall(r"^\| (`[a-z].*?) \| (.*?) \|$", table, re.MULTILINE):
        found = dict(re.findall(r"`([a-z0-9_]+)`(?: \(([^)]*)\))?", options))
        told |= dict.fromkeys(re.findall(r"`([a-z0-9]+)`", names), found)
    expected = {
        method: {
            name: "" if option.default is None else str(option.default).lower() for name, option in options.items()
        }
        for method, options in OPTIONS.items()
        if options
    }
    assert told == expected
