r"""An axial field from splines over (r, z), where the sum over coils would take too long.

The room around a magnet is four rectangles: its bore, what lies beyond either end, and what lies around it. The wall
between them holds the coils and no body. Radial and axial field are quintic splines on each, their derivatives along z
those of the splines; the others follow from curl and divergence. The error is measured beside the magnet itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.models.induction.magnets import StaticMagnet, from_axial, gradient_from_axial

STEP_M, GROWTH = 0.014, 0.06
"""Knots lie 1.4 cm apart, and further out 6 % of the distance from the middle of the nearest end."""
DEGREE = 5
_TRIED = 300


class TabulatedField:
    """Splines of a magnet's field.

    Parameters
    ----------
    magnet : StaticMagnet
        The magnet.
    reach_m : float
        How far from the axis, and from the isocentre along it, fields will be asked for [m].
    """

    def __init__(self, magnet: StaticMagnet, reach_m: float) -> None:
        self.magnet = magnet
        wall = magnet.cryostat
        end, reach = 0.5 * wall.length_m, max(reach_m, 1.5 * wall.length_m, 1.5 * wall.outer_radius_m)
        inner, beyond, across = (
            _even(0.0, wall.bore_radius_m),
            _growing(end, reach),
            _growing(wall.outer_radius_m, reach),
        )
        along = _even(-end, end)
        wide = np.unique(np.concatenate([_even(0.0, wall.outer_radius_m), across]))
        self.patches = [
            _Patch(magnet, inner, along),
            _Patch(magnet, wide, beyond),
            _Patch(magnet, wide, -beyond[::-1]),
            _Patch(magnet, across, along),
        ]
        self.error = self._measured()

    @property
    def name(self) -> str:
        """That of the magnet."""
        return self.magnet.name

    def components(self, points: np.ndarray, slopes: bool = True) -> np.ndarray:
        """B_r, B_z and, with slopes, dB_r/dz and dB_z/dz at points (n, 3), (2 or 4, n)."""
        rho, z = np.hypot(points[:, 0], points[:, 1]), points[:, 2]
        out = np.full((4 if slopes else 2, len(points)), np.nan)
        for patch in self.patches:
            here = np.flatnonzero(patch.holds(rho, z) & np.isnan(out[0]))
            if len(here):
                out[:, here] = patch(rho[here], z[here], slopes)
        if np.any(np.isnan(out[0])):
            self.magnet.require_room(points)
            lost = points[int(np.argmax(np.isnan(out[0])))]
            raise InputError(
                "a place beyond the table of the field", field=self.magnet.name, found=tuple(np.round(lost, 2))
            )
        return out

    def field(self, points: np.ndarray) -> np.ndarray:
        """Flux density at points (n, 3), (n, 3) [T]."""
        return from_axial(points, *self.components(points, slopes=False))

    def both(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Flux density (n, 3) [T] and its gradient (n, 3, 3) [T/m] at points (n, 3)."""
        radial, axial, dr_dz, dz_dz = self.components(points)
        return from_axial(points, radial, axial), gradient_from_axial(points, radial, dr_dz, dz_dz)

    def _measured(self) -> float:
        """Largest error of the gradient, over that of the largest gradient at places near the magnet."""
        rng = np.random.default_rng(1)
        wall = self.magnet.cryostat
        size = 1.2 * max(0.5 * wall.length_m, wall.outer_radius_m)
        points = rng.uniform(-size, size, (8 * _TRIED, 3))
        points = points[~wall.inside(points)][:_TRIED]
        exact = self.magnet.gradient(points)
        return float(np.abs(self.both(points)[1] - exact).max() / np.abs(exact).max())


class _Patch:
    """Splines on a rectangle."""

    def __init__(self, magnet: StaticMagnet, rho: np.ndarray, z: np.ndarray) -> None:
        from scipy.interpolate import RectBivariateSpline

        self.rho, self.z = rho, z
        mesh = np.stack(np.meshgrid(rho, [0.0], z, indexing="ij"), axis=-1).reshape(-1, 3)
        # On the wall itself the field is that of its free side; the coils lie deeper.
        values = magnet.field(mesh).reshape(len(rho), len(z), 3)
        order: dict[str, Any] = {"kx": DEGREE, "ky": DEGREE}
        self.radial = RectBivariateSpline(rho, z, values[..., 0], **order)
        self.axial = RectBivariateSpline(rho, z, values[..., 2], **order)

    def holds(self, rho: np.ndarray, z: np.ndarray) -> np.ndarray:
        return (rho >= self.rho[0]) & (rho <= self.rho[-1]) & (z >= self.z[0]) & (z <= self.z[-1])

    def __call__(self, rho: np.ndarray, z: np.ndarray, slopes: bool) -> np.ndarray:
        got = [self.radial.ev(rho, z), self.axial.ev(rho, z)]
        if slopes:
            got += [self.radial.ev(rho, z, dy=1), self.axial.ev(rho, z, dy=1)]
        return np.stack(got)


def _even(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, max(int(np.ceil((high - low) / STEP_M)), 2 * DEGREE) + 1)


def _growing(low: float, high: float) -> np.ndarray:
    """Knots whose distance grows with how far they are from the low end."""
    out = [low]
    while out[-1] < high:
        out.append(out[-1] + STEP_M + GROWTH * (out[-1] - low))
    while len(out) < 2 * DEGREE + 1:
        out.append(out[-1] + STEP_M)
    return np.array(out)
