"""The verbs that explain: explain, best, importance and plot, for people and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from typer.testing import CliRunner

from swath import sweeps, tracking
from swath.sweeps.cli import app
from swath.sweeps.cli.drawing import Sheet, draw
from swath.sweeps.figures.model import Axis, Bars, Figure, Line, Panel, Points

ONE: dict[str, Any] = {
    "name": "one",
    "method": "random",
    "seed": 1,
    "run_cap": 12,
    "metric": {"name": "loss"},
    "early_terminate": {"type": "asha", "min_iter": 1, "max_iter": 9, "eta": 3},
    "parameters": {"lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0}, "idle": {"values": [1, 2]}},
}
TWO: dict[str, Any] = {
    "name": "two",
    "method": "grid",
    "metrics": [{"name": "acc", "goal": "maximize"}, {"name": "ms", "limit": 3}],
    "parameters": {"x": {"values": [1, 2, 3, 4]}},
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SWATH_DIR", "SWATH_URL", "SWATH_TOKEN", "SWATH_DEBUG", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sweep(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), prog_name="sweep")


def answer(*arguments: str) -> Any:
    result = sweep(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def one() -> str:
    def train(config: Any) -> None:
        with tracking.init() as run:
            for epoch in range(9):
                run.log({"loss": abs(config.lr - 0.01) + 1 / (epoch + 1)})

    return sweeps.run(ONE, train, executor="inline", quiet=True).id


def two(limit: float = 3) -> sweeps.Result:
    def train(config: Any) -> None:
        with tracking.init() as run:
            run.log({"acc": config.x if config.x != 2 else 0, "ms": config.x})

    metrics = [TWO["metrics"][0], {"name": "ms", "limit": limit}]
    return sweeps.run(TWO | {"metrics": metrics}, train, executor="inline", quiet=True)


def test_explain_tells_the_same_in_words_and_as_json(one: str) -> None:
    stopped = next(run for run in answer("show", one)["runs"] if run["state"] == "stopped")
    told = answer("explain", stopped["run_id"])
    text = sweep("explain", f"one#{stopped['number']}").stdout
    assert sweep("explain", f"one/{stopped['number']}").stdout == text
    (decided,) = told["decisions"]
    for words in (decided["reason"], f"rank {decided['rank']} of {decided['n']}", "Why it was stopped", "rule asha"):
        assert words in text
    for peer in decided["peers"]:
        assert f"(trial {peer['trial']}, {peer['name']})" in text
    assert told["suggested"]["reason"] in text
    assert sweep("explain", str(stopped["number"]), "--sweep", "one").stdout == text


def test_explain_of_a_number_without_a_sweep_is_bad_usage(one: str) -> None:
    result = sweep("explain", "3")
    assert (result.exit_code, "last#3" in result.stderr) == (2, True)


def test_best_top_lists_the_best_first(one: str) -> None:
    found = answer("best", one, "--top", "3")
    assert [each["value"] for each in found] == sorted(each["value"] for each in found)
    assert len(found) == 3
    assert found[0] == answer("best", one)
    assert found[2]["run"] in sweep("best", one, "--top", "3").stdout


def test_with_several_metrics_best_is_the_front_of_those_that_keep_the_limits() -> None:
    found = two()
    told = answer("best", found.id)
    assert [each["values"] for each in told["front"]] == [{"acc": 3.0, "ms": 3.0}, {"acc": 1.0, "ms": 1.0}]
    assert told["limits_kept"]
    assert [each["front"] for each in answer("best", found.id, "--top", "4")["front"]] == [1, 1, 2, None]
    assert "Pareto front of acc and ms: 2 of 3 trials that keep all limits" in sweep("best", found.id).stdout


def test_with_several_metrics_show_lists_the_trials_that_best_lists() -> None:
    found = two()
    shown, best = answer("show", found.id), answer("best", found.id, "--top", "4")
    assert [run["run_id"] for run in shown["runs"]] == [each["run"] for each in best["front"]]
    assert [run["objectives"] for run in shown["runs"]] == [list(each["values"].values()) for each in best["front"]]
    same = answer("best", found.id)
    assert (shown["best"], shown["front"], shown["metrics"]) == (None, same["front"], same["metrics"])
    text = sweep("show", found.id).stdout
    assert "Pareto front of acc and ms: 2 of 3 trials that keep all limits" in text
    rows = [line.split()[3:6] for line in text.splitlines() if line.split()[2:3] == ["finished"]]
    assert [" ".join(row) for row in rows] == ["3.000 3.000 1", "1.000 1.000 1", "0.000 2.000 2", "4.000 4.000 over"]


def test_simulate_tells_what_is_left_of_the_front_of_several_metrics(here: Path) -> None:
    found = two()
    rule = {"early_terminate": {"type": "threshold", "metric": "ms", "above": 2.5}}
    (here / "stop.yaml").write_text(json.dumps({**TWO, "program": "train.py", **rule}))
    told = answer("simulate", "stop.yaml", "--from", found.id)
    assert (told["full_front"], told["full_front_run"], told["front_share"]) == ([1, 3], [1], 0.5)
    text = sweep("simulate", "stop.yaml", "--from", found.id).stdout
    assert "front  acc and ms: 1 of the 2 trials on the front of the full search ran to their end" in text
    assert "not run to their end: 3" in text
    (here / "curves.csv").write_text("trial,step,acc\na,1,2\n")
    refused = sweep("simulate", "stop.yaml", "--curves", "curves.csv")
    assert (refused.exit_code, "curves.csv: there is nothing of the metric ms" in refused.stderr) == (2, True)


def test_when_no_trial_keeps_the_limits_that_is_said_and_the_nearest_are_shown() -> None:
    found = two(limit=0.5)
    text = sweep("best", found.id).stdout
    assert "no trial keeps all limits (ms ≤ 0.5)" in text
    assert not answer("best", found.id)["limits_kept"]
    assert [each["violation"] for each in answer("best", found.id)["front"]] == [0.5, 1.5, 2.5, 3.5]


def test_a_result_with_several_metrics_has_a_front_and_says_so() -> None:
    from swath.tracking.errors import UsageError

    found = two()
    assert [trial.number for trial in found.front] == [3, 1]
    with pytest.raises(UsageError, match="several metrics") as raised:
        _ = found.best
    assert "result.front" in raised.value.hint
    assert "2 trials on the front" in repr(found)
    assert "Pareto front" in found._repr_html_()


def test_run_ends_with_the_front(here: Path) -> None:
    (here / "train.py").write_text(
        "from swath import tracking\nwith tracking.init() as run:\n"
        "    run.log({'acc': run.config.x, 'ms': run.config.x})\n"
    )
    (here / "two.yaml").write_text(json.dumps(TWO | {"program": "train.py"}))
    result = sweep("run", "two.yaml", "--quiet")
    assert "Pareto front of acc and ms: 3 of 3 trials that keep all limits" in result.stdout
    told = answer("run", "two.yaml", "--quiet")
    assert (told["best"], len(told["front"]), told["limits_kept"]) == (None, 3, True)


def test_importance_names_the_parameter_that_matters_first(one: str) -> None:
    (told,) = answer("importance", one)["metrics"]
    assert (told["metric"], told["trials"]) == ("loss", 12)
    assert {each["name"] for each in told["parameters"]} == {"lr", "idle"}
    assert told["parameters"][0]["name"] in sweep("importance", one).stdout


def test_importance_of_few_trials_cannot_be_told() -> None:
    result = sweep("importance", two().id)
    assert result.exit_code == 1
    assert "cannot be told yet: it takes 10 trials" in result.stderr


def test_plot_draws_in_the_terminal_by_default(one: str) -> None:
    lines = sweep("plot", one).stdout.splitlines()
    assert lines[0].startswith("History")
    assert "best so far" in lines[0]
    assert max(map(len, lines)) <= 100


def test_plot_writes_a_page_pictures_or_a_folder(one: str, here: Path) -> None:
    assert sweep("plot", one, "--out", "a.html", "--kind", "history").exit_code == 0
    assert "Plotly.newPlot(" in (here / "a.html").read_text()
    told = answer("plot", one, "-o", "b.png", "-k", "rungs")
    assert (told["files"], told["figures"][0]["kind"]) == (["b.png"], "rungs")
    sweep("plot", one, "--out", "both")
    kinds = {path.stem for path in (here / "both").glob("*.png")}
    assert kinds == {"history", "importance", "slice", "parallel", "contour", "rungs"}
    assert (here / "both" / "plots.html").exists()


def test_plot_says_what_is_missing(one: str) -> None:
    front = sweep("plot", one, "--kind", "front")
    assert (front.exit_code, "several `metrics`" in front.stderr) == (2, True)
    odd = sweep("plot", one, "--out", "a.gif")
    assert (odd.exit_code, ".html or .png" in odd.stderr) == (2, True)
    unknown = sweep("plot", one, "--kind", "slice", "--params", "lr,depth")
    assert (unknown.exit_code, "name some of idle, lr" in unknown.stderr) == (2, True)
    unseen = sweep("plot", one, "--kind", "parallel")
    assert (unseen.exit_code, "--out FILE.html" in unseen.stderr) == (2, True)


def drawn(figure: Figure, width: int = 40, **room: Any) -> list[str]:
    return [line.plain if isinstance(line, Text) else line for line in draw(figure, Sheet(width, 5, **room))]


def test_points_stand_where_they_belong_and_steps_between_them() -> None:
    marks = (Points("finished", "finished", (1.0, 2.0), (4.0, 0.0)), Line("best", "best", (1.0, 2.0), (4.0, 0.0), True))
    lines = drawn(Figure("history", "History", (Panel(Axis("trial", whole=True), Axis("loss"), marks),)), width=17)
    assert lines[1:9] == [
        "loss",
        "4 │●───────────┐",
        "  │            │",
        "2 │            │",
        "  │            │",
        "0 │            ●",
        "  └─────────────",
        "   1           2",
    ]


def test_a_terminal_without_unicode_gets_ascii() -> None:
    marks = (Points("finished", "finished", (1.0, 2.0), (4.0, 0.0)), Line("best", "best", (1.0, 2.0), (4.0, 0.0), True))
    bars = Panel(Axis("rung", categories=("1", "3")), Axis("trials"), (Bars("stopped", "stopped", (3.0, 1.0)),))
    for panel in (Panel(Axis("trial"), Axis("loss"), marks), bars):
        assert all(line.isascii() for line in drawn(Figure("x", "X", (panel,)), ascii_only=True))


def test_bars_are_as_long_as_what_they_stand_for() -> None:
    bars = (
        Bars("went on", "went_on", (4.0, 1.0), ("4", "1")),
        Bars("stopped", "stopped", (4.0, 3.0), ("4", "3")),
    )
    lines = drawn(Figure("rungs", "Rungs", (Panel(Axis("rung", categories=("1", "3")), Axis("trials"), bars),)))
    assert [(line.count("█"), line.count("░")) for line in lines[2:4]] == [(15, 15), (4, 11)]
    assert [line.split("  ")[-1] for line in lines[2:4]] == ["4 + 4", "1 + 3"]


def test_an_absent_parameter_is_called_absent_and_what_was_passed_is_shown() -> None:
    def train(config: Any) -> None:
        with tracking.init() as run:
            for epoch in range(9):
                run.log({"loss": (0 if config.kind == "a" else 5) + 1 / (epoch + 1)})

    spec = ONE | {
        "method": "grid",
        "parameters": {"kind": {"values": ["a", "b"]}, "depth": {"values": [1, 2], "when": {"kind": "b"}}},
    }
    found = sweeps.run(spec | {"run_cap": 3}, train, executor="inline", quiet=True)
    text = sweep("explain", f"{found.id}#2").output
    assert "absent there" in text
    assert "not there" not in text
    assert "passed then: " in sweep("explain", f"{found.id}#1").output


def test_the_best_configurations_are_shown_with_their_runs() -> None:
    def train(config: Any) -> None:
        with tracking.init() as run:
            run.log({"loss": config.x + config.seed / 10})

    spec = {
        "method": "grid", "metric": {"name": "loss"}, "parameters": {"x": {"values": [1, 2]}},
        "repeats": {"count": 2, "early": False},
    }  # fmt: skip
    found = sweeps.run(spec, train, executor="inline", quiet=True)
    assert "mean of 2 runs of setup 1: 1.000, 1.100" in sweep("best", found.id).output
    top = sweep("best", found.id, "--top", "2").output
    assert "mean of loss" in top
    assert "2/2" in top
    first, second = answer("best", found.id, "--top", "2")
    assert (first["values"], [run["values"] for run in first["runs"]]) == (
        {"loss": 1.05}, [{"loss": 1.0}, {"loss": 1.1}],
    )  # fmt: skip
    assert second["config"] == {"x": 2}
    shown = sweep("show", found.id).output
    assert "mean (runs)" in shown
    assert "1.050 (2/2)" in shown
    assert [each["setup"] for each in answer("show", found.id)["setups"]] == [1, 2]
    told = sweep("explain", f"{found.id}#4").output
    assert "repeat 2 of 2 of setup 2" in told
    assert "loss 2.05, the mean of 2 runs, is 2nd best of 2 configurations" in told


def test_validate_names_the_rules_of_any(here: Path) -> None:
    (here / "train.py").write_text("")
    (here / "sweep.yaml").write_text(
        "program: train.py\nmethod: random\nmetrics: [{name: acc, goal: maximize}, {name: ms}]\n"
        "parameters: {x: {min: 0.0, max: 1.0}}\n"
        "early_terminate: {any: [{type: asha, max_iter: 9}, {type: threshold, above: 5, metric: ms}]}\n"
    )
    assert "any of asha by all metrics, threshold by ms" in sweep("validate", "sweep.yaml").output
    assert [rule["type"] for rule in answer("validate", "sweep.yaml")["rules"]] == ["asha", "threshold"]
