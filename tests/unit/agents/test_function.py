"""How a training function is called, and what its exits mean."""

from __future__ import annotations

from typing import Any

import pytest

from swath.agents.executors.function import TrialConfig, exit_code_of, takes_config


def test_a_config_is_read_by_item_and_by_attribute_nested_ones_too() -> None:
    config = TrialConfig.of({"lr": 0.1, "model": {"width": 3}})
    assert config.lr == config["lr"] == 0.1
    assert config.model.width == config["model"]["width"] == 3
    assert dict(**config) == {"lr": 0.1, "model": {"width": 3}}


def test_a_parameter_that_does_not_exist_is_said_with_those_that_do() -> None:
    with pytest.raises(AttributeError, match=r"no 'rate'; it has lr"):
        _ = TrialConfig.of({"lr": 0.1}).rate


def test_a_function_gets_the_config_when_it_wants_one() -> None:
    def bare() -> None: ...
    def named(config: Any = None) -> None: ...
    def needs(settings: Any) -> None: ...
    def optional(verbose: bool = False) -> None: ...
    def keywords(*, config: Any = None) -> None: ...

    assert [takes_config(each) for each in (bare, named, needs, optional, keywords)] == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_what_sys_exit_was_given_is_the_exit_code() -> None:
    assert exit_code_of(SystemExit(None)) == (0, "")
    assert exit_code_of(SystemExit(3)) == (3, "")
    assert exit_code_of(SystemExit("no data")) == (1, "no data")
