"""The distributions of one parameter as frozen values: quantiles, membership and enumeration; no sampling."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from statistics import NormalDist
from typing import Any, Protocol, TypeAlias, TypeGuard

Number: TypeAlias = int | float

#: Unbounded distributions are read between these quantiles, so that every value is finite and can be mapped back.
TAIL = 1e-12
_LEAST_U = 1e-100
_STANDARD = NormalDist()
_LARGEST_EXPONENT = 709.0


def is_number(value: object) -> TypeGuard[Number]:
    """Whether `value` is a finite int or float; a bool is no number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def canonical(value: Any) -> Any:
    """The one form that equal values share: 1.0 as 1, -0.0 as 0, NaN as text, tuples as lists, sorted keys."""
    if isinstance(value, dict):
        return {str(key): canonical(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return {"float": repr(value)}
        return int(value) if value.is_integer() else value
    return value


def key_of(value: Any) -> str:
    """A text that is the same for equal values and differs for others; `true` and 1 differ, 1 and 1.0 do not."""
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), default=repr)


class Distribution(Protocol):
    """What a parameter may be, and how likely.

    `ppf` maps [0, 1] onto the values, rising with `u`; `to_unit` gives a `u` that `ppf` maps back to the value (the
    middle of its share of the unit interval where values are discrete). `size` counts the distinct values, None when
    they are continuous; only where there is a size do `value_at` (0 .. size - 1) and `index_of` mean something.
    `ordered`: the values are numbers whose neighbours are alike. `even`: all values are equally likely.
    """

    @property
    def size(self) -> int | None: ...

    @property
    def ordered(self) -> bool: ...

    @property
    def even(self) -> bool: ...

    def ppf(self, u: float) -> Any: ...

    def to_unit(self, value: Any) -> float: ...

    def contains(self, value: Any) -> bool: ...

    def value_at(self, index: int) -> Any: ...

    def index_of(self, value: Any) -> int: ...

    def values(self) -> Iterator[Any]: ...


class _Finite:
    """Enumeration for distributions with a size."""

    def values(self: Distribution) -> Iterator[Any]:
        """The distinct values, lazily, in the order of `value_at`."""
        return (self.value_at(index) for index in range(self.size or 0))


@dataclass(frozen=True)
class Constant(_Finite):
    """One value; not searched."""

    value: Any
    size = 1
    ordered = False
    even = True

    def ppf(self, u: float) -> Any:
        return self.value

    def to_unit(self, value: Any) -> float:
        return 0.5

    def contains(self, value: Any) -> bool:
        return key_of(value) == key_of(self.value)

    def value_at(self, index: int) -> Any:
        return self.value

    def index_of(self, value: Any) -> int:
        return 0


@dataclass(frozen=True)
class Categorical(_Finite):
    """A list of options, each likely by its weight (equal by default); equal options count once in `size`."""

    options: tuple[Any, ...]
    weights: tuple[float, ...] | None = None

    @cached_property
    def _cumulated(self) -> tuple[float, ...]:
        weights = self.weights or (1.0,) * len(self.options)
        return tuple(accumulate(weights))

    @cached_property
    def _firsts(self) -> dict[str, int]:
        """The place in `options` of the first of each distinct possible value."""
        firsts: dict[str, int] = {}
        for place, option in enumerate(self.options):
            if self.weights is None or self.weights[place] > 0:
                firsts.setdefault(key_of(option), place)
        return firsts

    @cached_property
    def _places(self) -> tuple[int, ...]:
        return tuple(self._firsts.values())

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {key: index for index, key in enumerate(self._firsts)}

    @property
    def size(self) -> int:
        return len(self._places)

    @cached_property
    def ordered(self) -> bool:
        return all(is_number(option) for option in self.options)

    @property
    def even(self) -> bool:
        return self.weights is None

    def ppf(self, u: float) -> Any:
        if self.weights is None:
            return self.options[min(int(u * len(self.options)), len(self.options) - 1)]
        place = bisect_right(self._cumulated, u)
        return self.options[min(place, self._last_possible)]

    @cached_property
    def _last_possible(self) -> int:
        return max(place for place, weight in enumerate(self.weights or (1.0,)) if weight > 0)

    def to_unit(self, value: Any) -> float:
        place = self._firsts[key_of(value)]
        before = self._cumulated[place - 1] if place else 0.0
        total = float(len(self.options)) if self.weights is None else 1.0
        return (before + self._cumulated[place]) / 2 / total

    def contains(self, value: Any) -> bool:
        return key_of(value) in self._firsts

    def value_at(self, index: int) -> Any:
        return self.options[self._places[index]]

    def index_of(self, value: Any) -> int:
        return self._indices[key_of(value)]


@dataclass(frozen=True)
class IntUniform(_Finite):
    """The whole numbers from `min` to `max`, both included."""

    min: int
    max: int
    ordered = True
    even = True

    @property
    def size(self) -> int:
        return self.max - self.min + 1

    def ppf(self, u: float) -> int:
        return self.min + min(int(u * self.size), self.size - 1)

    def to_unit(self, value: Any) -> float:
        return (int(value) - self.min + 0.5) / self.size

    def contains(self, value: Any) -> bool:
        return is_number(value) and value == int(value) and self.min <= value <= self.max

    def value_at(self, index: int) -> int:
        return self.min + index

    def index_of(self, value: Any) -> int:
        return int(value) - self.min


class _Continuous:
    """What continuous distributions share; `cdf` is the inverse of `ppf` on `support`."""

    ordered = True
    even = False
    support: tuple[float, float]

    @property
    def size(self) -> int | None:
        return 1 if self.support[0] == self.support[1] else None

    def ppf(self, u: float) -> float:
        raise NotImplementedError

    def cdf(self, value: float) -> float:
        raise NotImplementedError

    def to_unit(self, value: Any) -> float:
        return min(1.0, max(0.0, self.cdf(value)))

    def contains(self, value: Any) -> bool:
        return is_number(value) and self.support[0] <= value <= self.support[1]

    def value_at(self, index: int) -> float:
        return self.ppf(0.5)

    def index_of(self, value: Any) -> int:
        return 0

    def values(self) -> Iterator[Any]:
        if self.size is None:
            raise TypeError(f"the values of {self!r} are continuous")
        return iter([self.ppf(0.5)])


@dataclass(frozen=True)
class Uniform(_Continuous):
    """Real numbers, evenly, from `min` to `max`."""

    min: Number
    max: Number
    even = True

    @property
    def support(self) -> tuple[float, float]:  # type: ignore[override]
        return float(self.min), float(self.max)

    def ppf(self, u: float) -> float:
        return min(max(self.min + u * (self.max - self.min), float(self.min)), float(self.max))

    def cdf(self, value: float) -> float:
        return (value - self.min) / (self.max - self.min)


@dataclass(frozen=True)
class LogUniform(_Continuous):
    """Positive real numbers whose logarithm is uniform between those of the real limits `min` and `max`."""

    min: Number
    max: Number

    @property
    def support(self) -> tuple[float, float]:  # type: ignore[override]
        return float(self.min), float(self.max)

    def ppf(self, u: float) -> float:
        low, high = math.log(self.min), math.log(self.max)
        return min(max(math.exp(low + u * (high - low)), float(self.min)), float(self.max))

    def cdf(self, value: float) -> float:
        low, high = math.log(self.min), math.log(self.max)
        return (math.log(value) - low) / (high - low) if value > 0 else 0.0


@dataclass(frozen=True)
class InvLogUniform(LogUniform):
    """One over a log-uniform number of [1/max, 1/min], read from its upper end: the same quantiles as `LogUniform`."""


@dataclass(frozen=True)
class Normal(_Continuous):
    """A normal distribution; with `sigma` 0 it is the one value `mu`."""

    mu: Number = 0.0
    sigma: Number = 1.0

    @property
    def support(self) -> tuple[float, float]:  # type: ignore[override]
        return self.ppf(0.0), self.ppf(1.0)

    def ppf(self, u: float) -> float:
        return self.mu + self.sigma * _STANDARD.inv_cdf(min(max(u, TAIL), 1 - TAIL))

    def cdf(self, value: float) -> float:
        return _STANDARD.cdf((value - self.mu) / self.sigma) if self.sigma > 0 else 0.5

    def contains(self, value: Any) -> bool:
        return is_number(value) and (self.sigma > 0 or value == self.mu)


@dataclass(frozen=True)
class LogNormal(_Continuous):
    """Positive numbers whose logarithm is normal with `mu` and `sigma`."""

    mu: Number = 0.0
    sigma: Number = 1.0

    @property
    def _log(self) -> Normal:
        return Normal(self.mu, self.sigma)

    @property
    def support(self) -> tuple[float, float]:  # type: ignore[override]
        return self.ppf(0.0), self.ppf(1.0)

    def ppf(self, u: float) -> float:
        return math.exp(min(max(self._log.ppf(u), -_LARGEST_EXPONENT), _LARGEST_EXPONENT))

    def cdf(self, value: float) -> float:
        return self._log.cdf(math.log(value)) if value > 0 else 0.0

    def contains(self, value: Any) -> bool:
        return is_number(value) and value > 0 and (self.sigma > 0 or value == self.ppf(0.5))


@dataclass(frozen=True)
class Beta(_Continuous):
    """The beta distribution on [0, 1] with shapes `a` and `b`."""

    a: Number = 1.0
    b: Number = 1.0

    @property
    def support(self) -> tuple[float, float]:  # type: ignore[override]
        return 0.0, 1.0

    def ppf(self, u: float) -> float:
        from scipy.special import betaincinv

        return float(betaincinv(self.a, self.b, u)) if u > _LEAST_U else 0.0  # scipy gives NaN for less

    def cdf(self, value: float) -> float:
        from scipy.special import betainc

        return float(betainc(self.a, self.b, min(max(value, 0.0), 1.0)))


@dataclass(frozen=True)
class Quantised(_Finite):
    """A continuous distribution rounded to multiples of `q`; the multiples are ints when `q` is.

    As in W&B, rounding may leave the limits of the range by up to q / 2. A multiple whose share of the range is
    nothing but a limit itself is left out.
    """

    base: Uniform | LogUniform | Normal | LogNormal | Beta
    q: Number = 1
    ordered = True

    @cached_property
    def _multiples(self) -> tuple[int, int]:
        low, high = self.base.support
        if low == high:
            return round(low / self.q), round(low / self.q)
        first, last = math.floor(low / self.q + 0.5), math.ceil(high / self.q - 0.5)
        return first, max(first, last)

    @property
    def even(self) -> bool:
        return isinstance(self.base, Uniform)

    @property
    def size(self) -> int:
        return self._multiples[1] - self._multiples[0] + 1

    def _multiple(self, value: Number) -> int:
        return min(max(round(value / self.q), self._multiples[0]), self._multiples[1])

    def ppf(self, u: float) -> Number:
        return self._multiple(self.base.ppf(u)) * self.q

    def to_unit(self, value: Any) -> float:
        multiple, (low, high) = self._multiple(value), self.base.support
        lower = min(max((multiple - 0.5) * self.q, low), high)
        upper = min(max((multiple + 0.5) * self.q, low), high)
        return (self.base.to_unit(lower) + self.base.to_unit(upper)) / 2

    def contains(self, value: Any) -> bool:
        if not is_number(value):
            return False
        multiple = self._multiple(value)
        return math.isclose(multiple * self.q, value, rel_tol=1e-9, abs_tol=1e-9 * self.q)

    def value_at(self, index: int) -> Number:
        return (self._multiples[0] + index) * self.q

    def index_of(self, value: Any) -> int:
        return self._multiple(value) - self._multiples[0]


@dataclass(frozen=True)
class Steps(_Finite):
    """`q_uniform` in a grid: min, min + q, ... below max, all alike."""

    min: Number
    max: Number
    q: Number
    ordered = True
    even = True

    @cached_property
    def size(self) -> int:
        return max(1, math.ceil((self.max - self.min) / self.q - 1e-9))

    def ppf(self, u: float) -> Number:
        return self.value_at(min(int(u * self.size), self.size - 1))

    def to_unit(self, value: Any) -> float:
        return (self.index_of(value) + 0.5) / self.size

    def contains(self, value: Any) -> bool:
        if not is_number(value):
            return False
        index = self.index_of(value)
        return 0 <= index < self.size and math.isclose(self.value_at(index), value, rel_tol=1e-9, abs_tol=1e-9 * self.q)

    def value_at(self, index: int) -> Number:
        return self.min + index * self.q

    def index_of(self, value: Any) -> int:
        index: int = round((value - self.min) / self.q)
        return index


_CONTINUOUS: dict[str, type[Uniform] | type[LogUniform] | type[Normal] | type[LogNormal] | type[Beta]] = {
    "uniform": Uniform,
    "log_uniform_values": LogUniform,
    "inv_log_uniform_values": InvLogUniform,
    "normal": Normal,
    "log_normal": LogNormal,
    "beta": Beta,
}


def name_of(parameter: dict[str, Any]) -> str:
    """The distribution that a (checked) parameter has, by name or by its keys."""
    if "distribution" in parameter:
        return str(parameter["distribution"])
    if "value" in parameter:
        return "constant"
    if "values" in parameter:
        return "categorical"
    whole = all(isinstance(parameter[end], int) for end in ("min", "max"))
    return "int_uniform" if whole else "uniform"


def make_distribution(parameter: dict[str, Any]) -> Distribution:
    """The distribution of one checked parameter that is not nested."""
    name = name_of(parameter)
    if name == "constant":
        return Constant(parameter["value"])
    if name.startswith("categorical"):
        return _categorical(parameter["values"], parameter.get("probabilities"))
    if name == "int_uniform":
        return IntUniform(int(parameter["min"]), int(parameter["max"]))
    keys = {key: value for key, value in parameter.items() if key not in ("distribution", "q")}
    base = _CONTINUOUS[name.removeprefix("q_")](**keys)
    return Quantised(base, parameter.get("q", 1)) if name.startswith("q_") else base


def _categorical(options: Sequence[Any], weights: Sequence[float] | None) -> Categorical:
    return Categorical(tuple(options), None if weights is None else tuple(weights))
