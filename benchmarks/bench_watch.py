"""What `watch(model, log="all", log_freq=100)` costs: training with it beside the same training without, on the CPU.

Each side trains a convolutional network and a perceptron in blocks of a hundred steps, so that each block has one step
that is looked at, watched and unwatched in turn in one process. The figure is how much longer the median watched block
takes, in percent. Every step logs its loss to the side's own tracker: swath online (a local file), wandb offline.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import _harness
from _harness import Figures, Measure

STEPS = 100
PAIRS = 12

Log = Callable[[dict[str, float]], Any]
Hook = Callable[[Any], Any]


def convolutional(nn: Any) -> Any:
    """0.3 million parameters in 26 tensors, for images of 32x32."""
    layers: list[Any] = []
    for inside, outside in ((3, 32), (32, 64), (64, 128), (128, 128)):
        layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 10))


def perceptron(nn: Any) -> Any:
    """0.7 million parameters in 6 tensors, for the same images flattened."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3072, 192), nn.ReLU(), nn.Linear(192, 384), nn.ReLU(), nn.Linear(384, 10)
    )


def slowdown(build: Callable[[Any], Any], log: Log, watch: Hook, unwatch: Hook) -> float:
    """How much longer a block of training takes when the model is watched, in percent."""
    torch = _harness.peer("torch")
    torch.manual_seed(0)
    model = build(torch.nn)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images, labels = torch.randn(64, 3, 32, 32), torch.randint(0, 10, (64,))

    def block() -> float:
        start = time.perf_counter()
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            log({"loss": loss.item()})
        return time.perf_counter() - start

    block()
    plain, watched = [], []
    for _ in range(PAIRS):
        plain.append(block())
        watch(model)
        watched.append(block())
        unwatch(model)
    return max((statistics.median(watched) / statistics.median(plain) - 1) * 100, 0.0)


def measured(log: Log, watch: Hook, unwatch: Hook) -> Figures:
    return {
        "convolutional_percent": slowdown(convolutional, log, watch, unwatch),
        "perceptron_percent": slowdown(perceptron, log, watch, unwatch),
    }


def swath() -> Figures:
    import swath.tracking

    run = swath.tracking.init(project="bench")
    figures = measured(run.log, lambda model: run.watch(model, log="all", log_freq=STEPS), run.unwatch)
    run.finish()
    return figures


def wandb() -> Figures:
    module = _harness.peer("wandb")
    run = module.init(project="bench", mode="offline", settings=module.Settings(silent=True))
    figures = measured(run.log, lambda model: run.watch(model, log="all", log_freq=STEPS), run.unwatch)
    run.finish()
    return figures


def measures(results: Any) -> list[Measure]:
    def measure(name: str, figure: str) -> Measure:
        own = _harness.best(results, "swath", figure, "lower")
        return Measure(name, "% slower", "lower", own, _harness.bests(results, figure, "lower"), 5)

    return [
        measure("training a convolutional network with `watch`", "convolutional_percent"),
        measure("training a perceptron with `watch`", "perceptron_percent"),
    ]


if __name__ == "__main__":
    _harness.main(__file__, {"swath": swath, "wandb offline": wandb}, measures, ["swath", "torch", "wandb"])
