"""ROC and precision-recall curves and confusion counts with numpy alone; drawing and tables are elsewhere.

The numbers are those of scikit-learn: `roc_curve` with its collinear points dropped, `precision_recall_curve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from swath.tracking.errors import UsageError
from swath.tracking.media.samples import labels_of, scores_of, sorted_classes

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
    Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


class Scored(NamedTuple):
    """One class of a classifier's answers: its label, which samples are of it, and the score each got for it."""

    label: Any
    is_it: Flags
    scores: Floats


def roc_points(is_it: Flags, scores: Floats) -> tuple[Floats, Floats]:
    """False and true positive rates, from (0, 0) to (1, 1), as the threshold falls; corners only.

    There must be samples of both sorts.
    """
    import numpy as np

    false, true = _cumulated(is_it, scores)
    if false.size > 2:  # a point between two others on one line is no corner
        corner = np.r_[True, (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0), True]
        false, true = false[corner], true[corner]
    return np.r_[0.0, false] / false[-1], np.r_[0.0, true] / true[-1]


def precision_recall_points(is_it: Flags, scores: Floats) -> tuple[Floats, Floats]:
    """Precision and recall at each distinct score as the threshold rises, and (1, 0) at the end.

    There must be a sample that `is_it`.
    """
    import numpy as np

    false, true = _cumulated(is_it, scores)
    return np.r_[(true / (true + false))[::-1], 1.0], np.r_[(true / true[-1])[::-1], 0.0]


def interpolated_precision(is_it: Flags, scores: Floats, recalls: Floats) -> Floats:
    """The best precision at each recall or a higher one (Manning et al., Information Retrieval, 8.4)."""
    import numpy as np

    precision, recall = precision_recall_points(is_it, scores)
    best = np.maximum.accumulate(precision)[::-1]
    return best[np.searchsorted(recall[::-1], recalls, side="left")]


def confusion_counts(truth: Any, predicted: Any, classes: int) -> Any:
    """How often class i was taken for class j, at [i, j]; both are arrays of class numbers."""
    import numpy as np

    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def thinned(points: int, most: int) -> Any:
    """The positions to keep of a curve with more than `most` points: evenly spaced, the first and the last included."""
    import numpy as np

    if points <= most:
        return np.arange(points)
    return np.round(np.linspace(0, points - 1, most)).astype(np.int64)


def scored_classes(y_true: Any, y_probas: Any) -> list[Scored]:
    """The classes of `y_true` with their columns of `y_probas`.

    Columns are the classes in sorted order; where some class has no sample, the labels must be column numbers.
    One column, or one dimension, is the score of the second of two classes, and only that one is returned.
    """
    truth = labels_of(y_true, "y_true")
    classes = sorted_classes(truth.tolist(), "y_true")
    scores = scores_of(y_probas, truth.size, "y_probas")
    if len(classes) < 2:
        raise UsageError(
            f"y_true holds one class only, {classes[0]}", "a curve needs samples of two classes; check the data split"
        )
    if scores.ndim == 1:
        if len(classes) != 2:
            raise UsageError(f"y_probas is one column for {len(classes)} classes", "pass a column for each class")
        return [Scored(classes[1], truth == classes[1], scores)]
    columns = _columns(classes, scores.shape[1])
    return [Scored(each, truth == each, scores[:, at]) for each, at in zip(classes, columns, strict=True)]


def _columns(classes: list[Any], width: int) -> Sequence[int]:
    if len(classes) == width:
        return range(width)
    if len(classes) < width and all(isinstance(each, int) and 0 <= each < width for each in classes):
        return classes
    raise UsageError(
        f"y_probas has {width} columns, and y_true has {len(classes)} classes: {classes[:10]}",
        "pass a column for each class, in sorted order; where a class has no sample, labels are column numbers",
    )


def _cumulated(is_it: Flags, scores: Floats) -> tuple[Floats, Floats]:
    """False and true positives at each distinct score, from the highest down."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    ends = np.r_[np.nonzero(np.diff(scores[order]))[0], scores.size - 1]
    true = np.cumsum(is_it[order], dtype=np.float64)[ends]
    return 1.0 + ends - true, true
