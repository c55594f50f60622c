r"""Charge boundary element method: fields in bodies of constant conductivity (or permeability) between closed surfaces.

A source field E_p drives currents through interfaces; charges on them keep the normal current continuous. With the
charge density c (over eps0) constant on every triangle, the outward normal n, and sigma on both sides,

.. math:: \frac{c}{2} - K\, \mathbf n \cdot \mathrm{PV}\!\int c\, \frac{\mathbf r - \mathbf r'}{4\pi R^3}\, dS'
          = K\, \mathbf n \cdot \mathbf E_p , \qquad
          K = \frac{\sigma_\mathrm{in} - \sigma_\mathrm{out}}{\sigma_\mathrm{in} + \sigma_\mathrm{out}} .

K = 1 is a conductor in air, K = -1 a superconductor in a magnetic field (then c is a magnetic charge and the normal
field vanishes outside). Every closed surface carries no net charge, which removes the null space at K = 1; the diagonal
makes the flux of every charge through its own surface exact.

Source: S. N. Makarov et al., IEEE Trans. Biomed. Eng. 65 (2018) 2675 (charge-based formulation).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute import krylov
from emdose.errors import ConvergenceError, InputError
from emdose.solvers.surface.operator import PanelSums, packed, unpacked

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.solvers.surface.mesh import Surface


@dataclass(frozen=True, eq=False)
class Charges:
    """Charge densities on the triangles of a surface.

    Parameters
    ----------
    surface : Surface
        Where they are.
    density : (rhs, t) array
        c = charge density over eps0, array of the device, real or complex [V/m].
    residual : (rhs,) ndarray
        Relative residual.
    iterations : int
        Of GMRES.
    """

    surface: Surface
    density: Any
    residual: np.ndarray
    iterations: int

    def field(self, points: np.ndarray, be: Backend, real: str = "double") -> Any:
        """Secondary field at points (n, 3), (rhs, 3, n) [V/m], array of the device.

        Integrals over close triangles are in closed form, so that points may be near the surface; within half a
        triangle of it the steps of the density from triangle to triangle show. On a triangle it is the mean of both
        sides.
        """
        operator = PanelSums(self.surface, be, "field", points, real)
        return applied(operator, self.density, be)


class ChargeOperator:
    """The equation for the charges on given surfaces.

    Parameters
    ----------
    surface : Surface
        Closed interfaces, nested or apart, not touching.
    contrast : float or (components,) array
        K of every interface: (sigma_in - sigma_out)/(sigma_in + sigma_out), complex for displacement currents.
    be : Backend
        Device.
    real : {"float", "double"}
        Precision of the pairs.

    Raises
    ------
    InputError
        For contrasts of another number, or outside the unit circle.
    """

    def __init__(self, surface: Surface, contrast: Any, be: Backend, real: str = "float") -> None:
        K = np.atleast_1d(np.asarray(contrast))
        if K.shape not in ((1,), (surface.components,)) or not np.all(np.abs(K) <= 1 + 1e-12):
            raise InputError(
                "bad contrast",
                field="contrast",
                found=np.asarray(contrast).tolist(),
                expected=f"1 or {surface.components} numbers of magnitude <= 1",
            )
        self.surface, self._be = surface, be
        self.normal = PanelSums(surface, be, "normal", real=real)
        self._contrast = be.asarray(K[surface.component] if len(K) > 1 else np.repeat(K, len(surface.areas)))
        member = surface.component == np.arange(surface.components)[:, None]
        self._shares = be.asarray(member * surface.areas / (member @ surface.areas)[:, None])
        self._member = be.asarray(member.astype(float))

    def apply(self, density: Any) -> Any:
        """Left side of the equation for densities (rhs, t).

        Its mean over every closed surface, which the other charges leave 0, is replaced by the mean charge.
        """
        normal = applied(self.normal, density, self._be)
        return density + self._neutral(-0.5 * density - self._contrast * normal)

    def _neutral(self, x: Any) -> Any:
        return x - (x @ self._shares.T) @ self._member

    def solve(
        self,
        normal_field: Any,
        tolerance: float = 1e-6,
        max_iterations: int = 200,
        callback: Callable[[int, float], None] | None = None,
    ) -> Charges:
        """Charges that a source field drives.

        Parameters
        ----------
        normal_field : (rhs, t) array
            n . E_p at the centroids, array of the device, real or complex [V/m].
        tolerance : float
            Relative residual.
        max_iterations : int
            Of GMRES.
        callback : callable, optional
            Called with the iteration and the largest relative residual.

        Raises
        ------
        ConvergenceError
            When the residual stays above ten times the tolerance.
        """
        xp, count = self._be.xp, len(normal_field)
        b = self._neutral(self._contrast * normal_field)
        real = b.dtype.kind != "c" and self._contrast.dtype.kind != "c"
        size = xp.sqrt((b * b.conj()).real.sum(axis=1))[:, None]
        size = xp.where(size > 0, size, 1.0)
        b = b / size

        def apply(y: Any) -> Any:
            return packed(self.apply(unpacked(y, count, xp)), xp) if real else self.apply(y)

        found = krylov.gmres(
            apply,
            packed(b, xp) if real else b.astype(complex),
            tolerance=tolerance,
            restart=60,
            max_iterations=max_iterations,
            be=self._be,
            callback=callback,
        )
        if found.residual.max() > 10 * tolerance:
            raise ConvergenceError(
                f"charges: residual {found.residual.max():.1e} after {found.iterations.max()} "
                f"iterations; expected {tolerance:.0e}"
            )
        x = (unpacked(found.x, count, xp) if real else found.x) * size
        residual = np.repeat(found.residual, 2)[:count] if real else found.residual
        return Charges(self.surface, x, residual, int(found.iterations.max()))


def applied(operator: PanelSums, density: Any, be: Backend) -> Any:
    """A real operator on densities that may be complex."""
    if density.dtype.kind != "c":
        return operator(density)
    both = operator(be.xp.concatenate([density.real, density.imag]))
    return both[: len(density)] + 1j * both[len(density) :]
