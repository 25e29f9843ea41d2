"""Image: a picture from pixels, a figure or a file, with what is drawn over it; Pillow itself is in `pillow.py`."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media import pillow
from swath.tracking.media.arrays import as_array, grid, is_tensor, number, to_levels
from swath.tracking.media.files import FileMedia, Held, Source, caption_of, existing, is_path, listed
from swath.tracking.media.masks import Mask, checked_boxes, checked_masks, class_list, number_keys, text_keys
from swath.tracking.runlog.encoding import type_name

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from swath.tracking.media.arrays import Array, Levels

_CHANNELS = (1, 3, 4)
_ACCEPTED = (
    "an array (height, width[, 1, 3 or 4 channels]), a torch tensor ([1, 3 or 4 channels,] height, width), a batch of "
    "either, a Pillow image, a matplotlib figure, or the path of an image file"
)


class Image(FileMedia):
    """A picture, recorded as a PNG, or as the file that it is.

    - Arrays are (height, width), (height, width, channels) or a batch of the latter; torch tensors have the channels
      in front of height and width. A batch becomes one picture, eight in a row. uint8 is recorded as it is, a uint16
      array (height, width) too; `arrays.to_levels` says what becomes of other numbers. One channel reads back as
      (height, width). NaN is black.
    - Pillow images, figures of matplotlib and `matplotlib.pyplot` (its current figure).
    - The path of an image file: its bytes are kept; `mode` and `file_type` do not touch it.
    - Another `Image`: the same picture; boxes and masks are not taken over.

    Everything but a path is copied here and now, so it may change afterwards. `mode` is a mode of Pillow to convert
    to. `file_type` is png, jpg, bmp or gif; the pixels read back are exactly those recorded with png (and bmp, which
    knows no transparency), near them with jpg and gif. Raises `UsageError` for what is no picture.
    """

    TYPE = "image-file"
    width: int
    height: int
    grouping: int | None
    classes: list[dict[str, Any]] | None
    boxes: dict[str, dict[str, Any]]
    masks: dict[str, Mask]
    _picture: Picture | None

    def __init__(
        self,
        data_or_path: Any,
        mode: str | None = None,
        caption: str | None = None,
        grouping: int | None = None,
        classes: Any = None,
        boxes: Mapping[str, Any] | None = None,
        masks: Mapping[str, Any] | None = None,
        file_type: str | None = None,
        normalize: bool = True,
    ) -> None:
        self.caption, self.grouping, self.classes = caption_of(caption), None, None
        self.format = _format(file_type)
        self._picture = None
        if isinstance(data_or_path, Image):
            self._take_image(data_or_path)
        elif is_path(data_or_path):
            self._take_path(data_or_path)
        elif _is_drawing(data_or_path):
            self._take_drawing(data_or_path, mode)
        else:
            self._take_picture(_picture_of(data_or_path, normalize, self.format), mode)
        if grouping is not None:
            self.grouping = int(number(grouping, "Image: grouping"))
        if classes is not None:
            self.classes = class_list(classes)
        self.boxes = checked_boxes(boxes) if boxes is not None else {}
        self.masks = checked_masks(masks) if masks is not None else {}

    def to_pil(self) -> Picture:
        """The picture as a Pillow image of your own."""
        picture = self._picture  # another thread may be recording this
        return pillow.decoded(self.read(), self.format) if picture is None else picture.copy()

    def to_numpy(self) -> Array:
        """The pixels: (height, width) when grey, (height, width, channels) when not."""
        return pillow.pixels(self._picture or self.to_pil())

    @property
    def image(self) -> Picture:
        """The picture as a Pillow image of your own."""
        return self.to_pil()

    def _take_image(self, other: Image) -> None:
        self.format, self._picture = other.format, other._picture
        self.width, self.height = other.width, other.height
        self.grouping, self.classes = other.grouping, other.classes
        self.caption = other.caption if self.caption is None else self.caption
        if other._picture is None:
            self._source = other._source

    def _take_path(self, path: Any) -> None:
        self._source = existing(path, "Image")
        picture = pillow.opened(self._source.path, "Image")
        self.width, self.height = picture.size
        self.format = pillow.format_of(picture)

    def _take_drawing(self, drawing: Any, mode: str | None) -> None:
        data = _drawn(drawing)
        picture = pillow.opened(data, "Image")
        if mode is not None or self.format != "png":
            self._take_picture(picture, mode)
        else:  # what matplotlib encoded is not encoded again
            self.width, self.height = picture.size
            self._source = Held(data)

    def _take_picture(self, picture: Picture, mode: str | None) -> None:
        if mode is not None and mode != picture.mode:
            picture = pillow.converted(picture, mode)
        self.width, self.height = picture.size
        pillow.check_size(self.width, self.height, self.format)
        self._picture = pillow.storable(_shallow(picture, self.format), self.format)

    def _file(self) -> Source:
        picture = self._picture  # another thread may be recording this
        if picture is not None:
            self._source = Held(pillow.encoded(picture, self.format))
            self._picture = None
        return self._source

    def _details(self, blobs: Blobs) -> dict[str, Any]:
        details: dict[str, Any] = {"width": self.width, "height": self.height}
        if self.grouping is not None:
            details["grouping"] = self.grouping
        if self.classes is not None:
            details["classes"] = [dict(each) for each in self.classes]
        if self.boxes:
            details["boxes"] = {key: _with_labels(group, text_keys) for key, group in self.boxes.items()}
        if self.masks:
            details["masks"] = {key: mask.to_record(blobs) for key, mask in self.masks.items()}
        return details

    def _restore(self, record: Mapping[str, Any], blobs: Blobs) -> None:
        self._picture = None
        self.width, self.height = int(record["width"]), int(record["height"])
        self.grouping, self.classes = record.get("grouping"), record.get("classes")
        self.boxes = {key: _with_labels(group, number_keys) for key, group in record.get("boxes", {}).items()}
        self.masks = {key: Mask.from_record(mask, blobs) for key, mask in record.get("masks", {}).items()}


def _with_labels(group: Mapping[str, Any], keys: Any) -> dict[str, Any]:
    return {"box_data": [dict(box) for box in group["box_data"]], "class_labels": keys(group["class_labels"])}


def _format(file_type: str | None) -> str:
    if file_type is None:
        return "png"
    if not isinstance(file_type, str) or file_type.lower() not in pillow.ENCODINGS:
        raise UsageError(f"Image: file_type {file_type!r} is not known", f"accepted are {listed(pillow.ENCODINGS)}")
    return "jpg" if file_type.lower() == "jpeg" else file_type.lower()


def _picture_of(data: Any, normalize: bool, format: str) -> Picture:
    """A picture of our own of what a user passed."""
    if pillow.is_picture(data):
        return _own(data)
    array = as_array(data, "Image")
    if array is None:
        raise UsageError(f"Image: {type_name(data)} is no picture", f"pass {_ACCEPTED}")
    array = _from_tensor_axes(array) if is_tensor(data) else _from_array_axes(array)
    return pillow.from_levels(_levels(array, normalize, format))


def _own(picture: Any) -> Picture:
    try:
        copy: Picture = picture.copy()
    except Exception as error:  # a file that Pillow opened but did not read until now
        raise UsageError(f"Image: the Pillow image cannot be read: {error}", "check its file") from None
    return copy


def _shallow(picture: Picture, format: str) -> Picture:
    """The picture with 8 bits a channel, or with 16 where the format has them."""
    if picture.mode in ("I", "F") or (picture.mode.startswith("I;") and (picture.mode, format) != ("I;16", "png")):
        return pillow.from_levels(_levels(pillow.pixels(picture), True, format))
    return picture


def _is_drawing(data: Any) -> bool:
    """Whether a value is a figure of matplotlib, something in one, or `pyplot`."""
    return hasattr(data, "savefig") or hasattr(getattr(data, "figure", None), "savefig")


def _drawn(data: Any) -> bytes:
    """The PNG of a figure, of the figure of something in it, or of pyplot's current one."""
    if callable(getattr(data, "get_fignums", None)) and not data.get_fignums():
        raise UsageError("Image: pyplot has no figure", "draw something first")
    figure = data if hasattr(data, "savefig") else data.figure
    file = io.BytesIO()
    try:
        figure.savefig(file, format="png")
    except Exception as error:
        raise UsageError(f"Image: the figure cannot be drawn: {error}", "try its savefig()") from error
    return file.getvalue()


def _levels(array: Array, normalize: bool, format: str) -> Levels:
    """(height, width[, 3 or 4]) levels of pixels, of an array that may be a batch and may have one channel."""
    if array.size == 0:
        raise UsageError(f"Image: an array of shape {array.shape} has no pixels", "pass one with pixels")
    batch = array.ndim == 4
    if array.ndim > 2 and array.shape[-1] == 1:
        array = array[..., 0]
    grey = array.ndim == (3 if batch else 2)
    height, width = array.shape[-2:] if grey else array.shape[-3:-1]
    pillow.check_size(width, height * (array.shape[0] if batch else 1))
    levels = to_levels(array, "Image", normalize=normalize, deep=grey and format == "png")
    return grid(levels) if batch else levels


def _from_array_axes(array: Array) -> Array:
    """Checks (height, width), (height, width, channels) or a batch of the latter; (1, height, width) is taken too."""
    shape = array.shape
    if array.ndim == 2 or (array.ndim in (3, 4) and shape[-1] in _CHANNELS):
        return array
    if array.ndim == 3 and shape[0] == 1:
        only: Array = array[0]
        return only
    if array.ndim in (3, 4) and shape[-3] in _CHANNELS:
        raise _wrong_shape(shape, "put the channels last: np.moveaxis(array, -3, -1)")
    raise _wrong_shape(shape, f"pass {_ACCEPTED}")


def _from_tensor_axes(array: Array) -> Array:
    """Checks (height, width), (channels, height, width) or a batch of the latter; puts the channels last."""
    import numpy as np

    shape = array.shape
    if array.ndim == 2:
        return array
    if array.ndim in (3, 4) and shape[-3] in _CHANNELS:
        return np.moveaxis(array, -3, -1)
    if array.ndim in (3, 4) and shape[-1] in _CHANNELS:
        raise _wrong_shape(shape, "a tensor has its channels first: tensor.movedim(-1, -3)")
    raise _wrong_shape(shape, f"pass {_ACCEPTED}")


def _wrong_shape(shape: tuple[int, ...], hint: str) -> UsageError:
    return UsageError(f"Image: an array of shape {shape} is no picture", hint)
