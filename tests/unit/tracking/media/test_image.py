"""Images come back in every pixel, mask and box, and what is no image is refused with the remedy."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import msgspec
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotFound, StoreCorrupt, UsageError
from swath.tracking.media.image import Image
from swath.tracking.media.masks import Classes, Mask

matplotlib.use("Agg")

SIDES = st.integers(1, 12)
SHAPES = st.tuples(SIDES, SIDES) | st.tuples(SIDES, SIDES, st.sampled_from([1, 3, 4]))
Fixed = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return Blobs(tmp_path_factory.mktemp("blobs"))


def back(image: Image, blobs: Blobs) -> Image:
    """The image as it is after its record went through the log."""
    return Image.from_record(msgspec.msgpack.decode(msgspec.msgpack.encode(image.to_record(blobs))), blobs)


def recorded(data: Any, blobs: Blobs, **options: Any) -> np.ndarray[Any, Any]:
    return back(Image(data, **options), blobs).to_numpy()


def squeezed(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array


@Fixed
@given(array=SHAPES.flatmap(lambda shape: hnp.arrays(np.uint8, shape)))
def test_uint8_pixels_come_back_as_they_are(blobs: Blobs, array: np.ndarray[Any, Any]) -> None:
    again = back(Image(array), blobs)
    assert again.to_numpy().dtype == np.uint8
    assert np.array_equal(again.to_numpy(), squeezed(array))
    assert (again.height, again.width, again.format) == (*array.shape[:2], "png")
    assert again.to_pil().size == (again.width, again.height)


@Fixed
@given(
    array=SHAPES.flatmap(lambda shape: hnp.arrays(np.uint8, shape)),
    dtype=st.sampled_from([np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, ">i4"]),
)
def test_integers_from_0_to_255_are_levels_whatever_their_type(
    blobs: Blobs, array: np.ndarray[Any, Any], dtype: Any
) -> None:
    assert np.array_equal(recorded(array.astype(dtype), blobs), squeezed(array))


@Fixed
@given(
    array=SHAPES.flatmap(lambda shape: hnp.arrays(np.uint8, shape)),
    dtype=st.sampled_from([np.float16, np.float32, np.float64, np.longdouble]),
)
def test_levels_divided_by_255_come_back_as_the_levels(blobs: Blobs, array: np.ndarray[Any, Any], dtype: Any) -> None:
    assert np.array_equal(recorded(array.astype(dtype) / dtype(255), blobs), squeezed(array))


@Fixed
@given(array=st.tuples(SIDES, SIDES).flatmap(lambda shape: hnp.arrays(np.uint16, shape)))
def test_sixteen_bits_of_grey_come_back_as_they_are(blobs: Blobs, array: np.ndarray[Any, Any]) -> None:
    assert np.array_equal(recorded(array, blobs), array)


@Fixed
@given(array=SHAPES.flatmap(lambda shape: hnp.arrays(np.bool_, shape)))
def test_booleans_are_black_and_white(blobs: Blobs, array: np.ndarray[Any, Any]) -> None:
    assert np.array_equal(recorded(array, blobs), squeezed(array).astype(np.uint8) * 255)


@Fixed
@given(array=SHAPES.flatmap(lambda shape: hnp.arrays(st.sampled_from([np.float32, np.float64, np.int64]), shape)))
def test_every_array_of_numbers_is_a_picture(blobs: Blobs, array: np.ndarray[Any, Any]) -> None:
    assert recorded(array, blobs).shape == squeezed(array).shape
    assert recorded(array, blobs, normalize=False).shape == squeezed(array).shape


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 0.5, 1.0005], [0, 128, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([-2.0, -1.0, -2.0], [0, 128, 0]),
        ([0.0, 255.0, 510.0], [0, 128, 255]),
        ([np.nan, 0.5, 1.0], [0, 128, 255]),
        ([np.nan, -1.0, 1.0], [0, 0, 255]),
        ([-np.inf, 0.5, np.inf], [0, 128, 255]),
        ([np.nan, np.nan, np.inf], [0, 0, 255]),
        ([0.0, 0.0, 0.0], [0, 0, 0]),
    ],
)
def test_floats_are_normalised(blobs: Blobs, values: list[float], levels: list[int]) -> None:
    found = recorded(np.array([values]), blobs)[0]
    if np.isnan(values).sum() == 2:
        assert found[:2].tolist() == [0, 0]  # nothing finite says how far up infinity is
    else:
        assert found.tolist() == levels


def test_without_normalisation_numbers_are_cut_off(blobs: Blobs) -> None:
    found = recorded(np.array([[-3.0, 0.4, 1.0, 300.0, np.nan]]), blobs, normalize=False)
    assert found.tolist() == [[0, 0, 1, 255, 0]]


def test_a_batch_is_one_picture_eight_in_a_row(blobs: Blobs) -> None:
    batch = np.arange(10, dtype=np.uint8)[:, None, None, None] + np.full((10, 4, 5, 3), 100, np.uint8)
    sheet = recorded(batch, blobs)
    assert sheet.shape == (2 * (4 + 2) + 2, 8 * (5 + 2) + 2, 3)
    assert (sheet[2:6, 2:7] == 100).all()
    assert (sheet[8:12, 9:14] == 109).all()
    assert (sheet[:2] == 0).all()
    assert (sheet[8:12, 16:] == 0).all()
    assert recorded(batch[:1], blobs).shape == (4, 5, 3)
    assert recorded(batch[..., :1], blobs).shape == sheet.shape[:2]


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_views_and_read_only_arrays_are_pictures(blobs: Blobs, channels: tuple[int, ...]) -> None:
    whole = np.random.default_rng(0).integers(0, 256, (20, 24, *channels), dtype=np.uint8)
    whole.flags.writeable = False
    for view in (whole, whole[::2, ::-3], whole.swapaxes(0, 1), np.asfortranarray(whole)):
        assert np.array_equal(recorded(view, blobs), squeezed(view))


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 3), (6, 7, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.uint16])
def test_an_array_may_change_once_the_image_is_made(blobs: Blobs, shape: tuple[int, ...], dtype: Any) -> None:
    array = np.full(shape, 1, dtype)
    image = Image(array)
    before = image.to_numpy()
    array[:] = 0
    assert np.array_equal(back(image, blobs).to_numpy(), before)


def test_a_pillow_image_may_change_once_the_image_is_made(blobs: Blobs) -> None:
    picture = PIL.Image.new("RGB", (4, 3), "red")
    image = Image(picture)
    picture.paste((0, 0, 0), (0, 0, 4, 3))
    given_out = image.to_pil()
    given_out.paste((0, 0, 0), (0, 0, 4, 3))
    assert (image.to_numpy() == (255, 0, 0)).all()
    assert (back(image, blobs).to_numpy() == (255, 0, 0)).all()


def test_the_same_pixels_are_one_file(blobs: Blobs) -> None:
    array = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    first, second = Image(array), Image(PIL.Image.fromarray(array), caption="again")
    digests = {each.to_record(blobs)["sha256"] for each in (first, second, first, back(first, blobs))}
    assert len(digests) == 1
    assert blobs.path(digests.pop()).is_file()


def test_a_record_is_plain_and_says_what_is_in_it(blobs: Blobs) -> None:
    record = Image(np.zeros((3, 5), np.uint8), caption="zeros", grouping=2).to_record(blobs)
    size = blobs.path(record["sha256"]).stat().st_size
    assert {key: record[key] for key in record if key != "sha256"} == {
        "_type": "image-file",
        "size": size,
        "format": "png",
        "caption": "zeros",
        "width": 5,
        "height": 3,
        "grouping": 2,
    }
    again = Image.from_record(record, blobs)
    assert (again.caption, again.grouping) == ("zeros", 2)
    assert again.to_record(blobs) == record


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"]
)
@pytest.mark.parametrize("file_type", ["png", "jpg", "jpeg", "bmp", "gif"])
def test_every_mode_of_pillow_is_kept_in_every_format(blobs: Blobs, mode: str, file_type: str) -> None:
    base = "RGBA" if mode == "RGBa" else "RGB" if mode in ("HSV", "YCbCr", "CMYK") else "L"
    picture = PIL.Image.new(base, (6, 5), 100).convert(mode)
    image = back(Image(picture, file_type=file_type), blobs)
    assert image.format == ("jpg" if file_type == "jpeg" else file_type)
    assert image.to_pil().size == (6, 5)
    assert image.to_numpy().shape[:2] == (5, 6)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_png_keeps_a_pillow_image_in_every_pixel(blobs: Blobs, mode: str) -> None:
    shape = (7, 9, len(PIL.Image.new(mode, (1, 1)).getbands()))
    array = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    picture = PIL.Image.fromarray(array[..., 0].astype(np.uint16) * 200) if mode == "I;16" else None
    picture = picture or PIL.Image.fromarray(squeezed(array), mode if mode == "LA" else None)
    assert np.array_equal(np.asarray(back(Image(picture), blobs).to_pil()), np.asarray(picture))


def test_a_palette_and_its_transparency_are_kept(blobs: Blobs) -> None:
    picture = PIL.Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putdata([0, 1])
    picture.info["transparency"] = 1
    assert recorded(picture, blobs).tolist() == [[[10, 20, 30, 255], [40, 50, 60, 0]]]


@pytest.mark.parametrize("options", [{"file_type": "jpg"}, {"mode": "RGB"}, {"mode": "L"}])
def test_a_palette_with_transparency_is_converted_quietly(blobs: Blobs, options: dict[str, Any]) -> None:
    picture = PIL.Image.new("P", (2, 1))
    picture.putpalette([10, 10, 10, 40, 40, 40])
    picture.info["transparency"] = b"\x00\x80"
    assert recorded(picture, blobs, **options).shape[:2] == (1, 2)


def test_mode_converts_and_a_wrong_one_is_refused(blobs: Blobs) -> None:
    array = np.full((3, 3, 3), 50, np.uint8)
    assert recorded(array, blobs, mode="L").shape == (3, 3)
    assert recorded(array, blobs, mode="RGBA").shape == (3, 3, 4)
    with pytest.raises(UsageError, match="cannot become"):
        Image(array, mode="XYZ")


@pytest.mark.parametrize("file_type", ["png", "bmp"])
def test_formats_without_loss_have_none(blobs: Blobs, file_type: str) -> None:
    array = np.random.default_rng(3).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    assert np.array_equal(recorded(array, blobs, file_type=file_type), array)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"])
def test_a_file_keeps_its_bytes_and_its_own_format(blobs: Blobs, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture.dat"
    PIL.Image.new("RGB", (6, 4), "blue").save(path, kind)
    for each in (path, str(path)):
        record = Image(each, file_type="bmp").to_record(blobs)
        assert blobs.read(record["sha256"]) == path.read_bytes()
        assert record["format"] == {"JPEG": "jpg"}.get(kind, kind.lower())
        assert (record["width"], record["height"]) == (6, 4)
        assert Image.from_record(record, blobs).to_numpy().shape == (4, 6, 3)


def test_files_that_are_no_images_are_refused_at_once(tmp_path: Path) -> None:
    text, empty, cut = tmp_path / "text.png", tmp_path / "empty.png", tmp_path / "cut.png"
    text.write_text("no image")
    empty.touch()
    PIL.Image.fromarray(np.random.default_rng(4).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:2000])
    for path in (text, cut):
        with pytest.raises(UsageError, match="no image that Pillow can read"):
            Image(path)
    with pytest.raises(UsageError, match="is empty"):
        Image(empty)
    with pytest.raises(UsageError, match="is no file"):
        Image(tmp_path)
    with pytest.raises(NotFound, match="there is no file"):
        Image(str(tmp_path / "missing.png"))
    with pytest.raises(UsageError, match="cannot be read"):
        Image("nul\0byte.png")
    with pytest.raises(UsageError, match="cannot be read"):
        Image("x" * 5000)


def test_a_file_that_changed_or_went_is_not_recorded(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.new("L", (3, 3)).save(path)
    image = Image(path)
    path.write_bytes(b"something else")
    with pytest.raises(UsageError, match="changed"):
        image.to_record(blobs)
    path.unlink()
    with pytest.raises(NotFound, match="gone"):
        image.to_record(blobs)


def test_a_pillow_image_of_a_broken_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    PIL.Image.fromarray(np.random.default_rng(5).integers(0, 256, (50, 50), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:500])
    with PIL.Image.open(path) as picture, pytest.raises(UsageError, match="cannot be read"):
        Image(picture)


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        "",
        b"bytes",
        [[1, 2], [3, 4]],
        {"a": 1},
        object(),
        np.uint8,
        np.array(5),
        np.zeros(4),
        np.zeros((2, 3, 2)),
        np.zeros((3, 8, 9)),
        np.zeros((2, 3, 8, 9)),
        np.zeros((1, 1, 2, 3, 3)),
        np.zeros((0, 5)),
        np.zeros((5, 0, 3)),
        np.zeros((0, 5, 5, 3)),
        np.zeros((2, 2), complex),
        np.array([["a", "b"]]),
        np.array([[object()]]),
        np.zeros((2, 2), "M8[s]"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_hint(data: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Image(data)
    assert caught.value.hint


def test_the_hint_of_channels_in_front_says_how_to_move_them() -> None:
    with pytest.raises(UsageError) as caught:
        Image(np.zeros((3, 8, 9)))
    assert "moveaxis" in caught.value.hint


@pytest.mark.parametrize("options", [{"file_type": "tga"}, {"file_type": 3}, {"grouping": "a"}, {"classes": 5}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Image(np.zeros((2, 2)), **options)


def test_a_picture_that_no_file_holds_is_refused_before_it_is_copied() -> None:
    with pytest.raises(UsageError, match="more than"):
        Image(np.broadcast_to(np.uint8(0), (2**17, 2**17)))
    with pytest.raises(UsageError, match="jpg holds at most"):
        Image(np.zeros((1, 70000), np.uint8), file_type="jpg")


def test_a_large_picture_reads_back_whatever_pillow_thinks_of_bombs(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    assert recorded(np.full((30, 30), 7, np.uint8), blobs).sum() == 6300


def test_a_file_that_pillow_takes_for_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    PIL.Image.new("L", (30, 30)).save(path)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UsageError, match="exceeds limit"):
        Image(path)


def test_an_image_of_an_image_is_the_same_picture_without_boxes(blobs: Blobs) -> None:
    first = Image(np.full((4, 4), 9, np.uint8), caption="a", grouping=1, boxes=BOXES, classes=[{"id": 1, "name": "x"}])
    for second in (Image(first), Image(back(first, blobs))):
        assert (second.caption, second.grouping, second.boxes) == ("a", 1, {})
        assert second.classes == [{"id": 1, "name": "x"}]
        assert np.array_equal(back(second, blobs).to_numpy(), first.to_numpy())
    assert Image(first, caption="b").caption == "b"


def test_tensors_have_their_channels_first(blobs: Blobs) -> None:
    torch = pytest.importorskip("torch")
    levels = np.random.default_rng(6).integers(0, 256, (3, 5, 6), dtype=np.uint8)
    expected = np.moveaxis(levels, 0, -1)
    tensor = torch.from_numpy(levels)
    assert np.array_equal(recorded(tensor, blobs), expected)
    assert np.array_equal(recorded((tensor.double() / 255).requires_grad_(), blobs), expected)
    assert np.array_equal(recorded(torch.nn.Parameter(tensor.float() / 255), blobs), expected)
    assert np.array_equal(recorded(tensor[0], blobs), levels[0])
    assert np.array_equal(recorded(tensor[:1], blobs), levels[0])
    assert np.array_equal(recorded(tensor.to(torch.bfloat16), blobs), expected)
    assert recorded(torch.zeros(4, 3, 8, 8), blobs).shape == (12, 42, 3)
    for wrong in (torch.zeros(5, 6, 3), torch.zeros(4), torch.zeros(0, 3, 3), torch.zeros(3, 3, device="meta")):
        with pytest.raises(UsageError):
            Image(wrong)


def test_figures_are_drawn(blobs: Blobs) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(2, 1), dpi=50)
    axes.plot([1, 2, 3])
    try:
        digests = {Image(each).to_record(blobs)["sha256"] for each in (figure, plt, axes)}
        again = back(Image(figure), blobs)
        jpg = back(Image(figure, file_type="jpg"), blobs)
    finally:
        plt.close(figure)
    assert len(digests) == 1
    assert (again.width, again.height) == (100, 50)
    assert len(np.unique(again.to_numpy().reshape(-1, 4), axis=0)) > 2
    assert (jpg.format, jpg.to_numpy().shape) == ("jpg", (50, 100, 3))
    with pytest.raises(UsageError, match="no figure"):
        Image(plt)


def test_a_figure_that_cannot_be_drawn_is_refused() -> None:
    import matplotlib.pyplot as plt

    figure = plt.figure()
    figure.text(0, 0, r"$\nosuchcommand$")
    try:
        with pytest.raises(UsageError, match="cannot be drawn"):
            Image(figure)
    finally:
        plt.close(figure)


BOXES: dict[str, Any] = {
    "predictions": {
        "box_data": [
            {
                "position": {"minX": 0.1, "maxX": np.float32(0.5), "minY": 0, "maxY": 1},
                "class_id": np.int64(2),
                "scores": {"acc": 0.9, "loss": np.float64(1.5)},
                "box_caption": "a cat",
            },
            {"position": {"middle": np.array([3, 4]), "width": 2, "height": 1.5}, "domain": "pixel", "class_id": 0},
            {"position": {"middle": (3, 4), "width": 2, "height": 1.5}, "domain": None},
        ],
        "class_labels": {0: "cat", 2: "dog"},
    },
    "truth": {"box_data": [{"position": {"minX": 0, "maxX": 1, "minY": 0, "maxY": 1}, "class_id": 7}]},
}


def test_boxes_come_back_plain(blobs: Blobs) -> None:
    again = back(Image(np.zeros((8, 8)), boxes=BOXES), blobs).boxes
    assert again["predictions"]["class_labels"] == {0: "cat", 2: "dog"}
    first, second, third = again["predictions"]["box_data"]
    assert first == {
        "position": {"minX": 0.1, "maxX": 0.5, "minY": 0, "maxY": 1},
        "class_id": 2,
        "scores": {"acc": 0.9, "loss": 1.5},
        "box_caption": "a cat",
    }
    assert second == {"position": {"middle": [3, 4], "width": 2, "height": 1.5}, "domain": "pixel", "class_id": 0}
    assert third == {"position": {"middle": [3, 4], "width": 2, "height": 1.5}}
    assert again["truth"]["class_labels"] == {7: "class_7"}


def test_boxes_of_tensors_are_plain(blobs: Blobs) -> None:
    torch = pytest.importorskip("torch")
    box = {"position": {"middle": torch.tensor([0.5, 0.25]), "width": torch.tensor(0.5), "height": 1}, "class_id": 1}
    group = {"box_data": [box | {"scores": {"p": torch.tensor(0.5)}}]}
    (found,) = back(Image(np.zeros((8, 8)), boxes={"p": group}), blobs).boxes["p"]["box_data"]
    assert found["position"] == {"middle": [0.5, 0.25], "width": 0.5, "height": 1}
    assert found["scores"] == {"p": 0.5}


def without(key: str) -> dict[str, Any]:
    return {"position": {name: 0.5 for name in ("minX", "maxX", "minY", "maxY") if name != key}}


WHOLE = without("")


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        ([], "boxes is a list"),
        ({"p": []}, "no list of boxes"),
        ({"p": {"class_labels": {}}}, "no list of boxes"),
        ({"p": {"box_data": {"a": 1}}}, "no list of boxes"),
        ({"p": {"box_data": [5]}}, "box 0 is an int"),
        ({"p": {"box_data": [WHOLE, {}]}}, "box 1 has no position"),
        ({"p": {"box_data": [without("maxY")]}}, "has no position"),
        ({"p": {"box_data": [{"position": {"minX": "0", "maxX": 1, "minY": 0, "maxY": 1}}]}}, "minX is a str"),
        ({"p": {"box_data": [{"position": {"middle": [1], "width": 2, "height": 3}}]}}, "no pair"),
        ({"p": {"box_data": [WHOLE | {"class_id": "cat"}]}}, "class_id is a str"),
        ({"p": {"box_data": [WHOLE | {"class_id": 1.5}]}}, "no whole number"),
        ({"p": {"box_data": [WHOLE | {"class_id": True}]}}, "class_id is a bool"),
        ({"p": {"box_data": [WHOLE | {"scores": 0.5}]}}, "scores is a float"),
        ({"p": {"box_data": [WHOLE | {"scores": {"acc": "high"}}]}}, "score 'acc'"),
        ({"p": {"box_data": [WHOLE | {"box_caption": 5}]}}, "box_caption is an int"),
        ({"p": {"box_data": [WHOLE | {"domain": "metre"}]}}, "domain 'metre'"),
        ({"p": {"box_data": [WHOLE | {"other": [1]}]}}, "other is a list"),
        ({"p": {"box_data": [], "class_labels": ["cat"]}}, "class_labels is a list"),
        ({"p": {"box_data": [], "class_labels": {0: 5}}}, "class label 5"),
        ({"p": {"box_data": [], "class_labels": {"a": "cat"}}}, "class id 'a'"),
    ],
)
def test_wrong_boxes_are_refused_by_name_and_place(boxes: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Image(np.zeros((4, 4)), boxes=boxes)


@Fixed
@given(
    mask=hnp.arrays(
        st.sampled_from([np.uint8, np.int64, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.integers(0, 255),
    ),
    scale=st.sampled_from([1, 257]),
)
def test_masks_come_back_in_every_id(blobs: Blobs, mask: np.ndarray[Any, Any], scale: int) -> None:
    mask = mask.astype(np.int64) * scale if scale > 1 else mask
    image = Image(np.zeros((4, 4)), masks={"predictions": {"mask_data": mask, "class_labels": {0: "bg", 1: "cat"}}})
    again = back(image, blobs).masks["predictions"]
    assert np.array_equal(again.to_numpy(), mask)
    assert again.to_numpy().dtype == (np.uint8 if mask.max() <= 255 else np.uint16)
    assert again.class_labels == {0: "bg", 1: "cat"}


def test_masks_are_files_of_their_own_kept_once(blobs: Blobs) -> None:
    ids = np.eye(5, dtype=np.int32) * 3
    record = Image(np.zeros((5, 5)), masks={"a": {"mask_data": ids}, "b": Mask({"mask_data": ids})}).to_record(blobs)
    a, b = record["masks"]["a"], record["masks"]["b"]
    assert a == b
    assert (a["_type"], a["format"], a["class_labels"]) == ("mask", "png", {"0": "class_0", "3": "class_3"})
    assert blobs.path(a["sha256"]).is_file()


def test_masks_may_be_booleans_tensors_or_files(blobs: Blobs, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    ids = np.random.default_rng(7).integers(0, 5, (6, 7), dtype=np.uint8)
    path = tmp_path / "mask.png"
    PIL.Image.fromarray(ids).save(path)
    masks = {
        "flags": {"mask_data": ids > 2},
        "tensor": {"mask_data": torch.from_numpy(ids).long()},
        "list": {"mask_data": ids.tolist()},
        "deep": {"mask_data": ids[:, :, None]},
        "file": {"path": path, "class_labels": {1: "x"}},
    }
    again = back(Image(np.zeros((6, 7)), masks=masks), blobs).masks
    assert np.array_equal(again["flags"].to_numpy(), ids > 2)
    for key in ("tensor", "list", "deep"):
        assert np.array_equal(again[key].to_numpy(), ids)
    assert np.array_equal(again["file"].to_numpy(), ids)
    assert again["file"].read() == path.read_bytes()
    assert again["file"].class_labels == {1: "x"}


def test_a_mask_may_change_once_the_image_is_made(blobs: Blobs) -> None:
    ids = np.ones((4, 4), np.uint8)
    image = Image(np.zeros((4, 4)), masks={"m": {"mask_data": ids}})
    ids[:] = 2
    assert (back(image, blobs).masks["m"].to_numpy() == 1).all()


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ([], "masks is a list"),
        ({"m": np.zeros((2, 2))}, "the mask 'm'"),
        ({"m": {"class_labels": {}}}, "the mask 'm'"),
        ({"m": {"mask_data": np.zeros((2, 2)), "path": "x"}}, "the mask 'm'"),
        ({"m": {"mask_data": [[0, 1], [2]]}}, "the mask 'm' cannot be made an array"),
        ({"m": {"mask_data": np.zeros((2, 2, 2))}}, "shape"),
        ({"m": {"mask_data": np.zeros((0, 2))}}, "empty"),
        ({"m": {"mask_data": np.full((2, 2), 0.5)}}, "not whole"),
        ({"m": {"mask_data": np.full((2, 2), np.nan)}}, "not whole"),
        ({"m": {"mask_data": np.full((2, 2), -1)}}, "from -1"),
        ({"m": {"mask_data": np.full((2, 2), 65536)}}, "to 65536"),
        ({"m": {"mask_data": np.full((2, 2), "a")}}, "array of <U1"),
        ({"m": {"mask_data": np.zeros((2, 2)), "class_labels": {0: None}}}, "class label"),
        ({"m": {"path": "nowhere.png"}}, "no file"),
    ],
)
def test_wrong_masks_are_refused_by_name(masks: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Image(np.zeros((4, 4)), masks=masks)


def test_a_mask_in_colour_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    PIL.Image.new("RGB", (3, 3)).save(path)
    with pytest.raises(UsageError, match="in colour"):
        Image(np.zeros((3, 3)), masks={"m": {"path": str(path)}})


def test_classes_are_kept(blobs: Blobs) -> None:
    classes: list[Any] = [{"id": np.int64(1), "name": "cat"}, {"id": "b", "name": "dog"}]
    plain = [{"id": 1, "name": "cat"}, {"id": "b", "name": "dog"}]
    for each in (classes, Classes(classes), tuple(classes)):
        assert back(Image(np.zeros((3, 3)), classes=each), blobs).classes == plain
    wrongs: list[Any] = [[5], [{"id": 1}], [{"id": 1.5, "name": "x"}], "cat", {"id": 1, "name": "x"}]
    for wrong in wrongs:
        with pytest.raises(UsageError):
            Image(np.zeros((3, 3)), classes=wrong)


def test_a_record_of_another_type_or_of_a_missing_file_is_refused(blobs: Blobs, tmp_path: Path) -> None:
    record = Image(np.zeros((3, 3))).to_record(blobs)
    with pytest.raises(UsageError, match="is no image-file"):
        Image.from_record(record | {"_type": "audio-file"}, blobs)
    with pytest.raises(NotFound, match="not in"):
        Image.from_record(record, Blobs(tmp_path / "elsewhere"))
    for key in ("sha256", "width"):
        with pytest.raises(StoreCorrupt):
            Image.from_record({name: value for name, value in record.items() if name != key}, blobs)


def test_arrays_of_other_libraries_are_taken_by_their_array_interface(blobs: Blobs) -> None:
    class Held:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.full((2, 3), 5, np.uint8)

    class Lazy:
        def numpy(self) -> Any:
            return np.full((2, 3), 6, np.uint8)

    class Broken:
        def numpy(self) -> Any:
            raise RuntimeError("no memory")

    assert (recorded(Held(), blobs) == 5).all()
    assert (recorded(Lazy(), blobs) == 6).all()
    with pytest.raises(UsageError, match="no memory"):
        Image(Broken())


def test_without_pillow_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(UsageError) as caught:
        Image(np.zeros((2, 2)))
    assert "swath[media]" in caught.value.hint


def test_threads_record_one_image_at_once(blobs: Blobs) -> None:
    from concurrent.futures import ThreadPoolExecutor

    image = Image(np.random.default_rng(8).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    expected = image.to_numpy()
    record: Callable[[int], Any] = lambda _: image.to_record(blobs)["sha256"]  # noqa: E731
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(record, range(8)))) == 1
    assert np.array_equal(image.to_numpy(), expected)


def test_read_gives_the_bytes_of_the_file(blobs: Blobs) -> None:
    image = Image(np.zeros((3, 3)))
    with PIL.Image.open(io.BytesIO(image.read())) as picture:
        assert (picture.format, picture.size) == ("PNG", (3, 3))
    assert image.image.size == (3, 3)
