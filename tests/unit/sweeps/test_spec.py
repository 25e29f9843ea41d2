"""What a sweep file may say, what it comes to, and what its faults look like."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.sweeps.spec import (
    Fault,
    HyperbandSettings,
    Metric,
    Resources,
    Retry,
    SpecFaults,
    load_spec,
    parse_spec,
)
from swath.sweeps.spec.keys import LATER, METHODS, NOTICES
from swath.sweeps.spec.units import parse_bytes
from swath.sweeps.testing.strategies import Parameter, spaces
from swath.tracking.errors import SpecError, SwathError

FULL = """\
method: bayes
name: everything
description: all keys
project: p
entity: e
seed: 7
agents: 4
run_cap: 20
metric: {name: val/loss, goal: maximize, target: 1e-3, impute: best, impute_while_running: false}
early_terminate: {type: hyperband, min_iter: 3, eta: 2, strict: false}
program: train.py
command: ["${env}", "${interpreter}", "${program}", "--lr=${model.lr}", "--out=${envvar:HOME}/x", "${args}"]
resources: {cpu: 2, gpu: 0.5, memory: 8GiB}
retry: {max: 2, on: [crashed, failed]}
controller: {type: cloud}
parameters:
  model:
    parameters:
      lr: {distribution: log_uniform_values, min: 1e-5, max: 1E-1}
  kind: {values: [yes, no, 2024-01-01]}
"""


def faults_of(source: Any) -> tuple[Fault, ...]:
    with pytest.raises(SpecFaults) as caught:
        parse_spec(source)
    return caught.value.faults


def only_fault(source: Any) -> Fault:
    faults = faults_of(source)
    assert len(faults) == 1, faults
    return faults[0]


def simple(**more: Any) -> dict[str, Any]:
    return {"method": "random", "parameters": {"a": {"min": 0.0, "max": 1.0}}, **more}


def with_parameter(**parameter: Any) -> dict[str, Any]:
    return {"method": "random", "parameters": {"a": parameter}}


def accepted_or_faulted(source: Any) -> bool:
    try:
        return parse_spec(source) is not None
    except SpecFaults as error:
        return bool(error.faults)


def test_a_full_file_is_read_into_plain_values() -> None:
    spec = parse_spec(FULL)
    assert (spec.method, spec.name, spec.seed, spec.agents, spec.run_cap) == ("bayes", "everything", 7, 4, 20)
    assert spec.metric == Metric("val/loss", "maximize", 0.001, "best", None)
    assert spec.early_terminate == HyperbandSettings(min_iter=3, eta=2, strict=False)
    assert spec.resources == Resources(2.0, 0.5, 8 * 1024**3)
    assert spec.retry == Retry(2, frozenset({"crashed", "failed"}))
    assert spec.command is not None
    assert spec.command[3] == "--lr=${model.lr}"
    assert spec.parameters["model"]["parameters"]["lr"]["min"] == 1e-5
    assert spec.parameters["kind"]["values"] == [True, False, "2024-01-01"]
    assert spec.notices == (NOTICES["controller"],)
    assert spec.source == FULL


def test_what_is_left_out_has_defaults() -> None:
    spec = parse_spec(simple())
    assert (spec.metric, spec.agents, spec.seed, spec.run_cap) == (None, None, None, None)
    assert spec.resources == Resources(cpu=1.0, gpu=0.0, memory=None)
    assert spec.retry == Retry(max=5, on=frozenset({"crashed", "preempted"}))


@pytest.mark.parametrize(
    ("resources", "per_node", "distributed"),
    [
        ({}, 1, False),
        ({"gpu": 4}, 1, False),
        ({"gpu": 4, "nodes": 2}, 4, True),
        ({"gpu": 0.5, "nodes": 2}, 1, True),
        ({"nodes": 2}, 1, True),
        ({"nodes": 2, "gpu": 4, "processes": 2}, 2, True),
        ({"processes": 1}, 1, True),
        ({"processes": 3}, 3, True),
    ],
)
def test_a_trial_on_several_nodes_has_a_process_for_each_gpu_unless_it_says(
    resources: dict[str, Any], per_node: int, distributed: bool
) -> None:
    found = parse_spec(simple(resources=resources)).resources
    assert (found.per_node, found.distributed) == (per_node, distributed)


def test_a_spec_survives_its_own_dict() -> None:
    spread = parse_spec(simple(resources={"nodes": 2, "processes": 3, "placement": "pack"}))
    for spec in (parse_spec(FULL), parse_spec(simple(function="a.b:c")), spread):
        assert parse_spec(json.loads(json.dumps(spec.to_dict()))) == spec


@given(spaces())
def test_parameters_survive_a_dict_and_json(parameters: Parameter) -> None:
    spec = parse_spec({"method": "random", "parameters": parameters})
    assert parse_spec(spec.source) == parse_spec(spec.to_dict()) == spec


def test_all_faults_are_told_at_once_with_their_lines_and_the_nearest_name() -> None:
    faults = faults_of(
        "metod: random\n"
        "metric:\n"
        "  goal: minimise\n"
        "parameters:\n"
        "  lr:\n"
        "    min: 0.1\n"
        "    max: 0.01\n"
        "  net:\n"
        "    parameters:\n"
        "      depth: {mn: 1, max: 4}\n"
        "run_cap: 0\n"
    )
    told = {fault.path: fault for fault in faults}
    assert told["metod"].line == 1
    assert told["metod"].hint == "did you mean 'method'?"
    assert told["metric"].line == 2
    assert (told["metric.goal"].line, told["metric.goal"].hint) == (3, "did you mean 'minimize'?")
    assert (told["parameters.lr"].line, told["parameters.lr"].hint) == (5, "swap them")
    depth = told["parameters.net.parameters.depth.mn"]
    assert (depth.line, depth.column, depth.hint) == (10, 15, "did you mean 'min'?")
    assert told["run_cap"].line == 11
    assert [fault.line for fault in faults if fault.line] == sorted(fault.line for fault in faults if fault.line)


def test_the_message_is_for_people() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec("method: random\nparameters: {a: {value: 1}}\nrun_cap: '7'\n", "sweep.yaml")
    assert isinstance(caught.value, SwathError)
    assert str(caught.value) == (
        "sweep.yaml: 1 fault\n"
        "  line 3, column 1: run_cap: must be a whole number of at least 1, not '7'\n"
        "      hint: remove the quotes"
    )


def test_a_syntax_error_has_its_line_and_column() -> None:
    fault = only_fault("method: random\nparameters: {a: [1, 2\nname: x\n")
    assert fault.message.startswith("YAML syntax error")
    assert (fault.line, fault.column) == (3, 5)


@pytest.mark.parametrize("text", ["", "- 1\n", "just text", "# nothing"])
def test_a_file_without_keys_is_a_fault(text: str) -> None:
    assert "keys and values" in only_fault(text).message


def test_a_key_that_stands_twice_is_a_fault_at_any_depth() -> None:
    fault = only_fault("method: random\nparameters:\n  a:\n    value: 1\n    value: 2\n")
    assert (fault.path, fault.line) == ("parameters.a.value", 5)
    assert "line 4" in fault.message


def test_anchors_and_merge_keys_work_and_a_loop_is_a_fault() -> None:
    spec = parse_spec("method: random\nparameters:\n  a: &r {min: 0.0, max: 1.0}\n  b: *r\n  c: {<<: *r, max: 2.0}\n")
    assert spec.parameters["c"] == {"min": 0.0, "max": 2.0}
    assert spec.parameters["b"] == spec.parameters["a"]
    assert "alias" in faults_of("method: random\nparameters: &p\n  a: *p\n")[0].message


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", ".1e-2", "+1e-3"])
def test_exponents_are_numbers(text: str) -> None:
    spec = parse_spec(f"method: random\nparameters: {{a: {{value: {text}}}}}")
    assert spec.parameters["a"]["value"] == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("!!binary aGVsbG8=", "a bytes cannot stand"),
        ("!!timestamp 2024-01-01", "a date cannot stand"),
        ("!!timestamp soon", "is no timestamp"),
        ("!!bool maybe", "is no bool"),
        ('!!int ""', "is no int"),
        ('"\\udcff"', "lone surrogate"),
    ],
)
def test_yaml_that_is_no_plain_value_is_a_fault_with_its_line(value: str, part: str) -> None:
    fault = only_fault(f"method: random\nparameters:\n  a: {{value: {value}}}\n")
    assert (fault.path, fault.line) == ("parameters.a.value", 3)
    assert part in fault.message


def test_a_date_is_text() -> None:
    spec = parse_spec("method: random\nparameters: {a: {value: 2024-01-01}}\n")
    assert spec.parameters["a"]["value"] == "2024-01-01"


@pytest.mark.parametrize(
    "source",
    [
        with_parameter(value="\udcff"),
        with_parameter(values=[{"\udcff": 1}]),
        {**simple(), "parameters": {"\udcff": {"value": 1}}},
        simple(metric={"name": "\udcff"}),
        simple(**{"\udcff": 1}),
        'method: random\nparameters: {"\\udcff": {value: 1}, "\\udcff": {value: 1}}\n',
    ],
)
def test_text_that_cannot_be_stored_is_a_fault_that_can_be_printed(source: Any) -> None:
    faults = faults_of(source)
    assert any("lone surrogate" in fault.message for fault in faults)
    assert all(str(fault).encode() for fault in faults)


def test_values_nested_without_end_are_a_fault() -> None:
    loop: list[Any] = []
    loop += [loop, loop]
    assert "inside themselves" in only_fault(with_parameter(value=loop)).message
    assert "levels deep" in only_fault("[" * 5000).message


def test_on_is_a_key_and_not_a_boolean() -> None:
    spec = parse_spec("method: random\nparameters: {a: {value: 1}}\nretry: {on: [failed]}\n")
    assert spec.retry.on == {"failed"}


@pytest.mark.parametrize("key", LATER)
def test_what_comes_later_is_said_to_come_later(key: str) -> None:
    assert "not supported yet" in only_fault(simple(**{key: [1]})).message


@pytest.mark.parametrize("method", [method for method in METHODS if method != "custom"])
def test_every_method_is_accepted(method: str) -> None:
    spec = {**with_parameter(values=[1, 2]), "metric": {"name": "loss"}, "method": method}
    assert parse_spec(spec).method == method


@pytest.mark.parametrize(
    "method", ["custom:my.module:Searcher", "custom: my.module:Searcher", {"custom": "my.module:Searcher"}]
)
def test_a_method_of_the_users_own_is_named_by_its_module(method: Any) -> None:
    assert parse_spec({**simple(), "method": method}).method == "custom: my.module:Searcher"


def test_custom_resources_come_back_as_they_were_said() -> None:
    spec = parse_spec(simple(resources={"custom": {"tpu": 4, "licence": 0.5}}))
    assert spec.resources.custom == (("licence", 0.5), ("tpu", 4.0))
    assert parse_spec(spec.to_dict()).resources == spec.resources


@pytest.mark.parametrize(
    ("source", "path", "part"),
    [
        (simple(program="a.py", function="m:f"), "function", "`program`"),
        (simple(function="m.f"), "function", "package.module:name"),
        (simple(seed=-1), "seed", "at least 0"),
        (simple(seed=True), "seed", "not true"),
        (simple(seed=2**63), "seed", "at most 9223372036854775807"),
        (simple(resources={"cpu": 10**400}), "resources.cpu", "greater than a float"),
        (simple(agents=0), "agents", "at least 1"),
        (simple(resources={"cpu": 0}), "resources.cpu", "above 0"),
        (simple(resources={"gpu": -1}), "resources.gpu", "at least 0"),
        (simple(resources={"memory": "8 apples"}), "resources.memory", "8GiB"),
        (simple(resources={"custom": {"GPU": 1}}), "resources.custom.GPU", "no custom resource"),
        (simple(resources={"custom": {"a b": 1}}), "resources.custom.a b", "name of a resource"),
        (simple(resources={"custom": {"tpu": 0}}), "resources.custom.tpu", "above 0"),
        (simple(resources={"nodes": 0}), "resources.nodes", "at least 1"),
        (simple(resources={"processes": 1.5}), "resources.processes", "whole number"),
        (simple(resources={"gpu": 2, "processes": 4}), "resources.processes", "a node with 2 GPUs"),
        (simple(resources={"nodes": 2, "placement": "packed"}), "resources.placement", "did you mean 'pack'?"),
        (simple(resources={"placement": "pack"}), "resources.placement", "one node"),
        (simple(retry={"max": -1}), "retry.max", "at least 0"),
        (simple(retry={"on": ["crash"]}), "retry.on[0]", "did you mean 'crashed'?"),
        (simple(retry={"on": "failed"}), "retry.on", "list"),
        (simple(metric="loss"), "metric", "keys and values"),
        (simple(metric={"name": ""}), "metric.name", "must be text"),
        (simple(metric={"name": "a", "target": float("nan")}), "metric.target", "number"),
        (simple(early_terminate={"min_iter": 3}), "early_terminate", "type"),
        (
            simple(early_terminate={"type": "hyperband", "min_iter": 3, "max_iter": 9, "s": 1}),
            "early_terminate",
            "both",
        ),
        ({**simple(), "method": "bayes"}, "metric", "bayes needs a metric"),
        (simple(command=[]), "command", "list"),
        (simple(command=["x", True]), "command[1]", "text"),
        (simple(command=["${argz}"]), "command[0]", "did you mean 'args'?"),
        (simple(command=["--x=${b}"]), "command[0]", "unknown macro"),
        (simple(command=["--x=${args}"]), "command[0]", "token of its own"),
        (with_parameter(min=0, max=1, q=1), "parameters.a.q", "q_uniform"),
        (with_parameter(mean=1), "parameters.a.mean", "unknown key"),
        (with_parameter(), "parameters.a", "says no values"),
        (with_parameter(values="abc"), "parameters.a.values", "[abc]"),
        (with_parameter(min="0", max=1.0), "parameters.a.min", "remove the quotes"),
        (with_parameter(min=float("inf"), max=1.0), "parameters.a.min", "number"),
        (with_parameter(min=-1.7e308, max=1.7e308), "parameters.a", "wider"),
        (
            with_parameter(values=[1, 2], probabilities=[1, 3]),
            "parameters.a.probabilities",
            "divide each by 4",
        ),
        (
            with_parameter(distribution="log_uniform", min=-2, max=0),
            "parameters.a.distribution",
            "min: 0.135335, max: 1",
        ),
        (with_parameter(distribution="unifrom", min=-2, max=0), "parameters.a.distribution", "'uniform'"),
        (
            with_parameter(distribution="normal", min=0, max=1),
            "parameters.a.min",
            "does not belong to normal",
        ),
        (with_parameter(parameters={"b": {"min": 2, "max": 1}}), "parameters.a.parameters.b", "swap"),
        ({"method": "grid", "parameters": {"a": {"min": 0.0, "max": 1.0}}}, "parameters.a", "continuous"),
        (with_parameter(value={1, 2}), "parameters.a.value", "a set cannot stand"),
        (with_parameter(value=datetime.date(2024, 1, 1)), "parameters.a.value", "a date cannot stand"),
        (with_parameter(min=0, max=10**400), "parameters.a.max", "greater than a float"),
    ],
)
def test_a_fault_names_its_key_and_the_remedy(source: dict[str, Any], path: str, part: str) -> None:
    found = [fault for fault in faults_of(source) if fault.path == path]
    assert found
    assert any(part in f"{fault.message} {fault.hint}" for fault in found), found


def test_parameters_of_a_command_may_be_nested() -> None:
    nested = {"parameters": {"b": {"value": 1}, "c": {"parameters": {"d": {"value": 2}}}}}
    source = {"method": "random", "parameters": {"a": nested}, "command": ["x", "${a.b}", "--d=${a.c.d}"]}
    assert parse_spec(source).command == ("x", "${a.b}", "--d=${a.c.d}")
    assert only_fault({**source, "command": ["${a.c}"]}).path == "command[0]"


@pytest.mark.parametrize("key", sorted(NOTICES))
def test_keys_without_effect_are_accepted_with_a_notice(key: str) -> None:
    value: Any = {} if key in ("controller", "scheduler") else "x"
    assert parse_spec(simple(**{key: value})).notices == (NOTICES[key],)


def test_what_cannot_be_run_is_told_apart_from_what_is_wrong(tmp_path: Path) -> None:
    stopper = {"type": "hyperband", "min_iter": 3}
    faults = parse_spec(simple(early_terminate=stopper)).runnable_faults()
    assert [fault.path for fault in faults] == ["metric", "program"]
    assert parse_spec(simple(function="m:f")).runnable_faults(tmp_path) == ()
    spec = parse_spec(simple(program="train.py"))
    assert spec.runnable_faults() == ()
    assert "train.py" in spec.runnable_faults(tmp_path)[0].message
    (tmp_path / "train.py").touch()
    assert spec.runnable_faults(tmp_path) == ()
    assert parse_spec(simple(command=["${program}"])).runnable_faults()[0].path == "program"


def test_a_missing_file_names_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text("method: random\nparameters: {a: {value: 1}}\n", encoding="utf-8")
    assert load_spec(tmp_path / "sweep.yaml").method == "random"
    with pytest.raises(SpecFaults, match=r"did you mean 'sweep\.yaml'"):
        load_spec(tmp_path / "swep.yaml")
    with pytest.raises(SpecFaults, match="cannot be read"):
        load_spec(tmp_path)


def test_a_file_that_is_not_text_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(SpecFaults, match="UTF-8"):
        load_spec(tmp_path / "sweep.yaml")


def test_python_values_are_made_plain() -> None:
    import numpy as np

    source = with_parameter(values=np.arange(3))
    source["parameters"]["b"] = {"values": range(2)}
    source["parameters"]["c"] = {"min": np.float64(0.5), "max": np.int64(2)}
    spec = parse_spec(source)
    assert spec.parameters["a"]["values"] == [0, 1, 2]
    assert spec.parameters["b"]["values"] == [0, 1]
    assert [type(spec.parameters["c"][end]) for end in ("min", "max")] == [float, int]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("8GiB", 8 * 2**30),
        ("500MB", 500 * 10**6),
        ("1.5 gb", 1_500_000_000),
        ("64Ki", 65536),
        ("123", 123),
        ("2M", 2_000_000),
    ],
)
def test_memory_has_units(text: str, amount: int) -> None:
    assert parse_bytes(text) == amount


@pytest.mark.parametrize("text", ["", "GiB", "-1GB", "1iB", "8 GiB x", "0"])
def test_what_is_no_amount(text: str) -> None:
    assert parse_bytes(text) is None


@given(st.text(max_size=60))
def test_any_text_is_a_spec_or_a_fault(text: str) -> None:
    assert accepted_or_faulted(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(["grid", "a", "hyperband"])
    | st.sampled_from([2**63, 10**400, "\udcff"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(
            ["method", "parameters", "a", "min", "max", "values", "metric", "name", "early_terminate", "retry", "on",
             "command", "distribution", "probabilities", "resources", "memory", "function", "controller", "type", "q"]
        ),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["method", "parameters", "metric", "early_terminate", "retry", "command",
                                        "resources", "controller", "seed", "function", "name"]), _JSON))  # fmt: skip
def test_any_mapping_is_a_spec_or_faults_and_nothing_else(source: dict[str, Any]) -> None:
    assert accepted_or_faulted(source)


def test_reading_a_spec_is_cheap_to_import() -> None:
    program = (
        "import sys, swath.sweeps.spec as spec; spec.parse_spec('method: random\\nparameters: {a: {value: 1}}');"
        "print([name for name in ('numpy', 'scipy', 'optuna', 'ray', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
