"""Each function of `plot` makes a chart that reads back; its numbers are those of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from swath.tracking import plot
from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media.chart import CHART_FIELDS, Chart
from swath.tracking.media.curves import precision_recall_points, roc_points, thinned
from swath.tracking.media.table import Table

metrics = pytest.importorskip("sklearn.metrics")

TABLE = Table(columns=["epoch", "loss", "split"], data=[[1, 0.5, "train"], [2, 0.25, "val"]])
Y_TRUE = [0, 1, 1, 0]
Y_PROBAS = [[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8]]


@pytest.fixture
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return Blobs(tmp_path_factory.mktemp("blobs"))


@pytest.mark.parametrize(
    "chart",
    [
        plot.line(TABLE, "epoch", "loss"),
        plot.line(TABLE, x="epoch", y="loss", stroke="split", title="Loss", split_table=True),
        plot.scatter(TABLE, "epoch", "loss", title="S"),
        plot.bar(TABLE, "split", "loss", title="B"),
        plot.histogram(TABLE, "loss", title="H"),
        plot.line_series([0, 1], [[1, 2], [3, 4]], keys=["a", "b"], title="L", xname="step"),
        plot.confusion_matrix(y_true=[0, 1], preds=[1, 1], class_names=["cat", "dog"]),
        plot.roc_curve(Y_TRUE, Y_PROBAS, labels=["cat", "dog"]),
        plot.pr_curve(Y_TRUE, Y_PROBAS, interp_size=5),
        plot.plot_table("mine/own/v0", TABLE, {"x": "epoch", "title": "constant"}, {"title": "T", "sub": "t"}),
        plot.plot_table("wandb/line/v0", TABLE, {"x": "epoch", "y": "loss"}),
    ],
    ids=lambda chart: chart.kind,
)
def test_a_chart_reads_back(blobs: Blobs, chart: Chart) -> None:
    back = Chart.from_record(chart.to_record(blobs), blobs)
    assert back == chart
    assert hash(back) == hash(chart)
    assert set(CHART_FIELDS.get(back.kind, ())) <= set(back.fields)


def test_the_record_says_how_to_draw_which_table(blobs: Blobs) -> None:
    chart = plot.line(TABLE, "epoch", "loss", stroke="split", title="Loss")
    assert chart.to_record(blobs) == {
        "_type": "chart",
        "kind": "line",
        "title": "Loss",
        "fields": {"x": "epoch", "y": "loss", "stroke": "split"},
        "strings": {},
        "split_table": False,
        "table": TABLE.to_record(blobs),
    }


def test_presets_by_name_are_the_charts_they_are() -> None:
    named = plot.plot_table("wandb/bar/v0", TABLE, {"label": "split", "value": "loss"}, {"title": "T"})
    assert named == plot.bar(TABLE, "split", "loss", "T")


def test_charts_differ_by_what_is_drawn() -> None:
    chart = plot.scatter(TABLE, "epoch", "loss")
    assert chart != plot.scatter(TABLE, "loss", "epoch")
    assert chart != plot.line(TABLE, "epoch", "loss")
    assert chart != plot.scatter(TABLE, "epoch", "loss", title="T")
    assert chart != plot.scatter(Table(columns=["epoch", "loss"]), "epoch", "loss")
    assert chart != TABLE


def test_lines_share_their_xs_or_have_each_its_own() -> None:
    shared = plot.line_series([10, 20], [[1, 2], [3, 4]], xname="step")
    assert shared.table.data == [[10, "line_0", 1], [20, "line_0", 2], [10, "line_1", 3], [20, "line_1", 4]]
    assert shared.strings == {"xname": "step"}
    own = plot.line_series(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1, 2], [3, 4]]), keys=["a", "b"])
    assert own.table.data == [[1.0, "a", 1], [2.0, "a", 2], [3.0, "b", 3], [4.0, "b", 4]]
    assert plot.line_series(np.arange(2), [[1, 2]]).table.data == [[0, "line_0", 1], [1, "line_0", 2]]
    assert plot.line_series([[1], [1, 2]], [[5], [6, 7]]).table.data[1:] == [[1, "line_1", 6], [2, "line_1", 7]]


scores = st.floats(-10, 10, width=16) | st.sampled_from([0.0, 0.25, 0.5, 1.0])
answers = st.lists(st.tuples(st.booleans(), scores), min_size=2, max_size=60)


@given(answers)
@settings(max_examples=200, deadline=None)
def test_curves_are_those_of_scikit_learn(samples: list[tuple[bool, float]]) -> None:
    truth, score = np.array([is_it for is_it, _ in samples]), np.array([score for _, score in samples])
    assume(len(set(truth.tolist())) == 2)
    false, true = roc_points(truth, score)
    expected_false, expected_true, _ = metrics.roc_curve(truth, score)
    assert (false.tolist(), true.tolist()) == (expected_false.tolist(), expected_true.tolist())
    precision, recall = precision_recall_points(truth, score)
    expected_precision, expected_recall, _ = metrics.precision_recall_curve(truth, score)
    assert (precision.tolist(), recall.tolist()) == (expected_precision.tolist(), expected_recall.tolist())


@given(st.integers(2, 4), st.integers(5, 40), st.integers(0, 2**32 - 1), st.integers(2, 30))
@settings(max_examples=50, deadline=None)
def test_charts_of_curves_hold_the_numbers_of_scikit_learn(classes: int, samples: int, seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.r_[np.arange(classes), rng.integers(0, classes, samples)]
    probas = rng.dirichlet(np.ones(classes), truth.size).round(2)

    roc = plot.roc_curve(truth, probas).table.data
    pr = plot.pr_curve(truth, probas, interp_size=size).table.data

    for each in range(classes):
        false, true, _ = metrics.roc_curve(truth, probas[:, each], pos_label=each)
        assert [row[1:] for row in roc if row[0] == each] == np.c_[false, true].tolist()
        precision, recall, _ = metrics.precision_recall_curve(truth, probas[:, each], pos_label=each)
        best = [[r, max(precision[recall >= r])] for r in np.linspace(0, 1, size)]
        assert [row[1:] for row in pr if row[0] == each] == best


@pytest.mark.parametrize("convert", [list, np.array, pd.Series, tuple])
def test_two_classes_may_be_one_column_of_scores(convert: Callable[[Any], Any]) -> None:
    one = plot.roc_curve(convert(Y_TRUE), convert([row[1] for row in Y_PROBAS]))
    both = plot.roc_curve(Y_TRUE, Y_PROBAS)
    assert one.table.data == [row for row in both.table.data if row[0] == 1]


def test_tensors_are_taken() -> None:
    torch = pytest.importorskip("torch")
    probas = torch.tensor(Y_PROBAS, dtype=torch.float64, requires_grad=True)
    assert plot.roc_curve(torch.tensor(Y_TRUE), probas) == plot.roc_curve(Y_TRUE, Y_PROBAS)


def test_labels_name_the_classes_and_classes_to_plot_choose_them() -> None:
    truth, probas = [0, 1, 2, 0], np.eye(3)[[0, 1, 2, 1]]
    chart = plot.pr_curve(truth, probas, labels=["cat", "dog", "cow"], classes_to_plot=[0, 2])
    assert {row[0] for row in chart.table.data} == {"cat", "cow"}
    texts = plot.roc_curve(["b", "a", "b"], [0.1, 0.4, 0.9])
    assert {row[0] for row in texts.table.data} == {"b"}
    renamed = plot.roc_curve(["b", "a", "b"], [0.1, 0.4, 0.9], labels=["first", "second"])
    assert {row[0] for row in renamed.table.data} == {"second"}
    shifted = plot.roc_curve([1, 2, 1], np.eye(2)[[0, 1, 1]])
    assert {row[0] for row in shifted.table.data} == {1, 2}


def test_a_class_without_samples_has_no_curve() -> None:
    chart = plot.roc_curve([0, 2, 0], [[0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])
    assert {row[0] for row in chart.table.data} == {0, 2}


def test_long_curves_are_thinned_evenly_and_keep_both_ends() -> None:
    rng = np.random.default_rng(0)
    truth, probas = rng.integers(0, 2, 60_000), rng.random((60_000, 2))
    rows = plot.roc_curve(truth, probas).table.data
    assert len(rows) == plot.MAX_POINTS
    for each in (0, 1):
        false, true, _ = metrics.roc_curve(truth, probas[:, each], pos_label=each)
        points = [row[1:] for row in rows if row[0] == each]
        assert points == np.c_[false, true][thinned(false.size, 5000)].tolist()
        assert points[0] == [0.0, 0.0]
        assert points[-1] == [1.0, 1.0]


@given(st.integers(1, 10_000), st.integers(2, 500))
def test_thinning_keeps_distinct_points_in_order(points: int, most: int) -> None:
    kept = thinned(points, most).tolist()
    assert len(kept) == min(points, most)
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, points - 1)
    gaps = set(np.diff(kept).tolist())
    assert not gaps or max(gaps) - min(gaps) <= 1


labelled = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)


@given(labelled)
@settings(deadline=None)
def test_confusion_counts_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, preds = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    named = plot.confusion_matrix(y_true=truth, preds=preds, class_names=list("abcde"))
    expected = metrics.confusion_matrix(truth, preds, labels=range(5))
    assert np.reshape(named.table.get_column("nPredictions"), (5, 5)).tolist() == expected.tolist()
    assert named.table.data[1][:2] == ["a", "b"]
    probs = plot.confusion_matrix(probs=np.eye(5)[preds], y_true=truth)
    assert probs.table.get_column("nPredictions") == named.table.get_column("nPredictions")
    found = plot.confusion_matrix(y_true=truth, preds=preds)
    count = len({*truth, *preds})
    labels = sorted({*truth, *preds})
    present = expected[np.ix_(labels, labels)]
    assert np.reshape(found.table.get_column("nPredictions"), (count, count)).tolist() == present.tolist()
    assert found.table.data[-1][0] == f"Class_{count}"


def test_classes_may_be_named_by_their_text() -> None:
    chart = plot.confusion_matrix(y_true=["dog", "cat"], preds=["dog", "dog"], class_names=["cat", "dog"])
    assert chart.table.data == [["cat", "cat", 0], ["cat", "dog", 1], ["dog", "cat", 0], ["dog", "dog", 1]]
    assert plot.confusion_matrix(y_true=["dog", "cat"], preds=["dog", "dog"]) == chart


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.line(TABLE, "step", "loss"), "'x' of the line chart is 'step'"),
        (lambda: plot.line(TABLE, "epoch", "loss", stroke="run"), "'stroke' of the line chart is 'run'"),
        (lambda: plot.scatter(TABLE, "epoch", None), "no column for 'y'"),  # type: ignore[arg-type]
        (lambda: plot.bar(TABLE, "split", "size"), "'value' of the bar chart is 'size'"),
        (lambda: plot.histogram([[1]], "a"), "data of a histogram chart are a list"),  # type: ignore[arg-type]
        (lambda: plot.plot_table("line", TABLE, {"x": "epoch"}), "no column for 'y'"),
        (lambda: plot.plot_table("", TABLE, {}), "the kind of a chart is ''"),
        (lambda: plot.plot_table("line", TABLE, ["epoch"]), "fields is a list"),  # type: ignore[arg-type]
        (lambda: plot.line_series([1, 2], []), "no lines"),
        (lambda: plot.line_series([1, 2], [[1, 2, 3]]), "2 xs and 3 ys"),
        (lambda: plot.line_series([[1, 2]], [[1, 2], [3, 4]]), "2 lines in ys, 1 in xs"),
        (lambda: plot.line_series([1], [[1]], keys=["a", "b"]), "2 keys"),
        (lambda: plot.line_series([1], [1]), "each of ys is an int"),  # type: ignore[list-item]
        (lambda: plot.line_series("ab", [[1]]), "xs is a str"),
        (lambda: plot.confusion_matrix(y_true=[1]), "one of them"),
        (lambda: plot.confusion_matrix(y_true=[1], preds=[1], probs=[[1]]), "one of them"),
        (lambda: plot.confusion_matrix(preds=[1]), "y_true is missing"),
        (lambda: plot.confusion_matrix(y_true=[1, 2], preds=[1]), "1 preds and 2 y_true"),
        (lambda: plot.confusion_matrix(y_true=[0, 2], preds=[0, 1], class_names=["a", "b"]), "y_true holds 2"),
        (lambda: plot.confusion_matrix(y_true=[0, 1], preds=[0, -1], class_names=["a", "b"]), "preds holds -1"),
        (lambda: plot.confusion_matrix(y_true=[0], probs=[[1, 0]], class_names=["a"]), "2 columns"),
        (lambda: plot.confusion_matrix(y_true=[0, 1], probs=[0.5, 0.5]), "probs has the shape"),
        (lambda: plot.confusion_matrix(y_true=[0], preds=[0], class_names=["a", "a"]), "a name twice"),
        (lambda: plot.confusion_matrix(y_true=[0], preds=["a"]), "mixes types"),
        (lambda: plot.roc_curve(Y_TRUE), "y_probas is missing"),
        (lambda: plot.roc_curve(None, Y_PROBAS), "y_true is missing"),
        (lambda: plot.roc_curve([], []), "y_true is empty"),
        (lambda: plot.roc_curve([1, 1, 1, 1], Y_PROBAS), "one class only, 1"),
        (lambda: plot.roc_curve([0, 1], Y_PROBAS), "4 rows, and there are 2 samples"),
        (lambda: plot.roc_curve(Y_TRUE, np.zeros((4, 2, 2))), "the shape"),
        (lambda: plot.roc_curve(np.zeros((2, 2)), Y_PROBAS), "y_true has the shape"),
        (lambda: plot.roc_curve([0, 1, 2, 0], Y_PROBAS), "2 columns, and y_true has 3 classes"),
        (lambda: plot.roc_curve([0, 1, 5, 0], np.zeros((4, 4))), "4 columns, and y_true has 3 classes"),
        (lambda: plot.roc_curve([0, 1, 2, 0], [1, 2, 3, 4]), "one column for 3 classes"),
        (lambda: plot.roc_curve(Y_TRUE, [["a", "b"]] * 4), "y_probas has the shape"),
        (lambda: plot.roc_curve(Y_TRUE, [[0.5, np.nan]] * 4), "NaN"),
        (lambda: plot.roc_curve([0, 1, None, 0], Y_PROBAS), "no class labels"),
        (lambda: plot.roc_curve([0, 1, np.nan, 0], Y_PROBAS), "no class labels"),
        (lambda: plot.roc_curve(np.array([0, "a", 1, 0], dtype=object), Y_PROBAS), "mixes types"),
        (lambda: plot.roc_curve(Y_TRUE, Y_PROBAS, classes_to_plot=[3]), r"classes_to_plot holds \[3\]"),
        (lambda: plot.roc_curve(Y_TRUE, Y_PROBAS, classes_to_plot=[]), "classes_to_plot is empty"),
        (lambda: plot.roc_curve([4, 9, 4, 9], Y_PROBAS, labels=["a"]), "1 labels for the classes"),
        (lambda: plot.pr_curve(Y_TRUE, Y_PROBAS, interp_size=1), "interp_size is 1"),
    ],
)
def test_a_wrong_call_is_refused_with_a_hint(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        call()
    assert caught.value.hint
