"""A run beside its closed form: the power of eddy currents in a solid ball of one metal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emdose.validation.closed_forms.low_frequency.eddy_sphere import sphere_power

if TYPE_CHECKING:
    from emdose.models.implants.implant import Implant

ROUND = 5e-3
"""Largest difference of the distances of corners from the centre, over the radius, of what is called a ball."""
LEAST_CORNERS = 100


def ball_radius_m(implant: Implant) -> float | None:
    """Radius of the ball of equal volume [m]; None for an implant that is no solid ball of one metal."""
    if len(implant.parts) != 1:
        return None
    corners = np.unique(implant.parts[0].vertices, axis=0)
    if len(corners) < LEAST_CORNERS:
        return None
    distances = np.linalg.norm(corners - 0.5 * (corners.min(axis=0) + corners.max(axis=0)), axis=1)
    if np.ptp(distances) > ROUND * distances.max():
        return None
    return float((3 * implant.volume_m3 / (4 * math.pi)) ** (1 / 3))


def powers_W(implant: Implant, frequencies_Hz: Sequence[float]) -> list[float | None]:
    """Power at 1 T/s rms by the closed form at every frequency [W]; None where there is none."""
    radius = ball_radius_m(implant)
    if radius is None:
        return [None] * len(frequencies_Hz)
    metal = implant.parts[0].metal
    return [sphere_power(radius, metal.conductivity_S_m, f, metal.relative_permeability) for f in frequencies_Hz]
