r"""Rises of temperature as quadratic forms of the drive: one small Hermitian matrix per voxel or point.

Pennes' equation with perfusion that does not follow the temperature is linear in the power that is absorbed, and that
is a quadratic form of the drive:

.. math:: T = v^H T_p v, \qquad (T_p)_{kl} = \sum_j K_{pj}\, \rho_j (Q_j)_{kl}

with the symmetric operator K of :mod:`emdose.solvers.heat.responses`: by columns, from :math:`n^2` real power densities
(:math:`Q_{kk}`, and real and imaginary parts of :math:`Q_{kl}`), or by rows, one solution for each point.

Source: N. Boulant et al., Magn. Reson. Med. 75 (2016) (temperature by virtual observation points); H. H. Pennes, J.
Appl. Physiol. 1 (1948) 93-122.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import array, one_of, positive
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.dosimetry.sar import Rule
from emdose.dosimetry.transmission.qmatrix import QMatrices, largest_form, port_amplitudes
from emdose.dosimetry.transmission.tissue_voxels import TissueVoxels
from emdose.errors import ConvergenceError, InputError
from emdose.models.grids.grid import Grid
from emdose.solvers.heat.materials import body_maps, transfer
from emdose.solvers.heat.responses import HeatResponse
from emdose.solvers.heat.solver import Bioheat
from emdose.solvers.heat.sources import PowerDensity, power_on, same_voxels
from emdose.solvers.progress import watched
from emdose.solvers.results.fields import Fields
from emdose.solvers.results.measures import heat_measures
from emdose.solvers.running import Iteration, Progress, callback
from emdose.validity import Measure
from emdose.values import owned, read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

METHODS = ("auto", "sources", "points")
BLOCK = 1 << 15
"""Matrices whose eigenvalues are found at a time."""
NEGATIVE = 1e-3
"""Eigenvalues below zero up to this part of the largest are rounding and steps in time; more is refused."""


@read_only(units={"matrices": "K per ({drive_unit})^2"})
@dataclass(frozen=True, eq=False)
class TemperatureMatrices:
    """Matrices of the rise of temperature of voxels: T = v^H T v for a drive v that is on all the time.

    Parameters
    ----------
    matrices : (matrix, port, port) complex ndarray
        Hermitian and positive semidefinite [K per squared drive unit].
    voxel : (matrix,) integer ndarray
        Flat index (C order) of the voxel that each belongs to.
    grid : Grid
        Voxels of the heat.
    ports : tuple of str
        Names of the ports.
    drive_unit : str
        What one unit of v is: peak amplitude, as in the fields they come from.
    time_s : float
        How long the drive has been on [s]; infinite in the steady state.
    rule : str
        SAR rule of the power.
    method : "sources" or "points"
        What was solved for: pairs of channels, or points.
    convention : str
        "vHQv": the form is v^H T v, with phasors of e^{+jwt}.
    frequency_Hz : float or None
        Frequency of the fields [Hz]; None where nobody said it.
    time_error : float
        Error of the steps in time over the largest rise.
    raised : float
        Largest amount that eigenvalues below zero were raised by, over the largest eigenvalue.
    assumptions : tuple of str
        What the numbers rest on, in sentences.
    provenance : mapping
        Options, voxels and device.
    """

    matrices: np.ndarray
    voxel: np.ndarray
    grid: Grid
    ports: tuple[str, ...]
    drive_unit: str
    time_s: float
    rule: str
    method: str
    convention: str = "vHQv"
    frequency_Hz: float | None = None
    time_error: float = 0.0
    raised: float = 0.0
    assumptions: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """Unit of the quadratic form."""
        return "K"

    @property
    def averaging_mass_kg(self) -> None:
        """No mass: rises of voxels."""
        return None

    def measures(self) -> list[Measure]:
        """How far these temperatures can be trusted, for :func:`emdose.validity.judge`: steps in time."""
        return heat_measures({"time_error": self.time_error})

    def rise(self, weights: Sequence[complex] | np.ndarray) -> np.ndarray:
        """Rise by a drive of every matrix, (matrix,) [K].

        Parameters
        ----------
        weights : (port,) complex
            Port amplitudes v [drive units].

        Raises
        ------
        InputError
            When the vector does not fit the ports.
        """
        v = port_amplitudes(weights, len(self.ports))
        return np.asarray(((self.matrices @ v) * v.conj()).sum(-1).real)

    def rise_of_mean(self, mean: np.ndarray) -> np.ndarray:
        """Rise by drives in quick turn, tr T C of every matrix, (matrix,) [K].

        Parameters
        ----------
        mean : (port, port) complex ndarray
            C, the mean of v v^H over a sequence that is short beside the seconds in which heat spreads over a voxel.

        Raises
        ------
        InputError
            When it does not fit the ports.
        """
        C, n = np.asarray(mean, complex), len(self.ports)
        if C.shape != (n, n) or not np.all(np.isfinite(C)):
            raise InputError("mean does not fit the ports", field="mean", found=C.shape, expected=f"({n}, {n}), finite")
        return np.asarray((self.matrices.reshape(-1, n * n) @ C.T.ravel()).real)

    def rise_map(self, weights: Sequence[complex] | np.ndarray) -> np.ndarray:
        """Rise by a drive on the grid, (nx, ny, nz) [K], 0 where there is no matrix; as :meth:`rise`."""
        out = np.zeros(self.grid.size)
        out[self.voxel] = self.rise(weights)
        return out.reshape(self.grid.shape)

    def worst_case(self) -> tuple[float, np.ndarray]:
        """Largest rise of any drive of unit norm [K per squared drive unit] and that drive, (port,) complex."""
        return largest_form(self.matrices)


@watched
@backend.within_memory("a region, points, or larger voxels of the heat")
def temperature_matrices(
    q: QMatrices | Fields,
    phantom: Phantom,
    bioheat: Bioheat | None = None,
    *,
    time_s: float | None = None,
    region: np.ndarray | None = None,
    points_m: np.ndarray | Sequence[Sequence[float]] | None = None,
    method: str = "auto",
    rule: Rule = "trapezium",
    device: str | Backend = "auto",
    progress: Progress = True,
) -> TemperatureMatrices:
    """Matrices of the rise of temperature by every drive, of all tissue voxels or of some.

    Parameters
    ----------
    q : QMatrices or Fields
        Point Q-matrices of the body, or the fields of all ports that they are made of.
    phantom : Phantom
        The body; every tissue needs thermal data.
    bioheat : Bioheat, optional
        Options of the heat: voxels, skin, perfusion, precision of the steps.
    time_s : float, optional
        How long the drive has been on [s]; by default until nothing changes any more, which is above every time before.
    region : (nx, ny, nz) bool ndarray, optional
        Voxels of the heat that get a matrix; by default all whose temperature is not held.
    points_m : (m, 3) array, optional
        Points [m] whose voxels get a matrix, in this order; in place of ``region``.
    method : {"auto", "sources", "points"}
        One solution for each of the n^2 real power densities, or one for each voxel; "auto" takes what is fewer.
    rule : str
        SAR rule of the power, where ``q`` are fields.
    device, progress
        As of :meth:`emdose.Bioheat.solve_sar`.

    Raises
    ------
    InputError
        When perfusion follows the temperature, matrices are averaged or belong to another grid, a point lies outside of
        the body, a tissue has no thermal data, or there is no steady state.
    ResourceError
        When it does not fit the memory.
    ConvergenceError
        When the steady state is not found, or steps in time leave matrices that are not positive.

    Warns
    -----
    EmdoseWarning
        When the steps cannot be made short enough for the tolerance.

    Notes
    -----
    A metal implant is not in this heat: see :meth:`emdose.Bioheat.solve`.

    Source: H. H. Pennes, J. Appl. Physiol. 1 (1948) 93-122; docs/theory/parallel_transmission.md.
    """
    options = bioheat or Bioheat()
    one_of("method", method, METHODS, problem="unknown method")
    if time_s is not None:
        positive("time_s", time_s, problem="bad time", expected="seconds > 0, or None for the steady state")
    law = options.perfusion
    if law.follows:  # type: ignore[union-attr]
        raise InputError(
            "with perfusion that follows the temperature rises are no quadratic form of the drive",
            field="perfusion",
            found=law.law,  # type: ignore[union-attr]
            expected='"constant" or "none"',
        )
    if not isinstance(q, QMatrices | Fields):
        raise InputError("no matrices of SAR", field="q", found=type(q).__name__, expected="QMatrices or Fields")
    body = options.body(phantom)
    power = _PairPowers(q, phantom, body, rule)
    maps = body_maps(body, None, options.surface_W_m2_K, options.edges)
    at = _places(body.grid, maps.solved, region, points_m)
    n = power.ports
    by_points = method == "points" or (method == "auto" and len(at) < n * n)
    probes = [power.trace()]
    if by_points:
        hottest = at[int(np.argmax(probes[0].ravel()[at]))]
        probes.append(_ones(body.grid, hottest[None])[0])
    response = HeatResponse(
        maps,
        time_s,
        probes,
        perfusion=law,  # type: ignore[arg-type]
        tolerance=options.tolerance,
        dtype=options.dtype,
        device=device,
    )
    solve = _by_points if by_points else _by_sources
    T = np.zeros((len(at), n, n), np.complex64 if options.dtype == "float32" else complex)
    solve(power, response, at, T, callback(progress))
    raised = _make_positive(T, options.tolerance)
    state = "the steady state" if time_s is None else f"{time_s:g} s after the drive began"
    return TemperatureMatrices(
        matrices=owned(T),
        voxel=owned(at),
        grid=body.grid,
        ports=tuple(q.ports),
        drive_unit=q.drive_unit,
        time_s=math.inf if time_s is None else float(time_s),
        rule=power.rule,
        method="points" if by_points else "sources",
        frequency_Hz=q.frequency_Hz,
        time_error=response.time_error,
        raised=raised,
        assumptions=(f"Rises in {state}; the drive is the same all the time.", *options.assumptions(maps)),
        provenance={
            "solver": "bioheat",
            "voxels": int(np.count_nonzero(maps.solved)),
            "spacing_m": list(body.spacing_m),
            "dtype": options.dtype if time_s is not None else "float64",
            "solutions": len(at) if by_points else n * n,
            "time_error": response.time_error,
        },
    )


class _PairPowers:
    """Power densities of pairs of channels on the voxels of the heat [W/m^3 per squared drive unit].

    Of Q-matrices, or of fields voxel by voxel and pair by pair, so that the matrices of all voxels are never there.
    """

    def __init__(self, source: QMatrices | Fields, phantom: Phantom, body: Phantom, rule: Rule) -> None:
        self.source, self.grid, self.heated = source, body.grid, body.body
        self.own = phantom.grid
        if isinstance(source, QMatrices):
            if source.averaging_mass_kg is not None:
                told = f"over {source.averaging_mass_kg:g} kg"
                raise InputError("matrices are averaged", field="q", found=told, expected="point matrices")
            if not same_voxels(source.grid, phantom.grid) or not phantom.body.ravel()[source.voxel].all():
                told = f"tissue of {phantom.grid.shape}"
                raise InputError("matrices of another body", field="q", found=source.grid.shape, expected=told)
            self.rule, self.at = source.rule, source.voxel
        else:
            self._voxels = TissueVoxels.of(source, phantom, rule)
            self.rule, self.at = rule, self._voxels.at
        self.ports, self.same = len(source.ports), same_voxels(self.own, body.grid)
        self.density = phantom.density.ravel()[self.at].astype(float)
        self.scale = 1.0
        self._trace = self.density * sum(self._entry(k, k).real.astype(float) for k in range(self.ports))
        if not self.same:  # one factor for all pairs, by which the power of their trace is kept
            wanted = power_on(body, PowerDensity(self._on_own(self._trace), self.own), field="q").sum()
            self.scale = float(wanted / self.trace().sum()) if wanted > 0 else 1.0

    def trace(self) -> np.ndarray:
        """Sum over the channels, each alone, (nx, ny, nz)."""
        return self._moved(self._trace).real

    def pair(self, k: int, m: int) -> np.ndarray:
        """Of entry (k, m), (nx, ny, nz) complex."""
        return self._moved(self.density * self._entry(k, m))

    def _entry(self, k: int, m: int) -> np.ndarray:
        """Entries of the matrices of all tissue voxels, (m,)."""
        if isinstance(self.source, QMatrices):
            return np.asarray(self.source.matrices[:, k, m])
        return np.asarray(self._voxels.entry(k, m).ravel()[self.at])

    def _on_own(self, values: np.ndarray) -> np.ndarray:
        """Values of the tissue voxels on their own grid."""
        out = np.zeros(self.own.size, values.dtype)
        out[self.at] = values
        return out.reshape(self.own.shape)

    def _moved(self, values: np.ndarray) -> np.ndarray:
        if self.same:
            return self._on_own(values)
        parts = np.stack([values.real, values.imag])
        where = np.stack(np.unravel_index(self.at, self.own.shape), axis=1)
        real, imaginary = transfer(where, parts, self.own, self.grid)[0]
        return np.where(self.heated, self.scale * (real + 1j * imaginary), 0)


def _places(
    grid: Grid, solved: np.ndarray, region: np.ndarray | None, points_m: np.ndarray | Sequence[Sequence[float]] | None
) -> np.ndarray:
    """Flat indices of the voxels that get a matrix."""
    if region is not None and points_m is not None:
        raise InputError("a region and points", field="points_m", expected="one of region and points_m")
    if points_m is not None:
        points = array("points_m", points_m, (None, 3), problem="bad points")
        index = np.floor((points - grid.origin_m) / grid.spacing_m).astype(int)
        inside = ((index >= 0) & (index < grid.shape)).all(axis=1)
        held = np.zeros(len(points), bool)
        held[inside] = solved[tuple(index[inside].T)]
        if not held.all():
            where = points[int(np.argmin(held))]
            raise InputError(
                "a point outside of what is heated", field="points_m", found=where.tolist(), expected="points in tissue"
            )
        return np.asarray(np.ravel_multi_index(tuple(index.T), grid.shape))
    if region is None:
        return np.flatnonzero(solved)
    mask = np.asarray(region)
    if mask.shape != grid.shape or mask.dtype != bool:
        raise InputError(
            "region does not fit the voxels of the heat",
            field="region",
            found=f"{mask.shape} {mask.dtype}",
            expected=f"{grid.shape} bool",
        )
    at = np.flatnonzero(mask & solved)
    if len(at) == 0:
        raise InputError("no tissue in the region", field="region", expected="voxels that are heated")
    return at


def _ones(grid: Grid, at: np.ndarray) -> np.ndarray:
    """Sources of 1 W/m^3 in one voxel each, (s, nx, ny, nz)."""
    out = np.zeros((len(at), grid.size))
    out[np.arange(len(at)), at] = 1
    return out.reshape(-1, *grid.shape)


def _pairs(n: int) -> Iterator[tuple[int, int]]:
    for k in range(n):
        for m in range(k, n):
            yield k, m


def _by_sources(
    power: _PairPowers, response: HeatResponse, at: np.ndarray, T: np.ndarray, tell: Callable[[Any], None]
) -> None:
    """Fill the upper triangles of T (m, n, n) from one solution for each real power density."""
    parts = [(k, m, part) for k, m in _pairs(power.ports) for part in ((0,) if k == m else (0, 1))]
    for start in range(0, len(parts), response.together):
        some = parts[start : start + response.together]
        given = [(power.pair(k, m).imag if part else power.pair(k, m).real) for k, m, part in some]
        for (k, m, part), rise in zip(some, response.rises(np.stack(given)), strict=True):
            T[:, k, m] += ((1j if part else 1) * rise.ravel()[at]).astype(T.dtype)
        tell(Iteration(stage="heat", step=min(start + len(some), len(parts)), steps=len(parts)))


def _by_points(
    power: _PairPowers, response: HeatResponse, at: np.ndarray, T: np.ndarray, tell: Callable[[Any], None]
) -> None:
    """Fill the upper triangles of T (m, n, n) from one solution for each point."""
    block = max(response.together, 16)
    for start in range(0, len(at), block):
        some = at[start : start + block]
        weights = response.rises(_ones(power.grid, some)).reshape(len(some), -1).astype(float)
        for k, m in _pairs(power.ports):
            T[start : start + len(some), k, m] = weights @ power.pair(k, m).ravel()
        tell(Iteration(stage="heat", step=start + len(some), steps=len(at)))


def _make_positive(T: np.ndarray, tolerance: float) -> float:
    """Hermitian matrices from their upper triangles, in place, with eigenvalues below zero raised to it.

    They only grow by that; what comes back is by how much at most, over the largest eigenvalue.
    """
    n = T.shape[-1]
    low, own = np.tril_indices(n, -1), np.arange(n)
    largest, least, below = 0.0, 0.0, []
    for start in range(0, len(T), BLOCK):
        block = T[start : start + BLOCK]
        block[:, low[0], low[1]] = block[:, low[1], low[0]].conj()
        block[:, own, own] = block[:, own, own].real
        values = np.linalg.eigvalsh(block.astype(complex))
        largest, least = max(largest, float(values[:, -1].max())), min(least, float(values[:, 0].min()))
        below.append(start + np.flatnonzero(values[:, 0] < 0))
    if least >= 0 or largest <= 0:
        return 0.0
    raised = -least / largest
    if raised > max(NEGATIVE, tolerance):
        raise ConvergenceError(
            f"temperature matrices: an eigenvalue of {-raised:.1e} of the largest; shorter steps in time (a smaller "
            "tolerance) or float64 would help",
            T,
        )
    for some in below:
        values, vectors = np.linalg.eigh(T[some].astype(complex))
        lifted = (vectors * np.maximum(values, 0)[:, None]) @ vectors.conj().swapaxes(1, 2)
        T[some] = 0.5 * (lifted + lifted.conj().swapaxes(1, 2))
    return raised
