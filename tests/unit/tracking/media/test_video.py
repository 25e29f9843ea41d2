"""Videos come back frame by frame, and what is no video is refused with the remedy."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.media.video import Video

FORMATS = ["gif", "mp4", "webm", "ogg"]
SIDES = st.integers(1, 9)


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return Blobs(tmp_path_factory.mktemp("blobs"))


def back(video: Video, blobs: Blobs) -> Video:
    """The video as it is after its record went through the log."""
    return Video.from_record(msgspec.msgpack.decode(msgspec.msgpack.encode(video.to_record(blobs))), blobs)


def moving(time: int = 6, channels: int = 3, height: int = 40, width: int = 50) -> np.ndarray[Any, Any]:
    """A bright square that moves over a gradient."""
    frames = np.empty((time, channels, height, width), np.uint8)
    frames[:] = np.linspace(20, 120, width).astype(np.uint8)
    for at in range(time):
        frames[at, :, 10:20, 4 * at : 4 * at + 10] = 230
    return frames


@settings(max_examples=60, deadline=None)
@given(
    frames=st.tuples(SIDES, st.sampled_from([1, 3]), SIDES, SIDES).flatmap(lambda shape: hnp.arrays(np.uint8, shape))
)
def test_a_gif_of_few_colours_comes_back_as_it_was(blobs: Blobs, frames: np.ndarray[Any, Any]) -> None:
    again = back(Video(frames), blobs)
    assert again.format == "gif"
    assert np.array_equal(again.to_numpy(), frames)


def test_a_gif_of_256_colours_comes_back_as_it_was_and_more_nearly_so(blobs: Blobs) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
    frame = np.moveaxis(np.tile(colours, (4, 1)).reshape(32, 32, 3), -1, 0)[None]
    assert np.array_equal(back(Video(frame), blobs).to_numpy(), frame)
    smooth = np.empty((1, 3, 64, 64), np.uint8)
    smooth[0, 0], smooth[0, 1], smooth[0, 2] = np.arange(64) * 4, np.arange(64)[:, None] * 4, 9
    error = back(Video(smooth), blobs).to_numpy().astype(int) - smooth
    assert np.abs(error).mean() < 8


@pytest.mark.parametrize("format", ["mp4", "webm", "ogg"])
@pytest.mark.parametrize("shape", [(6, 3, 40, 50), (5, 1, 41, 51), (1, 3, 16, 16), (30, 3, 17, 64)])
def test_compressed_formats_keep_frames_size_and_nearly_the_pixels(
    blobs: Blobs, format: str, shape: tuple[int, int, int, int]
) -> None:
    frames = moving(*shape)
    again = back(Video(frames, fps=8, format=format), blobs)
    assert (again.frames, again.channels, again.height, again.width) == shape
    assert again.fps == 8
    found = again.to_numpy()
    assert found.shape == shape
    assert np.abs(found.astype(int) - frames).mean() < 6


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("levels", [[90] * 12, [90] * 5 + [200] * 4 + [30], [90, 90, 200, 200, 200]])
def test_frames_that_stand_still_are_all_kept(blobs: Blobs, format: str, levels: list[int]) -> None:
    frames = np.array(levels, np.uint8)[:, None, None, None] + np.zeros((len(levels), 3, 32, 32), np.uint8)
    found = back(Video(frames, fps=30, format=format), blobs).to_numpy()
    assert found.shape == frames.shape
    assert np.abs(found.astype(int) - frames).max() <= 6


@pytest.mark.parametrize("format", FORMATS)
def test_the_smallest_video_is_one(blobs: Blobs, format: str) -> None:
    assert back(Video(np.zeros((1, 1, 1, 1), np.uint8), format=format), blobs).to_numpy().shape == (1, 1, 1, 1)


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_frames_are_one_file(blobs: Blobs, format: str) -> None:
    first = Video(moving(), format=format)
    again = Video(moving(), format=format, caption="again")
    digests = {each.to_record(blobs)["sha256"] for each in (first, again, back(first, blobs))}
    assert len(digests) == 1


def test_a_record_is_plain(blobs: Blobs) -> None:
    record = Video(moving(), caption="square", fps=np.float64(10), format="mp4").to_record(blobs)
    assert {key: record[key] for key in record if key not in ("sha256", "size")} == {
        "_type": "video-file",
        "format": "mp4",
        "caption": "square",
        "width": 50,
        "height": 40,
        "fps": 10,
        "frames": 6,
        "channels": 3,
    }
    assert Video.from_record(record, blobs).to_record(blobs) == record


def test_a_gif_lasts_as_long_as_fps_says(blobs: Blobs) -> None:
    with PIL.Image.open(io.BytesIO(Video(moving(), fps=20).read())) as animation:
        assert (animation.n_frames, animation.info["duration"], animation.info["loop"]) == (6, 50, 0)  # type: ignore[attr-defined]
    with PIL.Image.open(io.BytesIO(Video(moving()).read())) as animation:
        assert animation.info["duration"] == 250


def test_floats_are_stretched_and_opacity_is_dropped(blobs: Blobs) -> None:
    frames = np.zeros((2, 4, 3, 3))
    frames[:, 0], frames[:, 3] = 1.0, 0.5
    found = back(Video(frames), blobs).to_numpy()
    assert found.shape == (2, 3, 3, 3)
    assert (found[:, 0] == 255).all()
    assert (found[:, 1:] == 0).all()


@pytest.mark.parametrize(
    ("batch", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (3, 1, 4), (4, 2, 2), (6, 2, 4), (16, 4, 4)]
)
def test_a_batch_is_shown_side_by_side(blobs: Blobs, batch: int, rows: int, columns: int) -> None:
    videos = np.arange(1, batch + 1, dtype=np.uint8)[:, None, None, None, None] + np.zeros(
        (batch, 2, 1, 3, 5), np.uint8
    )
    found = back(Video(videos), blobs).to_numpy()
    assert found.shape == (2, 1, rows * 3, columns * 5)
    places = found[0, 0, ::3, ::5].ravel()
    assert places.tolist() == [*range(1, batch + 1), *[0] * (rows * columns - batch)]


def test_views_are_videos_and_may_change_later(blobs: Blobs) -> None:
    whole = moving(8)
    view = whole[::2, ::-1, ::2]
    view.flags.writeable = False
    expected = view.copy()
    video = Video(view)
    whole[:] = 0
    assert np.array_equal(back(video, blobs).to_numpy(), expected)


def test_tensors_are_taken(blobs: Blobs) -> None:
    torch = pytest.importorskip("torch")
    assert np.array_equal(back(Video(torch.from_numpy(moving())), blobs).to_numpy(), moving())


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_keeps_its_bytes(blobs: Blobs, tmp_path: Path, format: str) -> None:
    data = Video(moving(), format=format).read()
    path = tmp_path / f"a.{format.upper()}"
    path.write_bytes(data)
    for each in (path, str(path), io.BytesIO(data)):
        video = back(Video(each, caption="file"), blobs)
        assert video.read() == data
        assert (video.format, video.caption, video.channels) == (format, "file", None)
        assert (video.width, video.height, video.frames, video.fps) == (50, 40, 6, 4)
        assert video.to_numpy().shape == moving().shape
    with path.open("rb") as file:
        file.read(10)
        assert Video(file, format=format).read() == data


def test_files_that_are_no_video_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"GIF89a and more")
    with pytest.raises(UsageError, match="is no mp4"):
        Video(path)
    with pytest.raises(UsageError, match="no known kind"):
        Video(Path(__file__))
    with pytest.raises(NotFound):
        Video("missing.mp4")
    with pytest.raises(UsageError, match="does not say"):
        Video(io.BytesIO(b"what is this?"))
    with pytest.raises(UsageError, match="is no webm"):
        Video(io.BytesIO(b"GIF89a"), format="webm")
    closed = io.BytesIO(b"GIF89a")
    closed.close()
    with pytest.raises(UsageError, match="open file"):
        Video(closed)


def test_a_file_that_only_looks_like_a_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(Video(moving(), format="mp4").read()[:300])
    with pytest.raises(UsageError, match="ffmpeg fails on this mp4"):
        Video(path)
    with pytest.raises(UsageError, match="none that Pillow can read"):
        Video(io.BytesIO(b"GIF89a"))


def test_a_file_that_is_shown_turned_has_the_size_that_is_seen(tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    lying, turned = tmp_path / "lying.mp4", tmp_path / "turned.mp4"
    lying.write_bytes(Video(moving(), format="mp4").read())
    copy = ["-loglevel", "error", "-display_rotation", "90", "-i", str(lying), "-c", "copy", str(turned)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *copy], check=True)
    video = Video(turned)
    assert (video.width, video.height) == (40, 50)
    assert video.to_numpy().shape == (6, 3, 50, 40)


def test_a_file_of_sound_alone_is_no_video(tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / "a.mp4"
    sound = ["-loglevel", "error", "-f", "lavfi", "-i", "sine=d=0.1", "-c:a", "aac", str(path)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *sound], check=True)
    with pytest.raises(UsageError, match="not contain any stream"):
        Video(path)


def test_a_disk_that_refuses_is_met_when_a_video_is_recorded_and_not_when_it_is_made(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = Video(moving(), format="mp4")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(OSError, match="missing"):
        video.to_record(blobs)
    monkeypatch.undo()
    assert video.to_record(blobs) == Video(moving(), format="mp4").to_record(blobs)


def test_without_ffmpeg_or_pillow_a_file_is_kept_and_its_size_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {kind: Video(moving(), format=kind).read() for kind in ("mp4", "gif")}
    for module in ("imageio_ffmpeg", "PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, module, None)
    for data in files.values():
        video = Video(io.BytesIO(data))
        assert (video.read(), video.width, video.frames) == (data, None, None)


def test_frames_with_their_channels_last_are_told_how_to_turn() -> None:
    with pytest.raises(UsageError) as caught:
        Video(np.zeros((5, 7, 6, 3)))
    assert caught.value.hint == "put the channels first: np.moveaxis(array, -1, -3)"


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        b"GIF89a",
        [[[[1]]]],
        object(),
        np.zeros((3, 4, 4)),
        np.zeros((5, 7, 6, 3)),
        np.zeros((5, 2, 4, 4)),
        np.zeros((0, 3, 4, 4)),
        np.zeros((5, 3, 0, 4)),
        np.zeros((2, 3, 4, 4), complex),
    ],
)
def test_what_is_no_video_is_refused_with_a_hint(data: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Video(data)
    assert caught.value.hint


@pytest.mark.parametrize(
    "options", [{"fps": 0}, {"fps": -1}, {"fps": "4"}, {"fps": float("nan")}, {"fps": 200}, {"format": "avi"}]
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Video(moving(), **options)


def test_without_ffmpeg_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UsageError) as caught:
        Video(moving(), format="mp4")
    assert "swath[media]" in caught.value.hint
