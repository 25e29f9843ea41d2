"""What other libraries make is media as it is; what is none is left to others to refuse."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from swath.tracking.media.convert import as_media
from swath.tracking.media.histogram import Histogram
from swath.tracking.media.image import Image
from swath.tracking.media.plotly import Plotly
from swath.tracking.media.table import Table


def test_a_figure_its_axes_and_pyplot_are_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([1, 2, 3])
    pictures = [as_media(each) for each in (figure, axes, plt)]
    plt.close(figure)
    assert all(isinstance(each, Image) for each in pictures)
    assert len({each.read() for each in pictures if isinstance(each, Image)}) == 1


def test_figures_of_plotly_pictures_of_pillow_and_frames_are_media() -> None:
    go, pillow = pytest.importorskip("plotly.graph_objects"), pytest.importorskip("PIL.Image")
    pandas = pytest.importorskip("pandas")
    assert isinstance(as_media(go.Figure()), Plotly)
    assert isinstance(as_media(pillow.new("L", (1, 1))), Image)
    assert isinstance(as_media(pandas.DataFrame({"a": [1]})), Table)


@pytest.mark.parametrize("value", [np.arange(3), np.ones((2, 2), bool), np.ones(2, np.float16)])
def test_an_array_of_numbers_is_a_histogram(value: Any) -> None:
    assert isinstance(as_media(value), Histogram)


@pytest.mark.parametrize("value", [None, 5, "text", object(), np.array(["a"]), np.array([None]), sys])
def test_what_is_no_media_is_none(value: Any) -> None:
    assert as_media(value) is None
