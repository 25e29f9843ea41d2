"""The functions of `tracking.plot`: each makes a `Chart` of a table, or of a classifier's answers; nothing is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swath.tracking.errors import UsageError
from swath.tracking.media.chart import Chart
from swath.tracking.media.curves import (
    Scored,
    confusion_counts,
    interpolated_precision,
    roc_points,
    scored_classes,
    thinned,
)
from swath.tracking.media.samples import array_of, labels_of, scores_of, sorted_classes
from swath.tracking.media.table import ColumnKey, Table
from swath.tracking.runlog.encoding import type_name

__all__ = [
    "MAX_POINTS",
    "Chart",
    "bar",
    "confusion_matrix",
    "histogram",
    "line",
    "line_series",
    "plot_table",
    "pr_curve",
    "roc_curve",
    "scatter",
]

MAX_POINTS = 10_000
_KNOWN_SPECS = {
    "wandb/line/v0": "line",
    "wandb/scatter/v0": "scatter",
    "wandb/bar/v0": "bar",
    "wandb/histogram/v0": "histogram",
    "wandb/lineseries/v0": "line-series",
    "wandb/confusion_matrix/v1": "confusion-matrix",
    "wandb/area-under-curve/v0": "area-under-curve",
}


def line(
    table: Table,
    x: ColumnKey,
    y: ColumnKey,
    stroke: ColumnKey | None = None,
    title: str = "",
    split_table: bool = False,
) -> Chart:
    """A line through column `y` over column `x`; `stroke` names a column that gives a line for each of its values."""
    fields: dict[str, Any] = {"x": x, "y": y, "stroke": stroke}
    return Chart("line", table, fields, title, split_table=split_table)


def scatter(table: Table, x: ColumnKey, y: ColumnKey, title: str = "", split_table: bool = False) -> Chart:
    """A point for each row, at columns `x` and `y`."""
    return Chart("scatter", table, {"x": x, "y": y}, title, split_table=split_table)


def bar(table: Table, label: ColumnKey, value: ColumnKey, title: str = "", split_table: bool = False) -> Chart:
    """A bar for each row, as high as column `value`, under the text of column `label`."""
    return Chart("bar", table, {"label": label, "value": value}, title, split_table=split_table)


def histogram(table: Table, value: ColumnKey, title: str = "", split_table: bool = False) -> Chart:
    """How the values of a column are spread."""
    return Chart("histogram", table, {"value": value}, title, split_table=split_table)


def line_series(
    xs: Iterable[Any],
    ys: Iterable[Iterable[Any]],
    keys: Iterable[str] | None = None,
    title: str = "",
    xname: str = "x",
    split_table: bool = False,
) -> Chart:
    """A line for each of `ys`, over `xs` (the same for all) or over each its own of `xs`; `keys` name them."""
    lines = [_listed(line, "each of ys") for line in _listed(ys, "ys")]
    if not lines:
        raise UsageError("line_series() has no lines", "pass at least one list in ys")
    shared = _listed(xs, "xs")
    over = [_listed(each, "each of xs") for each in shared] if _is_nested(shared) else [shared] * len(lines)
    names = [f"line_{at}" for at in range(len(lines))] if keys is None else [str(key) for key in keys]
    if not len(over) == len(lines) == len(names):
        raise UsageError(
            f"there are {len(lines)} lines in ys, {len(over)} in xs and {len(names)} keys",
            "pass as many xs (or one for all) and keys as ys",
        )
    for x, y, name in zip(over, lines, names, strict=True):
        if len(x) != len(y):
            raise UsageError(
                f"the line {name!r} has {len(x)} xs and {len(y)} ys", "pass as many of one as of the other"
            )
    rows = [
        [at, name, height]
        for x, y, name in zip(over, lines, names, strict=True)
        for at, height in zip(x, y, strict=True)
    ]
    table = Table(columns=["step", "lineKey", "lineVal"], data=rows)
    fields: dict[str, ColumnKey] = {"step": "step", "lineKey": "lineKey", "lineVal": "lineVal"}
    return Chart("line-series", table, fields, title, {"xname": xname}, split_table)


def confusion_matrix(
    probs: Any = None,
    y_true: Any = None,
    preds: Any = None,
    class_names: Sequence[str] | None = None,
    title: str = "Confusion Matrix Curve",
    split_table: bool = False,
) -> Chart:
    """How often each class was taken for which: a row of the table for each pair of classes, with its count.

    The answers are `preds`, one for each of `y_true`, or the highest of each row of `probs`. With `class_names` or
    `probs`, classes are numbers from 0, or the names themselves; otherwise the classes are those that occur, sorted,
    named by their text or "Class_1", "Class_2", ...
    """
    truth = labels_of(y_true, "y_true")
    answers, width = _answers(probs, preds, truth.size)
    classes, names = _classes(truth, answers, width, class_names)
    counts = confusion_counts(_numbered(truth, classes, "y_true"), _numbered(answers, classes, "preds"), len(classes))
    rows = [[actual, other, int(counts[i, j])] for i, actual in enumerate(names) for j, other in enumerate(names)]
    table = Table(columns=["Actual", "Predicted", "nPredictions"], data=rows)
    fields: dict[str, ColumnKey] = {name: name for name in table.columns if isinstance(name, str)}
    return Chart("confusion-matrix", table, fields, title, split_table=split_table)


def roc_curve(
    y_true: Any,
    y_probas: Any = None,
    labels: Sequence[str] | None = None,
    classes_to_plot: Iterable[Any] | None = None,
    title: str = "ROC Curve",
    split_table: bool = False,
) -> Chart:
    """The ROC curve of each class against the others, in the table's columns "class", "fpr" and "tpr".

    `y_probas`: probabilities or scores, a row for each sample and a column for each class in sorted order; one
    dimension is the score of the second of two classes. `labels`: names for the classes. The numbers are those of
    `sklearn.metrics.roc_curve`. When all curves together have more than `MAX_POINTS` points, each keeps an equal
    share of that, evenly spaced along the curve with both ends.
    """
    curves = [(each.label, *roc_points(each.is_it, each.scores)) for each in _chosen(y_true, y_probas, classes_to_plot)]
    texts = ("False positive rate", "True positive rate")
    names = _class_names(y_true, labels)
    return _curves_chart("roc-curve", curves, names, ("fpr", "tpr"), texts, title, split_table)


def pr_curve(
    y_true: Any = None,
    y_probas: Any = None,
    labels: Sequence[str] | None = None,
    classes_to_plot: Iterable[Any] | None = None,
    interp_size: int = 21,
    title: str = "Precision-Recall Curve",
    split_table: bool = False,
) -> Chart:
    """The precision-recall curve of each class, in the table's columns "class", "recall" and "precision".

    `interp_size` recalls, evenly spaced from 0 to 1, with the best precision that a threshold with that recall or
    more has, from the numbers of `sklearn.metrics.precision_recall_curve`. The rest is as in `roc_curve`.
    """
    import numpy as np

    if isinstance(interp_size, bool) or not isinstance(interp_size, int) or interp_size < 2:
        raise UsageError(f"interp_size is {interp_size!r}", "pass the number of points of each curve, 2 or more")
    recalls = np.linspace(0.0, 1.0, interp_size)
    chosen = _chosen(y_true, y_probas, classes_to_plot)
    curves = [(each.label, recalls, interpolated_precision(each.is_it, each.scores, recalls)) for each in chosen]
    names = _class_names(y_true, labels)
    return _curves_chart(
        "pr-curve", curves, names, ("recall", "precision"), ("Recall", "Precision"), title, split_table
    )


def plot_table(
    vega_spec_name: str,
    data_table: Table,
    fields: Mapping[str, Any],
    string_fields: Mapping[str, Any] | None = None,
    split_table: bool = False,
) -> Chart:
    """A chart of any kind: one of `CHART_FIELDS`, the name of a W&B preset ("wandb/line/v0"), or one of your own.

    `fields` maps what is drawn to columns; with kinds that are not known they are taken as they are. The "title" of
    `string_fields` is the chart's title.
    """
    if not isinstance(vega_spec_name, str) or not vega_spec_name:
        raise UsageError(f"the kind of a chart is {vega_spec_name!r}", 'pass a name, such as "line"')
    if not isinstance(fields, Mapping):
        raise UsageError(f"fields is {type_name(fields)}", 'pass a dict from what is drawn to columns: {"x": "epoch"}')
    strings = dict(string_fields or {})
    kind = _KNOWN_SPECS.get(vega_spec_name, vega_spec_name)
    return Chart(kind, data_table, fields, strings.pop("title", ""), strings, split_table)


def _listed(values: Any, what: str) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise UsageError(f"{what} is {type_name(values)}", "pass a list or an array")
    return list(values)


def _is_nested(values: list[Any]) -> bool:
    first = values[0] if values else None
    return isinstance(first, Iterable) and not isinstance(first, str | bytes) and getattr(first, "ndim", 1) > 0


def _answers(probs: Any, preds: Any, samples: int) -> tuple[Any, int | None]:
    """The class of each answer, and how many classes there are where `probs` say so."""
    if (probs is None) == (preds is None):
        raise UsageError(
            "confusion_matrix() takes probs or preds, one of them", "pass preds=, the class of each answer"
        )
    if probs is None:
        answers = labels_of(preds, "preds")
        if answers.size != samples:
            raise UsageError(f"there are {answers.size} preds and {samples} y_true", "pass one answer for each sample")
        return answers, None
    scores = scores_of(probs, samples, "probs")
    if scores.ndim != 2:
        raise UsageError(f"probs has the shape {scores.shape}", "pass a row for each sample, a column for each class")
    return scores.argmax(axis=1), scores.shape[1]


def _classes(truth: Any, answers: Any, width: int | None, class_names: Any) -> tuple[list[Any], list[str]]:
    """The class labels, in the order of the matrix, and their names."""
    names = None if class_names is None else [str(name) for name in class_names]
    if names is not None and len(set(names)) != len(names):
        raise UsageError("class_names holds a name twice", "give each class a name of its own")
    if names is not None and width is not None and len(names) != width:
        raise UsageError(f"probs has {width} columns, and there are {len(names)} class_names", "pass one for each")
    if (
        names is not None
        and width is None
        and truth.dtype.kind in "SUO"
        and {*truth.tolist(), *answers.tolist()} <= {*names}
    ):
        return list(names), names
    if width is None and names is None:
        classes = sorted_classes({*truth.tolist(), *answers.tolist()}, "y_true with preds")
        texts = [str(each) if isinstance(each, str) else f"Class_{at + 1}" for at, each in enumerate(classes)]
        return classes, texts
    count = width if width is not None else len(names or ())
    return list(range(count)), names or [f"Class_{at + 1}" for at in range(count)]


def _numbered(labels: Any, classes: list[Any], what: str) -> Any:
    """The position of each label among the classes."""
    import numpy as np

    position = {each: at for at, each in enumerate(classes)}
    try:
        return np.array([position[label] for label in labels.tolist()], dtype=np.int64)
    except KeyError as error:
        raise UsageError(
            f"{what} holds {error.args[0]!r}, which is none of the {len(classes)} classes",
            "with class_names or probs, classes are numbers from 0 (or the names); otherwise check the labels",
        ) from None


def _chosen(y_true: Any, y_probas: Any, classes_to_plot: Iterable[Any] | None) -> list[Scored]:
    scored = scored_classes(y_true, y_probas)
    if classes_to_plot is None:
        return scored
    wanted = array_of(classes_to_plot, "classes_to_plot").reshape(-1).tolist()
    known = [each.label for each in scored]
    if unknown := [each for each in wanted if each not in known]:
        raise UsageError(f"classes_to_plot holds {unknown}", f"the classes with samples and scores are {known}")
    if not wanted:
        raise UsageError("classes_to_plot is empty", "leave it out to plot all classes")
    return [each for each in scored if each.label in wanted]


def _class_names(y_true: Any, labels: Sequence[str] | None) -> dict[Any, Any]:
    """What each class is called: by its number among `labels`, or by its place where it is no number."""
    classes = sorted_classes(labels_of(y_true, "y_true").tolist(), "y_true")
    if labels is None:
        return {each: each for each in classes}
    names = [str(label) for label in labels]
    if all(isinstance(each, int) and 0 <= each < len(names) for each in classes):
        return {each: names[each] for each in classes}
    if len(names) != len(classes):
        raise UsageError(
            f"there are {len(names)} labels for the classes {classes[:10]}",
            "pass a label for each class, in sorted order",
        )
    return dict(zip(classes, names, strict=True))


def _curves_chart(
    kind: str,
    curves: list[tuple[Any, Any, Any]],
    names: dict[Any, Any],
    columns: tuple[str, str],
    axes: tuple[str, str],
    title: str,
    split_table: bool,
) -> Chart:
    total = sum(x.size for _, x, _ in curves)
    share = max(2, MAX_POINTS // len(curves)) if total > MAX_POINTS else total
    rows: list[list[Any]] = []
    for label, x, y in curves:
        kept = thinned(x.size, share)
        rows.extend([names[label], *point] for point in zip(x[kept].tolist(), y[kept].tolist(), strict=True))
    table = Table(columns=["class", *columns], data=rows)
    fields: dict[str, ColumnKey] = {"x": columns[0], "y": columns[1], "class": "class"}
    return Chart(kind, table, fields, title, {"x-axis-title": axes[0], "y-axis-title": axes[1]}, split_table)
