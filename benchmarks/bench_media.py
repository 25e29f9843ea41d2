"""A 512x512 picture: what it costs to log it, beside Pillow's own PNG encoding of the same pixels and beside wandb.

The picture is a photograph's like: smooth shapes with grain. Encoding dominates on all sides.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from typing import Any

import _harness
from _harness import Figures, Measure

PICTURES = 20


def pictures() -> list[Any]:
    """Pictures that differ, so that none is recognised."""
    numpy = _harness.peer("numpy")
    rng = numpy.random.default_rng(1)
    x, y = numpy.meshgrid(numpy.linspace(0, 6, 512), numpy.linspace(0, 6, 512))
    made = []
    for number in range(PICTURES):
        shapes = numpy.stack([numpy.sin(x + number), numpy.cos(y * number / 7), numpy.sin(x * y / 5)], axis=-1)
        grain = rng.normal(0, 0.02, shapes.shape)
        made.append(((shapes / 2.5 + grain + 1) / 2 * 255).clip(0, 255).astype(numpy.uint8))
    return made


def timed(call: Callable[[Any], Any]) -> Figures:
    """The median of one call for each picture, in milliseconds."""
    samples = []
    for picture in pictures():
        start = time.perf_counter()
        call(picture)
        samples.append((time.perf_counter() - start) * 1000)
    return {"picture_ms": statistics.median(samples)}


def swath() -> Figures:
    import swath.tracking

    with swath.tracking.init(project="bench") as run:
        return timed(lambda picture: run.log({"picture": swath.tracking.Image(picture)}))


def wandb() -> Figures:
    module = _harness.peer("wandb")
    run = module.init(project="bench", mode="offline", settings=module.Settings(silent=True))
    try:
        return timed(lambda picture: run.log({"picture": module.Image(picture)}))
    finally:
        run.finish()


def pillow() -> Figures:
    image = _harness.peer("PIL.Image")
    return timed(lambda picture: image.fromarray(picture).save(io.BytesIO(), "PNG"))


def measures(results: Any) -> list[Measure]:
    own = _harness.best(results, "swath", "picture_ms", "lower")
    peers = _harness.bests(results, "picture_ms", "lower")
    alone = peers.get("Pillow's PNG alone")
    goal = 1.5 * alone if alone is not None else None
    return [Measure("log a 512x512 picture", "ms", "lower", own, peers, goal)]


if __name__ == "__main__":
    sides = {"swath": swath, "wandb offline": wandb, "Pillow's PNG alone": pillow}
    _harness.main(__file__, sides, measures, ["swath", "wandb", "pillow"])
