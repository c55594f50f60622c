"""SAR as a quadratic form of the drive: one small Hermitian matrix per voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose import backend
from emdose.dosimetry.sar import Rule, bilinear_form, body_properties
from emdose.errors import InputError
from emdose.models.grid import Grid

if TYPE_CHECKING:
    from emdose.models.phantoms import Phantom
    from emdose.solvers.fields import Fields


@dataclass(frozen=True)
class QMatrices:
    """Q-matrices of a set of voxels: SAR = v^H Q v for a drive v.

    Parameters
    ----------
    matrices : (voxel, port, port) complex ndarray
        Hermitian and positive semidefinite [W/kg per squared drive unit].
    mask : (nx, ny, nz) bool ndarray
        Voxels they belong to, in C order.
    grid : Grid
        The phantom's grid.
    ports : tuple of str
        Names of the ports.
    drive_unit : str
        What one unit of v is: peak amplitude, as in the fields they come from.
    rule : str
        SAR rule, see :func:`emdose.dosimetry.sar.point_sar`.
    averaging_mass_kg : float or None
        Mass the matrices are averaged over [kg]; None for point SAR.
    """

    matrices: np.ndarray
    mask: np.ndarray
    grid: Grid
    ports: tuple[str, ...]
    drive_unit: str
    rule: str
    averaging_mass_kg: float | None = None

    def sar(self, weights: Sequence[complex] | np.ndarray) -> np.ndarray:
        """SAR map of a drive, (nx, ny, nz) [W/kg], 0 where there is no matrix.

        Parameters
        ----------
        weights : (port,) complex
            Port amplitudes v [drive units].

        Raises
        ------
        InputError
            When the vector does not fit the ports.
        """
        v = np.asarray(weights, complex)
        if v.shape != (len(self.ports),) or not np.all(np.isfinite(v)):
            raise InputError("drive does not fit the ports", field="weights", found=v.shape,
                             expected=f"{len(self.ports)} finite complex amplitudes")  # fmt: skip
        v = v.astype(self.matrices.dtype)
        out = np.zeros(self.grid.shape, self.matrices.real.dtype)
        out[self.mask] = ((self.matrices @ v) * v.conj()).sum(-1).real
        return out

    def worst_case(self) -> tuple[float, np.ndarray]:
        """Largest SAR of any drive of unit norm [W/kg per squared drive unit] and that drive, (port,) complex."""
        values, vectors = np.linalg.eigh(self.matrices)
        voxel = int(np.argmax(values[:, -1]))
        return float(values[voxel, -1]), vectors[voxel, :, -1]


def q_matrices(fields: Fields, phantom: Phantom, rule: Rule = "trapezium") -> QMatrices:
    """Point Q-matrices of every tissue voxel.

    Parameters
    ----------
    fields : Fields
        Fields of all ports, peak phasors per unit drive.
    phantom : Phantom
        Conductivity and density per voxel.
    rule : str
        SAR rule, see :func:`emdose.dosimetry.sar.point_sar`.

    Raises
    ------
    InputError
        As :func:`emdose.dosimetry.sar.point_sar`, except that several ports are what is wanted here.

    Notes
    -----
    Q_kl = sigma / (2 rho) E_k^* . E_l for peak phasors, so that v^H Q v is the point SAR of the driven fields by the
    same rule. For rms phasors the factor would be sigma / rho.

    Source: I. Graesslin et al., Magn. Reson. Med. 68 (2012) 1664-1674.
    """
    density, conductivity = body_properties(fields, phantom)
    body = density > 0
    factor = 0.5 * conductivity[body].astype(float) / density[body].astype(float)
    n = len(fields.ports)
    matrices = np.empty((int(body.sum()), n, n), np.result_type(fields.E.dtype, np.complex64))
    to_numpy = backend.of(fields.E).to_numpy
    for k in range(n):
        for m in range(k, n):
            entry = factor * to_numpy(bilinear_form(fields.E[k], fields.E[m], rule))[body]
            matrices[:, k, m] = entry.real if k == m else entry
            if m > k:
                matrices[:, m, k] = entry.conj()
    return QMatrices(matrices, body, fields.grid, fields.ports, fields.drive_unit, rule)
