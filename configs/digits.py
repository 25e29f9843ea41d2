"""The program that digits.yaml sweeps over: a small neural network on scikit-learn's digits, epoch by epoch.

It runs by itself too: `python configs/digits.py --learning_rate=0.01`.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

import swath.tracking as wandb


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--activation", choices=["relu", "tanh", "logistic"], default="relu")
    parser.add_argument("--alpha", type=float, default=1e-4, help="strength of the L2 penalty")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=27)
    parser.add_argument("--hidden", type=int, default=64, help="neurons of a layer")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def train(args: argparse.Namespace) -> None:
    images, digits = load_digits(return_X_y=True)
    train_x, val_x, train_y, val_y = train_test_split(
        images / 16, digits, test_size=0.4, random_state=0, stratify=digits
    )
    model = MLPClassifier(
        hidden_layer_sizes=(args.hidden,) * args.layers,
        activation=args.activation,
        solver=args.optimizer,
        alpha=args.alpha,
        batch_size=args.batch_size,
        learning_rate_init=args.learning_rate,
        random_state=args.seed,
    )
    with wandb.init(config=args) as run:
        for epoch in range(args.epochs):
            model.partial_fit(train_x, train_y, classes=np.arange(10))
            accuracy = float(model.score(val_x, val_y))
            run.log({"epoch": epoch + 1, "train/loss": float(model.loss_), "val/accuracy": accuracy})
        print(f"accuracy after {args.epochs} epochs: {accuracy:.4f}")


if __name__ == "__main__":
    with threadpool_limits(1):  # each agent has a core of its own: threads would only fight over it
        train(arguments())
