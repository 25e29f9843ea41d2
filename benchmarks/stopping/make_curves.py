"""Trains scikit-learn's models on its bundled digits and writes their learning curves, for `bench_stopping.py`.

    OMP_NUM_THREADS=1 python benchmarks/stopping/make_curves.py            # all of them, half an hour of one core
    OMP_NUM_THREADS=1 python benchmarks/stopping/make_curves.py sgd        # one of them

Each line of `curves/NAME.jsonl` is a trial: its configuration, the accuracy on held-out data after each of 81 epochs
(or boosting rounds), and the seconds since it began. The same seed draws the same configurations.
"""

from __future__ import annotations

import json
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

EPOCHS = 81
Config = dict[str, Any]
Data = tuple[Any, Any, Any, Any]


def data(split: int = 0) -> Data:
    """A quarter of the data to train on, the rest to measure with, scaled: small, so that many trials are cheap."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    x, y = load_digits(return_X_y=True)
    train_x, held_x, train_y, held_y = train_test_split(x, y, train_size=0.25, random_state=split, stratify=y)
    scaler = StandardScaler().fit(train_x)
    return scaler.transform(train_x), scaler.transform(held_x), train_y, held_y


def sgd_config(dice: random.Random) -> Config:
    return {
        "alpha": 10 ** dice.uniform(-6, 0),
        "eta0": 10 ** dice.uniform(-4, 0.5),
        "loss": dice.choice(["hinge", "log_loss", "modified_huber"]),
        "penalty": dice.choice(["l2", "l1", "elasticnet"]),
        "learning_rate": dice.choice(["constant", "invscaling"]),
        "power_t": dice.uniform(0.05, 0.6),
        "average": dice.choice([True, False]),
    }


def mlp_config(dice: random.Random) -> Config:
    return {
        "layers": dice.randint(1, 2),
        "width": 2 ** dice.randint(2, 6),
        "solver": dice.choice(["adam", "sgd"]),
        "learning_rate_init": 10 ** dice.uniform(-4.5, -0.5),
        "alpha": 10 ** dice.uniform(-6, 1),
        "batch_size": 2 ** dice.randint(5, 8),
        "momentum": dice.uniform(0.0, 0.99),
        "activation": dice.choice(["relu", "tanh"]),
    }


def hgb_config(dice: random.Random) -> Config:
    return {
        "learning_rate": 10 ** dice.uniform(-2.5, 0),
        "max_leaf_nodes": dice.randint(2, 8),
        "min_samples_leaf": dice.randint(2, 60),
        "l2_regularization": 10 ** dice.uniform(-3, 2),
        "max_features": dice.uniform(0.1, 1.0),
        "max_bins": dice.choice([4, 8, 16]),
    }


def sgd_scores(config: Config, given: Data) -> Iterator[float]:
    from sklearn.linear_model import SGDClassifier

    return _epochs(SGDClassifier(random_state=0, **config), given)


def mlp_scores(config: Config, given: Data) -> Iterator[float]:
    from sklearn.neural_network import MLPClassifier

    named = {key: value for key, value in config.items() if key not in ("layers", "width")}
    return _epochs(MLPClassifier((config["width"],) * config["layers"], random_state=0, **named), given)


def _epochs(model: Any, given: Data) -> Iterator[float]:
    import numpy as np

    train_x, held_x, train_y, held_y = given
    dice = np.random.default_rng(0)
    for _ in range(EPOCHS):
        order = dice.permutation(len(train_y))
        model.partial_fit(train_x[order], train_y[order], classes=np.unique(train_y))
        yield float((model.predict(held_x) == held_y).mean())


def hgb_scores(config: Config, given: Data) -> Iterator[float]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    train_x, held_x, train_y, held_y = given
    model = HistGradientBoostingClassifier(max_iter=EPOCHS, early_stopping=False, random_state=0, **config)
    model.fit(train_x, train_y)
    for predicted in model.staged_predict(held_x):
        yield float((predicted == held_y).mean())


KINDS: dict[str, tuple[int, Callable[[random.Random], Config], Callable[[Config, Data], Iterator[float]]]] = {
    "sgd": (120, sgd_config, sgd_scores),
    "mlp": (120, mlp_config, mlp_scores),
    "hgb": (80, hgb_config, hgb_scores),
}


def make(kind: str, again: bool) -> None:
    """Train all trials of one kind and write their curves; `again`: other trials, on another split of the data."""
    count, draw, scores = KINDS[kind]
    dice, given = random.Random(f"{kind} {2 if again else 1}"), data(5 if again else 0)
    path = Path(__file__).with_name("again" if again else "curves") / f"{kind}.jsonl"
    with path.open("w", encoding="utf-8") as lines:
        for number in range(1, count + 1):
            config, values, seconds = draw(dice), list[float](), list[float]()
            began = time.perf_counter()
            for score in scores(config, given):
                values.append(round(score, 5))
                seconds.append(round(time.perf_counter() - began, 4))
            if kind == "hgb":  # all of it is fitted before the first score is known
                seconds = [round(seconds[-1] * (place + 1) / len(values), 4) for place in range(len(values))]
            row = {"trial": f"{kind}-{number}", "config": config, "values": values, "seconds": seconds}
            lines.write(json.dumps(row) + "\n")
            print(f"{kind} {number}/{count}: {max(values):.4f} in {seconds[-1]:.1f} s", file=sys.stderr)


def lcdb(count: int = 10) -> None:
    """Curves over growing training sets, 20 learners each, from the package LCDB that holds them (pip install lcdb)."""
    import pandas

    found = find_spec("lcdb")
    if found is None or found.origin is None:
        raise SystemExit("lcdb is not installed: pip install lcdb")
    held = pandas.read_csv(Path(found.origin).with_name("database-accuracy.csv"))
    for task in LCDB:
        path = Path(__file__).with_name("curves") / f"lcdb-{task}.jsonl"
        rows = held[(held.openmlid == task) & (held.outer_seed * 5 + held.inner_seed < count)]
        with path.open("w", encoding="utf-8") as lines:
            for (learner, outer, inner), group in rows.groupby(["learner", "outer_seed", "inner_seed"]):
                curve = group.sort_values("size_train").drop_duplicates("size_train")
                row = {
                    "trial": f"{learner}-{outer}-{inner}",
                    "config": {"learner": learner, "outer": int(outer), "inner": int(inner)},
                    "values": [round(value, 5) for value in curve.score_valid],
                    "seconds": [round(seconds, 4) for seconds in curve.traintime.cumsum()],
                }
                lines.write(json.dumps(row) + "\n")


#: Data sets of OpenML with all learners and about twenty sizes: letters, pen digits, and others.
LCDB = (6, 201, 399, 722, 41027, 1483)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name in [word for word in sys.argv[1:] if word != "--again"] or KINDS:
        lcdb() if name == "lcdb" else make(name, "--again" in sys.argv)
