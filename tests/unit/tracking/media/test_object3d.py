"""Points, scenes and models come back as they were, and what is none of them is refused with the remedy."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.media.object3d import Object3D, box3d

POINT_TYPES: list[Any] = [np.float32, np.float64, np.float16, np.int64, np.uint8, ">f8"]
SHAPES = st.tuples(st.integers(1, 20), st.sampled_from([3, 4, 6]))
CLOUDS = st.tuples(st.sampled_from(POINT_TYPES), SHAPES).flatmap(lambda both: hnp.arrays(*both))


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return Blobs(tmp_path_factory.mktemp("blobs"))


def back(thing: Object3D, blobs: Blobs) -> Object3D:
    """The object as it is after its record went through the log."""
    return Object3D.from_record(msgspec.msgpack.decode(msgspec.msgpack.encode(thing.to_record(blobs))), blobs)


def same(found: np.ndarray[Any, Any], points: np.ndarray[Any, Any]) -> bool:
    kind = points.dtype.newbyteorder("=")
    return found.dtype == kind and np.array_equal(found, points, equal_nan=kind.kind == "f")


@settings(max_examples=150, deadline=None)
@given(points=CLOUDS)
def test_points_come_back_as_they_are(blobs: Blobs, points: np.ndarray[Any, Any]) -> None:
    again = back(Object3D(points), blobs)
    assert same(again.to_numpy(), points)
    assert (again.points, again.format) == (len(points), "npy")


@settings(max_examples=150, deadline=None)
@given(points=CLOUDS)
def test_points_of_a_scene_come_back_as_they_are(blobs: Blobs, points: np.ndarray[Any, Any]) -> None:
    again = back(Object3D({"type": "lidar/beta", "points": points}), blobs)
    assert same(again.to_numpy(), points)
    assert (again.points, again.format) == (len(points), "pts.json")


def test_a_scene_comes_back_with_its_boxes_and_vectors(blobs: Blobs) -> None:
    box = box3d(center=(1, 2, 3), size=(2, 4, 6), orientation=(1, 0, 0, 0), color=(0, 0.5, 1), label="car", score=0.9)
    vector = {"start": np.zeros(3), "end": (1, 2, 3)}
    points = [[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]]
    scenes = [
        Object3D(
            {"type": "lidar/beta", "points": np.array(points), "boxes": np.array([box]), "vectors": np.array([vector])}
        ),
        Object3D.from_point_cloud(points, [box], [vector]),
        Object3D.from_point_cloud(points=tuple(tuple(point) for point in points), boxes=(box,), vectors=(vector,)),
    ]
    for thing in scenes:
        scene = back(thing, blobs).scene()
        assert scene["type"] == "lidar/beta"
        assert scene["points"] == points
        assert scene["boxes"] == [box]
        assert scene["vectors"] == [{"start": [0, 0, 0], "end": [1, 2, 3]}]
    assert len({thing.to_record(blobs)["sha256"] for thing in scenes[1:]}) == 1


def test_a_scene_may_lack_points(blobs: Blobs) -> None:
    box = box3d(center=(0, 0, 0), size=(1, 1, 1), orientation=(1, 0, 0, 0), color=(1, 1, 1))
    nothing: list[Any] = [[], None, np.zeros((0, 3)), np.array([])]
    for points in nothing:
        again = back(Object3D.from_point_cloud(points, [box]), blobs)
        assert (again.points, len(again.to_numpy())) == (0, 0)


def test_the_same_points_are_one_file(blobs: Blobs) -> None:
    points = np.arange(30, dtype=np.float32).reshape(10, 3)
    first = Object3D(points, caption="a")
    digests = {
        each.to_record(blobs)["sha256"] for each in (first, Object3D.from_numpy(points.copy()), back(first, blobs))
    }
    assert len(digests) == 1


def test_a_record_is_plain(blobs: Blobs) -> None:
    record = Object3D(np.zeros((5, 3)), caption="origin").to_record(blobs)
    assert {key: record[key] for key in record if key not in ("sha256", "size")} == {
        "_type": "object3D-file",
        "format": "npy",
        "caption": "origin",
        "points": 5,
    }
    assert Object3D.from_record(record, blobs).to_record(blobs) == record


def test_views_are_clouds_and_may_change_later(blobs: Blobs) -> None:
    whole = np.arange(60, dtype=np.float64).reshape(10, 6)
    view = whole[::-2, ::-2]
    expected = view.copy()
    view.flags.writeable = False
    things = [Object3D(view), Object3D({"type": "lidar/beta", "points": view})]
    whole[:] = 0
    for thing in things:
        assert np.array_equal(back(thing, blobs).to_numpy(), expected)


def test_tensors_are_taken(blobs: Blobs) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.rand(5, 6, requires_grad=True)
    assert np.array_equal(back(Object3D(tensor), blobs).to_numpy(), tensor.detach().numpy())


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        b"bytes",
        [[1, 2, 3]],
        object(),
        np.zeros(3),
        np.zeros((5, 2)),
        np.zeros((5, 5)),
        np.zeros((2, 5, 3)),
        np.zeros((0, 3)),
        np.zeros((5, 3), bool),
        np.zeros((5, 3), complex),
        np.zeros((5, 3), object),
        np.full((5, 3), "a"),
    ],
)
def test_what_is_no_object_is_refused_with_a_hint(data: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Object3D(data)
    assert caught.value.hint


POINTS = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        ({}, "scene type None"),
        ({"type": "radar"}, "'radar'"),
        ({"type": "lidar/beta"}, "scene is empty"),
        ({"type": "lidar/beta", "points": []}, "scene is empty"),
        ({"type": "lidar/beta", "points": POINTS, "boxen": []}, "boxen"),
        ({"type": "lidar/beta", "points": [[1, 2], [1, 2, 3]]}, "not all alike"),
        ({"type": "lidar/beta", "points": [["a", "b", "c"]]}, "holds no points"),
        ({"type": "lidar/beta", "points": "points"}, "is no object"),
        ({"type": "lidar/beta", "points": np.zeros((2, 5))}, "no point cloud"),
        ({"type": "lidar/beta", "boxes": 5}, "boxes is an int"),
        ({"type": "lidar/beta", "boxes": [5]}, "box 0 has no corners"),
        ({"type": "lidar/beta", "boxes": [{"color": [1, 1, 1]}]}, "box 0 has no corners"),
        ({"type": "lidar/beta", "boxes": [{"corners": np.zeros((7, 3))}]}, "8 x 3 numbers"),
        ({"type": "lidar/beta", "boxes": [{"corners": np.zeros((8, 3)), "label": object()}]}, "label"),
        ({"type": "lidar/beta", "vectors": [{"start": [0, 0, 0]}]}, "vector 0 has no start and end"),
        ({"type": "lidar/beta", "vectors": [{"start": [0, 0], "end": [1, 1, 1]}]}, "start is not 3 numbers"),
    ],
)
def test_wrong_scenes_are_refused_by_place(scene: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Object3D(scene)


GLTF = b'{"asset": {"version": "2.0"}}'
STL = bytes(80) + struct.pack("<I", 1) + struct.pack("<12fH", *[float(at) for at in range(12)], 0)
FILES = {
    "glb": b"glTF" + struct.pack("<II", 2, 12),
    "gltf": GLTF,
    "babylon": b'{"meshes": []}',
    "obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "stl": STL,
    "pts.json": b"[[0, 0, 0], [1, 1, 1]]",
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_keeps_its_bytes(blobs: Blobs, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"model.v2.{kind.upper() if kind == 'stl' else kind}"
    path.write_bytes(FILES[kind])
    with path.open("rb") as file:
        things = [
            Object3D(path),
            Object3D.from_file(str(path)),
            Object3D(file),
            Object3D(io.BytesIO(FILES[kind]), file_type=kind),
            Object3D.from_file(io.BytesIO(FILES[kind]), f".{kind}"),
        ]
    for thing in things:
        again = back(thing, blobs)
        assert (again.read(), again.format) == (FILES[kind], kind)


def test_text_files_are_kept_as_utf8(blobs: Blobs) -> None:
    again = back(Object3D(io.StringIO("# naïve\nv 0 0 0\n"), file_type="obj"), blobs)
    assert again.read() == "# naïve\nv 0 0 0\n".encode()
    assert back(Object3D(io.StringIO("solid x\nendsolid x\n"), file_type="stl"), blobs).format == "stl"


def test_points_in_json_are_points(blobs: Blobs) -> None:
    assert back(Object3D(io.BytesIO(FILES["pts.json"]), file_type="pts.json"), blobs).to_numpy().tolist() == [
        [0, 0, 0],
        [1, 1, 1],
    ]


@pytest.mark.parametrize("kind", ["glb", "gltf", "babylon", "stl", "pts.json", "obj"])
def test_a_file_that_is_not_of_its_kind_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(b"\x89PNG\0\0")
    with pytest.raises(UsageError, match=f"is no {kind}"):
        Object3D(path)
    with pytest.raises(UsageError, match="empty"):
        Object3D(io.BytesIO(b"\n"), file_type=kind)


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "fileobj").write_text("v 0 0 0")
    for name in ("a.txt", "fileobj"):
        with pytest.raises(UsageError, match="no known kind"):
            Object3D(tmp_path / name)
    with pytest.raises(NotFound):
        Object3D("missing.obj")
    with pytest.raises(UsageError, match="does not say"):
        Object3D(io.StringIO("v 0 0 0"))
    with pytest.raises(UsageError, match="'exe'"):
        Object3D(io.StringIO("v 0 0 0"), file_type="exe")
    with pytest.raises(UsageError, match="takes a file"):
        Object3D.from_file(np.zeros((2, 3)))
    for wrong in ("a.obj", {"type": "lidar/beta"}, io.StringIO("")):
        with pytest.raises(UsageError, match="takes an array"):
            Object3D.from_numpy(wrong)


def test_what_a_value_has_not_is_said(blobs: Blobs) -> None:
    with pytest.raises(UsageError, match="no scene"):
        Object3D(np.zeros((2, 3))).scene()
    with pytest.raises(UsageError, match="no array of points"):
        Object3D(io.BytesIO(GLTF), file_type="gltf").to_numpy()


def test_a_box_that_is_not_turned_has_its_corners_around_its_centre() -> None:
    box = box3d(center=(1, 2, 3), size=(2, 4, 6), orientation=(5, 0, 0, 0), color=(0.1, 0.2, 0.3))
    expected = [[1 + x, 2 + y, 3 + z] for x in (-1, 1) for y in (-2, 2) for z in (-3, 3)]
    assert np.allclose(box["corners"], expected)
    assert (box["color"], box["label"], box["score"]) == ([0.1, 0.2, 0.3], None, None)


def test_a_quarter_turn_around_z_swaps_the_sides() -> None:
    box = box3d(center=(0, 0, 0), size=(2, 4, 6), orientation=(1, 0, 0, 1), color=(0, 0, 0))
    assert np.allclose(np.abs(box["corners"]), [2, 1, 3])
    assert np.allclose(box["corners"][0], [2, -1, -3])  # (-1, -2, -3) turned from x to y


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.float64, 4, elements=st.floats(-1e3, 1e3).filter(lambda number: abs(number) > 1e-3)))
def test_a_turn_is_that_of_the_rotation_matrix(turn: np.ndarray[Any, Any]) -> None:
    from scipy.spatial.transform import Rotation

    corners = np.array(box3d(center=(0, 0, 0), size=(2, 2, 2), orientation=turn, color=(0, 0, 0))["corners"])
    straight = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    assert np.allclose(corners, Rotation.from_quat(np.roll(turn, -1)).apply(straight))


@pytest.mark.parametrize(
    "wrong",
    [
        {"orientation": (0, 0, 0, 0)},
        {"orientation": (1, 0, 0)},
        {"orientation": (np.nan, 0, 0, 1)},
        {"size": (1, 1)},
        {"size": [[1], [2, 3]]},
        {"center": "origin"},
        {"color": "red"},
    ],
)
def test_wrong_boxes_are_refused(wrong: dict[str, Any]) -> None:
    right = {"center": (0, 0, 0), "size": (1, 1, 1), "orientation": (1, 0, 0, 0), "color": (0, 0, 0)}
    with pytest.raises(UsageError, match=f"box3d: .*{next(iter(wrong))}"):
        box3d(**{**right, **wrong})


def test_a_scene_file_is_json_that_others_read(blobs: Blobs) -> None:
    scene = Object3D({"type": "lidar/beta", "points": np.ones((2, 3), np.float32)})
    assert json.loads(scene.read()) == {
        "type": "lidar/beta",
        "points": [[1, 1, 1], [1, 1, 1]],
        "boxes": [],
        "vectors": [],
    }
