"""Colours of tissues."""

from __future__ import annotations

import math

COLOURS = (
    "#e0a899",
    "#f2d27a",
    "#d9d6c8",
    "#7fb6dc",
    "#a08fb8",
    "#ece7f2",
    "#4c9f94",
    "#c06a5b",
    "#8fae5d",
    "#5c7fb5",
    "#d98cb3",
    "#b08a57",
    "#6fc3b2",
    "#9c6fb0",
    "#c9b037",
    "#7d8c99",
)


def colour_of(index: int) -> str:
    """Colour of the n-th tissue as #rrggbb; beyond the list, hues a golden angle apart."""
    if index < len(COLOURS):
        return COLOURS[index]
    hue = (index * 0.381966) % 1.0
    return "#" + "".join(
        f"{round(255 * (0.62 + 0.24 * math.cos(2 * math.pi * (hue + s)))):02x}" for s in (0, 1 / 3, 2 / 3)
    )
