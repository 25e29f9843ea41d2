"""Video: moving pictures from frames or a file; `ffmpeg.py` encodes mp4, webm and ogg, `pillow.py` gif."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media import ffmpeg, pillow
from swath.tracking.media.arrays import as_array, number, to_levels
from swath.tracking.media.files import (
    FileMedia,
    Held,
    Source,
    caption_of,
    chosen,
    contents,
    ending,
    existing,
    is_handle,
    is_path,
)
from swath.tracking.runlog.encoding import type_name

if TYPE_CHECKING:
    from swath.tracking.media.arrays import Array, Levels

_FORMATS = ("gif", "mp4", "webm", "ogg")
_CHANNELS = (1, 3, 4)
_DEFAULT_FPS = 4
_MAX_GIF_FPS = 100
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
_ACCEPTED = (
    "an array ([batch,] time, channel, height, width), the path of a gif, mp4, webm or ogg file, or an open file of one"
)


class Video(FileMedia):
    """Moving pictures, recorded as a gif unless `format` says mp4, webm or ogg, or as the file that they are.

    Frames are (time, channel, height, width) with 1, 3 or 4 channels, of which the fourth, opacity, is dropped; or
    (batch, time, channel, height, width), shown side by side. uint8 is taken as it is, `arrays.to_levels` says what
    becomes of other numbers. They are copied here and now, `fps` of them a second (4 unless given; a gif takes at
    most 100 and has hundredths of a second). What is read back: a gif has the very pixels where a frame has no more
    than 256 colours, and the nearest of 256 chosen ones otherwise; the other formats compress with a loss that the eye
    hardly sees. The number of frames and their size are always the same.

    A file's bytes are kept, and `fps` does not touch them: width, height, fps and frames are what the file says, or
    None where neither ffmpeg nor (for a gif) Pillow is installed to look. An open file needs a `format` unless its
    first bytes tell. Raises `UsageError` for what is no video.
    """

    TYPE = "video-file"
    EXTS = _FORMATS
    fps: float | None
    width: int | None
    height: int | None
    channels: int | None
    frames: int | None
    _levels: Levels | None

    def __init__(
        self, data_or_path: Any, caption: str | None = None, fps: float | None = None, format: str | None = None
    ) -> None:
        self.caption = caption_of(caption)
        self.fps = self.width = self.height = self.channels = self.frames = self._levels = None
        if is_path(data_or_path):
            self._take_file(existing(data_or_path, "Video"), ending(data_or_path, _FORMATS, "Video"))
        elif is_handle(data_or_path):
            source = Held(contents(data_or_path, "Video"))
            self._take_file(source, chosen(format or _kind(source.data), _FORMATS, "Video"))
        else:
            self.format = "gif" if format is None else chosen(format, _FORMATS, "Video")
            self._take_frames(_frames(data_or_path), _checked_fps(fps, self.format))

    def to_numpy(self) -> Array:
        """The frames (time, channel, height, width)."""
        import numpy as np

        data = self.read()
        found = pillow.frames_of(data) if self.format == "gif" else ffmpeg.decoded(data, self.format)
        if not found:
            raise UsageError(f"Video: the {self.format} file has no frames", "check the file")
        frames = np.stack(found)[:, : self.height, : self.width, : self.channels]
        return np.ascontiguousarray(np.moveaxis(frames, -1, 1))

    def _take_file(self, source: Source, kind: str) -> None:
        head = _head(source)
        if _kind(head) != kind:
            raise UsageError(f"Video: the file is no {kind}, its first bytes are {head[:8]!r}", "check the file")
        self._source, self.format = source, kind
        file = source.data if isinstance(source, Held) else source.path
        if kind == "gif" and pillow.installed():
            self.width, self.height, self.fps, self.frames = pillow.probed(file)
        elif kind != "gif" and ffmpeg.installed():
            self.width, self.height, self.fps, self.frames = ffmpeg.probed(file, kind)

    def _take_frames(self, frames: Levels, fps: float) -> None:
        self.frames, self.height, self.width, self.channels = (int(each) for each in frames.shape)
        self.fps, self._levels = fps, frames
        if self.format == "gif":
            pillow.check_size(self.width, self.height, "gif")
            pillow.pillow("Video")
        else:
            ffmpeg.program()

    def _file(self) -> Source:
        levels = self._levels  # another thread may be recording this
        if levels is not None and self.fps is not None:
            self._source = Held(_encoded(levels, self.fps, self.format))
            self._levels = None
        return self._source

    def _details(self, blobs: Blobs) -> dict[str, Any]:
        found = {key: getattr(self, key) for key in ("width", "height", "fps", "frames", "channels")}
        return {key: value for key, value in found.items() if value is not None}

    def _restore(self, record: Mapping[str, Any], blobs: Blobs) -> None:
        self._levels = None
        for key in ("width", "height", "fps", "frames", "channels"):
            setattr(self, key, record.get(key))


def _encoded(frames: Levels, fps: float, format: str) -> bytes:
    if format == "gif":
        return pillow.animated(frames, max(1, round(100 / fps)) * 10)
    return ffmpeg.encoded(frames, fps, format)


def _head(source: Source) -> bytes:
    if isinstance(source, Held):
        return source.data[:64]
    with source.path.open("rb") as file:
        return file.read(64)


def _kind(head: bytes) -> str | None:
    """The format that a file's first bytes belong to."""
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm"
    if head.startswith(b"OggS"):
        return "ogg"
    return "mp4" if head[4:8] in _MP4_BOXES else None


def _checked_fps(fps: Any, format: str) -> float:
    if fps is None:
        return _DEFAULT_FPS
    found = number(fps, "Video: fps")
    if not 0.001 <= found <= (_MAX_GIF_FPS if format == "gif" else 1000):
        raise UsageError(f"Video: {found} frames a second are not possible in {format}", "name fps, such as 4 or 30")
    return found


def _frames(data: Any) -> Levels:
    """(time, height, width, 1 or 3) levels of pixels."""
    array = as_array(data, "Video")
    if array is None:
        raise UsageError(f"Video: {type_name(data)} is no video", f"pass {_ACCEPTED}")
    if array.ndim in (4, 5) and array.shape[-3] not in _CHANNELS and array.shape[-1] in _CHANNELS:
        raise UsageError(
            f"Video: an array of shape {array.shape} is no video", "put the channels first: np.moveaxis(array, -1, -3)"
        )
    if array.ndim not in (4, 5) or array.shape[-3] not in _CHANNELS:
        raise UsageError(f"Video: an array of shape {array.shape} is no video", f"pass {_ACCEPTED}")
    if array.size == 0:
        raise UsageError(f"Video: an array of shape {array.shape} has no pixels", "pass one with pixels")
    if array.shape[-3] == 4:
        array = array[..., :3, :, :]
    levels = to_levels(array, "Video")
    return _beside(levels if levels.ndim == 5 else levels[None])


def _beside(videos: Levels) -> Levels:
    """Videos (batch, time, channel, height, width) in rows and columns of one, black where there is none."""
    import numpy as np

    count, time, channels, height, width = videos.shape
    places = 1 << (count - 1).bit_length()
    rows = 1 << (count.bit_length() - 1) // 2
    columns = places // rows
    sheet = np.zeros((time, rows * height, columns * width, channels), np.uint8)
    for at, video in enumerate(videos):
        top, left = at // columns * height, at % columns * width
        sheet[:, top : top + height, left : left + width] = np.moveaxis(video, 1, -1)
    return sheet
