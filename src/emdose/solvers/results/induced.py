r"""Electric fields induced in a body at low frequencies, per unit of every source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.induction.sources import InductionSource
from emdose.values import owned, read_only


@read_only(units={"E": "V/m per unit of drive"})
@dataclass(frozen=True, eq=False)
class InducedField:
    """Induced electric field in the voxels of a body that conduct.

    Parameters
    ----------
    phantom : Phantom
        The body.
    sources : tuple of InductionSource
        What drives it.
    frequency_Hz : float
        Frequency that the tissues' properties were taken at [Hz].
    cells : (m,) int64 ndarray
        Flat indices of the voxels that conduct, growing.
    E : (sources, 3, m) float32 or complex64 ndarray
        Field at the centres of these voxels per unit of drive of every source [V/m].
    conductivity : (m,) float32 or complex64 ndarray
        sigma, or sigma + j w eps where displacement currents count [S/m].
    parts : (m,) int32 ndarray
        Which connected conductor a voxel belongs to, from 0.
    residual : (sources,) ndarray
        Relative residual.
    iterations : int
        Of the conjugate gradients.
    balance : (sources,) ndarray
        Relative difference between the power in the body and the work of the source: conservation of energy.
    about : mapping
        Solver, its options, times, for the provenance.
    """

    phantom: Phantom
    sources: tuple[InductionSource, ...]
    frequency_Hz: float
    cells: np.ndarray
    E: np.ndarray
    conductivity: np.ndarray
    parts: np.ndarray
    residual: np.ndarray
    iterations: int
    balance: np.ndarray
    about: Mapping[str, Any]

    @property
    def labels(self) -> np.ndarray:
        """Tissue label of every voxel that conducts, (m,)."""
        return self.phantom.labels.reshape(-1)[self.cells]

    @property
    def points_m(self) -> np.ndarray:
        """Centres of the voxels that conduct, (m, 3) [m]."""
        grid = self.phantom.grid
        index = np.stack(np.unravel_index(self.cells, grid.shape), axis=1)
        return np.asarray(grid.origin_m) + (index + 0.5) * np.asarray(grid.spacing_m)

    def combined(self, drive: Sequence[float] | np.ndarray) -> np.ndarray:
        """Field of all sources together, (3, m) [V/m].

        Parameters
        ----------
        drive : (sources,) array
            Drive of every source in its unit, real or complex.

        Raises
        ------
        InputError
            For another number of drives than sources.
        """
        weights = np.asarray(drive)
        if weights.shape != (len(self.sources),):
            raise InputError(
                "drive does not fit the sources",
                field="drive",
                found=weights.shape,
                expected=f"({len(self.sources)},): {', '.join(s.name for s in self.sources)}",
            )
        return np.tensordot(weights.astype(np.result_type(weights.dtype, self.E.dtype, np.float32)), self.E, 1)

    def map(self, values: np.ndarray) -> np.ndarray:
        """Values (..., m) of the voxels that conduct as a map (..., nx, ny, nz), NaN elsewhere."""
        values = np.asarray(values)
        out = np.full((*values.shape[:-1], self.phantom.grid.size), np.nan, np.result_type(values.dtype, np.float32))
        out[..., self.cells] = values
        return owned(out.reshape(*values.shape[:-1], *self.phantom.grid.shape))
