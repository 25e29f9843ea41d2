"""Divides one machine among the agents that run on it at the same time: GPUs, CPU threads and what else it has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from swath.agents.protocol import Needs
from swath.tracking.errors import UsageError
from swath.tracking.surroundings.machine import Room

#: What 1/3 and the like may be off by.
_ROUNDING = 1e-9


def most_slots(needs: Needs, room: Room, has: Mapping[str, float] | None = None) -> int:
    """How many trials fit the machine at once; at least one, for `share_out` and `check_custom` to say what is missing.

    `has`: what this machine has of the resources that the user names.
    """
    fits = [room.cpus / needs.cpu]
    if needs.gpu:
        fits.append(_capacity(needs.gpu, len(room.gpus)))
    if needs.memory and room.memory:
        fits.append(room.memory / needs.memory)
    fits += [(has or {}).get(name, 0.0) / amount for name, amount in needs.custom.items()]
    return max(1, math.floor(min(fits) + _ROUNDING))


def check_custom(count: int, needs: Needs, has: Mapping[str, float]) -> None:
    """Raise `UsageError` unless `count` trials at once find what they need of the resources that the user names."""
    for name, amount in needs.custom.items():
        there = has.get(name, 0.0)
        if count * amount <= there + _ROUNDING:
            continue
        asked = "a trial needs" if count == 1 else f"{count} trials at once need"
        most = math.floor(there / amount + _ROUNDING)
        raise UsageError(
            f"{asked} {count * amount:g} {name}, and "
            + (f"there is {there:g} here" if name in has else "nobody has said that there is any here"),
            f"ask for at most {most} at once" if most else f"say how much there is: --resource {name}={amount:g}",
        )


def parse_custom(words: Sequence[str]) -> dict[str, float]:
    """What `NAME=AMOUNT` words say that a machine has."""
    found: dict[str, float] = {}
    for word in words:
        name, equals, amount = word.partition("=")
        try:
            found[name] = float(amount)
        except ValueError:
            equals = ""
        if not name or not equals or not 0 <= found[name] < math.inf:
            raise UsageError(f"--resource {word} is no NAME=AMOUNT", "write it as --resource licence=2")
    return found


def share_out(count: int, gpu: float, gpus: Sequence[str]) -> list[tuple[str, ...]]:
    """The GPUs of each of `count` slots that need `gpu` of them, in order; empty ones where none are needed.

    Parts of GPUs are dealt round, so that slots share one only when there are more slots than GPUs; whole ones go in
    rows of neighbours. No GPU is given away more than once. Raises `UsageError` when there are too few.
    """
    if not gpu:
        return [()] * count
    if gpu > 1 and gpu != int(gpu):
        raise UsageError(
            f"a trial that needs {gpu:g} GPUs cannot be placed on this machine", "ask for whole GPUs, or a part of one"
        )
    if count > _capacity(gpu, len(gpus)):
        raise UsageError(_too_few(count, gpu, gpus), _remedy(gpu, gpus))
    if gpu < 1:
        return [(gpus[slot % len(gpus)],) for slot in range(count)]
    each = int(gpu)
    return [tuple(gpus[slot * each : (slot + 1) * each]) for slot in range(count)]


def environments(count: int, needs: Needs, room: Room, given: Mapping[str, str]) -> list[dict[str, str]]:
    """The variables of each of `count` slots, beside those that are `given` to all of them.

    CUDA_VISIBLE_DEVICES where GPUs are needed, and OMP_NUM_THREADS where several slots share the cores and nobody has
    set it: numerical libraries would each start as many threads as there are cores.
    """
    threads = max(1, math.floor(room.cpus / count + _ROUNDING))
    common = {"OMP_NUM_THREADS": str(threads)} if count > 1 and not given.get("OMP_NUM_THREADS") else {}
    shares = share_out(count, needs.gpu, room.gpus)
    return [common | ({"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {}) for gpus in shares]


def _capacity(gpu: float, gpus: int) -> int:
    """How many slots `gpus` GPUs have room for. A slot's part of a GPU never lies on two of them."""
    return math.floor(1 / gpu + _ROUNDING) * gpus if gpu < 1 else gpus // math.ceil(gpu)


def _too_few(count: int, gpu: float, gpus: Sequence[str]) -> str:
    asked = f"{count} trial{'s' if count > 1 else ''} at once with {gpu:g} GPU{'s' if gpu > 1 else ''} each"
    there = f"has {len(gpus)} ({', '.join(gpus)})" if gpus else "has none that can be used"
    return f"{asked} do not fit: this machine {there}"


def _remedy(gpu: float, gpus: Sequence[str]) -> str:
    most = _capacity(gpu, len(gpus))
    if most:
        return f"ask for at most {most} at once, or for less with `resources: {{gpu: ...}}`"
    if gpus:
        return "ask for fewer with `resources: {gpu: ...}`"
    return "see `sweep doctor` and CUDA_VISIBLE_DEVICES; where the driver cannot be asked, name them: SWATH_GPUS=0,1"
