r"""Electric fields induced in a body at low frequencies, per unit of every source: at voxels, edges and faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.grids.grid import Grid
from emdose.models.implants.implanted_body import ImplantedBody
from emdose.models.induction.sources import InductionSource
from emdose.solvers.results.measures import worst
from emdose.validity import Measure
from emdose.values import owned, read_only


@read_only(units={"E": "V/m per unit of drive"})
@dataclass(frozen=True, eq=False)
class InducedEdges:
    """Fields along the edges of the voxels that conduct.

    Parameters
    ----------
    low : (int, int, int)
        First voxel of the box that the corners are counted in.
    shape : (int, int, int)
        Corners of that box.
    corners : (k,) int64 ndarray
        Flat indices of the corners that end an edge, growing.
    E : (sources, 3, k) float32 or complex64 ndarray
        Field along the edge that ends at this corner from below, along each axis [V/m].
    """

    low: tuple[int, int, int]
    shape: tuple[int, int, int]
    corners: np.ndarray
    E: np.ndarray

    def at_faces(self, voxels: np.ndarray, axis: int, high: bool) -> np.ndarray:
        """Field in the middle of a face of voxels as seen from inside them, (sources, 3, n) [V/m].

        Along the normal the mean of the voxel's four edges; in the face the mean of its two edges each way, which the
        neighbour shares.

        Parameters
        ----------
        voxels : (n, 3) int ndarray
            Indices of voxels that conduct, in the whole grid.
        axis : int
            Normal of the face.
        high : bool
            Its high side or its low one.
        """
        first = np.asarray(voxels) - np.asarray(self.low)
        out = np.empty((len(self.E), 3, len(first)), self.E.dtype)
        for along in range(3):
            others = [a for a in range(3) if a != along]
            total = np.zeros((len(self.E), len(first)), self.E.dtype)
            steps = [(0, 1) if a == axis == along or a != axis else (int(high),) for a in others]
            for one in steps[0]:
                for two in steps[1]:
                    corner = first.copy()
                    corner[:, along] += 1
                    corner[:, others[0]] += one
                    corner[:, others[1]] += two
                    place = np.searchsorted(self.corners, np.ravel_multi_index(tuple(corner.T), self.shape))
                    total += self.E[:, along, place]
            out[:, along] = total / (len(steps[0]) * len(steps[1]))
        return out


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
    edges : InducedEdges, optional
        Fields along the edges of voxels, where the solver was asked to keep them.
    implanted : ImplantedBody, optional
        The body with its metal, where there is some; no voxel of metal is among the cells.
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
    edges: InducedEdges | None = None
    implanted: ImplantedBody | None = None

    def measures(self) -> list[Measure]:
        """How far these fields can be trusted, for :func:`emdose.validity.judge`.

        Residual over tolerance, and power in the body against work of the source, of the worst source; what the voxels
        lose or add of metal.
        """
        names = [f"{n + 1}: {s.name}" for n, s in enumerate(self.sources)]
        tolerance = self.about.get("tolerance")
        met = {n: float(r) / tolerance for n, r in zip(names, self.residual, strict=True)} if tolerance else {}
        return [
            *(worst("residual", met) if met else []),
            *worst("induced_balance", dict(zip(names, map(float, self.balance), strict=True))),
            *([] if self.implanted is None else self.implanted.measures()),
        ]

    def E_at_faces(self, axis: int, high: bool) -> np.ndarray:
        """Field in the middle of one face of every voxel that conducts, seen from inside it, (sources, 3, m) [V/m].

        Parameters
        ----------
        axis : {0, 1, 2}
            Normal of the face.
        high : bool
            The face on the voxel's high side, or that on its low side.

        Raises
        ------
        InputError
            For another axis; where the fields along edges were not kept.
        """
        if axis not in (0, 1, 2):
            raise InputError("no such axis", field="axis", found=axis, expected="0, 1 or 2")
        if self.edges is None:
            raise InputError("fields along edges were not kept", field="edges", expected="Quasistatic(keep_edges=True)")
        return self.edges.at_faces(np.stack(np.unravel_index(self.cells, self.phantom.grid.shape), 1), axis, high)

    @property
    def labels(self) -> np.ndarray:
        """Tissue label of every voxel that conducts, (m,)."""
        return self.phantom.labels.reshape(-1)[self.cells]

    @property
    def points_m(self) -> np.ndarray:
        """Centres of the voxels that conduct, (m, 3) [m]."""
        return centres_of(self.phantom.grid, self.cells)

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
        weights = weights_of(self.sources, drive)
        return np.tensordot(weights.astype(np.result_type(weights.dtype, self.E.dtype, np.float32)), self.E, 1)

    def map(self, values: np.ndarray) -> np.ndarray:
        """Values (..., m) of the voxels that conduct as a map (..., nx, ny, nz), NaN elsewhere."""
        values = np.asarray(values)
        out = np.full((*values.shape[:-1], self.phantom.grid.size), np.nan, np.result_type(values.dtype, np.float32))
        out[..., self.cells] = values
        return owned(out.reshape(*values.shape[:-1], *self.phantom.grid.shape))


def centres_of(grid: Grid, cells: np.ndarray) -> np.ndarray:
    """Centres of voxels, by their flat indices (m,), (m, 3) [m]."""
    index = np.stack(np.unravel_index(cells, grid.shape), axis=1)
    return np.asarray(grid.origin_m) + (index + 0.5) * np.asarray(grid.spacing_m)


def weights_of(sources: Sequence[InductionSource], drive: Sequence[float] | np.ndarray) -> np.ndarray:
    """A drive as one number for every source, (sources,); raises InputError for another number of them."""
    weights = np.asarray(drive)
    if weights.shape != (len(sources),):
        raise InputError(
            "drive does not fit the sources",
            field="drive",
            found=weights.shape,
            expected=f"({len(sources)},): {', '.join(s.name for s in sources)}",
        )
    return weights
