"""The volume integral of a body by itself: its equations for incident fields that come from anywhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import C_0, EPS_0
from emdose.errors import InputError
from emdose.models.grids.grid import Grid, Shape
from emdose.solvers.vie.metal import EdgeMetal, MetalInverse, filled_in
from emdose.solvers.vie.static_inverse import StaticInverse
from emdose.solvers.yee_grid.edge_materials import bounding_box, edge_mean
from emdose.solvers.yee_grid.green_convolution import Convolution
from emdose.solvers.yee_grid.resolution import cells_per_wavelength

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.compute.shared import Shared
    from emdose.models.bodies.phantom import Phantom
    from emdose.solvers.vie.options import VieOptions


class BodyOperator:
    """The discrete equations (I - M N) J = j w eps0 M E_inc of one body at one frequency on one device.

    Unknowns are the currents on the edges that hold tissue, within the smallest box of nodes around the body.

    Parameters
    ----------
    solver : VieOptions
        Options.
    phantom : Phantom
        Body.
    frequency_Hz : float
        Frequency [Hz].
    be : Backend
        Device.
    shared : Shared, optional
        Hands on Green's function.
    metal : EdgeMetal, optional
        Metal beside the tissue.

    Raises
    ------
    InputError
        When the permittivity of a tissue is not finite, or its conductivity negative.
    """

    def __init__(
        self,
        solver: VieOptions,
        phantom: Phantom,
        frequency_Hz: float,
        be: Backend,
        shared: Shared | None = None,
        metal: EdgeMetal | None = None,
    ) -> None:
        self.solver, self.phantom, self.frequency_Hz, self.be, self.shared = solver, phantom, frequency_Hz, be, shared
        self.grid: Grid = phantom.grid
        self.h = self.grid.spacing_m[0]
        self.omega = 2 * math.pi * frequency_Hz
        self.k = self.omega / C_0
        body = np.asarray(phantom.body, bool)
        self.low, high = bounding_box(body if metal is None else body | metal.voxels)
        cut = tuple(slice(a, b) for a, b in zip(self.low, high, strict=True))
        voxels = np.asarray(phantom.complex_permittivity(frequency_Hz))[cut].astype(complex)
        if not np.all(np.isfinite(voxels)) or voxels.imag.max() > 0:
            raise InputError(
                "permittivity of a tissue cannot be used",
                field="phantom",
                expected="finite values with a conductivity >= 0",
            )
        self.dtype = solver.precision(largest_permittivity(phantom, frequency_Hz), metal is not None)
        self.cells_per_wavelength = cells_per_wavelength(voxels, frequency_Hz, self.h)
        contrast = edge_mean(voxels, 1.0) - 1
        self.shape: Shape = tuple(int(n) for n in contrast.shape[1:])  # type: ignore[assignment]
        self.metal = None if metal is None else metal.cut(cut)
        self.edges: np.ndarray | None = None
        """Which edges of the box (3, nodes) are metal."""
        on_metal = np.zeros(contrast.shape, bool)
        if self.metal is not None:
            of_metal, self.edges = self.metal.contrast(self.h, frequency_Hz)
            contrast[self.edges] = of_metal[self.edges]
            on_metal = self.edges
        index = np.flatnonzero(contrast)
        self.on_metal = on_metal.ravel()[index]
        """Which unknowns are metal, on the host."""
        self.index, self.contrast = be.asarray(index), be.asarray(contrast.ravel()[index])
        self.in_tissue = None if self.metal is None else be.asarray(~self.on_metal)
        """Which unknowns are tissue, where not all of them are."""
        self.largest_permittivity = float(np.abs(contrast[~on_metal] + 1).max())
        self.M = (self.contrast / (self.contrast + 1)).astype(self.dtype)
        self.convolution = Convolution(self.shape, self.shape, (0, 0, 0), self.h, self.k, be, self.dtype, shared=shared)
        self.products = 0
        self.static_inverse: StaticInverse | MetalInverse | None = None
        """What :meth:`precondition` applies, once it has been asked for; another contrast needs another one."""

    @property
    def box(self) -> tuple[slice, ...]:
        """The nodes of the body's box within the grid."""
        return tuple(slice(a, a + n) for a, n in zip(self.low, self.shape, strict=True))

    @property
    def origin_m(self) -> tuple[float, float, float]:
        """Position of the first node of the body's box [m]."""
        x, y, z = (o + self.h * a for o, a in zip(self.grid.origin_m, self.low, strict=True))
        return x, y, z

    def rows(self, E: Any) -> Any:
        """Values on the unknowns (port, n) of a field on the edges of the box (port, 3, nodes)."""
        return E.reshape(len(E), -1)[:, self.index]

    def right_hand_side(self, E: Any) -> Any:
        """j w eps0 M E_inc (port, n) [A/m^2] for incident fields on the unknowns (port, n) [V/m]."""
        return (self.M * self.dtype.type(1j * self.omega * EPS_0)) * E

    def expand(self, x: Any) -> Any:
        """Unknowns (port, n) as an array (port, 3, box)."""
        J = self.be.xp.zeros((len(x), 3 * math.prod(self.shape)), self.dtype)
        J[:, self.index] = x
        return J.reshape(len(x), 3, *self.shape)

    def apply(self, x: Any) -> Any:
        """(I - M N) x for unknowns (port, n)."""
        return x - self.M * self.green_operator(x)

    def green_operator(self, x: Any) -> Any:
        """N x = x + (k^2 + G D) S x for unknowns (port, n): it depends on the lattice and on nothing else."""
        self.products += 1
        return x + self.rows(self.convolution.scattered(self.expand(x)))

    def precondition(self, x: Any) -> Any:
        """About the inverse of I - M N times unknowns (port, n): that without the wave, but for metal."""
        if self.static_inverse is None:
            self.static_inverse = self._inverse()
        return self.static_inverse.apply(x)

    def tissue_only(self, x: Any) -> Any:
        """Unknowns (port, n) without those of metal."""
        return x if self.in_tissue is None else x * self.in_tissue

    def _inverse(self) -> StaticInverse | MetalInverse:
        be = self.be
        if self.metal is None or self.edges is None:
            return StaticInverse(self.contrast, self.index, self.shape, be, self.dtype)
        contrast = np.zeros((3, *self.shape), complex)
        contrast.reshape(-1)[be.to_numpy(self.index)] = be.to_numpy(self.contrast)
        filling = filled_in(edge_mean(self.metal.filling, 1.0), self.edges) - 1
        contrast[self.edges] = filling[self.edges]
        places = np.flatnonzero(contrast)
        return MetalInverse(
            *(self.contrast, be.asarray(contrast.ravel()[places]), self.index, be.asarray(places), self.on_metal),
            *(self.shape, self.k * self.h, be, self.dtype),
        )

    def driving(self, applied: Any) -> Any:
        """The incident field T^-1 J = (M^-1 - N) J / (j w eps0) of currents, from (I - M N) J (port, n) [V/m]."""
        return applied / (self.M * self.dtype.type(1j * self.omega * EPS_0))

    def field(self, x: Any) -> Any:
        """Total field E = J / (j w eps0 (eps - 1)) on the unknowns [V/m], in double precision."""
        return x / (1j * self.omega * EPS_0 * self.contrast)

    def absorbed(self, x: Any) -> np.ndarray:
        """Power that currents leave in the body, as a Hermitian matrix.

        Parameters
        ----------
        x : sequence of (n,) array
            Currents on the unknowns, one per port [A/m^2].

        Returns
        -------
        (port, port) complex ndarray
            1/2 h^3 sum of sigma conj(E_i) E_j over the edges [W].
        """
        # sigma of an edge: w eps0 times minus the imaginary part of its permittivity.
        sigma = -self.omega * EPS_0 * self.contrast.imag
        inside = [self.field(v) for v in x]
        out = np.zeros((len(inside), len(inside)), complex)
        for i, one in enumerate(inside):
            weighted = sigma * one
            for j, other in enumerate(inside):
                out[i, j] = 0.5 * self.h**3 * complex(self.be.xp.vdot(weighted, other))
        return out


def largest_permittivity(phantom: Phantom, frequency_Hz: float) -> float:
    """Largest abs(eps) of the tissues that occur in a body."""
    there = np.flatnonzero(np.bincount(phantom.labels.ravel(), minlength=len(phantom.tissues)))
    return max(abs(phantom.tissues[i].complex_permittivity(frequency_Hz)) for i in there)
