"""Watched models train as they would unwatched, and their histograms are those that numpy makes of the same numbers."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import weakref
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from tests.libraries import Later

from swath.tracking.errors import UsageError
from swath.tracking.watching import Watcher, counted_here, counted_there

pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
torch, nn = Later("torch"), Later("torch.nn")


class Watched:
    """A model, its watcher, and what was emitted."""

    def __init__(self, model: Any = None) -> None:
        from tests.unit.tracking.nets import Net

        torch.manual_seed(0)
        self.model: Any = Net() if model is None else model
        self.emitted: list[dict[str, Any]] = []
        self.watcher = Watcher(self.emitted.append)

    def train(self, steps: int, model: Any = None) -> None:
        trained = self.model if model is None else model
        for _ in range(steps):
            trained(torch.randn(3, 4)).square().sum().backward()

    @property
    def names(self) -> list[list[str]]:
        return [sorted(emission) for emission in self.emitted]


TRAINED = ["first.bias", "first.weight", "second.bias", "second.weight"]
GRADIENTS = [f"gradients/{name}" for name in TRAINED]
PARAMETERS = [f"parameters/{name}" for name in TRAINED]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def of(numbers: Any) -> Any:
    """What numpy makes of the finite numbers of a tensor."""
    flat = numbers.detach().double().numpy().ravel()
    return np.histogram(flat[np.isfinite(flat)], bins=64)


def check(record: dict[str, Any], numbers: Any) -> None:
    values, bins = of(numbers)
    assert record["_type"] == "histogram"
    assert sum(record["values"]) == values.sum()
    # A number on the edge of two bins may be counted in the one beside.
    assert np.abs(np.cumsum(record["values"]) - np.cumsum(values)).max() <= max(1, 0.01 * values.sum())
    assert np.allclose(record["bins"], bins, rtol=1e-6, atol=1e-9 * np.abs(bins).max())
    assert all(type(count) is int for count in record["values"])
    assert all(type(edge) is float for edge in record["bins"])


@pytest.mark.parametrize(
    ("log", "expected"),
    [("gradients", [GRADIENTS]), ("parameters", [PARAMETERS]), ("all", [PARAMETERS, GRADIENTS]), (None, [])],
)
def test_what_is_logged_is_what_was_asked_for(watched: Watched, log: str | None, expected: list[list[str]]) -> None:
    """Frozen parameters and buffers are left out, shared ones are there once, one emission for each pass."""
    watched.watcher.watch(watched.model, log, 1)
    watched.train(1)
    assert watched.names == expected


def test_every_nth_step_is_looked_at_and_no_other(watched: Watched) -> None:
    watched.watcher.watch(watched.model, "all", log_freq=3)
    watched.train(2)
    assert watched.emitted == []
    watched.train(8)
    assert watched.names == [PARAMETERS, GRADIENTS] * 3


def test_the_histograms_are_those_of_the_numbers(watched: Watched) -> None:
    watched.watcher.watch(watched.model, "all", 1)
    watched.train(1)
    parameters, gradients = watched.emitted
    for name, parameter in watched.model.named_parameters():
        if parameter.requires_grad:
            check(parameters[f"parameters/{name}"], parameter)
            check(gradients[f"gradients/{name}"], parameter.grad)


def test_gradients_are_those_of_one_backward_pass_where_several_are_summed_up(watched: Watched) -> None:
    watched.watcher.watch(watched.model, "gradients", 2)
    watched.train(1)
    before = watched.model.first.weight.grad.clone()
    watched.train(1)
    check(watched.emitted[0]["gradients/first.weight"], watched.model.first.weight.grad - before)


def test_training_is_the_same_to_the_last_bit(watched: Watched) -> None:
    other = copy.deepcopy(watched.model)
    watched.watcher.watch(watched.model, "all", 1)
    for model in (watched.model, other):
        torch.manual_seed(1)
        watched.train(3, model)
    assert torch.equal(watched.model.first.weight.grad, other.first.weight.grad)
    assert watched.model.state_dict().keys() == other.state_dict().keys()


COUNTERS = pytest.mark.parametrize("counter", [counted_here, counted_there])


def numbers_of(counter: Callable[[Any], Any], tensor: Any) -> tuple[list[int], float, float, int]:
    *counts, low, high, size = list(counter(tensor.reshape(-1)))
    return [round(float(count)) for count in counts], float(low), float(high), round(float(size))


@COUNTERS
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_width_of_number_is_counted_alike(counter: Any, dtype: str) -> None:
    tensor = torch.randn(1000, generator=torch.Generator().manual_seed(3)).to(getattr(torch, dtype))
    counts, low, high, size = numbers_of(counter, tensor)
    values, bins = of(tensor)
    assert (low, high, size, sum(counts)) == (bins[0], bins[-1], 1000, 1000)
    assert np.abs(np.cumsum(counts) - np.cumsum(values)).max() <= 2


@COUNTERS
def test_numbers_that_are_not_finite_do_not_count(counter: Any) -> None:
    tensor = torch.tensor([1.0, torch.nan, torch.inf, 2.0, -torch.inf, 1.5])
    counts, low, high, size = numbers_of(counter, tensor)
    assert (low, high, size) == (1.0, 2.0, 3)
    assert [at for at, count in enumerate(counts) if count] == [0, 32, 63]


@COUNTERS
@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1.0, 3.3e38], ids=["tiny", "small", "one", "huge"])
def test_the_widest_and_the_narrowest_ranges_are_counted(counter: Any, scale: float) -> None:
    tensor = torch.linspace(-1, 1, 1001, dtype=torch.float64).mul(scale).float()
    counts, low, high, size = numbers_of(counter, tensor)
    assert (low, high, size, sum(counts)) == (tensor[0].item(), tensor[-1].item(), 1001, 1001)
    if scale > 1e-40:
        assert max(counts) <= 17


@COUNTERS
def test_a_tensor_of_several_parts_is_counted_whole(counter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swath.tracking.watching._PART", 100)
    tensor = torch.arange(1024.0)
    assert numbers_of(counter, tensor) == ([16] * 64, 0.0, 1023.0, 1024)


def emission_for(watched: Watched, gradient: Any) -> dict[str, Any]:
    """What is emitted when the only parameter of a model gets this gradient."""
    model = nn.Module()
    model.weight = nn.Parameter(torch.zeros_like(gradient))
    watched.watcher.watch(model, "gradients", 1)
    (model.weight * gradient).sum().backward()
    return {name: record for emission in watched.emitted for name, record in emission.items()}


@pytest.mark.parametrize("value", [0.0, 3.0, -1e12])
def test_equal_numbers_lie_in_the_middle_as_with_numpy(watched: Watched, value: float) -> None:
    record = emission_for(watched, torch.full((5,), value))["gradients/weight"]
    assert record["values"] == [0] * 32 + [5] + [0] * 31
    assert record["bins"][0] < value < record["bins"][-1]
    if abs(value) < 1e6:
        assert record["bins"] == of(torch.full((5,), value))[1].tolist()


@pytest.mark.parametrize("shape", [(3,), (0,)])
def test_a_tensor_without_finite_numbers_has_no_histogram(watched: Watched, shape: tuple[int, ...]) -> None:
    assert emission_for(watched, torch.full(shape, torch.nan)) == {}


@pytest.mark.parametrize("rows", [[0, 2, 2], [0, 1, 2, 3]], ids=["some rows", "all rows"])
def test_the_zeros_of_a_sparse_gradient_count(watched: Watched, rows: list[int]) -> None:
    model = nn.Embedding(4, 16, sparse=True)
    watched.watcher.watch(model, "gradients", 1)
    (model(torch.tensor(rows)) * torch.randn(16)).sum().backward()
    assert model.weight.grad.is_sparse
    check(watched.emitted[0]["gradients/weight"], model.weight.grad.to_dense())


def test_several_models_have_numbers_as_prefixes(watched: Watched) -> None:
    models = [nn.Linear(4, 1, bias=False) for _ in range(3)]
    watched.watcher.watch(models[:2], log_freq=1)
    watched.watcher.watch(models[2], log_freq=1, idx=7)
    sum(model(torch.randn(2, 4)).sum() for model in models).backward()
    assert watched.names == [["gradients/graph_1weight", "gradients/graph_7weight", "gradients/weight"]]


def test_a_model_that_is_watched_again_has_its_old_number(watched: Watched) -> None:
    other = nn.Linear(4, 1)
    watched.watcher.watch([watched.model, other], log_freq=1)
    watched.watcher.unwatch(watched.model)
    watched.watcher.watch(watched.model, log_freq=1)
    watched.train(1)
    assert watched.names == [GRADIENTS]


@pytest.mark.parametrize("which", ["one", "list", "all"])
def test_unwatch_removes_every_hook(watched: Watched, which: str) -> None:
    watched.watcher.watch(watched.model, "all", 1)
    watched.watcher.unwatch({"one": watched.model, "list": [watched.model], "all": None}[which])
    watched.train(2)
    assert watched.emitted == []
    assert not watched.model._forward_hooks
    assert not any(parameter._backward_hooks for parameter in watched.model.parameters())
    watched.watcher.watch(watched.model, "all", 1)
    watched.train(1)
    assert len(watched.emitted) == 2


def test_unwatch_of_a_model_that_is_not_watched_changes_nothing(watched: Watched) -> None:
    watched.watcher.watch(watched.model, "gradients", 1)
    watched.watcher.unwatch(nn.Linear(1, 1))
    watched.train(1)
    assert watched.names == [GRADIENTS]


def test_watching_twice_is_a_usage_error_and_watches_nothing_else(watched: Watched) -> None:
    other = nn.Linear(4, 1)
    watched.watcher.watch(watched.model, log_freq=1)
    for models in (watched.model, [other, watched.model], [other, other]):
        with pytest.raises(UsageError, match="watched already"):
            watched.watcher.watch(models)
    assert not other.weight._backward_hooks


@pytest.mark.parametrize(
    "arguments",
    [
        {"log": "grads"},
        {"log": ["all"]},
        {"log_freq": 0},
        {"log_freq": 1.5},
        {"log_freq": True},
        {"idx": -1},
        {"models": "net"},
        {"models": [None]},
    ],
    ids=str,
)
def test_wrong_arguments_are_usage_errors(watched: Watched, arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        watched.watcher.watch(**{"models": watched.model, **arguments})


def test_a_number_that_is_taken_is_a_usage_error(watched: Watched) -> None:
    watched.watcher.watch(watched.model, idx=1)
    with pytest.raises(UsageError, match="number 1"):
        watched.watcher.watch([nn.Linear(1, 1), nn.Linear(1, 1)], idx=0)


def test_without_torch_the_error_says_what_to_install(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UsageError, match=r"swath\[torch\]"):
        watched.watcher.watch(watched.model)


def test_a_model_that_is_given_up_is_released(watched: Watched) -> None:
    watched.watcher.watch(watched.model, "all", 1)
    watched.train(1)
    model = weakref.ref(watched.model)
    del watched.model
    gc.collect()
    assert model() is None
    watched.watcher.unwatch()


def test_copies_of_a_watched_model_are_not_watched(watched: Watched) -> None:
    watched.watcher.watch(watched.model, "all", 1)
    for duplicate in (copy.deepcopy(watched.model), pickle.loads(pickle.dumps(watched.model))):
        watched.train(2, duplicate)
    assert watched.emitted == []
    watched.train(1)
    assert len(watched.emitted) == 2


@pytest.mark.parametrize("outside", [True, False], ids=["the compiled model", "the model inside"])
def test_compiled_models_train_and_are_not_compiled_again(watched: Watched, outside: bool) -> None:
    graphs: list[Any] = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(watched.model, backend=backend, fullgraph=True)
    watched.watcher.watch(compiled if outside else watched.model, "all", 2)
    watched.train(8, compiled)
    Later("torch._dynamo").reset()
    kinds = [{name.partition("/")[0] for name in emission} for emission in watched.emitted]
    assert kinds.count({"gradients"}) == 4
    assert kinds.count({"parameters"}) == (4 if outside else 0)
    assert len(graphs) == 1


def test_models_wrapped_for_several_devices_train(watched: Watched) -> None:
    wrapped = nn.DataParallel(watched.model)
    watched.watcher.watch(watched.model, "all", 1)
    watched.train(1, wrapped)
    assert watched.names == [PARAMETERS, GRADIENTS]


@pytest.mark.parametrize("reentrant", [True, False])
def test_recomputed_layers_are_counted_once_for_each_step(watched: Watched, reentrant: bool) -> None:
    from torch.utils.checkpoint import checkpoint

    watched.watcher.watch(watched.model, "gradients", 2)
    for _ in range(4):
        hidden = watched.model.first(torch.randn(3, 4))
        checkpoint(watched.model.second, hidden, use_reentrant=reentrant).sum().backward()
    names = [name for emission in watched.emitted for name in emission]
    assert sorted(names) == sorted(GRADIENTS * 2)


def test_gradients_of_gradients_can_be_taken(watched: Watched) -> None:
    watched.watcher.watch(watched.model, "gradients", 1)
    loss = watched.model(torch.randn(3, 4)).square().sum()
    (gradient,) = torch.autograd.grad(loss, [watched.model.first.weight], create_graph=True)
    gradient.square().sum().backward()
    assert watched.model.second.weight.grad is not None


@pytest.mark.filterwarnings("ignore::Warning")  # those of the tracer; to name their class would load torch
def test_a_traced_model_has_nothing_of_the_watcher_in_it(watched: Watched) -> None:
    watched.watcher.watch(watched.model, "all", 1)
    traced = torch.jit.trace(watched.model, torch.randn(3, 4), check_trace=False)
    assert "histc" not in str(traced.inlined_graph)
    assert watched.emitted == []


@pytest.mark.parametrize("log", ["gradients", "parameters"])
def test_trouble_with_the_histograms_is_warned_of_once_and_stops_no_training(log: str) -> None:
    def full(emission: dict[str, Any]) -> None:
        raise OSError("the disk is full")

    watched = Watched()
    watched.watcher = Watcher(full)
    watched.watcher.watch(watched.model, log, 1)
    with pytest.warns(RuntimeWarning, match="the disk is full") as caught:
        watched.train(3)
    assert len(caught) == 1
    assert watched.model.first.weight.grad is not None


def test_tensors_that_have_no_numbers_are_warned_of_and_stop_no_training(watched: Watched) -> None:
    model = nn.Linear(4, 4, device="meta")
    watched.watcher.watch(model, "all", 1)
    with pytest.warns(RuntimeWarning, match="training goes on"):
        model(torch.randn(3, 4, device="meta")).sum().backward()
    assert watched.emitted == []


def test_hooks_on_parameters_that_outlive_the_watched_model_are_removed_too(watched: Watched) -> None:
    watched.watcher.watch(nn.ModuleList([watched.model]), "all", 1)
    gc.collect()
    watched.train(1)
    assert watched.names == [[f"gradients/0.{name}" for name in TRAINED]]
    watched.watcher.unwatch()
    watched.train(1)
    assert len(watched.emitted) == 1
    assert not any(parameter._backward_hooks for parameter in watched.model.parameters())


def test_parameters_that_outlive_a_watched_model_keep_its_number(watched: Watched) -> None:
    watched.watcher.watch(nn.ModuleList([watched.model]), log_freq=1)
    gc.collect()
    watched.watcher.watch(watched.model, log_freq=1)
    watched.train(1)
    names = [name for emission in watched.emitted for name in emission]
    assert len(names) == len(set(names)) == 2 * len(TRAINED)


def test_models_that_are_given_up_leave_their_numbers(watched: Watched) -> None:
    for _ in range(3):
        model = nn.Linear(4, 1, bias=False)
        watched.watcher.watch(model, log_freq=1)
        model(torch.randn(2, 4)).sum().backward()
        del model
        gc.collect()
    assert watched.names == [["gradients/weight"]] * 3


def test_models_that_call_themselves_equal_are_different_models(watched: Watched) -> None:
    class Equal(nn.Linear):  # type: ignore[misc, name-defined]
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

    models = [Equal(4, 1), Equal(4, 1)]
    watched.watcher.watch(models[0], "all", 1)
    watched.watcher.watch(models[1], "all", 1)
    watched.watcher.unwatch()
    assert not any(model._forward_hooks or model.weight._backward_hooks for model in models)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_model_without_its_parameters_yet_is_a_usage_error_and_is_not_watched(watched: Watched) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.LazyLinear(2))
    with pytest.raises(UsageError, match=r"1\.weight"):
        watched.watcher.watch(model, "all", 1)
    model(torch.randn(3, 4)).sum().backward()
    assert watched.emitted == []
    watched.watcher.watch(model, "all", 1)
    model(torch.randn(3, 4)).sum().backward()
    assert [len(emission) for emission in watched.emitted] == [4, 4]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_parameters_that_the_first_pass_makes_are_looked_at(watched: Watched) -> None:
    model = nn.LazyLinear(2)
    watched.watcher.watch(model, "parameters", 1)
    model(torch.randn(3, 4))
    assert watched.names == [["parameters/bias", "parameters/weight"]]


@pytest.mark.parametrize("width", ["bfloat16", "float64"])
def test_a_model_that_changes_its_numbers_width_is_watched_on(watched: Watched, width: str) -> None:
    model, dtype = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), getattr(torch, width)
    watched.watcher.watch(model, "all", 1)
    model.to(dtype)
    model(torch.randn(1, 1, 5, 5, dtype=dtype)).sum().backward()
    assert watched.names == [
        [f"{kind}/0.{name}" for name in ("bias", "weight")] for kind in ("parameters", "gradients")
    ]
