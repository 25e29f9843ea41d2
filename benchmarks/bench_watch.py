"""What `watch(model, log="all", log_freq=100)` costs: training with it beside the same training without, on the CPU.

Each side trains a convolutional network and a perceptron, by turns with a step that is not watched, one that is and is
passed over, and one that is looked at. The figure is how much longer 99 passed over and one looked at take than a
hundred that are not watched, each kind by the tenth of its samples that other work on the machine disturbed least. It
is CPU time on one thread, the median of the rounds; what is below 0.1 % cannot be told from nothing and is shown as
that. Every step logs its loss to the side's own tracker: swath online (a local file), wandb offline; what wandb's
other process does is not counted.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import _harness
from _harness import Figures, Measure

LOG_FREQ = 100
TURNS = 300
LEAST_PERCENT = 0.1

Log = Callable[[dict[str, float]], Any]
Hook = Callable[[Any], Any]


def convolutional(nn: Any) -> Any:
    """0.12 million parameters in 16 tensors, for images of 32x32."""
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

    step()
    samples = []
    for _ in range(TURNS):
        plain = step()
        watch(model)
        samples.append((plain, step(), step()))
        unwatch(model)
    plain, passed_over, looked_at = (_harness.percentile(kind, 0.1) for kind in zip(*samples, strict=True))
    watched = passed_over * (LOG_FREQ - 1) + looked_at
    return max((watched / (plain * LOG_FREQ) - 1) * 100, LEAST_PERCENT)


def measured(log: Log, watch: Hook, unwatch: Hook) -> Figures:
    return {build.__name__: slowdown(build, log, watch, unwatch) for build in (convolutional, perceptron)}


def swath() -> Figures:
    import swath.tracking

    run = swath.tracking.init(project="bench")
    figures = measured(run.log, lambda model: run.watch(model, log="all", log_freq=2, idx=0), run.unwatch)
    run.finish()
    return figures


def wandb() -> Figures:
    module = _harness.peer("wandb")
    run = module.init(project="bench", mode="offline", settings=module.Settings(silent=True))
    figures = measured(run.log, lambda model: run.watch(model, log="all", log_freq=2, idx=0), run.unwatch)
    run.finish()
    return figures


def measures(results: Any) -> list[Measure]:
    def measure(name: str, figure: str) -> Measure:
        # The median round, not the best one: of a difference, the best is only the luckiest.
        found = {side: statistics.median(row[figure] for row in rows) for side, rows in results.items()}
        return Measure(name, "% slower", "lower", found.pop("swath", None), found, 5)

    return [
        measure("training a convolutional network with `watch`", "convolutional"),
        measure("training a perceptron with `watch`", "perceptron"),
    ]


if __name__ == "__main__":
    _harness.main(__file__, {"swath": swath, "wandb offline": wandb}, measures, ["swath", "torch", "wandb"])
