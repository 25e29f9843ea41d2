"""How each kind of mark looks, in colours that the colour-blind tell apart and in shapes; and the grid of panels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from swath.sweeps.figures.model import Role


@dataclass(frozen=True)
class Look:
    """A colour (of Okabe and Ito's palette), and a shape by the names of plotly and of matplotlib."""

    colour: str
    symbol: str = "circle"
    marker: str = "o"


LOOKS: dict[Role, Look] = {
    "finished": Look("#0072B2"),
    "stopped": Look("#E69F00", "x", "x"),
    "other": Look("#7F7F7F", "triangle-up", "^"),
    "best": Look("#000000"),
    "front": Look("#009E73", "diamond", "D"),
    "dominated": Look("#8C8C8C"),
    "over": Look("#D55E00", "x", "x"),
    "limit": Look("#D55E00"),
    "went_on": Look("#0072B2"),
    "waiting": Look("#56B4E9"),
    "sure": Look("#0072B2"),
    "chance": Look("#B0B0B0"),
}

#: A scale of shades that reads alike with every kind of colour vision; its dark end stands out on white.
COLOUR_MAP = "cividis"


def grid_of(panels: int) -> tuple[int, int]:
    """Rows and columns for so many panels."""
    columns = 1 if panels == 1 else 2 if panels in (2, 4) else 3
    return math.ceil(panels / columns), columns


def opacity_of(points: int) -> float:
    """How opaque each of so many points is, so that crowds can be told from single ones."""
    return 0.9 if points <= 60 else 0.7 if points <= 250 else 0.5
