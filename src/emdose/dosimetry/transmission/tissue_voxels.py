r"""Fields of all ports in tissue, voxel by voxel, as factors of their Q-matrices.

By every SAR rule the matrix of a voxel is a sum of squares of field components,

.. math:: Q = F^H F, \qquad F_{rk} = \sqrt{\frac{\sigma}{2 \rho}}\, w_r\, e_{rk},

with e the three components at the centre (mid-ordinate), the twelve edges with w = 1/2 (trapezium), or the means and
differences of the bilinear interpolant (linear).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import one_of
from emdose.compute import backend
from emdose.dosimetry.sar import RULES, Rule, bilinear_form, body_properties

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.fields import Fields

BLOCK = 1 << 14
"""Matrices that are made at a time."""


@dataclass(frozen=True, eq=False)
class TissueVoxels:
    """Tissue voxels of a body in the fields of all ports.

    Parameters
    ----------
    fields : Fields
        Fields of the ports.
    rule : str
        SAR rule.
    at : (m,) int64 ndarray
        Flat index (C order) of every tissue voxel.
    factor : (m,) float64 ndarray
        sigma / (2 rho) of each [S m^2/kg].
    mass_kg : (m,) float64 ndarray
        Their masses [kg].
    """

    fields: Fields
    rule: Rule
    at: np.ndarray
    factor: np.ndarray
    mass_kg: np.ndarray

    @classmethod
    def of(cls, fields: Fields, phantom: Phantom, rule: Rule) -> TissueVoxels:
        """All tissue voxels; raises InputError as :func:`emdose.dosimetry.sar.point_sar`."""
        one_of("rule", rule, RULES, problem="unknown SAR rule")
        density, conductivity = body_properties(fields, phantom)
        body = density > 0
        rho = density[body].astype(float)
        factor = 0.5 * conductivity[body].astype(float) / rho
        return cls(fields, rule, np.flatnonzero(body), factor, rho * fields.grid.voxel_volume_m3)

    @property
    def dtype(self) -> np.dtype:
        """Of the matrices."""
        return np.result_type(np.dtype(str(self.fields.E.dtype)), np.complex64)

    def slices(self, block: int = BLOCK) -> Iterator[slice]:
        """Ranges of voxels, one after the other."""
        for start in range(0, len(self.at), block):
            yield slice(start, min(start + block, len(self.at)))

    def factors(self, some: slice) -> Any:
        """F of some voxels, (v, r, port), on the device of the fields [sqrt(W/kg) per drive unit]."""
        E = self.fields.E
        be = backend.of(E)
        xp = be.xp
        ijk = np.unravel_index(self.at[some], self.fields.grid.shape)
        place = [be.asarray(i) for i in ijk]
        rows: list[Any] = []
        for c in range(3):
            first, second = (axis for axis in range(3) if axis != c)
            e = {}
            for p in (0, 1):
                for q in (0, 1):
                    i = list(place)
                    i[first], i[second] = i[first] + p, i[second] + q
                    e[p, q] = E[:, c, i[0], i[1], i[2]]
            if self.rule == "trapezium":
                rows += [0.5 * v for v in e.values()]
                continue
            rows.append(0.25 * (e[0, 0] + e[0, 1] + e[1, 0] + e[1, 1]))
            if self.rule == "linear":
                # A linear function on (0, 1) with mean m and difference d has the mean square abs(m)^2 + abs(d)^2 / 12.
                rows.append((e[1, 0] + e[1, 1] - e[0, 0] - e[0, 1]) / (2 * np.sqrt(12)))
                rows.append((e[0, 1] + e[1, 1] - e[0, 0] - e[1, 0]) / (2 * np.sqrt(12)))
                rows.append((e[1, 1] - e[1, 0] - e[0, 1] + e[0, 0]) / 12)
        root = be.asarray(np.sqrt(self.factor[some]).astype(self.dtype.type(0).real.dtype))
        return xp.stack(rows, axis=0).transpose(2, 0, 1) * root[:, None, None]

    def matrices(self, some: slice) -> np.ndarray:
        """Q of some voxels, (v, port, port), exactly Hermitian [W/kg per squared drive unit]."""
        F = self.factors(some)
        be = backend.of(F)
        Q = be.to_numpy(F.conj().swapaxes(1, 2) @ F)
        Q = 0.5 * (Q + Q.conj().swapaxes(1, 2))
        for at, near_W in self._leads():
            row = np.searchsorted(self.at, at)
            here = (row >= some.start) & (row < some.stop)
            near = near_W[here] / self.mass_kg[row[here], None, None]
            np.add.at(Q, row[here] - some.start, near.astype(Q.dtype))
        return np.asarray(Q.astype(self.dtype, copy=False))

    def power_W(self, mask: np.ndarray | None = None) -> np.ndarray:
        """Sum of mass times Q over the voxels, or over those of a mask (m,) bool, (port, port) complex128 [W]."""
        n = len(self.fields.ports)
        total = np.zeros((n, n), complex)
        for some in self.slices():
            F = backend.of(self.fields.E).to_numpy(self.factors(some)).astype(complex)
            weight = self.mass_kg[some] if mask is None else self.mass_kg[some] * mask[some]
            flat = (F * np.sqrt(weight)[:, None, None]).reshape(-1, n)
            total += flat.conj().T @ flat
        for at, near_W in self._leads():
            row = np.searchsorted(self.at, at)
            total += near_W[slice(None) if mask is None else mask[row]].sum(axis=0)
        return 0.5 * (total + total.conj().T)

    def entry(self, k: int, m: int) -> np.ndarray:
        """Entry (k, m) of the matrices of all voxels on the grid, (nx, ny, nz) [W/kg per squared drive unit]."""
        E = self.fields.E
        form = backend.of(E).to_numpy(bilinear_form(E[k], E[m], self.rule)).reshape(-1)
        out = np.zeros(form.size, self.dtype)
        out[self.at] = self.factor * form[self.at]
        for at, near_W in self._leads():
            mass = self.mass_kg[np.searchsorted(self.at, at)]
            np.add.at(out, at, (near_W[:, k, m] / mass).astype(self.dtype))
        return out.reshape(self.fields.grid.shape)

    def _leads(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Voxels of every lead, flat, and the power there that the cells do not resolve, (v, port, port) [W]."""
        for lead in self.fields.lead_currents.values():
            at = np.ravel_multi_index(tuple(lead.voxel.T), self.fields.grid.shape)
            yield np.asarray(at), np.asarray(lead.near_in_voxels())
