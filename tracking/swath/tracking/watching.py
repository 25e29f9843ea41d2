"""Histograms of a torch model's gradients and parameters, taken now and then while it trains; changes nothing in it."""

from __future__ import annotations

import math
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from swath.tracking.errors import UsageError
from swath.tracking.media.base import needs
from swath.tracking.runlog.encoding import type_name

if TYPE_CHECKING:
    import torch

    Counts = torch.Tensor | list[float]

BINS = 64
_LOGS = {"gradients": (True, False), "parameters": (False, True), "all": (True, True), None: (False, False)}
#: Copies of a tensor are made of so many numbers at a time: a large one must not need as much memory again.
_PART = 1 << 22
#: Ranges in which 32 bits divide without overflow; others are computed in 64.
_NARROW, _WIDE = 1e-30, 1e30


class Watcher:
    """Watches the models of one run. `emit` is given histograms by name, to go into the run's next row.

    Every `log_freq`-th gradient of a parameter and every `log_freq`-th forward pass of a model is looked at; in
    between, a hook counts and does nothing else. Numbers are counted on the device that they lie on and leave it
    in one transfer. What goes wrong while a model trains is warned of once, and not raised.
    """

    def __init__(self, emit: Callable[[dict[str, Any]], None]) -> None:
        self._emit = emit
        self._watched: list[_Watched] = []
        self._counted: list[tuple[str, Counts, int]] = []
        self._lock = threading.Lock()
        self._warned = False

    def watch(
        self,
        models: torch.nn.Module | Sequence[torch.nn.Module],
        log: str | None = "gradients",
        log_freq: int = 1000,
        idx: int | None = None,
    ) -> None:
        """Watch a model or several: `log` is "gradients", "parameters", "all" or None.

        Names are `gradients/<parameter>` and `parameters/<parameter>`; those of model number n, from 1, have
        `graph_n` before the parameter's name. `idx` is the number of the first of `models`; without it, each takes
        the lowest free one. Parameters that have no gradient (integers, frozen ones) are left out. Raises
        `UsageError` when a model is watched already, is none, or does not know the shape of its parameters yet.
        """
        gradients, parameters = _what(log)
        _check_count("log_freq", log_freq, 1)
        if idx is not None:
            _check_count("idx", idx, 0)
        several = _modules(models)
        self._watched = [watched for watched in self._watched if watched.is_there()]
        self._check_new(several)
        if gradients:
            _check_made(several)
        for model, number in zip(several, self._numbers(idx, len(several)), strict=True):
            watched = _Watched(model, number)
            self._watched.append(watched)
            if gradients:
                self._hook_gradients(model, watched, log_freq)
            if parameters:
                self._hook_parameters(model, watched, log_freq)

    def unwatch(self, models: torch.nn.Module | Sequence[torch.nn.Module] | None = None) -> None:
        """Remove every hook from these models, or from all; a model that is not watched is left as it is."""
        named = None if models is None else _modules(models)
        kept = []
        for watched in self._watched:
            if named is not None and not watched.is_of(named):
                kept.append(watched)
                continue
            for handle in watched.handles:
                handle.remove()
        self._watched = kept

    def _check_new(self, models: Sequence[torch.nn.Module]) -> None:
        for at, model in enumerate(models):
            if any(watched.is_of([model]) for watched in self._watched) or any(model is other for other in models[:at]):
                raise UsageError(
                    f"this {type(model).__name__} is watched already",
                    "call unwatch(model) first to watch it in another way",
                )

    def _numbers(self, first: int | None, count: int) -> list[int]:
        taken = {watched.number for watched in self._watched}
        if first is None:
            return [number for number in range(len(taken) + count) if number not in taken][:count]
        clash = taken.intersection(range(first, first + count))
        if clash:
            raise UsageError(f"another model is watched as number {min(clash)}", "pass another idx, or none")
        return list(range(first, first + count))

    def _hook_gradients(self, model: torch.nn.Module, watched: _Watched, log_freq: int) -> None:
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and parameter.is_leaf:
                hook = self._gradient_hook(f"gradients/{watched.prefix}{name}", log_freq)
                watched.handles.append(_hooked(parameter, hook))

    def _gradient_hook(self, name: str, log_freq: int) -> Callable[[torch.Tensor], None]:
        left = log_freq

        def hook(gradient: torch.Tensor) -> None:
            nonlocal left
            left -= 1
            if not left:
                left = log_freq
                self._take_gradient(name, gradient)

        return hook

    def _hook_parameters(self, model: torch.nn.Module, watched: _Watched, log_freq: int) -> None:
        try:
            hook = _PassHook(model, self, watched.prefix, log_freq)
            watched.handles.append(model.register_forward_hook(hook))
        except RuntimeError as error:  # a scripted model takes no such hooks
            self._warn(error)

    def _take_gradient(self, name: str, gradient: torch.Tensor) -> None:
        """Count inside the backward pass; what all parameters gave is emitted at its end."""
        import torch

        try:
            if _is_recorded_by_torch(gradient):
                return
            self._add(name, gradient)
            try:
                torch.autograd.Variable._execution_engine.queue_callback(self._flush)
            except RuntimeError:  # no backward pass of the usual kind
                self._flush()
        except Exception as error:
            self._warn(error)

    def _take_parameters(self, prefix: str, model: torch.nn.Module) -> None:
        try:
            for name, parameter in model.named_parameters():
                if parameter.requires_grad and not _is_recorded_by_torch(parameter):
                    self._add(f"parameters/{prefix}{name}", parameter)
            self._flush()
        except Exception as error:
            self._warn(error)

    def _add(self, name: str, tensor: torch.Tensor) -> None:
        found = counted(tensor)
        if found is not None:
            with self._lock:
                self._counted.append((name, *found))

    def _flush(self) -> None:
        """Bring the counts here and emit them; called once for every gradient, has work the first time."""
        with self._lock:
            taken, self._counted = self._counted, []
        try:
            if taken:
                histograms = _fetched(taken)
                if histograms:
                    self._emit(histograms)
        except Exception as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if self._warned:
            return
        self._warned = True
        message = f"watch() has no histogram of some tensors: {error}; training goes on"
        try:
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        except RuntimeWarning:
            print(message, file=sys.stderr)


class _Watched:
    """What is known of one watched model; neither the model itself nor its parameters are held.

    They may outlive it: a wrapper that was made for `watch` alone is gone when it returns.
    """

    def __init__(self, model: torch.nn.Module, number: int) -> None:
        self.number = number
        self.prefix = f"graph_{number}" if number else ""
        self.handles: list[torch.utils.hooks.RemovableHandle] = []
        self._model = weakref.ref(model)

    def is_of(self, models: Iterable[torch.nn.Module]) -> bool:
        """Whether it is one of these models: the very same, whatever the models hold for equal."""
        mine = self._model()
        return any(mine is model for model in models)

    def is_there(self) -> bool:
        """Whether the model is there, or something of it that has a hook."""
        return self._model() is not None or any(handle.hooks_dict_ref() is not None for handle in self.handles)


class _PassHook:
    """Counts the forward passes of one model. Copies of the model, and pickled ones, get a hook that does nothing."""

    def __init__(self, model: torch.nn.Module, watcher: Watcher, prefix: str, log_freq: int) -> None:
        import torch

        self._is_compiling = torch.compiler.is_compiling
        self._model = weakref.ref(model)
        self._watcher = watcher
        self._prefix = prefix
        self._log_freq = self._left = log_freq

    def __call__(self, model: torch.nn.Module, args: Any, output: Any) -> None:
        if self._is_compiling():
            return
        self._left -= 1
        if not self._left:
            self._left = self._log_freq
            if self._model() is model:
                self._watcher._take_parameters(self._prefix, model)

    def __reduce__(self) -> tuple[Any, ...]:
        return _no_hook, ()


def _no_hook() -> Callable[..., None]:
    return _nothing


def _nothing(*args: Any) -> None:
    """Stands in a copied model where the original has its hook."""


def counted(tensor: torch.Tensor) -> tuple[Counts, int] | None:
    """The tensor's counts in `BINS` equal bins, its least and greatest number, and how many there are.

    They are left on the tensor's device, unless it is the CPU. NaN and infinite numbers do not count. The second
    value is how many zeros a sparse tensor has besides. None for what has no gradient: integers, complex numbers,
    nothing at all.
    """
    import torch

    if not tensor.is_floating_point() or not tensor.numel():
        return None
    with torch.no_grad():
        flat, zeros = _flat(tensor.detach())
        if flat.is_cuda and torch.are_deterministic_algorithms_enabled():  # histc knows no such way there
            flat = flat.cpu()
        return counted_here(flat) if flat.device.type == "cpu" else counted_there(flat), zeros


def _flat(tensor: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The numbers of a tensor in a row; of a sparse one, those that it holds, one zero, and how many more there are."""
    import torch

    if tensor.layout == torch.strided:
        return tensor.reshape(-1), 0
    held = (tensor if tensor.layout == torch.sparse_coo else tensor.to_sparse()).coalesce().values().reshape(-1)
    zeros = tensor.numel() - held.numel()
    return (torch.cat([held, held.new_zeros(1)]), zeros - 1) if zeros else (held, 0)


def counted_here(flat: torch.Tensor) -> list[float]:
    """On the CPU, where reading a number costs nothing, and counting bytes is six times as fast as `histc`."""
    import torch

    low, high = _range(flat)
    if not math.isfinite(high - low):
        flat = flat[torch.isfinite(flat)]
        low, high = _range(flat)
    size = flat.numel()
    if not low < high:
        return [float(size)] + [0.0] * (BINS - 1) + [low, high, size]
    kind = torch.float32 if flat.dtype != torch.float64 and _NARROW < high - low < _WIDE else torch.float64
    counts = [0] * (BINS + 1)
    for part in _parts(flat):
        bins = part.to(kind).sub(low).mul_(BINS / (high - low)).to(torch.uint8)
        more = torch.bincount(bins, minlength=BINS + 1).tolist()
        counts = [before + new for before, new in zip(counts, more, strict=True)]
    counts[BINS - 1] += counts.pop()  # the greatest number belongs to the last bin
    return [*counts, low, high, size]


def _range(flat: torch.Tensor) -> tuple[float, float]:
    if not flat.numel():
        return math.inf, -math.inf
    low, high = flat.aminmax()
    return low.item(), high.item()


def counted_there(flat: torch.Tensor) -> torch.Tensor:
    """On another device: nothing here waits for a number, so neither the device nor the program is held up."""
    import torch

    kind = torch.float64 if flat.dtype == torch.float64 else torch.float32
    low, high = flat.new_full((), math.inf, dtype=kind), flat.new_full((), -math.inf, dtype=kind)
    size, counts = flat.new_zeros((), dtype=kind), flat.new_zeros(BINS, dtype=kind)
    for part in _parts(flat):
        part, finite = part.to(kind), part.isfinite()
        low = torch.minimum(low, part.where(finite, math.inf).amin())
        high = torch.maximum(high, part.where(finite, -math.inf).amax())
        size += finite.sum()
    for part in _parts(flat):  # in halves: the range may be wider than the greatest number
        counts += torch.histc((part.to(kind) * 0.5 - low * 0.5) / (high * 0.5 - low * 0.5), BINS, 0.0, 1.0)
    return torch.cat([counts, torch.stack([low, high, size])])


def _parts(flat: Any) -> Iterable[torch.Tensor]:
    parts: Iterable[torch.Tensor] = flat.split(_PART)
    return parts


def _fetched(taken: Sequence[tuple[str, Counts, int]]) -> dict[str, Any]:
    """The histograms of these counts, by name; one transfer for each device."""
    import torch

    rows: list[list[float]] = [[] for _ in taken]
    groups: dict[tuple[Any, Any], list[tuple[int, torch.Tensor]]] = {}
    for at, (_, counts, _) in enumerate(taken):
        if isinstance(counts, torch.Tensor):
            groups.setdefault((counts.device, counts.dtype), []).append((at, counts))
        else:
            rows[at] = counts
    for group in groups.values():
        fetched = torch.stack([counts for _, counts in group]).tolist()
        for (at, _), row in zip(group, fetched, strict=True):
            rows[at] = row
    found = {name: _histogram(row, zeros) for (name, _, zeros), row in zip(taken, rows, strict=True)}
    return {name: histogram for name, histogram in found.items() if histogram is not None}


def _histogram(row: list[float], zeros: int) -> dict[str, Any] | None:
    """The record of one histogram; None where no number counted."""
    *counts, low, high, size = row
    if not size:
        return None
    if low < high:
        at = min(int((0.0 - low) / (high - low) * BINS), BINS - 1) if zeros else 0
    else:  # as numpy has it: equal numbers lie in the middle of a range around them
        counts, at, half = [0.0] * BINS, BINS // 2, max(0.5, abs(low) * 1e-6)
        counts[at], low, high = size, low - half, high + half
    counts[at] += zeros
    step = high / BINS - low / BINS
    edges = [*(low + step * number for number in range(BINS)), high]
    return {"_type": "histogram", "values": [round(count) for count in counts], "bins": edges}


def _what(log: Any) -> tuple[bool, bool]:
    try:
        return _LOGS[log]
    except (KeyError, TypeError):
        raise UsageError(f"watch() cannot log {log!r}", 'log is "gradients", "parameters", "all" or None') from None


def _check_count(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{name} is {value!r}, it must be a whole number from {least}", f"write {name}=100")


def _modules(models: Any) -> list[torch.nn.Module]:
    try:
        import torch
    except ImportError:
        raise needs("torch", "torch", "watch()") from None
    several = list(models) if isinstance(models, list | tuple) else [models]
    for model in several:
        if not isinstance(model, torch.nn.Module):
            raise UsageError(
                f"watch() takes a torch.nn.Module or a list of them, not {type_name(model)}",
                "pass the model itself: run.watch(model)",
            )
    return several


def _check_made(models: Iterable[torch.nn.Module]) -> None:
    from torch.nn.parameter import is_lazy

    for model in models:
        lazy = next((name for name, parameter in model.named_parameters() if is_lazy(parameter)), None)
        if lazy is not None:
            raise UsageError(
                f"the parameter {lazy} of this {type(model).__name__} is made by its first forward pass only",
                'pass a batch through the model before watch(), or watch with log="parameters"',
            )


def _hooked(parameter: Any, hook: Callable[[torch.Tensor], None]) -> torch.utils.hooks.RemovableHandle:
    handle: torch.utils.hooks.RemovableHandle = parameter.register_hook(hook)
    return handle


def _is_recorded_by_torch(tensor: torch.Tensor) -> bool:
    """Whether torch traces what is done now, or records it for the GPU: then nothing may be done besides."""
    import torch

    jit: Any = torch.jit
    return bool(jit.is_tracing()) or (tensor.is_cuda and torch.cuda.is_current_stream_capturing())
