r"""A magnet from a map of \|B\| alone, as makers publish it: coils whose field has these values.

\|B\| says nothing of directions. The field of coils within the wall does, and it obeys Maxwell's equations: sheets of
current along the bore and near the outside, the same at both ends of the magnet, are fitted to the values by least
squares of the relative differences, with a small penalty on the currents. The published gradient of \|B\| takes no part
in the fit; how far that of the coils is from it is told, and bounds what the fit is worth.

Source: J. Nocedal and S. Wright, Numerical Optimization, 2nd ed. (2006), ch. 10 (nonlinear least squares).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

import numpy as np

from emdose.errors import InputError
from emdose.models.induction.axial import sheet_field
from emdose.models.induction.magnets import Cryostat, SolenoidCoil, StaticMagnet, require_tesla

INNER, OUTER = 9, 5
"""Sheets of one half of the magnet, along the bore and near the outside."""
PENALTY = 1e-3
FLOOR = 3e-3
"""Added to the values that differences are relative to, over the largest value: what is far out counts for less."""
SHIELDS = (0.0, 0.1, 0.3, 0.6)
"""Currents of the outer sheets that the fit starts from, over those of the inner ones."""
LARGEST_ERROR = 0.1
"""Largest rms of the relative difference that a fit may have."""


class MagnitudeMap(Protocol):
    """Values of a static field at places, such as ``em.read_field_map`` reads."""

    name: str
    r_m: np.ndarray
    z_m: np.ndarray
    B_T: np.ndarray
    gradient_T_m: np.ndarray


def fit_magnet(values: MagnitudeMap, cryostat: Cryostat) -> tuple[StaticMagnet, float, float]:
    r"""Coils whose \|B\| is that of a map.

    Parameters
    ----------
    values : MagnitudeMap
        Places r, z [m], \|B\| [T] and \|grad \|B\|\| [T/m] there, from ``em.read_field_map``.
    cryostat : Cryostat
        The magnet's wall, which holds the coils.

    Returns
    -------
    StaticMagnet
        The coils, field along +z at the isocentre.
    float
        Rms of the relative difference of \|B\| at the places.
    float
        Rms of the difference of \|grad \|B\|\| over the rms of the map's, which took no part.

    Raises
    ------
    InputError
        For places in the wall, fewer places than 20, a field beyond 30 T, and a fit that is worse than 10 %.
    """
    from scipy.optimize import least_squares

    r, z, B = (np.asarray(v, float) for v in (values.r_m, values.z_m, values.B_T))
    if len(B) < 20 or not np.all(B > 0):
        raise InputError(
            "too few places to fit a magnet to", field=values.name, found=int((B > 0).sum()), expected="20 with B > 0"
        )
    require_tesla(values.name, float(B.max()))
    places = np.stack([r, 0 * r, z], axis=1)
    cryostat.require_room(places, "a place of the field map")
    sheets, size = _sheets(cryostat), B + FLOOR * float(B.max())
    unit = np.stack([_pair(r, z, *sheet) for sheet in sheets])

    def rest(currents: np.ndarray) -> np.ndarray:
        field = np.tensordot(currents, unit, 1)
        return np.concatenate([(np.hypot(*field) - B) / size, PENALTY * currents])

    def slope(currents: np.ndarray) -> np.ndarray:
        field = np.tensordot(currents, unit, 1)
        along = field / np.maximum(np.hypot(*field), 1e-12 * B)
        return np.concatenate([np.einsum("cn,kcn->nk", along, unit) / size[:, None], PENALTY * np.eye(len(currents))])

    # Currents count in what a solenoid along the whole bore needs for the largest value. Where the field turns around
    # |B| has two answers, so that the fit starts from several shields.
    middle = float(sum(_pair(np.zeros(1), np.zeros(1), *s)[1, 0] for s in sheets[:INNER]))
    unit *= float(B.max()) / middle
    inner = np.arange(len(sheets)) < INNER
    starts = [np.where(inner, 1.0 + 0.5 * share, -share) for share in SHIELDS]
    found = min((least_squares(rest, s, jac=slope, max_nfev=300) for s in starts), key=lambda f: float(f.cost))
    error = float(np.sqrt(np.mean(rest(found.x)[: len(B)] ** 2)))
    if error > LARGEST_ERROR:
        raise InputError(
            "no coils within the wall have this field",
            field=values.name,
            found=f"{100 * error:.2g} % rms off",
            expected=f"up to {100 * LARGEST_ERROR:g} %; are unit and wall right?",
        )
    coils = []
    for (radius, low, high), current in zip(sheets, found.x, strict=True):
        turns = float(current) * float(B.max()) / middle * (high - low)
        coils += [SolenoidCoil(radius, low, high, turns), SolenoidCoil(radius, -high, -low, turns)]
    magnet = StaticMagnet(f"coils fitted to {values.name}", coils, cryostat)
    if magnet.B0_T < 0:
        coils = [SolenoidCoil(c.radius_m, c.low_m, c.high_m, -c.ampere_turns) for c in coils]
        magnet = StaticMagnet(magnet.name, coils, cryostat)
    field = magnet.field(places)
    slopes = np.einsum("ni,nij->nj", field, magnet.gradient(places)) / np.linalg.norm(field, axis=1)[:, None]
    given = np.asarray(values.gradient_T_m, float)
    off = np.linalg.norm(slopes, axis=1) - given
    steep = float(np.sqrt(np.mean(given**2)))
    return magnet, error, float(np.sqrt(np.mean(off**2))) / steep if steep > 0 else float("inf")


def _sheets(cryostat: Cryostat) -> list[tuple[float, float, float]]:
    """Radius and ends of the sheets at z > 0."""
    depth = cryostat.outer_radius_m - cryostat.bore_radius_m
    end = 0.5 * cryostat.length_m - 0.05
    out = []
    for radius, count in (
        (cryostat.bore_radius_m + 0.25 * depth, INNER),
        (cryostat.outer_radius_m - 0.15 * depth, OUTER),
    ):
        ends = end * np.arange(count + 1) / count
        out += [(radius, float(a), float(b)) for a, b in pairwise(ends)]
    return out


def _pair(r: np.ndarray, z: np.ndarray, radius: float, low: float, high: float) -> np.ndarray:
    """Radial and axial field (2, n) of a sheet and its mirror image per A/m."""
    one, other = sheet_field(r, z, radius, low, high), sheet_field(r, z, radius, -high, -low)
    return np.stack([one[0] + other[0], one[1] + other[1]])
