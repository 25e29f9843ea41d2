"""Pillow, at the one place that imports it: pictures from pixels and files and back; not what users may pass."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.tracking.errors import UsageError
from swath.tracking.media.base import needs

if TYPE_CHECKING:
    from types import ModuleType

    from PIL.Image import Image as Picture

    from swath.tracking.media.arrays import Array, Levels

ENCODINGS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "bmp": "BMP", "gif": "GIF"}
MAX_PIXELS = 2**31
_MAX_SIDE = {"JPEG": 65500, "GIF": 65535}
_MODES = {
    "PNG": {"1", "L", "LA", "I;16", "P", "RGB", "RGBA"},
    "JPEG": {"L", "RGB"},
    "BMP": {"1", "L", "P", "RGB"},
    "GIF": {"1", "L", "P", "RGB", "RGBA"},
}
_PLAINER = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}
_PNG_EFFORT = 3
"""zlib's level. Up to a third quicker than Pillow's own choice, and files at most a tenth larger, on photographs."""


def pillow(what: str = "Image") -> ModuleType:
    """`PIL.Image`. Raises `UsageError` when Pillow is not installed."""
    try:
        import PIL.Image
    except ImportError:
        raise needs("pillow", "media", what) from None
    return PIL.Image


def installed() -> bool:
    """Whether there is Pillow."""
    try:
        pillow()
    except UsageError:
        return False
    return True


def is_picture(value: object) -> bool:
    """Whether a value is a picture of Pillow's; Pillow is not imported for it."""
    return any(kind.__module__ == "PIL.Image" and kind.__name__ == "Image" for kind in type(value).__mro__)


def from_levels(levels: Levels) -> Picture:
    """A picture that shares no memory with the levels (height, width[, 3 or 4])."""
    import numpy as np

    levels = np.ascontiguousarray(levels)
    picture: Picture = pillow().fromarray(levels)
    return picture if picture.mode == "RGB" else picture.copy()  # Pillow copies RGB itself and borrows the rest


def opened(file: Path | bytes, what: str) -> Picture:
    """The picture in a file, decoded whole. Raises `UsageError` when it holds none."""
    image = pillow(what)
    try:
        with image.open(file if isinstance(file, Path) else io.BytesIO(file)) as picture:
            picture.load()
            return _alone(picture)
    except image.DecompressionBombError as error:
        raise UsageError(f"{what}: {error}", "set PIL.Image.MAX_IMAGE_PIXELS if the file is to be trusted") from None
    except Exception as error:  # the decoders raise whatever they meet
        name = str(file) if isinstance(file, Path) else "the data"
        raise UsageError(f"{what}: {name} is no image that Pillow can read: {error}", "check the file") from None


def decoded(data: bytes, format: str) -> Picture:
    """The picture in a file that is known and trusted, however large."""
    image = pillow()
    image.preinit()
    kind = ENCODINGS.get(format)
    if kind is None:
        return opened(data, "Image")
    picture: Picture = image.OPEN[kind][0](io.BytesIO(data), "")
    picture.load()
    return picture


def _alone(picture: Picture) -> Picture:
    """The picture without its file, and still with the name of its format."""
    alone = picture.copy()
    alone.format = picture.format
    return alone


def format_of(picture: Picture) -> str:
    """The format of the file that a picture was opened from, as in a file's name."""
    name = (picture.format or "").lower()
    return "jpg" if name == "jpeg" else name


def check_size(width: int, height: int, format: str = "png") -> None:
    """Raises `UsageError` for a picture that no file can hold."""
    if width < 1 or height < 1:
        raise UsageError(f"Image: a picture of {width} x {height} pixels is empty", "pass one with pixels")
    if width * height > MAX_PIXELS:
        raise UsageError(f"Image: {width} x {height} pixels are more than {MAX_PIXELS}", "make the picture smaller")
    side = _MAX_SIDE.get(ENCODINGS.get(format, ""), MAX_PIXELS)
    if max(width, height) > side:
        raise UsageError(f"Image: {format} holds at most {side} pixels a side, not {width} x {height}", "use png")


def storable(picture: Picture, format: str) -> Picture:
    """The picture in a form that the format holds; transparency is dropped where the format has none."""
    modes = _MODES[ENCODINGS[format]]
    if picture.mode != "P":
        picture.info.pop("transparency", None)
    if picture.mode in _PLAINER:
        picture = converted(picture, _PLAINER[picture.mode])
    if picture.mode in modes:
        return picture
    if picture.mode == "LA" and "RGBA" in modes:
        return converted(picture, "RGBA")
    return converted(picture, "L" if picture.mode in ("1", "LA") else "RGB")


def converted(picture: Picture, mode: str) -> Picture:
    """The picture in another mode of Pillow. Raises `UsageError` when there is no way to it."""
    try:
        if picture.mode == "P" and "transparency" in picture.info and mode != "RGBA":
            picture = picture.convert("RGBA")  # Pillow warns of the direct way
        return picture.convert(mode)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"Image: {picture.mode} cannot become {mode!r}: {error}", "use L, RGB or RGBA") from None


def encoded(picture: Picture, format: str) -> bytes:
    """The bytes of a file of that format."""
    kind = ENCODINGS[format]
    options: dict[str, Any] = {"compress_level": _PNG_EFFORT} if kind == "PNG" else {}
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def pixels(picture: Picture) -> Array:
    """A new array of the pixels: (height, width) when grey, with channels last when not; a palette is looked up."""
    import numpy as np

    if picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    elif picture.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        picture = picture.convert("RGB")
    array = np.array(picture)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def animated(frames: Levels, interval_ms: int) -> bytes:
    """A GIF of frames (time, height, width, 1 or 3), each in its own palette and none dropped, that loops for ever."""
    from PIL import GifImagePlugin

    pictures = [_paletted(frame) for frame in frames]
    parts = list(GifImagePlugin.getheader(pictures[0], info={"loop": 0})[0])
    for picture in pictures:
        parts += GifImagePlugin.getdata(picture, duration=interval_ms, include_color_table=True)
    return b"".join([*parts, b";"])


def _paletted(frame: Levels) -> Picture:
    image = pillow("Video")
    if frame.shape[-1] == 3:
        picture: Picture = image.fromarray(frame).quantize(256, method=image.Quantize.MEDIANCUT)
        return picture
    grey: Picture = image.frombytes("P", frame.shape[1::-1], frame.tobytes())
    grey.putpalette([level for level in range(256) for _ in range(3)])
    return grey


def frames_of(data: bytes) -> list[Array]:
    """Every frame of an animation (height, width, 3)."""
    import numpy as np
    from PIL import ImageSequence

    with pillow("Video").open(io.BytesIO(data)) as animation:
        return [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]


def probed(file: Path | bytes) -> tuple[int, int, float | None, int]:
    """Width, height, frames a second (as its first frame says) and number of frames of a GIF.

    Raises `UsageError` when it is none.
    """
    try:
        with pillow("Video").open(file if isinstance(file, Path) else io.BytesIO(file), formats=["GIF"]) as animation:
            shown_ms = animation.info.get("duration", 0)
            return *animation.size, 1000 / shown_ms if shown_ms else None, animation.n_frames
    except Exception as error:  # the decoders raise whatever they meet
        raise UsageError(f"Video: the gif is none that Pillow can read: {error}", "check the file") from None
