r"""A static field by a map over (r, z), the same all around the axis: measured, or given by a maker.

Radial and axial field are bicubic splines on the map's grid. A measured map obeys Maxwell's equations as well as it was
measured: :attr:`MappedMagnet.inconsistency` says how far curl and divergence are from zero.

Source: C. de Boor, A Practical Guide to Splines (1978), ch. 17 (splines of tensor products).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emdose.checks import array, text
from emdose.errors import InputError
from emdose.models.induction.magnets import Cryostat, from_axial, gradient_from_axial, require_tesla
from emdose.values import read_only

LEAST = 4
"""Lines of the grid that cubic splines need."""


@read_only
@dataclass(frozen=True, eq=False)
class MappedMagnet:
    """A static field given on a grid over distance from the axis and place along it.

    Parameters
    ----------
    name : str
        Name shown in reports.
    r_m : (nr,) array
        Distances from the axis, growing from 0 [m].
    z_m : (nz,) array
        Places along the axis from the isocentre, growing [m]. A map that begins at 0 is mirrored.
    Br_T, Bz_T : (nr, nz) array
        Radial and axial field [T].
    cryostat : Cryostat, optional
        The magnet's wall, where nobody can be.

    Raises
    ------
    InputError
        For fewer than four lines, lines that do not grow or do not begin on the axis, arrays that do not fit, and a
        field beyond 30 T (a map in millitesla).
    """

    name: str
    r_m: np.ndarray
    z_m: np.ndarray
    Br_T: np.ndarray
    Bz_T: np.ndarray
    cryostat: Cryostat | None = None

    def __post_init__(self) -> None:
        text("name", self.name)
        axes = {}
        for key in ("r_m", "z_m"):
            axes[key] = array(key, getattr(self, key), (None,), problem="bad field map")
            if len(axes[key]) < LEAST or not np.all(np.diff(axes[key]) > 0):
                raise InputError(
                    "lines of a field map", field=key, found=len(axes[key]), expected=f"at least {LEAST}, growing"
                )
        r, z = axes["r_m"], axes["z_m"]
        if abs(r[0]) > 1e-9:
            raise InputError(
                "a field map that leaves out the axis", field="r_m", found=float(r[0]), expected="r from 0 m"
            )
        fields = {k: array(k, getattr(self, k), (len(r), len(z)), problem="bad field map") for k in ("Br_T", "Bz_T")}
        top = max(float(np.abs(v).max()) for v in fields.values())
        require_tesla(self.name, top)
        if not top > 0:
            raise InputError("a field map of zeros", field=self.name)
        if abs(z[0]) < 1e-9:
            z = np.concatenate([-z[:0:-1], z])
            fields["Br_T"] = np.concatenate([-fields["Br_T"][:, :0:-1], fields["Br_T"]], axis=1)
            fields["Bz_T"] = np.concatenate([fields["Bz_T"][:, :0:-1], fields["Bz_T"]], axis=1)
        for key, value in (("r_m", r), ("z_m", z), *fields.items()):
            object.__setattr__(self, key, value)

    @cached_property
    def _splines(self) -> tuple[Any, Any]:
        from scipy.interpolate import RectBivariateSpline

        # Mirrored at the axis, so that the splines have its symmetry: B_r is odd in r, B_z even.
        r = np.concatenate([-self.r_m[:0:-1], self.r_m])
        radial = np.concatenate([-self.Br_T[:0:-1], self.Br_T])
        radial[len(self.r_m) - 1] = 0.0
        axial = np.concatenate([self.Bz_T[:0:-1], self.Bz_T])
        return RectBivariateSpline(r, self.z_m, radial), RectBivariateSpline(r, self.z_m, axial)

    def field(self, points_m: np.ndarray) -> np.ndarray:
        """Flux density at points (n, 3) from the isocentre, (n, 3) [T].

        Parameters
        ----------
        points_m : (n, 3) ndarray
            Places [m].

        Raises
        ------
        InputError
            When the map does not cover one of them.
        """
        points = np.asarray(points_m, float).reshape(-1, 3)
        self._require_covered(points, "the body")
        rho = np.hypot(points[:, 0], points[:, 1])
        radial, axial = (s.ev(rho, points[:, 2]) for s in self._splines)
        return from_axial(points, radial, axial).reshape(np.shape(points_m))

    def gradient(self, points_m: np.ndarray) -> np.ndarray:
        """dB_i/dx_j at points (n, 3), (n, 3, 3) [T/m]; parameters as in field."""
        points = np.asarray(points_m, float).reshape(-1, 3)
        self._require_covered(points, "the body")
        rho, z = np.hypot(points[:, 0], points[:, 1]), points[:, 2]
        radial, axial = self._splines
        return gradient_from_axial(points, radial.ev(rho, z), radial.ev(rho, z, dy=1), axial.ev(rho, z, dy=1))

    def require_room(self, points_m: np.ndarray, who: str = "the body") -> None:
        """Raise InputError when a point (n, 3) is beyond the map or in the wall; ``who`` is named."""
        self._require_covered(np.asarray(points_m, float), who)
        if self.cryostat is not None:
            self.cryostat.require_room(points_m, who)

    @cached_property
    def inconsistency(self) -> float:
        """Rms of curl and divergence between the lines of the map, over the rms of the gradient; 0 without error."""
        r = 0.5 * (self.r_m[1:] + self.r_m[:-1])
        z = 0.5 * (self.z_m[1:] + self.z_m[:-1])
        radial, axial = self._splines
        outward, around, along = radial(r, z, dx=1), radial(r, z) / r[:, None], axial(r, z, dy=1)
        cross, other = radial(r, z, dy=1), axial(r, z, dx=1)
        wrong = (outward + around + along) ** 2 + (cross - other) ** 2
        size = outward**2 + around**2 + along**2 + cross**2 + other**2
        return float(np.sqrt(wrong.mean() / size.mean()))

    def _require_covered(self, points: np.ndarray, who: str) -> None:
        rho, z = np.hypot(points[:, 0], points[:, 1]), points[:, 2]
        slack = 1e-9
        beyond = (rho > self.r_m[-1] + slack) | (z < self.z_m[0] - slack) | (z > self.z_m[-1] + slack)
        if np.any(beyond):
            n = int(np.argmax(beyond))
            raise InputError(
                f"the field map does not cover {who}",
                field=self.name,
                found=f"r {rho[n]:.2f} m, z {z[n]:.2f} m",
                expected=f"r to {self.r_m[-1]:.2f} m, z {self.z_m[0]:.2f} to {self.z_m[-1]:.2f} m",
            )
