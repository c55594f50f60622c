r"""Stimulation coils: a magnetic dipole, and figures of eight of wire.

.. math:: \mathbf A = \frac{\mu_0}{4\pi} \frac{\mathbf m \times (\mathbf r - \mathbf r_0)}{|\mathbf r - \mathbf r_0|^3}

for a dipole; straight wires as in :mod:`emdose.models.gradients.coils`. Both are driven in A/s (a dipole of one square
metre per ampere when its moment is a unit vector).

Source: J. D. Jackson, Classical Electrodynamics, 3rd ed. (1999), sec. 5.6; A. V. Peterchev et al., Clin. Neurophysiol.
123 (2012) 1690 (coils for stimulation and how they are described).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emdose.checks import all_positive, array, number, text, unit_vector, vector, whole
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.models.gradients.coils import closed_path, wire_field, wire_potential
from emdose.values import read_only

CORNERS = 72
"""Straight pieces of a turn; the polygon has the circle's area."""


@read_only
@dataclass(frozen=True, eq=False)
class MagneticDipole:
    """A small coil seen from afar.

    Parameters
    ----------
    place_m : (3,) array
        Where it is [m].
    moment_m2 : (3,) array
        Area times turns along its axis: its moment per ampere [m^2].

    Raises
    ------
    InputError
        For a moment of no length.
    """

    place_m: Any = (0.0, 0.0, 0.0)
    moment_m2: Any = (0.0, 0.0, 1.0)
    name: str = "magnetic dipole"

    def __post_init__(self) -> None:
        for key in ("place_m", "moment_m2"):
            object.__setattr__(self, key, vector(key, getattr(self, key)))
        unit_vector("moment_m2", self.moment_m2)
        text("name", self.name)

    def vector_potential(self, points_m: np.ndarray) -> np.ndarray:
        """Vector potential at points (n, 3) per ampere, (n, 3) [T m/A]."""
        away = np.asarray(points_m, float) - self.place_m
        r = np.linalg.norm(away, axis=-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(MU_0 / (4 * math.pi) * np.cross(self.moment_m2, away) / r**3)

    def field(self, points_m: np.ndarray) -> np.ndarray:
        """Flux density at points (n, 3) per ampere, (n, 3) [T/A]."""
        away = np.asarray(points_m, float) - self.place_m
        r = np.linalg.norm(away, axis=-1, keepdims=True)
        along = (away * self.moment_m2).sum(axis=-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(MU_0 / (4 * math.pi) * (3 * along * away / r**5 - self.moment_m2 / r**3))


@read_only
@dataclass(frozen=True, eq=False)
class StimulationCoil:
    """Closed wires that carry one current near the body.

    Parameters
    ----------
    name : str
        Name shown in reports.
    paths : sequence of (n, 3) float arrays
        Corners of the wires [m]; each is closed.
    turns : sequence of float, optional
        Current of every path in units of the coil's; 1 by default, negative turns the sense around.

    Raises
    ------
    InputError
        For paths of fewer than three points and turns that do not fit.
    """

    name: str
    paths: Sequence[np.ndarray]
    turns: Sequence[float] | None = None
    _segments: np.ndarray = field(init=False, repr=False)
    _currents: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        text("name", self.name)
        if not len(self.paths):
            raise InputError("a coil without wires", field="paths", expected="at least one")
        turns = array("turns", np.ones(len(self.paths)) if self.turns is None else self.turns, (len(self.paths),))
        paths = tuple(closed_path(p, n) for n, p in enumerate(self.paths))
        object.__setattr__(self, "paths", paths)
        object.__setattr__(self, "turns", tuple(map(float, turns)))
        object.__setattr__(self, "_segments", np.concatenate([np.stack([p[:-1], p[1:]], axis=1) for p in paths]))
        object.__setattr__(self, "_currents", np.repeat(turns, [len(p) - 1 for p in paths]))

    def vector_potential(self, points_m: np.ndarray) -> np.ndarray:
        """Vector potential at points (n, 3) per ampere, (n, 3) [T m/A]."""
        return wire_potential(self._segments, self._currents, points_m)

    def field(self, points_m: np.ndarray) -> np.ndarray:
        """Flux density at points (n, 3) per ampere, (n, 3) [T/A]."""
        return wire_field(self._segments, self._currents, points_m)


def figure_of_eight(
    inner_radius_m: float = 0.026,
    outer_radius_m: float = 0.044,
    turns: int = 9,
    *,
    centre_m: Sequence[float] = (0.0, 0.0, 0.0),
    normal: Sequence[float] = (0.0, 0.0, 1.0),
    handle: Sequence[float] = (0.0, 1.0, 0.0),
    thickness_m: float = 0.006,
) -> StimulationCoil:
    """Two flat windings side by side with opposite sense.

    Parameters
    ----------
    inner_radius_m, outer_radius_m : float
        Radii of the first and the last turn of a winding [m]; by default those of a common coil of 70 mm mean diameter.
    turns : int
        Of each winding.
    centre_m : (float, float, float)
        Middle between the windings, in the middle of the wire's thickness [m].
    normal : (float, float, float)
        Across the coil; it is normalised.
    handle : (float, float, float)
        Along which the middle of both windings carries the current; its part across ``normal`` counts.
    thickness_m : float
        Of the wire across the coil [m]; it becomes two layers of half the current.

    Returns
    -------
    StimulationCoil
        Per ampere of one turn; drive it in A/s.

    Raises
    ------
    InputError
        For radii out of order, fewer than one turn, and a handle along the normal.

    Source: A. Thielscher and T. Kammer, Clin. Neurophysiol. 115 (2004) 1697 (size and turns of a 70 mm figure-of-eight
    coil).
    """
    all_positive(inner_radius_m=inner_radius_m, outer_radius_m=outer_radius_m)
    whole("turns", turns, 1, problem="bad number of turns")
    if not outer_radius_m >= inner_radius_m:
        raise InputError("radii of a winding out of order", field="outer_radius_m", found=outer_radius_m)
    if not number("thickness_m", thickness_m) >= 0:
        raise InputError("must not be negative", field="thickness_m", found=thickness_m)
    up = unit_vector("normal", normal)
    along = unit_vector("handle", handle)
    along = along - (along @ up) * up
    if not np.linalg.norm(along) > 1e-6:
        raise InputError("handle along the normal", field="handle", found=tuple(handle), expected="across the normal")
    along /= np.linalg.norm(along)
    side = np.cross(along, up)
    middle = vector("centre_m", centre_m)
    angle = 2 * math.pi * np.arange(CORNERS) / CORNERS
    fitted = math.sqrt(2 * math.pi / CORNERS / math.sin(2 * math.pi / CORNERS))
    gap = (outer_radius_m - inner_radius_m) / max(turns - 1, 1)
    layers = (0.0,) if thickness_m == 0 else (-0.25 * thickness_m, 0.25 * thickness_m)
    paths, currents = [], []
    for way in (1.0, -1.0):
        centre = middle + way * (outer_radius_m + 0.5 * gap) * side
        for radius in np.linspace(inner_radius_m, outer_radius_m, turns):
            ring = fitted * radius * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * along)
            for layer in layers:
                paths.append(centre + layer * up + ring)
                # Seen from above, the right winding turns so that its left side runs along the handle.
                currents.append(-way / len(layers))
    return StimulationCoil(f"figure of eight of {2e3 * outer_radius_m:.0f} mm", paths, currents)
