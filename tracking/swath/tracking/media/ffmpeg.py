"""ffmpeg, at the one place that imports imageio-ffmpeg: frames to video files and back; not what users may pass."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from swath.tracking.errors import UsageError
from swath.tracking.media.base import needs

if TYPE_CHECKING:
    from swath.tracking.media.arrays import Array, Levels

_CODECS = {
    "mp4": ["-c:v", "libx264", "-crf", "18", "-movflags", "+faststart"],
    "webm": ["-c:v", "libvpx-vp9", "-crf", "24", "-b:v", "0", "-cpu-used", "5", "-row-mt", "1"],
    "ogg": ["-c:v", "libvpx", "-crf", "10", "-b:v", "20M"],  # Theora leaves out frames like those before them
}
_REPEATABLE = ["-pix_fmt", "yuv420p", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"]
_PPM = re.compile(rb"P6\s(\d+)\s(\d+)\s255\s")
_STREAM = re.compile(r"^ *Stream #.*: Video: .*", re.MULTILINE)
_SIZE = re.compile(r"[ ,]([1-9]\d*)x([1-9]\d*)\b")
_RATE = re.compile(r"([\d.]+) (?:fps|tbr)")
_TURNED = re.compile(r"rotation of -?(90|270)\.")
_COUNT = re.compile(r"frame= *(\d+)")


class Shape(NamedTuple):
    """What a video file says of itself, as far as it says it; the size is that of the frames as they are shown."""

    width: int | None
    height: int | None
    fps: float | None
    frames: int | None


def encoded(frames: Levels, fps: float, format: str) -> bytes:
    """The file of the frames (time, height, width, 1 or 3), the same for the same frames.

    Sides are made even, as the codecs need, by repeating the last row and column.
    """
    import numpy as np

    odd = [side % 2 for side in frames.shape[1:3]]
    frames = np.broadcast_to(frames, (*frames.shape[:3], 3))
    frames = np.pad(frames, ((0, 0), (0, odd[0]), (0, odd[1]), (0, 0)), "edge")
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{frames.shape[2]}x{frames.shape[1]}", "-r", f"{fps:.6f}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"video.{format}")
        _run(["-y", *source, "-i", "-", *_CODECS[format], *_REPEATABLE, str(path)], format, frames.tobytes())
        return path.read_bytes()


def decoded(data: bytes, format: str) -> list[Array]:
    """The frames (height, width, 3) of a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"video.{format}")
        path.write_bytes(data)
        return list(
            _portable_pixmaps(_run(["-i", str(path), "-an", "-f", "image2pipe", "-c:v", "ppm", "-"], format)[0])
        )


def probed(file: Path | bytes, format: str) -> Shape:
    """What a file says of its frames; they are counted and not decoded. Raises `UsageError` when it has none."""
    if isinstance(file, Path):
        return _said(file, format)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"video.{format}")
        path.write_bytes(file)
        return _said(path, format)


def installed() -> bool:
    """Whether there is an ffmpeg."""
    try:
        program()
    except UsageError:
        return False
    return True


def _said(path: Path, format: str) -> Shape:
    told = _run(["-i", str(path), "-an", "-sn", "-dn", "-c", "copy", "-f", "null", "-"], format, level="info")[1]
    told = told.partition("\nOutput #")[0] + "\n" + told.rpartition("frame=")[1] + told.rpartition("frame=")[2]
    stream = _STREAM.search(told)
    line = stream[0] if stream else ""
    size, rate, count = _SIZE.search(line), _RATE.search(line), _COUNT.search(told)
    width, height = (int(size[1]), int(size[2])) if size else (None, None)
    if _TURNED.search(told):
        width, height = height, width
    return Shape(width, height, float(rate[1]) if rate else None, int(count[1]) if count else None)


def _portable_pixmaps(stream: bytes) -> Iterator[Array]:
    """The pictures of a stream of PPMs: "P6", width, height and 255 each before a line end, then the pixels."""
    import numpy as np

    at = 0
    while header := _PPM.match(stream, at):
        width, height = int(header[1]), int(header[2])
        yield np.frombuffer(stream, np.uint8, width * height * 3, header.end()).reshape(height, width, 3)
        at = header.end() + width * height * 3


def _run(arguments: Sequence[str], format: str, data: bytes = b"", level: str = "error") -> tuple[bytes, str]:
    """What ffmpeg writes to its output, and says. Raises `UsageError` with its words when it fails.

    Raises `OSError` where it is the disk that fails.
    """
    command = [program(), "-hide_banner", "-nostats", "-loglevel", level, "-nostdin", *arguments]
    done = subprocess.run(command, input=data, capture_output=True)
    words = done.stderr.decode("utf-8", "replace")
    if done.returncode and (full := os.strerror(errno.ENOSPC)) in words:
        raise OSError(errno.ENOSPC, full, tempfile.gettempdir())
    if done.returncode:
        last = " ".join(words.strip().splitlines()[-3:])
        raise UsageError(f"Video: ffmpeg fails on this {format}: {last}", "check the file, or use another format")
    return done.stdout, words


def program() -> str:
    """The path of ffmpeg. Raises `UsageError` when it is not installed."""
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # RuntimeError: the package is there, and no program for this machine
        raise needs("imageio-ffmpeg", "media", "a video in mp4, webm or ogg") from None
