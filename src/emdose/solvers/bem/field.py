r"""Electric fields that charges on the surfaces of a body and a source make together, anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emdose.checks import array, one_of
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.errors import InputError
from emdose.models.induction.sources import InductionSource
from emdose.models.surfaces.body import SurfaceBody
from emdose.solvers.bem import gauge
from emdose.solvers.results.induced import weights_of
from emdose.solvers.surface.mesh import Surface
from emdose.solvers.surface.slopes import linear_field
from emdose.values import owned, read_only

WEAK = 0.1
"""Contrast below which the normal field comes from sums rather than from the charge itself."""

FITTED = 500
"""Points of the body that gradients in a source are found from."""


@read_only(units={"charges": "V/m per unit of drive"})
@dataclass(frozen=True, eq=False)
class SurfaceField:
    """Induced electric field of a body between closed surfaces, per unit of drive of every source.

    Parameters
    ----------
    body : SurfaceBody
        The body.
    sources : tuple of InductionSource
        What drives it.
    frequency_Hz : float
        Frequency that the tissues' properties were taken at [Hz].
    charges : (sources, t) ndarray
        Charge density over eps0 on every triangle of ``body.shells`` [V/m], complex where displacement currents count.
    admittivity : (shells, 2) ndarray
        sigma inside and outside of every shell, or sigma + j w eps [S/m].
    residual : (sources,) ndarray
        Relative residual of GMRES.
    iterations : int
        Of GMRES.
    net_charge : (sources, shells) ndarray
        Net charge of every shell over the sum of its magnitudes: rounding.
    flux : (sources, shells) ndarray
        Net current through every shell over the sum of its magnitudes, 0 where none flows: what discretisation left.
    about : mapping
        Solver, its options, times, for the provenance.
    """

    body: SurfaceBody
    sources: tuple[InductionSource, ...]
    frequency_Hz: float
    charges: np.ndarray
    admittivity: np.ndarray
    residual: np.ndarray
    iterations: int
    net_charge: np.ndarray
    flux: np.ndarray
    about: Mapping[str, Any]

    @cached_property
    def surface(self) -> Surface:
        """The triangles, in the order of ``body.shells``."""
        return surface_of(self.body)

    def E(self, points_m: np.ndarray, device: Any = "auto") -> np.ndarray:
        """Field at points, per unit of drive of every source, (sources, 3, n) [V/m].

        Triangles nearby have charges linear over them, integrated in closed form. On a surface itself it is the mean
        of both sides: use :meth:`E_on_surface`. Outside of the body it is the field in air of a switched source; of a
        motion it means nothing there, as a gradient is taken off what drives it.

        Parameters
        ----------
        points_m : (n, 3) ndarray
            Points [m].
        device : {"auto", "cpu", "cuda"} or Backend
            Where it is computed.

        Raises
        ------
        InputError
            For points that are not finite or of another shape.
        """
        points, be = array("points_m", points_m, (None, 3)), backend.get(device)
        return owned(self._mean(points, be))

    def E_on_surface(self, interface: str, side: str = "inside", device: Any = "auto") -> np.ndarray:
        r"""Field just inside or outside of a surface, at the centroids of its triangles, (sources, 3, t) [V/m].

        The normal part follows from the charge, :math:`E_n = c\,(1\mp K)/2K`, the tangential part from integrals over
        the triangles in closed form, with the charge linear over each; both by :meth:`normals_on_surface`.

        Parameters
        ----------
        interface : str
            Name of the surface; :meth:`points_on_surface` are its points.
        side : {"inside", "outside"}
            On which side.
        device : {"auto", "cpu", "cuda"} or Backend
            Where it is computed.

        Raises
        ------
        InputError
            For an unknown name or side.
        """
        one_of("side", side, ("inside", "outside"), problem="no such side")
        be, mine = backend.get(device), self._triangles_of(interface)
        K = contrast(self.admittivity)[self.body.shells.of[mine]]
        points, n = self.surface.centroids[mine], self.normals_on_surface(interface).T
        mean = self._mean(points, be)
        c, sign = self.charges[:, mine], -1.0 if side == "inside" else 1.0
        summed = (mean * n).sum(axis=1)
        strong = np.abs(K) > WEAK
        mean_normal = np.where(strong, c / np.where(strong, 2 * K, 1.0), summed)
        tangential = mean - summed[:, None] * n
        return owned(tangential + (mean_normal + sign * 0.5 * c)[:, None] * n)

    def points_on_surface(self, interface: str) -> np.ndarray:
        """Centroids of the triangles of a surface, (t, 3) [m]."""
        return self.surface.centroids[self._triangles_of(interface)]

    def normals_on_surface(self, interface: str) -> np.ndarray:
        """Outward normals of the smooth surface there, (t, 3): means of the neighbours but for those beyond creases."""
        n = self.surface.corner_normals[self._triangles_of(interface)].mean(axis=1)
        return np.asarray(n / np.linalg.norm(n, axis=1)[:, None])

    def combined(self, drive: Sequence[float] | np.ndarray, values: np.ndarray) -> np.ndarray:
        """Values (sources, ...) of all sources together, weighted by the drive of every source in its unit.

        Raises
        ------
        InputError
            For another number of drives than sources.
        """
        return np.tensordot(weights_of(self.sources, drive), np.asarray(values), 1)

    @property
    def _real(self) -> str:
        return "double" if self.about.get("dtype") == "float64" else "float"

    def _triangles_of(self, interface: str) -> np.ndarray:
        return np.flatnonzero(np.isin(self.body.shells.of, self.body.shells_of(interface)))

    def _mean(self, points: np.ndarray, be: Backend) -> np.ndarray:
        """Field at points; on a triangle the mean of both sides."""
        found = linear_field(self.surface, points, self.charges, be, self._real)
        return np.asarray(found + impressed(self.body, self.sources, points))


def surface_of(body: SurfaceBody) -> Surface:
    """The shells of a body as the surface that the operator works on."""
    return Surface(body.shells.vertices, body.shells.triangles)


def impressed(body: SurfaceBody, sources: Sequence[InductionSource], points: np.ndarray) -> np.ndarray:
    """Impressed field without divergence at points (n, 3), (sources, 3, n) [V/m].

    Raises
    ------
    InputError
        For a source that is not finite, or has a divergence in the body.
    """
    low, high = body.bounds_m
    # At random, but always the same ones: every n-th triangle of a mesh may lie on one side of it.
    chosen = np.random.default_rng(0).permutation(body.triangles)[:FITTED]
    some = body.shells.vertices[body.shells.triangles[chosen]].mean(axis=1)
    middle = 0.5 * (low + high)
    free = [gauge.divergence_free(s, low, high, middle + 0.9 * (some - middle)) for s in sources]
    found = np.stack([np.asarray(s.impressed_E(points), float).T for s in free])
    if not np.all(np.isfinite(found)):
        bad = int(np.argmin(np.isfinite(found).all(axis=(1, 2))))
        raise InputError("field of a source is not finite at the points", field=sources[bad].name)
    return found


def contrast(admittivity: np.ndarray) -> np.ndarray:
    """K = (inside - outside)/(inside + outside) of every shell, 0 where neither conducts."""
    inner, outer = admittivity.T
    total = inner + outer
    return np.where(total != 0, (inner - outer) / np.where(total != 0, total, 1), 0)
