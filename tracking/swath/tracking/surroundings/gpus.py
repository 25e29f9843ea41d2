"""The NVIDIA cards of this machine, as their driver's NVML tells of them; the one file that imports pynvml."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from swath.tracking.imports import unforked
from swath.tracking.surroundings.usage import GpuReading

_asked = False
_found: Gpus | None = None


class Gpus:
    """All cards of the machine, in NVML's order. What one of them does not tell is left out."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        nvml.nvmlInit()
        self._cards = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]

    def facts(self, visible_devices: str | None = None) -> dict[str, Any]:
        """gpus (name, memory_bytes, uuid, visible), driver and cuda version.

        `visible_devices` is what CUDA_VISIBLE_DEVICES says, None when it is not set.
        """
        if not self._cards:
            return {}
        nvml = self._nvml
        uuids = self.uuids()
        seen = visible(visible_devices, uuids)
        found: dict[str, Any] = {"gpus": [self._card(i, uuids[i], i in seen) for i in range(len(self._cards))]}
        if driver := _text(_ask(nvml.nvmlSystemGetDriverVersion)):
            found["gpu_driver"] = driver
        if version := _ask(nvml.nvmlSystemGetCudaDriverVersion):
            found["cuda"] = f"{version // 1000}.{version % 1000 // 10}"
        return found

    def uuids(self) -> list[str]:
        """The name of each card that is nowhere else the same."""
        return [_text(_ask(self._nvml.nvmlDeviceGetUUID, card)) for card in self._cards]

    def usable(self) -> list[str]:
        """What CUDA_VISIBLE_DEVICES can name: each card by its number, or the slices (MIG) that it is cut into."""
        return [name for index, card in enumerate(self._cards) for name in self._slices(card) or [str(index)]]

    def _slices(self, card: Any) -> list[str]:
        nvml = self._nvml
        mode = _ask(nvml.nvmlDeviceGetMigMode, card) if hasattr(nvml, "nvmlDeviceGetMigMode") else None
        if not mode or not mode[0]:
            return []
        most = _ask(nvml.nvmlDeviceGetMaxMigDeviceCount, card) or 0
        slices = [_ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, card, index) for index in range(most)]
        return [_text(_ask(nvml.nvmlDeviceGetUUID, each)) for each in slices if each is not None]

    def read(self) -> list[GpuReading]:
        """How busy each card is now."""
        return [self._read(card) for card in self._cards]

    def _card(self, index: int, uuid: str, seen: bool) -> dict[str, Any]:
        card = self._cards[index]
        memory = _ask(self._nvml.nvmlDeviceGetMemoryInfo, card)
        found = {"name": _text(_ask(self._nvml.nvmlDeviceGetName, card)), "uuid": uuid, "visible": seen}
        return found if memory is None else {**found, "memory_bytes": int(memory.total)}

    def _read(self, card: Any) -> GpuReading:
        nvml = self._nvml
        rates = _ask(nvml.nvmlDeviceGetUtilizationRates, card)
        memory = _ask(nvml.nvmlDeviceGetMemoryInfo, card)
        milliwatts = _ask(nvml.nvmlDeviceGetPowerUsage, card)
        return GpuReading(
            use=None if rates is None else float(rates.gpu),
            memory_used=None if memory is None else float(memory.used),
            memory_total=None if memory is None else float(memory.total),
            temperature=_float(_ask(nvml.nvmlDeviceGetTemperature, card, nvml.NVML_TEMPERATURE_GPU)),
            power=None if milliwatts is None else milliwatts / 1000,
        )


def open_gpus() -> Gpus | None:
    """The cards of this machine; None without any, without a driver and without pynvml. They are looked for once."""
    global _asked, _found
    if not _asked:
        _found = _look()
        _asked = True
    return _found


def visible(said: str | None, uuids: list[str]) -> set[int]:
    """Which cards CUDA_VISIBLE_DEVICES leaves to a process: numbers or heads of UUIDs, up to the first wrong one."""
    if said is None:
        return set(range(len(uuids)))
    found: set[int] = set()
    for word in (word.strip() for word in said.split(",")):
        index = _index(word, uuids)
        if index is None:
            break
        found.add(index)
    return found


def names(named: Sequence[str] | None, said: str | None) -> list[str]:
    """The GPUs that processes started here may use, by names that CUDA_VISIBLE_DEVICES takes; each once, in order.

    `named` are all GPUs of the machine, None: those that the driver tells of, slices (MIG) instead of a card that is
    cut. `said` is what CUDA_VISIBLE_DEVICES says, None when it is not set; its words are kept as they are.
    """
    if named is not None:
        known = every = list(dict.fromkeys(named))
    else:
        found = open_gpus()
        known, every = (found.uuids(), found.usable()) if found is not None else ([], [])
    if said is None:
        return every
    kept: dict[int | str, str] = {}
    for word in (word.strip() for word in said.split(",")):
        key = word if word.startswith("MIG-") else _index(word, known)
        if key is None:
            break
        kept.setdefault(key, word)
    return list(kept.values())


def _index(word: str, uuids: list[str]) -> int | None:
    if word in uuids:
        return uuids.index(word)
    if word.isdecimal():
        return int(word) if int(word) < len(uuids) else None
    if word.startswith("MIG-GPU-"):
        word = word.removeprefix("MIG-").partition("/")[0]
    matching = [index for index, uuid in enumerate(uuids) if word and uuid.startswith(word)]
    return matching[0] if len(matching) == 1 else None


def _look() -> Gpus | None:
    try:
        with unforked():
            import pynvml
        return Gpus(pynvml)
    except Exception:  # no pynvml, no driver, no permission: the library has an error of its own for each
        return None


def _ask(question: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return question(*arguments)
    except Exception:  # not supported by this card, or the card is lost
        return None


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
