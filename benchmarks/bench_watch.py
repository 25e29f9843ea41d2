"""What `watch(model, log="all", log_freq=100)` costs: training with it beside the same training without, on the CPU.

Each side trains a convolutional network and a perceptron, watched and unwatched in turn in short blocks of steps, in
one process; the last step of a watched block is the one that is looked at. The figure is how much longer 99 steps that
are not looked at and one that is take than a hundred unwatched ones, each kind of step at the quarter of its samples
that other work on the machine has not made slower. It is CPU time on one thread. Every step logs its loss to the
side's own tracker: swath online (a local file), wandb offline; what wandb's other process does is not counted.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import _harness
from _harness import Figures, Measure

LOG_FREQ = 100
BLOCK = 20
PAIRS = 20

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


def slowdown(build: Callable[[Any], Any], log: Log, watch: Hook, unwatch: Hook) -> float:
    """How much longer training takes when the model is watched, in percent."""
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
    usual, off, on = (_harness.percentile(samples, 0.25) for samples in (plain, passed, looked_at))
    return ((off * (LOG_FREQ - 1) + on) / (usual * LOG_FREQ) - 1) * 100


def measured(log: Log, watch: Hook, unwatch: Hook) -> Figures:
    return {
        "convolutional_percent": slowdown(convolutional, log, watch, unwatch),
        "perceptron_percent": slowdown(perceptron, log, watch, unwatch),
    }


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
    def measure(name: str, figure: str) -> Measure:
        # The median round, not the best one: of a difference, the best is the luckiest.
        found = {side: statistics.median(row[figure] for row in rows) for side, rows in results.items()}
        return Measure(name, "% slower", "lower", found.pop("swath", None), found, 5)

    return [
        measure("training a convolutional network with `watch`", "convolutional_percent"),
        measure("training a perceptron with `watch`", "perceptron_percent"),
    ]


if __name__ == "__main__":
    _harness.main(__file__, {"swath": swath, "wandb offline": wandb}, measures, ["swath", "torch", "wandb"])
