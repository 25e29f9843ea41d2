"""A trial is told to `init()` in-process or by environment, with the same meaning."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import swath.tracking as tracking
from swath.tracking.context import TrialContext, entered, from_environment, params_text, read_params

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text("abc.d_", min_size=1), JSON, max_size=4))
def test_params_are_read_back_the_same(tmp_path: Path, config: dict[str, object]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(params_text(config), encoding="utf-8")
    assert read_params(path) == config


def test_params_mean_the_same_to_any_yaml_reader() -> None:
    config = {"lr": 1e-5, "big": 1e30, "n": 3, "on": True, "none": None, "s": "no: \n\x07é", "l": [1, {"a": 2.5}]}
    loaded = yaml.safe_load(params_text(config))
    assert loaded.pop("wandb_version") == 1
    assert {key: entry["value"] for key, entry in loaded.items()} == config
    assert yaml.safe_load(params_text({"x": math.inf}))["x"]["value"] == math.inf


def test_the_environment_carries_the_trial_unchanged(tmp_path: Path) -> None:
    context = TrialContext("r1", 3, "s1", tmp_path / "r1", "a name", "proj", "grp", {"lr": 0.1}, capture_console=False)
    variables = context.to_environment()
    assert from_environment(variables) == context
    assert variables["WANDB_RUN_ID"] == "r1"
    assert variables["WANDB_SWEEP_PARAM_PATH"] == variables["SWATH_SWEEP_PARAM_PATH"]
    assert from_environment({}) is None
    assert from_environment({"SWATH_RUN_ID": "only an id"}) is None


def test_a_run_left_open_in_a_trial_is_finished_with_it(tmp_path: Path) -> None:
    context = TrialContext("r1", 1, "s1", tmp_path / "runs" / "r1", config={"lr": 0.5})
    with entered(context):
        run = tracking.init()
        assert run.id == "r1"
        assert run.config.lr == 0.5
        assert tracking.init() is run
        tracking.log({"loss": 1.0})
    assert run.finished
    assert tracking.run is None


def test_an_exception_through_a_trial_is_recorded_with_its_traceback(tmp_path: Path) -> None:
    context = TrialContext("r1", 1, "s1", tmp_path / "runs" / "r1")
    with pytest.raises(ZeroDivisionError), entered(context):  # noqa: PT012
        tracking.init()
        1 / 0  # noqa: B018
    from swath.tracking.runlog.history import read_records
    from swath.tracking.runlog.records import Finish

    end = read_records(context.run_dir)[-1]
    assert isinstance(end, Finish)
    assert end.exit_code == 1
    assert "ZeroDivisionError" in end.error


def test_a_trial_can_be_opened_again_and_goes_on_in_its_segment(tmp_path: Path) -> None:
    from swath.tracking.runlog.history import read_history

    context = TrialContext("r1", 2, "s1", tmp_path / "runs" / "r1", config={"lr": 0.5})
    with entered(context):
        with tracking.init(config={"extra": 1}) as run:
            run.log({"loss": 3.0})
            run.summary["best"] = 3.0
        with tracking.init() as again:
            assert again is not run
            assert again.resumed
            assert again.config.as_dict() == {"extra": 1, "lr": 0.5}
            assert again.summary.as_dict() == {"loss": 3.0, "best": 3.0}
            again.log({"loss": 2.0})
    assert [(row.step, row.values) for row in read_history(context.run_dir)] == [(0, {"loss": 3.0}), (1, {"loss": 2.0})]
    assert [path.name for path in sorted(context.run_dir.glob("*.log"))] == ["0002.log"]


def test_the_environment_makes_init_the_trial_and_the_context_wins_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = TrialContext("outer", 1, "s1", tmp_path / "runs" / "outer", name="n", project="p", config={"a": 1})
    for name, value in outer.to_environment().items():
        monkeypatch.setenv(name, value)
    with tracking.init(project="ignored") as run:
        assert (run.id, run.name, run.project, run.sweep_id) == ("outer", "n", "p", "s1")
        assert run.config.a == 1
    inner = TrialContext("inner", 1, "s2", tmp_path / "runs" / "inner")
    with entered(inner), tracking.init() as run:
        assert run.id == "inner"


def test_on_row_gets_each_row_after_it_is_in_the_log_and_its_stop_is_raised_at_once(tmp_path: Path) -> None:
    from swath.tracking.runlog.history import read_history
    from swath.tracking.runlog.logfile import request_stop

    seen: list[tuple[dict[str, object], int]] = []
    folder = tmp_path / "runs" / "r1"

    def on_row(values: dict[str, object]) -> None:
        seen.append((values, len(read_history(folder))))
        if values["loss"] == 2:
            request_stop(folder / "0001.log", "worst of 4")

    with entered(TrialContext("r1", 1, "s", folder, on_row=on_row)):
        run = tracking.init()
        run.log({"loss": 1})
        with pytest.raises(tracking.TrialStopped, match="worst of 4"):
            run.log({"loss": 2})
        with pytest.raises(tracking.TrialStopped):
            run.log({"loss": 3})
        run.log({"held": 1}, commit=False)
    assert seen == [({"loss": 1}, 1), ({"loss": 2}, 2), ({"loss": 3}, 3)]
