"""Random parameters and spaces for property tests (needs hypothesis)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Parameter = dict[str, Any]

_REALS = st.floats(-1e6, 1e6, allow_nan=False)
_POSITIVE = st.floats(1e-6, 1e6)
_STEPS = st.sampled_from([0.05, 0.1, 0.5, 1, 2, 8, 1.0])
_OPTIONS = st.one_of(
    st.integers(-50, 50), st.floats(-5, 5), st.booleans(), st.none(), st.text("abc", max_size=3),
    st.lists(st.integers(0, 3), max_size=2), st.just({"a": 1}),
)  # fmt: skip


@st.composite
def ranges(draw: st.DrawFn, limits: st.SearchStrategy[float]) -> Parameter:
    low, high = sorted((draw(limits), draw(limits)))
    return {"min": low, "max": high if high - low > 1e-3 * max(1.0, abs(low)) else low + max(1.0, abs(low))}


@st.composite
def int_ranges(draw: st.DrawFn) -> Parameter:
    low = draw(st.integers(-1000, 1000))
    return {"min": low, "max": low + draw(st.integers(1, 1000))}


@st.composite
def weighted(draw: st.DrawFn) -> Parameter:
    weights = draw(st.lists(st.integers(0, 5), min_size=1, max_size=5).filter(any))
    total = sum(weights)
    return {"values": list(range(len(weights))), "probabilities": [weight / total for weight in weights]}


def _named(name: str, body: st.SearchStrategy[Parameter], *, stepped: bool) -> st.SearchStrategy[Parameter]:
    named = body.map(lambda keys: {"distribution": name, **keys})
    if not stepped:
        return named
    return st.tuples(named, _STEPS).map(lambda pair: {**pair[0], "distribution": f"q_{name}", "q": pair[1]})


def _bells() -> st.SearchStrategy[Parameter]:
    return st.builds(lambda mu, sigma: {"mu": mu, "sigma": sigma}, st.floats(-5, 5), st.floats(0.1, 3))


def _shapes() -> st.SearchStrategy[Parameter]:
    return st.builds(lambda a, b: {"a": a, "b": b}, st.floats(0.5, 5), st.floats(0.5, 5))


_CONTINUOUS = {
    "uniform": ranges(_REALS),
    "log_uniform_values": ranges(_POSITIVE),
    "normal": _bells(),
    "log_normal": _bells(),
    "beta": _shapes(),
}


def finite_parameters() -> st.SearchStrategy[Parameter]:
    """Constants, lists, weighted lists and whole numbers."""
    return st.one_of(
        _OPTIONS.map(lambda value: {"value": value}),
        st.lists(_OPTIONS, min_size=1, max_size=5).map(lambda values: {"values": values}),
        weighted(),
        int_ranges(),
    )


def parameters() -> st.SearchStrategy[Parameter]:
    """One parameter of any kind that is not nested."""
    reals = [_named(name, body, stepped=False) for name, body in _CONTINUOUS.items()]
    steps = [_named(name, body, stepped=True) for name, body in _CONTINUOUS.items()]
    return st.one_of(finite_parameters(), *reals, *steps)


def spaces(leaf: st.SearchStrategy[Parameter] | None = None) -> st.SearchStrategy[Parameter]:
    """Parameters with some nesting."""
    names = st.sampled_from(["lr", "width", "a.b", "Zed", "opt"])

    def level(inner: st.SearchStrategy[Parameter], least: int = 1) -> st.SearchStrategy[Parameter]:
        return st.dictionaries(names, inner, min_size=least, max_size=3)

    leaf = parameters() if leaf is None else leaf
    nested = level(leaf).map(lambda held: {"parameters": held})
    return level(st.one_of(leaf, leaf, nested))


@st.composite
def conditional_spaces(draw: st.DrawFn) -> Parameter:
    """Parameters with a size, some of them there only under conditions, and a choice now and then."""
    options = st.lists(st.integers(0, 4), min_size=1, max_size=4, unique=True).map(lambda values: {"values": values})
    parameters: Parameter = {}
    for name in draw(st.permutations(["a", "b", "c", "d"])):
        body: Parameter = dict(draw(options))
        for parent in (
            draw(st.lists(st.sampled_from(sorted(parameters)), max_size=2, unique=True)) if parameters else []
        ):
            values = parameters[parent]["values"]
            held = draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
            body.setdefault("when", {})[parent] = held if len(held) > 1 else held[0]
        parameters[name] = body
    if draw(st.booleans()):
        branch = st.dictionaries(st.sampled_from(["u", "v"]), options, max_size=2).map(
            lambda held: {"parameters": held} if held else None
        )
        parameters["m"] = {"choice": draw(st.dictionaries(st.sampled_from(["x", "y", "z"]), branch, min_size=1))}
    return parameters
