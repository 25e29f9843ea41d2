"""The model that the tests of watching train; importing this imports torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Net(nn.Module):
    """Two layers, of which the second is used twice, a frozen one, and a buffer of integers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.second = nn.Linear(8, 8)
        self.alias = self.second
        self.frozen = nn.Linear(8, 1)
        self.frozen.requires_grad_(False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, x: Any) -> Any:
        return self.frozen(self.alias(self.second(self.first(x)).relu()))
