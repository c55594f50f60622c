"""Divergence-free currents on closed surfaces: stream functions, their inductance, and the solve.

A stream function psi, linear on every triangle, makes the surface current K = n x grad psi, constant on every triangle.
With every handle come two many-valued stream functions (:meth:`Surface.handle_jumps`). In the space of these currents
the weak form of "no electric field along the surface" is

    sum_j L_ij x_j = -int K_i . A0 / mu0 dS,    L_ij = int int K_i . K_j / (4 pi R) dS dS',

which makes the normal field 0 and the flux through every hole too. L is symmetric and positive (half of it is the field
energy). GMRES solves it with the single layer as preconditioner, which undoes the two surface derivatives of L
(O. Steinbach and W. Wendland, Adv. Comput. Math. 9 (1998) 191).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute import krylov
from emdose.errors import ConvergenceError
from emdose.solvers.surface.operator import PanelSums, packed, unpacked

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.solvers.surface.mesh import Surface


ROUGH = 0.16
"""Single layer of what changes from vertex to vertex, which averages over triangles do not see, in vertex distances."""


@dataclass(frozen=True, eq=False)
class CurrentSolution:
    """Currents that a set of sources drives.

    Parameters
    ----------
    currents : (rhs, 3, triangles) array
        K of every triangle, array of the device.
    streams : (rhs, vertices) array
        Single-valued part of the stream functions, array of the device.
    loops : (rhs, 2 handles) ndarray
        Coefficients of the many-valued part.
    residual : (rhs,) ndarray
        Relative residual of the linear system.
    iterations : int
        Of GMRES.
    """

    currents: Any
    streams: Any
    loops: np.ndarray
    residual: np.ndarray
    iterations: int


class SurfaceCurrents:
    """The space of divergence-free currents on closed surfaces.

    Parameters
    ----------
    surface : Surface
        Closed surfaces.
    be : Backend
        Device.
    real : {"float", "double"}
        Precision of the pairs.
    """

    def __init__(self, surface: Surface, be: Backend, real: str = "float") -> None:
        self._surface, self._be = surface, be
        self._potential = PanelSums(surface, be, "potential", real=real)
        edges = np.roll(surface.corners, -2, axis=1) - np.roll(surface.corners, -1, axis=1)  # opposite corner k
        # K = -sum_k psi_k edge_k / (2 area)
        self._basis = be.asarray(np.ascontiguousarray((-edges / (2 * surface.areas[:, None, None])).transpose(1, 2, 0)))
        self._areas = be.asarray(surface.areas)
        used, corner = np.unique(surface.triangles, return_inverse=True)
        self._corner = be.asarray(np.ascontiguousarray(corner.reshape(-1, 3).T))
        self.vertices = len(used)
        component = surface.vertex_component[used]
        shares = np.bincount(corner.ravel(), np.repeat(surface.areas / 3, 3))
        self._shares, self._sizes = be.asarray(shares), be.asarray(np.sqrt(shares))
        member = (component == np.arange(surface.components)[:, None]).astype(float)
        self._member, self._counts = be.asarray(member), be.asarray(member.sum(axis=1))
        jumps = surface.handle_jumps()
        values = np.zeros((len(jumps), 3, len(surface.areas)))
        for value, jump in zip(values, jumps, strict=True):
            value[1], value[2] = jump[:, 0], jump[:, 0] + jump[:, 1]
        self.handles = len(jumps)
        self._handle_currents = self._current_of_corners(be.asarray(values))  # (handles, 3, t)
        self._induced: tuple[Any, np.ndarray] | None = None

    def vector_potential(self, currents: Any) -> Any:
        """Mean over every triangle of A / mu0 of currents (rhs, 3, t)."""
        flat = currents.reshape(-1, currents.shape[-1])
        return self._potential(flat).reshape(currents.shape)

    def currents(self, streams: Any, loops: np.ndarray) -> Any:
        """K (rhs, 3, t) of stream functions and loop coefficients."""
        K = self._current(streams)
        if self.handles:
            K = K + self._be.xp.einsum("rh,hct->rct", self._be.asarray(loops), self._handle_currents)
        return K

    def solve(
        self, source: Any, tolerance: float = 1e-4, max_iterations: int = 200, start: CurrentSolution | None = None
    ) -> CurrentSolution:
        """Currents whose vector potential cancels a source along the surface.

        Parameters
        ----------
        source : (rhs, 3, t) array
            A0 / mu0 at the triangles, array of the device.
        tolerance : float
            Relative residual; of what a start leaves, where there is one.
        max_iterations : int
            Of GMRES.
        start : CurrentSolution, optional
            Solution on a surface of the same triangles.

        Raises
        ------
        ConvergenceError
            When the residual stays above ten times the tolerance.
        """
        be, xp = self._be, self._be.xp
        if start is not None:
            source = source + self.vector_potential(self.currents(start.streams, start.loops))
        psi, residual, iterations = self._solve_streams(-self._test(source), tolerance, max_iterations)
        loops = np.zeros((len(psi), self.handles))
        if self.handles:
            if self._induced is None:
                # Every handle's current with the single-valued streams that it induces, and their mutual inductances.
                inducing = self.vector_potential(self._handle_currents)
                induced, *_ = self._solve_streams(-self._test(inducing), tolerance, max_iterations)
                flux = self.vector_potential(self.currents(induced, np.eye(self.handles)))
                self._induced = induced, self._handle_flux(flux).T
            induced, inductance = self._induced
            drive = self._handle_flux(source + self.vector_potential(self._current(psi)))
            loops = -np.linalg.solve(inductance, drive.T).T
            psi = psi + be.asarray(loops) @ induced
        if start is not None:
            psi, loops = psi + start.streams, loops + start.loops
        return CurrentSolution(xp.ascontiguousarray(self.currents(psi, loops)), psi, loops, residual, iterations)

    def _handle_flux(self, potential: Any) -> np.ndarray:
        """int K_h . potential dS for every handle's current, (rhs, handles)."""
        return self._be.to_numpy(self._be.xp.einsum("hct,t,rct->rh", self._handle_currents, self._areas, potential))

    def _solve_streams(self, b: Any, tolerance: float, max_iterations: int) -> tuple[Any, np.ndarray, int]:
        """Single-valued stream functions (rhs, v) of a right-hand side; two real ones travel as one complex one."""
        xp, be = self._be.xp, self._be
        b = self._without_mean(b)
        count = len(b)
        # Right-hand sides of very different size would not both be solved well as one.
        size = xp.sqrt((b * b).sum(axis=1))
        size = xp.where(size > 0, size, 1.0)[:, None]

        def apply(y: Any) -> Any:
            return packed(self._apply(self._precondition(unpacked(y, count, xp))), xp)

        right = packed(b / size, xp)
        found = krylov.gmres(apply, right, tolerance=tolerance, restart=60, max_iterations=max_iterations, be=be)
        if found.residual.max() > 10 * tolerance:
            raise ConvergenceError(
                f"surface currents: residual {found.residual.max():.1e} after "
                f"{found.iterations.max()} iterations; expected {tolerance:.0e}"
            )
        psi = self._precondition(unpacked(found.x, count, xp)) * size
        return psi, found.residual, int(found.iterations.max())

    def _apply(self, psi: Any) -> Any:
        return self._without_mean(self._test(self.vector_potential(self._current(psi))))

    def _precondition(self, load: Any) -> Any:
        """Single layer of the load spread over the surface: the inverse of L but for a smooth part and a factor."""
        per_area = load / self._shares
        density = per_area[:, self._corner].mean(axis=1)
        potential = self._potential(density)
        corners = potential * (self._areas / 3)
        smooth = self._gathered(corners[:, None] + self._be.xp.zeros((1, 3, 1))) / self._shares
        return self._without_mean(smooth + ROUGH * self._sizes * per_area)

    def _without_mean(self, x: Any) -> Any:
        return x - ((x @ self._member.T) / self._counts) @ self._member

    def _current(self, psi: Any) -> Any:
        return self._current_of_corners(psi[:, self._corner])

    def _current_of_corners(self, values: Any) -> Any:
        return self._be.xp.einsum("rkt,kct->rct", values, self._basis)

    def _test(self, field: Any) -> Any:
        """int K_i . field dS of fields (rhs, 3, t) for every vertex."""
        return self._gathered(self._be.xp.einsum("rct,kct->rkt", field * self._areas, self._basis))

    def _gathered(self, corners: Any) -> Any:
        """Sum at every vertex of values at the corners, (rhs, 3, t) -> (rhs, v)."""
        xp, at = self._be.xp, self._corner.ravel()
        return xp.stack([xp.bincount(at, weights=x.ravel(), minlength=self.vertices) for x in corners])
