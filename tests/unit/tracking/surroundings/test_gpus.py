"""What is made of NVML's answers.

A tiny stand-in with NVML's function names and units answers here, for a driver cannot be had everywhere; the real
library is asked by `test_without_a_driver_there_are_no_cards` and by the tests of whole facts.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swath.tracking.surroundings import gpus
from swath.tracking.surroundings.gpus import Gpus, names, open_gpus, visible
from swath.tracking.surroundings.usage import GpuReading

UUIDS = ["GPU-aaaa-1", "GPU-aabb-2", "GPU-cccc-3"]


class StandInNvml:
    """Answers like NVML on a machine with two cards, of which the second tells little."""

    NVML_TEMPERATURE_GPU = 0

    def nvmlInit(self) -> None: ...

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUUID(self, card: int) -> str:
        return UUIDS[card]

    def nvmlDeviceGetName(self, card: int) -> bytes | str:
        return b"NVIDIA H100" if card == 0 else "NVIDIA A2"

    def nvmlSystemGetDriverVersion(self) -> str:
        return "550.54.15"

    def nvmlSystemGetCudaDriverVersion(self) -> int:
        return 12040

    def nvmlDeviceGetMemoryInfo(self, card: int) -> Any:
        return SimpleNamespace(total=80_000, used=20_000, free=60_000)

    def nvmlDeviceGetUtilizationRates(self, card: int) -> Any:
        self._only_first(card)
        return SimpleNamespace(gpu=75, memory=10)

    def nvmlDeviceGetTemperature(self, card: int, sensor: int) -> int:
        self._only_first(card)
        return 61

    def nvmlDeviceGetPowerUsage(self, card: int) -> int:
        self._only_first(card)
        return 300_500

    def _only_first(self, card: int) -> None:
        if card:
            raise RuntimeError("Not Supported")


def test_cards_are_told_with_name_memory_driver_and_cuda() -> None:
    assert Gpus(StandInNvml()).facts("1") == {
        "gpus": [
            {"name": "NVIDIA H100", "uuid": "GPU-aaaa-1", "visible": False, "memory_bytes": 80_000},
            {"name": "NVIDIA A2", "uuid": "GPU-aabb-2", "visible": True, "memory_bytes": 80_000},
        ],
        "gpu_driver": "550.54.15",
        "cuda": "12.4",
    }


def test_what_a_card_does_not_tell_is_left_out_and_the_rest_stands() -> None:
    assert Gpus(StandInNvml()).read() == [
        GpuReading(use=75.0, memory_used=20_000.0, memory_total=80_000.0, temperature=61.0, power=300.5),
        GpuReading(memory_used=20_000.0, memory_total=80_000.0),
    ]


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        (None, {0, 1, 2}),
        ("", set()),
        ("-1", set()),
        ("NoDevFiles", set()),
        ("0, 2", {0, 2}),
        ("2,7,0", {2}),
        ("GPU-cccc-3,GPU-aab", {1, 2}),
        ("GPU-aa", set()),
        ("MIG-GPU-cccc-3/1/0", {2}),
        ("MIG-1234", set()),
    ],
)
def test_visible_devices_are_read_as_cuda_reads_them(said: str | None, seen: set[int]) -> None:
    assert visible(said, UUIDS) == seen


@pytest.mark.parametrize(
    ("said", "usable"),
    [
        (None, UUIDS),
        ("", []),
        ("2,0,2", ["2", "0"]),
        ("GPU-cc,2,GPU-aaaa-1", ["GPU-cc", "GPU-aaaa-1"]),
        ("1,9,0", ["1"]),
        ("MIG-1234,MIG-5678", ["MIG-1234", "MIG-5678"]),
        ("MIG-GPU-cccc-3/1/0,MIG-GPU-cccc-3/2/0", ["MIG-GPU-cccc-3/1/0", "MIG-GPU-cccc-3/2/0"]),
    ],
)
def test_the_usable_gpus_keep_the_names_that_they_were_given(said: str | None, usable: list[str]) -> None:
    assert names(UUIDS, said) == usable


def test_a_card_that_is_cut_counts_as_its_slices() -> None:
    class Cut(StandInNvml):
        def nvmlDeviceGetMigMode(self, card: int) -> list[int]:
            return [card, card]

        def nvmlDeviceGetMaxMigDeviceCount(self, card: int) -> int:
            return 3

        def nvmlDeviceGetMigDeviceHandleByIndex(self, card: int, index: int) -> str:
            if index == 1:
                raise RuntimeError("Not Found")
            return f"MIG-{index}"

        def nvmlDeviceGetUUID(self, card: Any) -> str:
            return card if isinstance(card, str) else UUIDS[card]

    assert Gpus(Cut()).usable() == ["0", "MIG-0", "MIG-2"]
    assert Gpus(StandInNvml()).usable() == ["0", "1"]


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="there is a driver here")
def test_without_a_driver_there_are_no_cards() -> None:
    assert open_gpus() is None


def test_cards_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "_asked", False)
    looks: list[int] = []
    monkeypatch.setattr(gpus, "_look", lambda: looks.append(1))
    assert gpus.open_gpus() is None
    assert gpus.open_gpus() is None
    assert looks == [1]
