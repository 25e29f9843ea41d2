"""What is drawn over an image: boxes, masks and the names of classes, checked; not the image itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media import pillow
from swath.tracking.media.arrays import as_array, number
from swath.tracking.media.files import FileMedia, Held, existing
from swath.tracking.media.samples import array_of
from swath.tracking.runlog.encoding import type_name

if TYPE_CHECKING:
    from swath.tracking.media.arrays import Array, Levels

_MAX_ID = 65535
_MIN_MAX = ("minX", "maxX", "minY", "maxY")
_MASK_FORM = 'a mask is {"mask_data": a 2-D array of class ids} or {"path": an image file}, with "class_labels" or not'
_BOX_FORM = (
    'a box is {"position": {"minX", "maxX", "minY", "maxY"} or {"middle", "width", "height"}}, and may have '
    '"class_id", "scores", "box_caption" and "domain"'
)


class Classes:
    """Names of classes, as in `[{"id": 0, "name": "cat"}]`."""

    def __init__(self, class_set: Iterable[Mapping[str, Any]]) -> None:
        self.class_set = class_list(class_set)


class Mask(FileMedia):
    """The class of every pixel of an image: ids from 0 to 65535 in a PNG, or a grey image file as it is.

    Class labels that are not given are made of the ids that occur, as in "class_3". The array is copied.
    """

    TYPE = "mask"
    class_labels: dict[int, str]
    width: int
    height: int

    def __init__(self, mask: Mapping[str, Any], key: str = "") -> None:
        where = f"the mask {key!r}"
        if not isinstance(mask, Mapping) or ("path" in mask) == ("mask_data" in mask):
            raise UsageError(f"{where} is not in the form of one", _MASK_FORM)
        self.caption = None
        labels = mask.get("class_labels")
        if "path" in mask:
            self._take_file(mask["path"], where)
            self.class_labels = label_names(labels or {}, where)
        else:
            ids = _class_ids(mask["mask_data"], where)
            self._picture = pillow.from_levels(ids)
            self.format = "png"
            self.height, self.width = ids.shape
            self.class_labels = _default_names(ids) if labels is None else label_names(labels, where)

    def _take_file(self, path: Any, where: str) -> None:
        self._source = existing(path, where)
        picture = pillow.opened(self._source.path, where)
        if picture.mode not in ("1", "L", "P") and not picture.mode.startswith("I"):
            raise UsageError(
                f"{where}: {path} is in colour ({picture.mode})", "a mask is a grey or paletted image of ids"
            )
        self.format = pillow.format_of(picture)
        self.width, self.height = picture.size

    def to_numpy(self) -> Array:
        """The ids (height, width)."""
        import numpy as np

        ids = np.array(pillow.decoded(self.read(), self.format))
        return ids.astype(np.uint8) if ids.dtype == np.bool_ else ids

    def _file(self) -> Any:
        if not hasattr(self, "_source"):
            self._source = Held(pillow.encoded(self._picture, "png"))
            del self._picture
        return self._source

    def _details(self, blobs: Blobs) -> dict[str, Any]:
        return {"width": self.width, "height": self.height, "class_labels": text_keys(self.class_labels)}

    def _restore(self, record: Mapping[str, Any], blobs: Blobs) -> None:
        self.width, self.height = int(record["width"]), int(record["height"])
        self.class_labels = number_keys(record["class_labels"])


def checked_masks(masks: Any) -> dict[str, Mask]:
    """The masks of an image by name."""
    if not isinstance(masks, Mapping):
        raise UsageError(f"Image: masks is {type_name(masks)}", 'write masks={"predictions": {"mask_data": ...}}')
    return {str(key): mask if isinstance(mask, Mask) else Mask(mask, str(key)) for key, mask in masks.items()}


def checked_boxes(boxes: Any) -> dict[str, dict[str, Any]]:
    """The groups of boxes of an image by name, in plain form: `{"box_data": [...], "class_labels": {id: name}}`."""
    if not isinstance(boxes, Mapping):
        raise UsageError(f"Image: boxes is {type_name(boxes)}", 'write boxes={"predictions": {"box_data": [...]}}')
    return {str(key): _box_group(group, f"the boxes {str(key)!r}") for key, group in boxes.items()}


def _box_group(group: Any, where: str) -> dict[str, Any]:
    data = group.get("box_data") if isinstance(group, Mapping) else None
    if not isinstance(data, list | tuple):
        raise UsageError(f"{where} have no list of boxes", 'write {"box_data": [...], "class_labels": {0: "cat"}}')
    plain = [_box(box, f"{where}: box {at}") for at, box in enumerate(data)]
    labels = group.get("class_labels")
    if labels is None:
        labels = {box["class_id"]: f"class_{box['class_id']}" for box in plain if "class_id" in box}
    return {"box_data": plain, "class_labels": label_names(labels, where)}


def _box(box: Any, where: str) -> dict[str, Any]:
    if not isinstance(box, Mapping):
        raise UsageError(f"{where} is {type_name(box)}", _BOX_FORM)
    plain: dict[str, Any] = {"position": _position(box.get("position"), where)}
    for key, value in box.items():
        if key == "position" or value is None:
            continue
        plain[str(key)] = _box_field(key, value, where)
    return plain


def _box_field(key: Any, value: Any, where: str) -> Any:
    if key == "class_id":
        return _whole(value, f"{where}: class_id")
    if key == "scores":
        if not isinstance(value, Mapping):
            raise UsageError(f"{where}: scores is {type_name(value)}", 'write "scores": {"acc": 0.9}')
        return {str(name): number(score, f"{where}: the score {name!r}") for name, score in value.items()}
    if key == "domain" and value != "pixel":
        raise UsageError(
            f"{where}: the domain {value!r} is not known", '"pixel", or leave it out for fractions of the image'
        )
    if isinstance(value, str):
        return value
    if key in ("box_caption", "domain"):
        raise UsageError(f"{where}: {key} is {type_name(value)}", f"write {key} as text")
    return number(value, f"{where}: {key}")


def _position(position: Any, where: str) -> dict[str, Any]:
    if isinstance(position, Mapping):
        if all(key in position for key in _MIN_MAX):
            return {key: number(position[key], f"{where}: {key}") for key in _MIN_MAX}
        if all(key in position for key in ("middle", "width", "height")):
            size = {key: number(position[key], f"{where}: {key}") for key in ("width", "height")}
            return {"middle": _pair(position["middle"], f"{where}: middle"), **size}
    raise UsageError(f"{where} has no position", _BOX_FORM)


def _pair(value: Any, where: str) -> list[float]:
    value = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise UsageError(f"{where} is no pair of numbers", "write [x, y]")
    return [number(each, where) for each in value]


def _whole(value: Any, where: str) -> int:
    found = number(value, where)
    if not math.isfinite(found) or found != int(found):
        raise UsageError(f"{where} is {found}, which is no whole number", "pass an integer")
    return int(found)


def label_names(labels: Any, where: str) -> dict[int, str]:
    """Names of classes by id."""
    if not isinstance(labels, Mapping):
        raise UsageError(f"{where}: class_labels is {type_name(labels)}", 'write {0: "cat", 1: "dog"}')
    for name in labels.values():
        if not isinstance(name, str):
            raise UsageError(f"{where}: the class label {name!r} is {type_name(name)}", "name classes with strings")
    return {_whole(key, f"{where}: the class id {key!r}"): str(name) for key, name in labels.items()}


def class_list(classes: Any) -> list[dict[str, Any]]:
    """Classes in plain form: a list of `{"id", "name"}`."""
    if isinstance(classes, Classes):
        return classes.class_set
    if isinstance(classes, str | bytes | Mapping) or not isinstance(classes, Iterable):
        raise UsageError(f"classes is {type_name(classes)}", 'write [{"id": 0, "name": "cat"}]')
    plain = []
    for each in classes:
        if not isinstance(each, Mapping) or "id" not in each or not isinstance(each.get("name"), str):
            raise UsageError(f"{each!r} names no class", 'write {"id": 0, "name": "cat"}')
        key = each["id"]
        plain.append({"id": key if isinstance(key, str) else _whole(key, "a class id"), "name": str(each["name"])})
    return plain


def text_keys(labels: Mapping[int, str]) -> dict[str, str]:
    """Class labels as a record holds them."""
    return {str(key): name for key, name in labels.items()}


def number_keys(labels: Mapping[str, str]) -> dict[int, str]:
    """Class labels as users write them."""
    return {int(key): name for key, name in labels.items()}


def _class_ids(data: Any, where: str) -> Levels:
    """A copy of the ids in the smallest type that holds them."""
    import numpy as np

    ids = array_of(data, where) if isinstance(data, list | tuple) else as_array(data, where)
    if ids is not None and ids.ndim == 3 and ids.shape[2] == 1:
        ids = ids[:, :, 0]
    if ids is None or ids.ndim != 2 or ids.dtype.kind not in "biuf":
        what = type_name(data) if ids is None else f"an array of {ids.dtype} and shape {ids.shape}"
        raise UsageError(f"{where}: mask_data is {what}", "pass a 2-D array (height, width) of class ids")
    pillow.check_size(ids.shape[1], ids.shape[0])
    if ids.dtype.kind == "f" and not (np.isfinite(ids).all() and (ids == np.rint(ids)).all()):
        raise UsageError(f"{where}: mask_data holds numbers that are not whole", "pass class ids, not probabilities")
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high > _MAX_ID:
        raise UsageError(f"{where}: the class ids go from {low} to {high}", f"class ids lie in 0 to {_MAX_ID}")
    return ids.astype(np.uint8 if high <= 255 else np.uint16)


def _default_names(ids: Levels) -> dict[int, str]:
    import numpy as np

    return {each: f"class_{each}" for each in np.flatnonzero(np.bincount(ids.ravel())).tolist()}
