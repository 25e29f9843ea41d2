"""The function that function.yaml sweeps over: logistic regression on the wine data, pass by pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from swath import tracking


def train(config: dict[str, Any]) -> None:
    """Train one model with `config`: penalty, alpha (its strength) and eta0 (the first learning rate)."""
    features, labels = load_wine(return_X_y=True)
    train_x, val_x, train_y, val_y = train_test_split(features, labels, test_size=0.5, random_state=0, stratify=labels)
    scaler = StandardScaler().fit(train_x)
    model = SGDClassifier(
        loss="log_loss",
        penalty=config["penalty"],
        alpha=config["alpha"],
        learning_rate="invscaling",
        eta0=config["eta0"],
        random_state=0,
    )
    with tracking.init() as run:
        for _ in range(20):
            model.partial_fit(scaler.transform(train_x), train_y, classes=np.unique(labels))
            chances = model.predict_proba(scaler.transform(val_x))[np.arange(len(val_y)), val_y]
            run.log({"val/loss": float(-np.log(np.clip(chances, 1e-9, 1)).mean())})
