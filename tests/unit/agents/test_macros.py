"""Command macros mean what they mean to W&B, and what swath adds is exact."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from swath.agents.macros import MacroError, check_command, default_command, expand

CONFIG = {
    "lr": 0.1,
    "amp": True,
    "debug": False,
    "layers": [64, 32],
    "model": {"width": 3, "act": "relu"},
    "none": None,
}


@pytest.mark.parametrize(
    ("macro", "words"),
    [
        (
            "args",
            [
                "--lr=0.1",
                "--amp=True",
                "--debug=False",
                "--layers=[64, 32]",
                "--model={'width': 3, 'act': 'relu'}",
                "--none=None",
            ],
        ),
        ("args_no_hyphens", ["lr=0.1", "amp=True", "debug=False", "layers=[64, 32]"]),
        ("args_no_equals", ["--lr", "0.1", "--amp", "True", "--debug", "False", "--layers", "[64, 32]"]),
        ("args_no_boolean_flags", ["--lr=0.1", "--amp", "--layers=[64, 32]"]),
        ("args_append_hydra", ["+lr=0.1", "+amp=True"]),
        ("args_override_hydra", ["++lr=0.1", "++amp=True"]),
    ],
)
def test_each_list_macro_writes_the_arguments_as_wandb_does(macro: str, words: list[str]) -> None:
    assert expand(["run", f"${{{macro}}}"], CONFIG)[1 : 1 + len(words)] == words


def test_an_empty_list_macro_leaves_no_word_behind() -> None:
    assert expand(["run", "${args}", "end"], {}) == ["run", "end"]


def test_args_json_is_one_word_of_json() -> None:
    assert json.loads(expand(["run", "${args_json}"], CONFIG)[1]) == CONFIG


def test_args_json_file_writes_the_file_and_names_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "config.json"
    assert expand(["run", "${args_json_file}"], CONFIG, json_file=target) == ["run", str(target)]
    assert json.loads(target.read_text()) == CONFIG


def test_the_default_command_runs_a_python_program_with_this_python() -> None:
    words = expand(default_command("train.py"), {"lr": 0.1}, "train.py")
    assert words == ["/usr/bin/env", sys.executable, "train.py", "--lr=0.1"]


def test_an_executable_that_is_not_python_is_started_directly(tmp_path: Path) -> None:
    (tmp_path / "train.sh").touch(0o755)
    assert default_command("train.sh", str(tmp_path)) == ["${env}", "${program}", "${args}"]


@pytest.mark.parametrize("env", [[], ["${env}"]])
def test_a_python_file_that_is_not_executable_goes_through_the_interpreter(tmp_path: Path, env: list[str]) -> None:
    (tmp_path / "train.py").touch(0o644)
    words = expand([*env, "${program}", "x"], {}, "train.py", cwd=str(tmp_path))
    assert words[-3:] == [sys.executable, "train.py", "x"]


def test_an_executable_python_file_is_left_to_its_own_first_line(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch(0o755)
    assert expand(["${program}"], {}, "train.py", cwd=str(tmp_path)) == ["train.py"]


def test_a_module_is_run_by_writing_the_command_so() -> None:
    assert expand(["${interpreter}", "-m", "pkg.train", "${args}"], {"a": 1}) == [
        sys.executable,
        "-m",
        "pkg.train",
        "--a=1",
    ]


def test_parameters_stand_inside_tokens_with_dots_for_nested_ones() -> None:
    assert expand(["run", "out/${lr}-${model.width}"], CONFIG) == ["run", "out/0.1-3"]


def test_environment_variables_stand_inside_tokens() -> None:
    assert expand(["run", "--out=${envvar:HOME_DIR}/x"], {}, environ={"HOME_DIR": "/h"}) == ["run", "--out=/h/x"]


def test_a_variable_that_is_not_set_is_an_error() -> None:
    with pytest.raises(MacroError, match="no NOWHERE"):
        expand(["run", "${envvar:NOWHERE}"], {})


def test_an_unknown_macro_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(MacroError, match=r"did you mean \$\{args\}"):
        expand(["run", "${arg}"], {})
    with pytest.raises(MacroError, match=r"did you mean \$\{model.width\}"):
        expand(["run", "${model.widht}"], CONFIG)


def test_a_list_macro_inside_a_token_is_an_error_that_says_where_it_may_stand() -> None:
    with pytest.raises(MacroError, match="an item of its own"):
        expand(["bash", "-c", "train ${args}"], CONFIG)


def test_a_doubled_dollar_leaves_the_braces_to_the_shell() -> None:
    assert expand(["bash", "-c", "cd $${HOME}"], {}) == ["bash", "-c", "cd ${HOME}"]


def test_the_value_of_a_parameter_is_not_expanded_again() -> None:
    assert expand(["run", "${a}", "${args}"], {"a": "${b}"}) == ["run", "${b}", "--a=${b}"]


def test_all_faults_of_a_command_are_found_before_there_is_a_config() -> None:
    faults = check_command(["${env}", "${progam}", "-c ${args}", "${lr}", "${wd}", "${envvar:X}", "$${y}"], ["lr"])
    assert [fault.message.split("}")[0] for fault in faults] == [
        "unknown macro ${progam",
        "${args",
        "unknown macro ${wd",
    ]
