"""A figure reads back as the JSON that it was, whether plotly, a dict or matplotlib made it."""

from __future__ import annotations

import datetime
import json
import math
from typing import Any

import matplotlib as mpl
import numpy as np
import plotly.graph_objects as go
import pytest

from swath.tracking.blobs import Blobs
from swath.tracking.errors import StoreCorrupt, UsageError
from swath.tracking.media.plotly import Plotly

mpl.use("agg")
from matplotlib import pyplot as plt


@pytest.fixture
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return Blobs(tmp_path_factory.mktemp("blobs"))


@pytest.fixture
def drawn() -> Any:
    figure, axes = plt.subplots()
    axes.plot([1, 2, 3], [1, 4, 9], label="squares")
    axes.set_title("growth")
    yield figure
    plt.close(figure)


def test_a_plotly_figure_reads_back(blobs: Blobs) -> None:
    figure = go.Figure(go.Scatter(x=np.arange(3.0), y=np.array([1, math.nan, 2])), layout={"title": {"text": "é"}})
    plot = Plotly(figure)
    record = plot.to_record(blobs)
    assert record == {
        "_type": "plotly-file",
        "sha256": record["sha256"],
        "size": len(blobs.read(record["sha256"])),
        "format": "json",
    }
    back = Plotly.from_record(record, blobs)
    assert back == plot
    assert hash(back) == hash(plot)
    assert json.loads(back.figure.to_json()) == json.loads(figure.to_json())


def test_a_dict_reads_back_and_needs_no_plotly(blobs: Blobs) -> None:
    figure = {
        "data": [{"type": "bar", "x": ["a", "b"], "y": np.array([1.5, math.nan]), "when": datetime.date(2020, 1, 1)}],
        "layout": {"title": {"text": "bars"}},
    }
    plot = Plotly.from_record(Plotly(figure).to_record(blobs), blobs)
    assert plot.to_dict() == {
        "data": [{"type": "bar", "x": ["a", "b"], "y": [1.5, None], "when": "2020-01-01"}],
        "layout": {"title": {"text": "bars"}},
    }


def test_a_dict_becomes_a_figure() -> None:
    figure = Plotly({"data": [{"type": "bar", "y": [1, 2]}], "config": {"responsive": True}}).figure
    assert figure.data[0].y == (1, 2)


def test_a_dict_may_hold_plotlys_objects() -> None:
    objects = Plotly({"data": [go.Bar(y=[1, 2])], "layout": go.Layout(title={"text": "T"})})
    assert objects == Plotly({"data": [{"type": "bar", "y": [1, 2]}], "layout": {"title": {"text": "T"}}})


def test_later_changes_of_a_figure_change_nothing() -> None:
    figure = go.Figure(go.Bar(y=[1, 2]))
    plot = Plotly(figure)
    figure.data[0].y = [5, 6]
    assert plot.figure.data[0].y == (1, 2)
    assert plot != Plotly(figure)


@pytest.mark.parametrize("of", ["figure", "axes", "line", "pyplot"])
def test_what_matplotlib_draws_is_converted(blobs: Blobs, drawn: Any, of: str) -> None:
    given = {"figure": drawn, "axes": drawn.axes[0], "line": drawn.axes[0].lines[0], "pyplot": plt}[of]
    figure = Plotly.from_record(Plotly(given).to_record(blobs), blobs).figure
    assert list(figure.data[0].x) == [1, 2, 3]
    assert list(figure.data[0].y) == [1, 4, 9]
    assert figure.data[0].name == "squares"


def test_a_matplotlib_figure_with_pictures_is_refused_with_a_way_out(drawn: Any) -> None:
    drawn.axes[0].imshow(np.zeros((2, 2)))
    with pytest.raises(UsageError, match="pictures") as caught:
        Plotly(drawn)
    assert "Image(figure)" in caught.value.hint


@pytest.mark.parametrize(
    "figure",
    [
        None,
        3,
        "figure",
        [1],
        {},
        {"x": 1},
        {"data": "x"},
        {"data": 3},
        {"data": [{"y": [object()]}]},
        {"data": [{"name": "\ud800"}]},
        {"data": [2**70]},
        np.zeros(3),
    ],
)
def test_what_is_no_figure_is_refused(figure: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Plotly(figure)
    assert caught.value.hint


def test_damaged_bytes_are_said_to_be_damaged(blobs: Blobs) -> None:
    with pytest.raises(StoreCorrupt, match="damaged"):
        Plotly.from_record({"sha256": blobs.put(b"{")}, blobs)
