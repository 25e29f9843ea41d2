"""The program that grid.yaml sweeps over: nearest neighbours on the breast cancer data, fold by fold."""

from __future__ import annotations

import argparse

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from swath import tracking


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neighbors", type=int, default=5)
    parser.add_argument("--distance", choices=["euclidean", "manhattan", "cosine"], default="euclidean")
    parser.add_argument("--folds", type=int, default=5)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    features, labels = load_breast_cancer(return_X_y=True)
    folds = StratifiedKFold(args.folds, shuffle=True, random_state=0)
    scores: list[float] = []
    with tracking.init(config=args) as run:
        for train, test in folds.split(features, labels):
            model = KNeighborsClassifier(args.neighbors, metric=args.distance)
            pipeline = make_pipeline(StandardScaler(), model).fit(features[train], labels[train])
            scores.append(float(pipeline.score(features[test], labels[test])))
            run.log({"fold/accuracy": scores[-1], "accuracy": sum(scores) / len(scores)})


if __name__ == "__main__":
    main(arguments())
