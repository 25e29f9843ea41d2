"""Object3D: point clouds, scenes of points, boxes and vectors, and files of 3-D models; nothing here draws."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media.arrays import as_array
from swath.tracking.media.files import FileMedia, Held, caption_of, is_handle, is_path, listed, taken_file
from swath.tracking.runlog.encoding import type_name

if TYPE_CHECKING:
    from swath.tracking.media.arrays import Array

_TYPES = frozenset({"obj", "gltf", "glb", "babylon", "stl", "pts.json"})
_SCENES = frozenset({"lidar/beta"})
_SCENE_FORM = '{"type": "lidar/beta", "points": (n, 3, 4 or 6), "boxes": [...], "vectors": [...]}'
_POINTS = "points are rows of x y z, x y z category, or x y z red green blue"
_ACCEPTED = f"an array (n, 3, 4 or 6), a scene {_SCENE_FORM}, or a file of {listed(_TYPES)}"


class Object3D(FileMedia):
    """Points in space, a scene, or a file of a 3-D model.

    - An array (n, 3), (n, 4) with a category, or (n, 6) with red, green and blue, of floats or integers; recorded in
      numpy's own format, so that it reads back equal and of the same type, NaN too.
    - A scene `{"type": "lidar/beta", "points": ..., "boxes": [...], "vectors": [...]}`; a box has "corners" (eight
      points), a "color", and perhaps a "label" and "score" (see `box3d`); a vector has a "start" and an "end". It is
      recorded as JSON, in which every float64 is exact.
    - The path of a file, or an open file with `file_type` where it has no name: its bytes are kept.

    Arrays and scenes are copied here and now. Raises `UsageError` for anything else.
    """

    TYPE = "object3D-file"
    SUPPORTED_TYPES = _TYPES
    SUPPORTED_POINT_CLOUD_TYPES = _SCENES
    points: int | None
    _dtype: str | None

    def __init__(self, data_or_path: Any, caption: str | None = None, file_type: str | None = None) -> None:
        self.caption, self.points, self._dtype = caption_of(caption), None, None
        file = taken_file(data_or_path, file_type, _TYPES, "Object3D")
        if file is not None:
            self._source, self.format = file
            _check_file(self._source.read(), self.format)
        elif isinstance(data_or_path, Mapping):
            self._take_scene(data_or_path)
        else:
            self._take_points(_points(data_or_path, "Object3D"))

    @classmethod
    def from_numpy(cls, data: Any) -> Self:
        """A point cloud of an array (n, 3, 4 or 6)."""
        if is_path(data) or is_handle(data) or isinstance(data, Mapping):
            raise UsageError(f"Object3D.from_numpy takes an array, not {type_name(data)}", f"pass {_POINTS}")
        return cls(data)

    @classmethod
    def from_file(cls, data_or_path: Any, file_type: str | None = None) -> Self:
        """A model of a path or an open file."""
        if not (is_path(data_or_path) or is_handle(data_or_path)):
            raise UsageError(
                f"Object3D.from_file takes a file, not {type_name(data_or_path)}", "pass a path or open file"
            )
        return cls(data_or_path, file_type=file_type)

    @classmethod
    def from_point_cloud(
        cls, points: Any, boxes: Any = (), vectors: Any = None, point_cloud_type: str = "lidar/beta"
    ) -> Self:
        """A scene of points, boxes and vectors."""
        scene = {"type": point_cloud_type, "points": points, "boxes": boxes}
        return cls(scene if vectors is None else {**scene, "vectors": vectors})

    def to_numpy(self) -> Array:
        """The points of a point cloud or a scene, of the type that they had."""
        import numpy as np

        if self.format == "npy":
            return np.asarray(np.load(io.BytesIO(self.read()), allow_pickle=False))
        if self.format != "pts.json":
            raise UsageError(f"Object3D: a {self.format} file is no array of points", "read() gives its bytes")
        data = json.loads(self.read())
        return np.asarray(data.get("points", []) if isinstance(data, dict) else data, dtype=self._dtype)

    def scene(self) -> dict[str, Any]:
        """A scene as plain lists: `{"type", "points", "boxes", "vectors"}`."""
        data = json.loads(self.read()) if self.format == "pts.json" else None
        if not isinstance(data, dict):
            raise UsageError("Object3D: this is no scene", "to_numpy() gives points, read() a file's bytes")
        return data

    def _take_points(self, points: Array) -> None:
        import numpy as np

        if not len(points):
            raise UsageError(f"Object3D: an array of shape {points.shape} has no points", "pass one with points")
        file = io.BytesIO()
        plain = np.ascontiguousarray(points, dtype=points.dtype.newbyteorder("<"))
        np.save(file, plain, allow_pickle=False)
        self.format, self.points, self._source = "npy", len(points), Held(file.getvalue())

    def _take_scene(self, scene: Mapping[str, Any]) -> None:
        if scene.get("type") not in _SCENES:
            raise UsageError(f"Object3D: the scene type {scene.get('type')!r} is not known", f"write {_SCENE_FORM}")
        if unknown := set(scene) - {"type", "points", "boxes", "vectors"}:
            raise UsageError(f"Object3D: a scene has no {listed(map(str, unknown))}", f"write {_SCENE_FORM}")
        points = _scene_points(scene.get("points"))
        boxes = [_box(each, f"Object3D: box {at}") for at, each in enumerate(_items(scene.get("boxes"), "boxes"))]
        vectors = [
            _vector(each, f"Object3D: vector {at}") for at, each in enumerate(_items(scene.get("vectors"), "vectors"))
        ]
        if not (len(points) or boxes or vectors):
            raise UsageError("Object3D: the scene is empty", f"write {_SCENE_FORM}")
        plain = {"type": scene["type"], "points": points.tolist(), "boxes": boxes, "vectors": vectors}
        self.format, self.points, self._dtype = "pts.json", len(points), points.dtype.name
        self._source = Held(json.dumps(plain, separators=(",", ":")).encode())

    def _details(self, blobs: Blobs) -> dict[str, Any]:
        found = {"points": self.points, "dtype": self._dtype}
        return {key: value for key, value in found.items() if value is not None}

    def _restore(self, record: Mapping[str, Any], blobs: Blobs) -> None:
        self.points, self._dtype = record.get("points"), record.get("dtype")


def box3d(
    *,
    center: Any,
    size: Any,
    orientation: Any,
    color: Any,
    label: str | None = None,
    score: float | None = None,
) -> dict[str, Any]:
    """A box for a scene: its centre, its size along its own axes, and how it is turned.

    `orientation` is the quaternion (w, x, y, z) that turns the box's axes into place; its length does not matter.
    Each corner is turned by Rodrigues' formula in quaternions: v + 2 w (u × v) + 2 u × (u × v), with u = (x, y, z).
    """
    import numpy as np

    turn = _numbers(orientation, (4,), "box3d: orientation").astype(np.float64)
    largest = np.abs(turn).max()
    if not (np.isfinite(largest) and largest > 0):
        raise UsageError(
            f"box3d: the orientation {turn.tolist()} turns nothing", "pass a quaternion (w, x, y, z), not 0"
        )
    turn = turn / largest  # so that squares neither overflow nor vanish
    turn = turn / np.linalg.norm(turn)
    corners = np.array(list(itertools.product((-0.5, 0.5), repeat=3))) * _numbers(size, (3,), "box3d: size")
    around = np.cross(turn[1:], corners)
    corners = corners + 2 * turn[0] * around + 2 * np.cross(turn[1:], around)
    corners = corners + _numbers(center, (3,), "box3d: center")
    box = {"corners": corners.tolist(), "color": _numbers(color, (3,), "box3d: color").tolist()}
    return {**box, "label": label, "score": score}


def _numbers(value: Any, shape: tuple[int, ...], where: str) -> Array:
    """An array of floats or integers of that shape."""
    import numpy as np

    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.shape != shape or array.dtype.kind not in "iuf":
        raise UsageError(f"{where} is not {' x '.join(map(str, shape))} numbers", "pass an array or list of numbers")
    return array


def _points(data: Any, what: str) -> Array:
    array = as_array(data, what)
    if array is None:
        raise UsageError(f"{what}: {type_name(data)} is no object", f"pass {_ACCEPTED}")
    if array.ndim != 2 or array.shape[1] not in (3, 4, 6):
        raise UsageError(f"{what}: an array of shape {array.shape} is no point cloud", _POINTS)
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise UsageError(f"{what}: an array of {array.dtype} holds no points", "pass floats or integers")
    return array


def _scene_points(data: Any) -> Array:
    import numpy as np

    if data is None or (not hasattr(data, "dtype") and isinstance(data, Sequence) and not len(data)):
        return np.empty((0, 3))
    if isinstance(data, list | tuple):
        try:
            data = np.asarray(data)
        except ValueError as error:
            raise UsageError(f"Object3D: the points are not all alike: {error}", _POINTS) from None
    array = as_array(data, "Object3D")
    return np.empty((0, 3)) if array is not None and array.size == 0 else _points(data, "Object3D")


def _items(data: Any, what: str) -> Sequence[Any]:
    if data is None:
        return []
    data = data.tolist() if hasattr(data, "tolist") else data
    if not isinstance(data, list | tuple):
        raise UsageError(f"Object3D: {what} is {type_name(data)}", f"write {_SCENE_FORM}")
    return data


def _box(box: Any, where: str) -> dict[str, Any]:
    if not isinstance(box, Mapping) or "corners" not in box:
        raise UsageError(f"{where} has no corners", "make it with box3d(center=, size=, orientation=, color=)")
    plain = {str(key): _plain(value, f"{where}: {key}") for key, value in box.items() if key != "corners"}
    return {"corners": _numbers(box["corners"], (8, 3), f"{where}: corners").tolist(), **plain}


def _vector(vector: Any, where: str) -> dict[str, Any]:
    if not isinstance(vector, Mapping) or not {"start", "end"} <= set(vector):
        raise UsageError(f"{where} has no start and end", 'write {"start": [0, 0, 0], "end": [1, 1, 1]}')
    plain = {str(key): _plain(value, f"{where}: {key}") for key, value in vector.items() if key not in ("start", "end")}
    ends = {key: _numbers(vector[key], (3,), f"{where}: {key}").tolist() for key in ("start", "end")}
    return {**ends, **plain}


def _plain(value: Any, where: str) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple):
        return [_plain(each, where) for each in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise UsageError(f"{where} is {type_name(value)}", "pass a number, a text or a list of numbers")


def _check_file(data: bytes, kind: str) -> None:
    """Raises `UsageError` when a file is not of the kind that its name says, as far as its first look tells."""
    if not data.strip(b"\0 \r\n\t"):
        raise UsageError("Object3D: the file is empty", "write it before passing it")
    checks = {
        "glb": _is_glb,
        "gltf": _is_object,
        "babylon": _is_object,
        "pts.json": _is_json,
        "stl": _is_stl,
        "obj": _is_text,
    }
    if not checks[kind](data):
        raise UsageError(
            f"Object3D: the file is no {kind}, its first bytes are {data[:8]!r}", "check the file and its type"
        )


def _is_glb(data: bytes) -> bool:
    return data.startswith(b"glTF")


def _is_json(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict | list)
    except (ValueError, RecursionError):
        return False


def _is_object(data: bytes) -> bool:
    return data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") and _is_json(data)


def _is_stl(data: bytes) -> bool:
    return data.lstrip()[:5].lower() == b"solid" or len(data) >= 84 + 50 * int.from_bytes(data[80:84], "little") >= 84


def _is_text(data: bytes) -> bool:
    return b"\0" not in data
