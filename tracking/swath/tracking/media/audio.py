"""Audio: sound from samples or a file; a WAV is written here, everything is read by soundfile."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media.arrays import as_array, number
from swath.tracking.media.base import needs
from swath.tracking.media.files import FileMedia, Held, caption_of, existing, is_path
from swath.tracking.runlog.encoding import type_name

if TYPE_CHECKING:
    from types import ModuleType

    from swath.tracking.media.arrays import Array

_PCM, _FLOAT = 1, 3
_TAGS = {"float32": _FLOAT, "float64": _FLOAT, "int16": _PCM, "int32": _PCM, "uint8": _PCM}
_MAX_CHANNELS = 1024
_MIN_DOUBTED = 16
"""More channels than this, and than there are samples, are samples in the place of channels, as torchaudio has them."""
_MAX_BYTES = 2**32 - 64
_READ_AS = {
    "PCM_U8": "int16",
    "PCM_S8": "int16",
    "PCM_16": "int16",
    "PCM_24": "int32",
    "PCM_32": "int32",
    "DOUBLE": "float64",
}
_ACCEPTED = f"an array (samples,) or (samples, channels) of {', '.join(_TAGS)}, or the path of a sound file"


class Audio(FileMedia):
    """A sound, recorded as a WAV of the samples' own type, or as the file that it is.

    Samples are (samples,) or (samples, channels) of float32, float64, int16, int32 or uint8; they are copied here and
    now, and read back equal, NaN and values beyond 1 too, one channel as (samples,). float16 becomes float32, which
    holds it. `sample_rate`, in hertz, must be given for samples; a file has its own. Raises `UsageError` for what is
    no sound that soundfile can open.
    """

    TYPE = "audio-file"
    sample_rate: int
    duration: float
    channels: int

    def __init__(self, data_or_path: Any, sample_rate: int | None = None, caption: str | None = None) -> None:
        self.caption = caption_of(caption)
        if is_path(data_or_path):
            self._take_path(data_or_path)
        else:
            self._take_samples(_samples(data_or_path), _rate(sample_rate))

    def to_numpy(self) -> Array:
        """The samples (samples,) or (samples, channels), in the type that they have in the file."""
        soundfile = _soundfile()
        with soundfile.SoundFile(io.BytesIO(self.read())) as sound:
            kind = _READ_AS.get(sound.subtype, "float32")
            samples: Array = sound.read(dtype=kind)
            return ((samples >> 8) + 128).astype("uint8") if sound.subtype == "PCM_U8" else samples

    def _take_path(self, path: Any) -> None:
        self._source = existing(path, "Audio")
        soundfile = _soundfile()
        try:
            found = soundfile.info(str(self._source.path))
        except Exception as error:
            raise UsageError(f"Audio: {path} is no sound that soundfile can read: {error}", "check the file") from None
        self.sample_rate, self.channels = int(found.samplerate), int(found.channels)
        self.duration = found.frames / found.samplerate
        self.format = "wav" if found.format.startswith("WAV") else found.format.lower()

    def _take_samples(self, samples: Array, rate: int) -> None:
        self.sample_rate, self.format = rate, "wav"
        self.channels = samples.shape[1] if samples.ndim == 2 else 1
        self.duration = len(samples) / rate
        self._source = Held(_wav(samples, rate, self.channels))

    def _details(self, blobs: Blobs) -> dict[str, Any]:
        return {"sample_rate": self.sample_rate, "duration": self.duration, "channels": self.channels}

    def _restore(self, record: Mapping[str, Any], blobs: Blobs) -> None:
        self.sample_rate, self.channels = int(record["sample_rate"]), int(record["channels"])
        self.duration = float(record["duration"])


def _soundfile() -> ModuleType:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: its libsndfile is missing
        raise needs("soundfile", "media", "reading sound") from None
    module: ModuleType = soundfile
    return module


def _rate(sample_rate: Any) -> int:
    if sample_rate is None:
        raise UsageError("Audio: samples were given without a sample_rate", "Audio(samples, sample_rate=44100)")
    rate = number(sample_rate, "Audio: sample_rate")
    if not 1 <= rate < 2**31 or rate != int(rate):
        raise UsageError(f"Audio: a sample_rate of {rate} is not possible", "name whole hertz, such as 44100")
    return int(rate)


def _samples(data: Any) -> Array:
    """The array, checked and in a type that a WAV holds."""
    import numpy as np

    try:
        samples = np.asarray(data) if isinstance(data, list | tuple) else as_array(data, "Audio")
    except ValueError as error:
        raise UsageError(f"Audio: the list is no array: {error}", f"pass {_ACCEPTED}") from None
    if samples is None:
        raise UsageError(f"Audio: {type_name(data)} is no sound", f"pass {_ACCEPTED}")
    if samples.dtype == np.float16:
        samples = samples.astype(np.float32)
    if samples.ndim not in (1, 2) or samples.dtype.name not in _TAGS:
        raise UsageError(
            f"Audio: an array of {samples.dtype} and shape {samples.shape} is no sound", f"pass {_ACCEPTED}"
        )
    if samples.size == 0:
        raise UsageError(f"Audio: an array of shape {samples.shape} has no samples", "pass one with samples")
    if samples.ndim == 2 and samples.shape[1] > max(_MIN_DOUBTED, min(_MAX_CHANNELS, len(samples))):
        raise UsageError(f"Audio: {samples.shape[1]} channels are too many", "samples come first: pass the array's .T")
    if samples.nbytes > _MAX_BYTES:
        raise UsageError(f"Audio: {samples.nbytes} bytes of samples do not fit in a WAV", "pass a compressed file")
    return samples


def _wav(samples: Array, rate: int, channels: int) -> bytes:
    """A WAV of the samples as they are (RIFF, Microsoft/IBM 1991), which is the same for the same samples.

    libsndfile's own writer puts the time of day into files of floats, so they would never be the same twice.
    """
    tag, width = _TAGS[samples.dtype.name], samples.dtype.itemsize
    body = samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes()
    block = channels * width
    layout = struct.pack("<HHIIHH", tag, channels, rate, min(rate * block, 2**32 - 1), block, width * 8)
    chunks = _chunk(b"fmt ", layout)
    if tag == _FLOAT:
        chunks = _chunk(b"fmt ", layout + b"\0\0") + _chunk(b"fact", struct.pack("<I", len(samples)))
    return _riff(chunks, body)


def _riff(chunks: bytes, body: bytes) -> bytes:
    padding = b"\0" * (len(body) % 2)
    size = 4 + len(chunks) + 8 + len(body) + len(padding)
    return b"".join(
        [b"RIFF", struct.pack("<I", size), b"WAVE", chunks, b"data", struct.pack("<I", len(body)), body, padding]
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data
