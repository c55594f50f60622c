"""SAR as a quadratic form of the drive: one small Hermitian matrix per voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from emdose.dosimetry.sar import Rule
from emdose.dosimetry.transmission.tissue_voxels import TissueVoxels
from emdose.errors import InputError
from emdose.models.grids.grid import Grid
from emdose.values import owned, read_only

if TYPE_CHECKING:
    from emdose.dosimetry.averaging.cubic import AveragingPlan
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.fields import Fields


@read_only(units={"matrices": "W/kg per ({drive_unit})^2"})
@dataclass(frozen=True, eq=False)
class QMatrices:
    """Q-matrices of voxels or of averaging cubes: SAR = v^H Q v for a drive v.

    Parameters
    ----------
    matrices : (matrix, port, port) complex ndarray
        Hermitian and positive semidefinite [W/kg per squared drive unit].
    voxel : (matrix,) integer ndarray
        Flat index (C order) of the voxel that each belongs to; a voxel on a surface may have several cubes.
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
    frequency_Hz : float or None
        Frequency of the fields [Hz]; None where nobody said it.
    """

    matrices: np.ndarray
    voxel: np.ndarray
    grid: Grid
    ports: tuple[str, ...]
    drive_unit: str
    rule: str
    averaging_mass_kg: float | None = None
    frequency_Hz: float | None = None

    @property
    def unit(self) -> str:
        """Unit of the quadratic form."""
        return "W/kg"

    def __len__(self) -> int:
        """Number of matrices."""
        return len(self.matrices)

    def sar(self, weights: Sequence[complex] | np.ndarray) -> np.ndarray:
        """SAR of a drive by every matrix, (matrix,) [W/kg].

        Parameters
        ----------
        weights : (port,) complex
            Port amplitudes v [drive units].

        Raises
        ------
        InputError
            When the vector does not fit the ports.
        """
        v = port_amplitudes(weights, len(self.ports)).astype(self.matrices.dtype)
        return ((self.matrices @ v) * v.conj()).sum(-1).real

    def sar_map(self, weights: Sequence[complex] | np.ndarray) -> np.ndarray:
        """SAR of a drive on the grid, (nx, ny, nz) [W/kg]: the largest of a voxel's matrices, 0 where it has none.

        With averaged matrices the maximum of the map is the peak average, and voxels that a mass average calls "used"
        hold 0: they have no cube of their own.

        Parameters
        ----------
        weights : (port,) complex
            Port amplitudes v [drive units].

        Raises
        ------
        InputError
            When the vector does not fit the ports.
        """
        values = self.sar(weights)
        out = np.zeros(self.grid.size, values.dtype)
        np.maximum.at(out, self.voxel, values)
        return out.reshape(self.grid.shape)

    def worst_case(self) -> tuple[float, np.ndarray]:
        """Largest SAR of any drive of unit norm [W/kg per squared drive unit] and that drive, (port,) complex."""
        return largest_form(self.matrices)


def port_amplitudes(weights: Sequence[complex] | np.ndarray, n: int) -> np.ndarray:
    """A drive of n ports, (port,) complex; raises InputError when it is none."""
    v = np.asarray(weights, complex)
    if v.shape != (n,) or not np.all(np.isfinite(v)):
        raise InputError(
            "drive does not fit the ports", field="weights", found=v.shape, expected=f"{n} finite complex amplitudes"
        )
    return v


def largest_form(matrices: np.ndarray) -> tuple[float, np.ndarray]:
    """Largest v^H M v of Hermitian matrices (m, port, port) over all v of unit norm, and that v, (port,) complex."""
    values, vectors = np.linalg.eigh(matrices)
    index = int(np.argmax(values[:, -1]))
    return float(values[index, -1]), vectors[index, :, -1]


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
    voxels = TissueVoxels.of(fields, phantom, rule)
    n = len(fields.ports)
    matrices = np.empty((len(voxels.at), n, n), voxels.dtype)
    for some in voxels.slices():
        matrices[some] = voxels.matrices(some)
    return QMatrices(
        owned(matrices),
        owned(voxels.at),
        fields.grid,
        fields.ports,
        fields.drive_unit,
        rule,
        frequency_Hz=fields.frequency_Hz,
    )


def averaged(q: QMatrices, plan: AveragingPlan) -> QMatrices:
    """Q-matrices averaged over a mass: one per averaging cube that can decide a voxel.

    Parameters
    ----------
    q : QMatrices
        Point Q-matrices of the body.
    plan : AveragingPlan
        Its averaging cubes, for 10 g or any other mass.

    Raises
    ------
    InputError
        When the matrices are averaged already, or the plan belongs to another grid.

    Notes
    -----
    The mean over a cube is linear in SAR, so each entry is averaged on its own: Q_c = sum(m_i Q_i) / sum(m_i). The
    maxima that the averaging standard takes afterwards are not linear, which is why every candidate cube keeps its
    matrix: the largest v^H Q_c v is the largest mass average of the drive v.

    Source: I. Graesslin et al., Magn. Reson. Med. 68 (2012) 1664-1674; IEC/IEEE 62704-1:2017 for the cubes.
    """
    if q.averaging_mass_kg is not None:
        raise InputError(
            "matrices are averaged already", field="q", found=f"{q.averaging_mass_kg} kg", expected="point Q-matrices"
        )
    if plan.shape != q.grid.shape:
        raise InputError(
            "averaging plan does not fit the grid", field="plan", found=plan.shape, expected=str(q.grid.shape)
        )
    voxel = plan.be.to_numpy(plan.cube_voxel)
    n = len(q.ports)
    matrices = np.empty((voxel.size, n, n), q.matrices.dtype)
    entry = np.zeros(q.grid.shape, np.result_type(q.matrices, np.complex64))
    for k in range(n):
        for m in range(k, n):
            entry.reshape(-1)[q.voxel] = q.matrices[:, k, m]
            means = plan.be.to_numpy(plan.cube_means(entry.real if k == m else entry))
            matrices[:, k, m] = means
            matrices[:, m, k] = means.conj()
    return replace(q, matrices=owned(matrices), voxel=voxel, averaging_mass_kg=plan.mass_kg)
