"""What `watch(model, log="all", log_freq=100)` costs: training with it beside the same training without, on the CPU.

Each side trains a convolutional network and a perceptron, watched and unwatched in turn for a few steps, in one
process; the last of the watched steps is the one that is looked at. The figure is how much longer 99 steps that are
not looked at and one that is take than a hundred unwatched ones, each kind of step by the tenth of its samples that
other work on the machine disturbed least. It is CPU time on one thread. Every step logs its loss to the side's own
tracker: swath online (a local file), wandb offline; what wandb's other process does is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import _harness
from _harness import Figures, Measure

LOG_FREQ = 100
BLOCK = 5
PAIRS = 80
KINDS = ("plain", "passed", "looked_at")

Log = Callable[[dict[str, float]], Any]
Hook = Callable[[Any], Any]


def convolutional(nn: Any) -> Any:
    """0.12 million parameters in 18 tensors, for images of 32x32."""
    layers: list[Any] = []
    for inside, outside in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 96), nn.ReLU(), nn.Linear(96, 10))


def perceptron(nn: Any) -> Any:
    """0.7 million parameters in 6 tensors, for the same images flattened."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3072, 192), nn.ReLU(), nn.Linear(192, 384), nn.ReLU(), nn.Linear(384, 10)
    )


def steps(build: Callable[[Any], Any], log: Log, watch: Hook, unwatch: Hook) -> list[float]:
    """The milliseconds of a step: of an unwatched model, of a watched one, and of a watched one that is looked at."""
    torch = _harness.peer("torch")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build(torch.nn)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images, labels = torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,))

    def step() -> float:
        start = time.process_time()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        log({"loss": loss.item()})
        return time.process_time() - start

    plain: list[float] = []
    passed: list[float] = []
    looked_at: list[float] = []
    for _ in range(PAIRS):
        plain += [step() for _ in range(BLOCK)]
        watch(model)
        *others, last = [step() for _ in range(BLOCK)]
        passed += others
        looked_at.append(last)
        unwatch(model)
    return [_harness.percentile(samples, 0.1) * 1000 for samples in (plain, passed, looked_at)]


def measured(log: Log, watch: Hook, unwatch: Hook) -> Figures:
    figures = {}
    for build in (convolutional, perceptron):
        for kind, figure in zip(KINDS, steps(build, log, watch, unwatch), strict=True):
            figures[f"{build.__name__}_{kind}"] = figure
    return figures


def swath() -> Figures:
    import swath.tracking

    run = swath.tracking.init(project="bench")
    figures = measured(run.log, lambda model: run.watch(model, log="all", log_freq=BLOCK), run.unwatch)
    run.finish()
    return figures


def wandb() -> Figures:
    module = _harness.peer("wandb")
    run = module.init(project="bench", mode="offline", settings=module.Settings(silent=True))
    figures = measured(run.log, lambda model: run.watch(model, log="all", log_freq=BLOCK), run.unwatch)
    run.finish()
    return figures


def measures(results: Any) -> list[Measure]:
    def percent(side: str, model: str) -> float | None:
        bests = [_harness.best(results, side, f"{model}_{kind}", "lower") for kind in KINDS]
        if None in bests:
            return None
        plain, passed, looked_at = (figure or 0.0 for figure in bests)
        return ((passed * (LOG_FREQ - 1) + looked_at) / (plain * LOG_FREQ) - 1) * 100

    def measure(name: str, model: str) -> Measure:
        found = {side: percent(side, model) for side in results if side != "swath"}
        peers = {side: figure for side, figure in found.items() if figure is not None}
        return Measure(name, "% slower", "lower", percent("swath", model), peers, 5)

    return [
        measure("training a convolutional network with `watch`", "convolutional"),
        measure("training a perceptron with `watch`", "perceptron"),
    ]


if __name__ == "__main__":
    _harness.main(__file__, {"swath": swath, "wandb offline": wandb}, measures, ["swath", "torch", "wandb"])
