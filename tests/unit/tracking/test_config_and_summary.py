"""Config and summary are read and set like dicts and by attribute; a sweep's parameters stay."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import swath.tracking as tracking
from swath.tracking.errors import UsageError
from swath.tracking.runlog.history import read_records
from swath.tracking.runlog.records import Config


def recorded(run: tracking.Run) -> dict[str, Any]:
    assert run.url is not None
    values: dict[str, Any] = {}
    for record in read_records(Path(run.url.removeprefix("file://"))):
        if isinstance(record, Config):
            values.update(record.values)
    return values


@dataclasses.dataclass
class Options:
    lr: float = 0.1
    layers: tuple[int, ...] = (3, 4)


def test_every_way_to_set_a_key_is_recorded() -> None:
    with tracking.init(config={"a": 1, "model": {"depth": 2, "act": {"kind": "relu"}}}) as run:
        run.config.b = 2
        run.config["c"] = 3
        run.config.update({"d": 4}, e=5)
        run.config.update(argparse.Namespace(f=6))
        held = run.config
        held.__ior__({"g": 7})
        run.config.setdefault("h", 8)
        run.config.setdefaults({"a": 100, "i": 9})
        run.config.model.depth = 3
        run.config["model"]["act"]["kind"] = "tanh"
        run.config.model.act.slope = 0.1
        expected = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8, "i": 9}
        expected["model"] = {"depth": 3, "act": {"kind": "tanh", "slope": 0.1}}  # type: ignore[assignment]
        assert run.config == expected
        assert recorded(run) == expected
        assert tracking.config is run.config


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, {}),
        ({"a": 1}, {"a": 1}),
        (argparse.Namespace(lr=0.1, out=Path("x")), {"lr": 0.1, "out": "x"}),
        (Options(), {"lr": 0.1, "layers": [3, 4]}),
        ([("a", 1)], {"a": 1}),
        ({"f": len, "t": int}, {"f": "len", "t": "int"}),
    ],
)
def test_a_config_is_read_from_what_people_have(source: Any, expected: dict[str, Any]) -> None:
    with tracking.init(config=source) as run:
        assert run.config.as_dict() == expected
        assert recorded(run) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr: 1e-3\nmodel: {depth: 2}\n", {"lr": 1e-3, "model": {"depth": 2}}),
        ("wandb_version: 1\nlr:\n  value: 0.1\n  desc: rate\nn:\n  value: [1, 2]\n", {"lr": 0.1, "n": [1, 2]}),
        ("", {}),
        ("x: {value: 3}\ny: 4\n", {"x": {"value": 3}, "y": 4}),
    ],
)
def test_a_config_file_may_be_plain_or_in_wandbs_form(home: Path, text: str, expected: dict[str, Any]) -> None:
    (home / "config.yaml").write_text(text)
    for path in ("config.yaml", home / "config.yaml"):
        with tracking.init(config=path) as run:
            assert run.config.as_dict() == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [("nowhere.yaml", "nowhere.yaml"), (3, "an int"), ("list.yaml", "a list"), ("bad.yaml", "not YAML")],
)
def test_a_config_that_cannot_be_read_is_refused(home: Path, source: Any, message: str) -> None:
    (home / "list.yaml").write_text("[1]")
    (home / "bad.yaml").write_text("a: [")
    with pytest.raises(UsageError, match=message) as refused:
        tracking.init(config=source)
    assert refused.value.hint
    assert tracking.run is None


def test_keys_can_be_chosen() -> None:
    config = {"a": 1, "b": 2, "c": 3}
    with tracking.init(config=config, config_include_keys=["a", "b"], config_exclude_keys=["b"]) as run:
        assert run.config == {"a": 1}


def test_a_missing_key_names_those_there_are() -> None:
    with tracking.init(config={"lr": 1}) as run:
        with pytest.raises(AttributeError, match=r"'lrr'.*lr"):
            _ = run.config.lrr
        with pytest.raises(KeyError):
            _ = run.config["lrr"]
        assert run.config.get("lrr", 5) == 5
        assert "lrr" not in run.config


def test_nothing_on_record_can_be_deleted() -> None:
    with tracking.init(config={"lr": 1}) as run:
        deletions: list[Callable[[], Any]] = [lambda: run.config.pop("lr"), run.config.clear, run.config.popitem]
        for delete in deletions:
            with pytest.raises(UsageError, match="on record"):
                delete()
        with pytest.raises(UsageError, match="on record"):
            del run.config["lr"]
        with pytest.raises(UsageError, match="on record"):
            del run.config.lr
        with pytest.raises(UsageError, match="on record"):
            del run.summary["x"]


def test_copies_are_plain_dicts() -> None:
    with tracking.init(config={"a": {"b": [1]}}) as run:
        for same in (copy.copy(run.config), copy.deepcopy(run.config), pickle.loads(pickle.dumps(run.config))):
            assert type(same) is dict
            assert same == {"a": {"b": [1]}}
        assert json.loads(json.dumps(run.config)) == {"a": {"b": [1]}}
        assert {**run.config["a"]} == {"b": [1]}


def test_a_change_can_be_forbidden() -> None:
    with tracking.init(config={"lr": 1}) as run:
        with pytest.raises(UsageError, match="'lr' is 1 and would become 2"):
            run.config.update({"new": 1, "lr": 2}, allow_val_change=False)
        assert run.config == {"lr": 1}
        run.config.update({"lr": 1, "x": 1}, allow_val_change=False)
        run.config.update({"lr": 2}, allow_val_change=True)
        assert run.config == {"lr": 2, "x": 1}


def test_a_sweeps_parameters_win_and_stay(tmp_path: Path) -> None:
    locked = {"lr": 0.5, "opt": {"kind": "sgd"}}
    context = tracking.TrialContext("r1", 1, "s", tmp_path / "runs" / "r1", config=locked)
    with tracking.entered(context), tracking.init(config={"lr": 9, "n": 1, "opt": {"mom": 0.9}}) as run:
        expected = {"lr": 0.5, "n": 1, "opt": {"mom": 0.9, "kind": "sgd"}}
        assert run.config == expected
        changes: list[Callable[[], None]] = [
            lambda: setattr(run.config, "lr", 7),
            lambda: run.config.update(lr=7, allow_val_change=True),
            lambda: run.config.update({"lr": 7}),
        ]
        for change in changes:
            with pytest.warns(UserWarning, match=r"'lr' belongs to the sweep: it stays 0\.5, 7 was ignored"):
                change()
        with pytest.warns(UserWarning, match=r"'opt\.kind'"):
            run.config.opt.kind = "adam"
        with pytest.warns(UserWarning, match=r"'opt\.kind'"):
            run.config.opt = {"kind": "adam", "mom": 0.8}
        run.config.lr = 0.5
        expected["opt"] = {"mom": 0.8, "kind": "sgd"}
        assert run.config == expected
        assert recorded(run) == expected


def test_the_summary_is_a_dict_of_last_values_under_what_is_set() -> None:
    with tracking.init() as run:
        run.log({"loss": 2.0, "n": {"a": 1}})
        run.log({"loss": 1.0})
        assert dict(run.summary) == {"loss": 1.0, "n": {"a": 1}}
        run.summary.best = 0.5
        run.summary.update({"acc": 0.9}, more=1)
        run.summary["deep"] = {"x": {"y": 1}}
        run.summary["deep"]["x"]["y"] = 2
        run.summary.deep.x.z = 3
        assert run.summary["deep"] == {"x": {"y": 2, "z": 3}}
        assert len(run.summary) == 6
        assert "best" in run.summary
        assert run.summary.get("nothing") is None
        with pytest.raises(KeyError):
            _ = run.summary["nothing"]
        with pytest.raises(AttributeError):
            _ = run.summary.nothing
        with pytest.raises(UsageError, match="'bad' is an object"):
            run.summary["bad"] = object()
        with pytest.raises(UsageError, match="not a string"):
            run.summary[3] = 1  # type: ignore[index]
        assert "best" in repr(run.summary)
