"""One suggestion after 10,000 finished trials of ten parameters: swath's `bayes` and `tpe` beside Optuna's TPE alone.

All know the same trials and learn of one more before each suggestion; in memory, without a store. The goal of `tpe` is
1.2 times what Optuna alone needs in the same run: it is Optuna's, and the rest of the way may cost a fifth. `bayes` is
a search of its own and may take 50 ms. CPU time is compared, since nothing waits here and a busy machine would decide
the ratio otherwise.

Methods that do not learn are asked for more of a grid with 10^9 points, of which 10,000 were handed out.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from typing import Any

import _harness
from _harness import Figures, Measure

FINISHED = 10_000
SUGGESTIONS = 20
HANDED_OUT = 10_000
LEARNED = ("bayes", "tpe")
UNLEARNED = ("grid", "random", "qmc")
#: Five parameters as trainings have them, and five more numbers of them.
MORE = ("alpha", "beta", "gamma", "decay", "warmup")
Config = dict[str, Any]


def score(config: Config) -> float:
    """A loss with one valley, so that the samplers have something to find."""
    depth = abs(config["layers"] - 3) + abs(math.log2(config["width"]) - 7)
    rate = abs(math.log10(config["lr"]) + 3) + abs(config["dropout"] - 0.2)
    rest = sum(abs(config[name] - 0.5) for name in MORE)
    return float(depth + rate + rest + (config["optimizer"] == "sgd"))


def known() -> list[tuple[Config, float]]:
    """The finished trials, the same for both sides."""
    rng = random.Random(1)
    configs: list[Config] = [
        {
            "dropout": rng.uniform(0.0, 0.5),
            "layers": rng.randint(1, 8),
            "lr": 10 ** rng.uniform(-5, 0),
            "optimizer": rng.choice(["adam", "sgd", "rmsprop"]),
            "width": rng.choice([32, 64, 128, 256, 512]),
            **{name: rng.random() for name in MORE},
        }
        for _ in range(FINISHED)
    ]
    return [(config, score(config)) for config in configs]


def timed(suggest: Callable[[int], Config], tell: Callable[[int, Config, float], None]) -> Figures:
    """Median milliseconds of CPU time of `suggest`; each suggestion is told as finished before the next one."""
    samples = []
    for number in range(FINISHED + 1, FINISHED + 1 + SUGGESTIONS):
        start = time.process_time()
        config = suggest(number)
        samples.append((time.process_time() - start) * 1000)
        tell(number, config, score(config))
    return {"suggest_ms": _harness.percentile(samples, 0.5)}


def swath() -> Figures:
    learned = {f"{method}_ms": learned_by(method) for method in LEARNED}
    return learned | {f"{method}_ms": unlearned(method) for method in UNLEARNED}


def learned_by(method: str) -> float:
    """Median milliseconds of CPU time of a suggestion by a method that learns."""
    from swath.sweeps.search import Observation, make_history, make_searcher, rng_for
    from swath.sweeps.space import SearchSpace
    from swath.sweeps.spec import parse_spec

    spec = parse_spec(
        {
            "method": method,
            "metric": {"name": "loss", "goal": "minimize"},
            "parameters": {
                "dropout": {"min": 0.0, "max": 0.5},
                "layers": {"min": 1, "max": 8},
                "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0},
                "optimizer": {"values": ["adam", "sgd", "rmsprop"]},
                "width": {"values": [32, 64, 128, 256, 512]},
                **{name: {"min": 0.0, "max": 1.0} for name in MORE},
            },
        }
    )
    space = SearchSpace.from_parameters(spec.parameters)
    searcher, history = make_searcher(spec, space), make_history(spec)

    def suggest(number: int) -> Config:
        found = searcher.suggest(history, number, rng_for(1, number))
        assert found is not None
        return found.config

    def tell(number: int, config: Config, value: float) -> None:
        history.put(
            Observation(number, config, "finished", value=value, latest=value, best=value), space.point_hash(config)
        )

    for number, (config, value) in enumerate(known(), 1):
        tell(number, config, value)
    return timed(suggest, tell)["suggest_ms"]


def unlearned(method: str) -> float:
    """Median milliseconds of CPU time of a suggestion by a method that does not learn, late in a vast grid."""
    from swath.sweeps.search import History, make_searcher, rng_for
    from swath.sweeps.space import SearchSpace
    from swath.sweeps.spec import parse_spec

    digits = {f"p{digit}": {"min": 0, "max": 9} for digit in range(9)}
    spec = parse_spec({"method": method, "parameters": digits})
    space = SearchSpace.from_parameters(spec.parameters)
    searcher, history = make_searcher(spec, space, seed=1), History()
    samples = []
    for number in range(1, HANDED_OUT + SUGGESTIONS + 1):
        start = time.process_time()
        found = searcher.suggest(history, number, rng_for(1, number))
        samples.append((time.process_time() - start) * 1000)
        assert found is not None
        history.seen.add(space.point_hash(found.config))
    return _harness.percentile(samples[HANDED_OUT:], 0.5)


def optuna() -> Figures:
    module = _harness.peer("optuna")
    module.logging.set_verbosity(module.logging.WARNING)
    axes = module.distributions
    distributions = {
        "dropout": axes.FloatDistribution(0.0, 0.5),
        "layers": axes.IntDistribution(1, 8),
        "lr": axes.FloatDistribution(1e-5, 1.0, log=True),
        "optimizer": axes.CategoricalDistribution(["adam", "sgd", "rmsprop"]),
        "width": axes.CategoricalDistribution([32, 64, 128, 256, 512]),
        **{name: axes.FloatDistribution(0.0, 1.0) for name in MORE},
    }
    study = module.create_study(sampler=module.samplers.TPESampler(seed=1), pruner=module.pruners.NopPruner())
    for config, value in known():
        study.add_trial(module.create_trial(params=config, distributions=distributions, value=value))
    asked = {}

    def suggest(number: int) -> Config:
        asked[number] = study.ask(distributions)
        config: Config = asked[number].params
        return config

    return timed(suggest, lambda number, _, value: study.tell(asked[number], value))


def measures(results: Any) -> list[Measure]:
    peers = _harness.bests(results, "suggest_ms", "lower")

    def learned(method: str, goal: float | None) -> Measure:
        own = _harness.best(results, "swath", f"{method}_ms", "lower")
        name = f"a suggestion of `{method}` after 10,000 trials of 10 parameters"
        return Measure(name, "ms CPU", "lower", own, peers, goal)

    by_tpe = 1.2 * peers["Optuna TPE"] if peers else None
    return [learned("bayes", 50), learned("tpe", by_tpe), *map(_unlearned, UNLEARNED, [results] * len(UNLEARNED))]


def _unlearned(method: str, results: Any) -> Measure:
    own = _harness.best(results, "swath", f"{method}_ms", "lower")
    return Measure(f"a suggestion of `{method}` after 10,000 of 10^9 points", "ms CPU", "lower", own, goal=0.2)


if __name__ == "__main__":
    _harness.main(__file__, {"swath": swath, "Optuna TPE": optuna}, measures, ["swath", "optuna", "numpy"], rounds=3)
