r"""Linear maps of the contrast-source inversion, all on the Yee lattice of the volume integral, each with its adjoint.

For sources w = chi E on the edges (the current density is j w eps0 times it):

.. math::

   E = E_{inc} + G w, \quad G = (k^2 + G_h D_h) S, \qquad
   B_\pm = B_{\pm,inc} + j\omega\varepsilon_0\mu_0\, P_\pm C_h S\, w

with the lattice Green's function S, the curl C_h from edges to faces and P from faces to voxel centres,
P+ B = (Bx + j By) / 2 and P- B = (Bx - j By) / 2 (the conjugate of B1-). S and G are complex symmetric, so that their
adjoints are conj(S conj(.)) and conj(G conj(.)).

Source: P. van den Berg and A. Abubakar, J. Comput. Phys. 175 (2002) 1 (operators of the contrast-source inversion);
E. Balidemaj et al., IEEE Trans. Med. Imaging 34 (2015) 1788 (B1+ as data).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute import backend
from emdose.compute.krylov import gmres
from emdose.constants import C_0, EPS_0, MU_0
from emdose.solvers.yee_grid.edge_materials import bounding_box, edge_mean
from emdose.solvers.yee_grid.green_convolution import Convolution

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.grids.grid import Grid, Shape


class ScatteringOperators:
    """Contrasts, sources and fields of a body on its box of the grid, and the linear maps between them.

    Contrasts are vectors over the voxels of the body, sources and fields over the edges that touch it, B over all
    voxels of the box.

    Parameters
    ----------
    grid : Grid
        Cubic voxels.
    body : (nx, ny, nz) bool ndarray
        Voxels that may differ from vacuum.
    frequency_Hz : float
        Frequency [Hz].
    be : Backend
        Device.
    dtype : complex dtype
        Type of the computation.
    """

    def __init__(self, grid: Grid, body: np.ndarray, frequency_Hz: float, be: Backend, dtype: Any) -> None:
        self.be, self.dtype = be, np.dtype(dtype)
        self.low, self.high = bounding_box(body)
        self.box = grid.crop(self.low, self.high)
        self.h = grid.spacing_m[0]
        omega = 2 * math.pi * frequency_Hz
        self.wavenumber = omega / C_0
        self.b_factor = 1j * omega * EPS_0 * MU_0 / self.h
        self.voxels: Shape = self.box.shape
        self.nodes: Shape = self.box.node_shape
        inside = np.asarray(body, bool)[tuple(slice(a, b) for a, b in zip(self.low, self.high, strict=True))]
        self.body = be.asarray(inside)
        self.body_index = be.xp.flatnonzero(self.body.ravel())
        # Only edges within the box can have a mean above zero: the layer past the last edge never does.
        self.edge_index = be.xp.flatnonzero(be.asarray(edge_mean(inside.astype(float), 0.0)).ravel() > 0)
        self.convolution = Convolution(self.nodes, self.nodes, (0, 0, 0), self.h, self.wavenumber, be, self.dtype)
        self.products = 0

    # ---- contrast ------------------------------------------------------------------------------------------------
    def volume(self, values: Any) -> Any:
        """Values over the voxels of the body as an array of the box, zero elsewhere."""
        out = self.be.xp.zeros(math.prod(self.voxels), values.dtype)
        out[self.body_index] = values
        return out.reshape(self.voxels)

    def on_edges(self, contrast: Any) -> Any:
        """Contrast of the edges (n,): mean of the four voxels around, vacuum outside the body."""
        return edge_mean(self.volume(contrast), 0.0, self.be.xp).ravel()[self.edge_index]

    def on_edges_adjoint(self, values: Any) -> Any:
        """Adjoint of :meth:`on_edges`."""
        full = self.be.xp.zeros(3 * math.prod(self.nodes), values.dtype)
        full[self.edge_index] = values
        full = full.reshape(3, *self.nodes)
        total = self.be.xp.zeros(self.voxels, values.dtype)
        for c in range(3):
            part = full[c]
            for a in range(3):
                part = _cut(part, a, 0, -1) if a == c else _mean(part, a)
            total += part
        return total.ravel()[self.body_index]

    # ---- electric field ------------------------------------------------------------------------------------------
    def expand(self, w: Any) -> Any:
        """Sources (excitation, n) as an array (excitation, 3, box nodes)."""
        out = self.be.xp.zeros((len(w), 3 * math.prod(self.nodes)), self.dtype)
        out[:, self.edge_index] = w
        return out.reshape(len(w), 3, *self.nodes)

    def restrict(self, field: Any) -> Any:
        """An array (excitation, 3, box nodes) on the edges of the body (excitation, n)."""
        return field.reshape(len(field), -1)[:, self.edge_index]

    def electric(self, w: Any) -> Any:
        """G w: scattered E of the sources (excitation, n) on the same edges [V/m]."""
        self.products += len(w)
        return self.restrict(self.convolution.scattered(self.expand(w)))

    def electric_adjoint(self, v: Any) -> Any:
        """Adjoint of :meth:`electric`."""
        return self.electric(v.conj()).conj()

    # ---- magnetic field ------------------------------------------------------------------------------------------
    def magnetic(self, w: Any) -> Any:
        """(Bx + j By) / 2 and (Bx - j By) / 2 of the sources at the voxel centres, (excitation, 2, box voxels) [T]."""
        self.products += len(w)
        return rotating(self.convolution.potential(self.expand(w)), self.b_factor)

    def magnetic_adjoint(self, b: Any) -> Any:
        """Adjoint of :meth:`magnetic`."""
        self.products += len(b)
        back = rotating_adjoint(b, self.b_factor).astype(self.dtype)
        return self.restrict(self.convolution.potential(back.conj()).conj())

    # ---- object equation -----------------------------------------------------------------------------------------
    def solve(self, contrast: Any, right: Any, tolerance: float, start: Any = None, limit: int = 200) -> Any:
        """Sources w with w - chi G w = right on the edges.

        Parameters
        ----------
        contrast : (n,) array
            Contrast of the edges.
        right : (excitation, n) array
            Right-hand sides.
        tolerance : float
            Relative residual.
        start : (excitation, n) array, optional
            Initial guess.
        limit : int
            Largest number of iterations; what was reached is returned.

        Returns
        -------
        (excitation, n) array
        """
        scale = (1 / (1 + contrast)).astype(self.dtype)
        M = (contrast * scale).astype(self.dtype)

        def apply(x: Any) -> Any:
            return x - M * (x + self.electric(x))

        # Dividing by eps makes the rows of tissue and of edges at its surface alike.
        right = (right * scale).astype(self.dtype)
        start = None if start is None else start.astype(self.dtype)
        return gmres(apply, right, tolerance=tolerance, restart=50, max_iterations=limit, be=self.be, x0=start).x

    def solve_adjoint(self, contrast: Any, right: Any, tolerance: float, limit: int = 200) -> Any:
        """Adjoint of :meth:`solve`: v with v - G^H conj(chi) v = right, from one more solution of the same equation."""
        # (I - chi G)^-T g = g + G (I - chi G)^-1 chi g, since G is symmetric.
        g = right.conj()
        w = self.solve(contrast, contrast * g, tolerance, limit=limit)
        return (g + self.electric(w)).conj()


def at_centres(B: Any) -> Any:
    """(Bx + j By) / 2 and (Bx - j By) / 2 at the voxel centres.

    Parameters
    ----------
    B : (excitation, 3, nx + 1, ny + 1, nz + 1) array
        On the faces [T].

    Returns
    -------
    (excitation, 2, nx, ny, nz) array
    """
    Bx, jBy = _mean(B[:, 0, :, :-1, :-1], 1), 1j * _mean(B[:, 1, :-1, :, :-1], 2)
    return backend.of(B).xp.stack([Bx + jBy, Bx - jBy], axis=1) / 2


def rotating(A: Any, factor: complex) -> Any:
    """factor * ((curl A)_x + j (curl A)_y) / 2 and the same with -j at voxel centres.

    Parameters
    ----------
    A : (excitation, 3, nx + 1, ny + 1, nz + 1) array
        On the edges.
    factor : complex
        Multiplies the differences.

    Returns
    -------
    (excitation, 2, nx, ny, nz) array
    """
    # Edges past the last one along their own direction are left out.
    x, y, z = A[:, 0, :-1], A[:, 1, :, :-1], A[:, 2, :, :, :-1]
    Bx = _mean(_diff(z, 2) - _diff(y, 3), 1)
    jBy = A.dtype.type(1j) * _mean(_diff(x, 3) - _diff(z, 1), 2)
    return backend.of(A).xp.stack([Bx + jBy, Bx - jBy], axis=1) * A.dtype.type(0.5 * factor)


def rotating_adjoint(b: Any, factor: complex) -> Any:
    """Adjoint of :func:`rotating`: (excitation, 2, nx, ny, nz) to the edges."""
    half = b.dtype.type(0.5 * np.conj(factor))
    Bx = _mean_adjoint(half * (b[:, 0] + b[:, 1]), 1)
    By = _mean_adjoint(half * b.dtype.type(-1j) * (b[:, 0] - b[:, 1]), 2)
    A = backend.of(b).xp.zeros((len(b), 3, *(n + 1 for n in b.shape[2:])), b.dtype)
    A[:, 0, :-1] = _diff_adjoint(By, 3)
    A[:, 1, :, :-1] = -_diff_adjoint(Bx, 3)
    A[:, 2, :, :, :-1] = _diff_adjoint(Bx, 2) - _diff_adjoint(By, 1)
    return A


def gradient(values: Any, spacing_m: float = 1.0) -> Any:
    """Forward differences (3, nx, ny, nz) of an array over voxels, zero at the last one along each axis."""
    out = backend.of(values).xp.zeros((3, *values.shape), values.dtype)
    for a in range(3):
        out[a][_at(a, 0, -1)] = _diff(values, a) / spacing_m
    return out


def gradient_adjoint(slopes: Any, spacing_m: float = 1.0) -> Any:
    """Adjoint of :func:`gradient`."""
    return sum(_diff_adjoint(_cut(slopes[a], a, 0, -1), a) for a in range(3)) / spacing_m


def _at(axis: int, start: int | None, stop: int | None) -> tuple[slice, ...]:
    return (*(slice(None) for _ in range(axis)), slice(start, stop))


def _cut(a: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return a[_at(axis, start, stop)]


def _diff(a: Any, axis: int) -> Any:
    return _cut(a, axis, 1, None) - _cut(a, axis, 0, -1)


def _mean(a: Any, axis: int) -> Any:
    return (_cut(a, axis, 1, None) + _cut(a, axis, 0, -1)) / 2


def _diff_adjoint(a: Any, axis: int) -> Any:
    out = _longer(a, axis)
    out[_at(axis, 1, None)] += a
    out[_at(axis, 0, -1)] -= a
    return out


def _mean_adjoint(a: Any, axis: int) -> Any:
    out = _longer(a, axis)
    out[_at(axis, 1, None)] += a / 2
    out[_at(axis, 0, -1)] += a / 2
    return out


def _longer(a: Any, axis: int) -> Any:
    shape = tuple(n + (i == axis) for i, n in enumerate(a.shape))
    return backend.of(a).xp.zeros(shape, a.dtype)
