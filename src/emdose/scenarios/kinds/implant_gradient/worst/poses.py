"""Orientations of the implant in words, and as the keys of a scenario that make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.models.implants.implant import rotation_matrix
from emdose.solvers.results.orientations import angles_deg, turn_deg

if TYPE_CHECKING:
    from emdose.models.implants.implant import Implant


class Poses:
    """How an orientation is told so that a scenario can be set to it.

    Parameters
    ----------
    implant : Implant
        The implant in its pose.
    rotate_deg : (float, float, float)
        ``implant.rotate_deg`` of the scenario.
    """

    def __init__(self, implant: Implant, rotate_deg: Sequence[float]) -> None:
        self.implant, self.first = implant, np.eye(3)
        for axis, angle in zip("xyz", rotate_deg, strict=True):
            self.first = rotation_matrix(angle, axis) @ self.first
        low, high = (np.asarray(b) for b in implant.bounds_m)
        self.middle: Any = 0.5 * (low + high)

    def told(self, rotation: np.ndarray) -> dict[str, Any]:
        """A turn of the implant about its middle, with the keys of [implant] that make it."""
        vertices = np.concatenate([p.vertices[np.unique(p.triangles)] for p in self.implant.parts])
        turned = (vertices - self.middle) @ rotation.T + self.middle
        return {
            "angle_deg": turn_deg(rotation),
            "rotation": rotation.tolist(),
            "rotate_deg": list(angles_deg(rotation @ self.first)),
            "position_m": (0.5 * (turned.min(0) + turned.max(0))).tolist(),
        }


def pose(one: Mapping[str, Any], which: str) -> str:
    """An orientation of an exposure in words: a direction of a uniform field, or a turn of the implant in its field.

    Parameters
    ----------
    one : mapping
        What the exposure does.
    which : str
        "worst", "best", "worst_rise", "best_rise" or "worst_tissue".
    """
    told = one.get(f"{which}_pose")
    if told is None:
        return f"dB/dt along {arrow(one[f'{which}_direction'])}"
    angles = ", ".join(f"{round(a)}" for a in told["rotate_deg"])
    return f"implant.rotate_deg = [{angles}], {told['angle_deg']:.0f} degrees from the pose of the scenario"


def arrow(direction: Sequence[float]) -> str:
    """A direction as text."""
    return "(" + ", ".join(f"{0.0 if abs(c) < 5e-3 else c:.2f}" for c in direction) + ")"
