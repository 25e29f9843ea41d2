"""Sounds come back in every sample, and what is no sound is refused with the remedy."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.media.audio import Audio

LENGTHS = st.integers(1, 50)
SHAPES = st.tuples(LENGTHS) | st.tuples(LENGTHS, st.integers(1, 6))
TYPES = [np.float32, np.float64, np.int16, np.int32, np.uint8]


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return Blobs(tmp_path_factory.mktemp("blobs"))


def back(audio: Audio, blobs: Blobs) -> Audio:
    """The sound as it is after its record went through the log."""
    return Audio.from_record(msgspec.msgpack.decode(msgspec.msgpack.encode(audio.to_record(blobs))), blobs)


@settings(max_examples=150, deadline=None)
@given(
    samples=st.tuples(st.sampled_from(TYPES), SHAPES).flatmap(lambda both: hnp.arrays(*both)),
    rate=st.sampled_from([1, 8000, 44100, 192000, 2**31 - 1]),
)
def test_samples_come_back_as_they_are(blobs: Blobs, samples: np.ndarray[Any, Any], rate: int) -> None:
    again = back(Audio(samples, sample_rate=rate), blobs)
    found = again.to_numpy()
    expected = samples[:, 0] if samples.ndim == 2 and samples.shape[1] == 1 else samples
    assert found.dtype == samples.dtype
    assert np.array_equal(found, expected, equal_nan=samples.dtype.kind == "f")
    assert (again.sample_rate, again.format) == (rate, "wav")
    assert again.duration == len(samples) / rate
    assert again.channels == (samples.shape[1] if samples.ndim == 2 else 1)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(7,), (7, 1), (7, 2), (8, 5)])
def test_the_file_is_a_wav_for_everybody(dtype: Any, shape: tuple[int, ...]) -> None:
    data = Audio(np.ones(shape, dtype), sample_rate=16000).read()
    info = soundfile.info(io.BytesIO(data))
    assert (info.format, info.samplerate, info.frames) == ("WAV", 16000, shape[0])
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert len(data) % 2 == 0


def test_half_floats_lists_and_other_byte_orders_are_taken(blobs: Blobs) -> None:
    half = np.linspace(-1, 1, 9, dtype=np.float16)
    assert np.array_equal(back(Audio(half, 8000), blobs).to_numpy(), half.astype(np.float32))
    assert back(Audio([0.0, 0.5, -0.25], 8000), blobs).to_numpy().tolist() == [0.0, 0.5, -0.25]
    big = np.array([1, -2, 300], ">i2")
    found = back(Audio(big, 8000), blobs).to_numpy()
    assert (found.dtype.name, found.tolist()) == ("int16", [1, -2, 300])


def test_views_and_read_only_samples_are_sounds_and_may_change_later(blobs: Blobs) -> None:
    whole = np.arange(60, dtype=np.float32).reshape(30, 2)
    view = whole[::-2, ::-1]
    expected = view.copy()
    view.flags.writeable = False
    audio = Audio(view, 8000)
    whole[:] = 0
    assert np.array_equal(back(audio, blobs).to_numpy(), expected)


def test_tensors_are_taken(blobs: Blobs) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.linspace(-1, 1, 11, requires_grad=True)
    assert np.array_equal(back(Audio(tensor, 8000), blobs).to_numpy(), tensor.detach().numpy())


@pytest.mark.parametrize("dtype", TYPES)
def test_the_same_samples_are_one_file(blobs: Blobs, dtype: Any) -> None:
    samples = np.arange(50).astype(dtype)
    first = Audio(samples, 8000, caption="a")
    digests = {
        each.to_record(blobs)["sha256"] for each in (first, first, Audio(samples.copy(), 8000), back(first, blobs))
    }
    assert len(digests) == 1


def test_a_record_is_plain(blobs: Blobs) -> None:
    rate: Any = np.int64(50)
    audio = Audio(np.zeros((100, 2), np.int16), rate, caption="silence")
    record = audio.to_record(blobs)
    assert {key: record[key] for key in record if key != "sha256"} == {
        "_type": "audio-file",
        "size": 44 + 400,
        "format": "wav",
        "caption": "silence",
        "sample_rate": 50,
        "duration": 2.0,
        "channels": 2,
    }
    assert Audio.from_record(record, blobs).to_record(blobs) == record


@pytest.mark.parametrize(
    ("name", "subtype", "dtype"),
    [
        ("a.wav", "PCM_24", "int32"),
        ("a.flac", "PCM_16", "int16"),
        ("a.ogg", "VORBIS", "float32"),
        ("a.wav", "ULAW", "float32"),
    ],
)
def test_a_file_keeps_its_bytes(blobs: Blobs, tmp_path: Path, name: str, subtype: str, dtype: str) -> None:
    path = tmp_path / name
    soundfile.write(path, np.sin(np.arange(4000) / 20).astype(np.float32) / 2, 8000, subtype=subtype)
    for each in (path, str(path)):
        audio = back(Audio(each, caption="file"), blobs)
        assert audio.read() == path.read_bytes()
        assert (audio.sample_rate, audio.channels, audio.duration) == (8000, 1, 0.5)
        assert audio.format == name[2:]
        assert audio.to_numpy().dtype == dtype
        assert len(audio.to_numpy()) == 4000


def test_files_that_are_no_sound_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "a.wav"
    text.write_text("no sound")
    with pytest.raises(UsageError, match="no sound that soundfile"):
        Audio(text)
    with pytest.raises(NotFound):
        Audio("missing.wav")
    (tmp_path / "b.wav").touch()
    with pytest.raises(UsageError, match="empty"):
        Audio(str(tmp_path / "b.wav"))


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        b"bytes",
        object(),
        [1, 2, 3],
        [[0.5], [0.5, 0.5]],
        ["a"],
        [],
        np.zeros(0, np.float32),
        np.zeros((5, 0), np.float32),
        np.zeros((2, 2, 2), np.float32),
        np.array(0.5),
        np.zeros(5, np.int64),
        np.zeros(5, np.uint16),
        np.zeros(5, bool),
        np.zeros(5, complex),
    ],
)
def test_what_is_no_sound_is_refused_with_a_hint(data: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Audio(data, sample_rate=8000)
    assert caught.value.hint


def test_channels_in_front_are_pointed_out() -> None:
    with pytest.raises(UsageError) as caught:
        Audio(np.zeros((2, 44100), np.float32), sample_rate=44100)
    assert ".T" in caught.value.hint


@pytest.mark.parametrize("rate", [None, 0, -1, 0.5, 44100.5, "44100", True, 2**31, float("nan")])
def test_a_wrong_sample_rate_is_refused(rate: Any) -> None:
    with pytest.raises(UsageError, match="sample_rate"):
        Audio(np.zeros(5, np.float32), sample_rate=rate)


def test_more_than_a_wav_holds_is_refused_before_it_is_copied() -> None:
    with pytest.raises(UsageError, match="do not fit"):
        Audio(np.broadcast_to(np.float64(0), (2**29,)), sample_rate=8000)


def test_samples_need_no_soundfile_but_files_do(blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(5), 8000)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    audio = back(Audio(np.zeros(5, np.float32), 8000), blobs)
    for call in (lambda: Audio(path), audio.to_numpy):
        with pytest.raises(UsageError) as caught:
            call()
        assert "swath[media]" in caught.value.hint


def test_samples_in_the_place_of_channels_are_told_how_to_turn() -> None:
    for wrong in (np.zeros((2, 44100), np.float32), np.zeros((2, 100), np.float32)):
        with pytest.raises(UsageError) as caught:
            Audio(wrong, sample_rate=44100)
        assert ".T" in caught.value.hint
    assert Audio(np.zeros((3, 16), np.float32), sample_rate=8000).channels == 16
