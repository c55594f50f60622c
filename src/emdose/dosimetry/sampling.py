"""SAR of a body for thousands of tissue properties, places and drives, each from a solution of the model itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import one_of, positive, unknown
from emdose.compute import backend
from emdose.compute.reduced.basis import ReducedBasis
from emdose.constants import EPS_0
from emdose.dosimetry.averaging.average import shared_averaging_plan
from emdose.errors import InputError
from emdose.solvers.results.fields import region_mask
from emdose.solvers.vie.moved_incident import MovedIncident
from emdose.solvers.vie.sampling import B1Plus, Batch, VieSampler
from emdose.solvers.vie.solver import Vie
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.compute.shared import Shared
    from emdose.models.exposure import Exposure
    from emdose.models.grids.grid import Vector


@read_only
@dataclass(frozen=True, eq=False)
class ModelSamples:
    """What :meth:`ModelSampler.run` found.

    Parameters
    ----------
    values : mapping of str to (sample,) ndarray
        "whole_body_sar_W_kg", "peak_sar_W_kg", "peak_10g_sar_W_kg" (or of another mass) and "drive_A" (the drive that
        reaches the target) of every sample.
    residual, E_error_estimate : (sample,) ndarray
        Relative residual of the linear system, and the error of E (L2) that it leaves.
    products : (sample,) ndarray
        Products with the operator that the sample took; 0 for those that earlier ones answered.
    checked : (n, 2) ndarray
        Residuals of some answers as they were told and as a product has measured them.
    vectors : int
        Vectors of the reduced basis in the end.
    """

    values: Mapping[str, np.ndarray]
    residual: np.ndarray
    E_error_estimate: np.ndarray
    products: np.ndarray
    checked: np.ndarray
    vectors: int

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]


class ModelSampler:
    """One body in one coil for many tissue properties, places and drives, by the volume integral and a reduced basis.

    Nothing here is a surrogate: every sample is a solution whose residual meets the tolerance of the solver.

    Parameters
    ----------
    exposure : Exposure
        Body, coil and frequency; properties that are not varied are those of its phantom.
    drive : str or (port,) complex
        Name of one of the coil's drives or weights of its ports.
    b1plus_rms_T : float, optional
        Mean of abs(B1+) over ``over`` that every sample is scaled to [T]; without it SAR is that of a unit drive.
    over : "isocentre", "slice", "body", point or mask
        Where B1+ is taken, as of :meth:`Fields.scale`.
    mass_kg : float
        Averaging mass [kg].
    solver : Vie, optional
        Options of the solver.
    device : {"auto", "cpu", "cuda"} or Backend
        Where to compute.
    basis : ReducedBasis, optional
        Solutions to begin with; what is solved is added to it.
    shared : Shared, optional
        Hands on averaging plan, Green's function and coil fields.

    Raises
    ------
    InputError
        For a drive or a region that there is not, a mass that the body does not hold, voxels that are no cubes.
    ResourceError
        When it does not fit the memory.
    """

    def __init__(
        self,
        exposure: Exposure,
        drive: Any = "quadrature",
        *,
        b1plus_rms_T: float | None = None,
        over: str | Vector | np.ndarray = "isocentre",
        mass_kg: float = 10e-3,
        solver: Vie | None = None,
        device: str | Backend = "auto",
        basis: ReducedBasis | None = None,
        shared: Shared | None = None,
    ) -> None:
        exposure.refuse_metal("ModelSampler")
        phantom, be = exposure.phantom, backend.get(device)
        if isinstance(drive, str):
            one_of("drive", drive, exposure.coil.drives, problem="unknown drive")
            drive = exposure.coil.drives[drive]
        weights = np.asarray(drive, complex)
        if weights.shape != (len(exposure.coil.ports),):
            raise InputError(
                "drive does not fit the ports",
                field="drive",
                found=weights.shape,
                expected=f"{len(exposure.coil.ports)} amplitudes",
            )
        if b1plus_rms_T is not None:
            positive("b1plus_rms_T", b1plus_rms_T, problem="target must be positive")
        self.exposure, self.target_T, self.mass_kg = exposure, b1plus_rms_T, mass_kg
        density, spacing_m = phantom.density, phantom.spacing_m
        self.plan = shared_averaging_plan(shared, density, spacing_m, mass_kg, be)
        basis = basis or ReducedBasis()
        self.sampler = VieSampler(solver or Vie(), exposure, weights, be, basis, shared)
        region = region_mask(phantom.grid, phantom.body, over)
        self.over = over
        self._b1 = None if b1plus_rms_T is None else self.sampler.b1plus(region)
        self._region = region
        self._of_group = self.sampler.group_of_unknown()
        self._to_voxels, self._body = self._voxels_of_edges()
        self._density = density[self._body].astype(float)
        self._labels = np.asarray(phantom.labels)[self._body]

    def run(
        self,
        samples: int | None = None,
        *,
        conductivity_S_m: Mapping[str, Any] | None = None,
        relative_permittivity: Mapping[str, Any] | None = None,
        drive: Any = None,
        coil_shift_m: Any = None,
        body_shift_m: Any = None,
        each: Callable[[int, np.ndarray], None] | None = None,
    ) -> ModelSamples:
        """Solve and evaluate samples.

        Parameters
        ----------
        samples : int, optional
            How many; needed only where nothing is varied.
        conductivity_S_m, relative_permittivity : mapping of str to (sample,) array
            Properties of tissues by name [S/m], [1]; what is not named stays.
        drive : (sample, port) complex array, optional
            Weights of the ports of every sample; those of the sampler by default.
        coil_shift_m, body_shift_m : (sample, 3) array, optional
            By how much the coil, or the body, lies elsewhere than in the exposure [m]. The isocentre, and a point or
            slice at which B1+ is taken, stay where they are; a mask and "body" go with the body.
        each : callable, optional
            Called with the number of a sample and its SAR (nx, ny, nz) [W/kg], for maps.

        Raises
        ------
        InputError
            For a tissue that the body does not have, values that are negative or not finite, arrays of different
            lengths, a coil that runs through the body, or a place of B1+ outside of its grid.
        ConvergenceError
            When a sample misses the tolerance.
        """
        given = {"drive": drive, "coil_shift_m": coil_shift_m, "body_shift_m": body_shift_m}
        rows = {k: self._rows(k, v) for k, v in given.items() if v is not None}
        eps = self._permittivity(samples, conductivity_S_m or {}, relative_permittivity or {}, rows)
        count = len(eps)
        placed = self._placed(count, rows) if rows else None
        average = f"peak_{1e3 * self.mass_kg:g}g_sar_W_kg"
        names = ("whole_body_sar_W_kg", "peak_sar_W_kg", average, "drive_A")
        values = {name: np.empty(count) for name in names}
        residual, error, products = np.empty(count), np.empty(count), np.empty(count, int)
        checked = len(self.sampler.checked)
        mass = self._density.sum()
        for batch in self.sampler.batches(eps, None if placed is None else placed.incident):
            cut = slice(batch.first, batch.first + len(batch.residual))
            residual[cut], error[cut], products[cut] = batch.residual, batch.E_error_estimate, batch.products
            amplitude = self._amplitude(batch, placed)
            for i, sar in enumerate(self._sar(batch, eps[cut]), batch.first):
                sar = sar * amplitude[i - batch.first] ** 2
                full = np.zeros(self.exposure.phantom.grid.shape)
                full[self._body] = sar
                values["whole_body_sar_W_kg"][i] = float(sar @ self._density) / mass
                values["peak_sar_W_kg"][i] = sar.max()
                values[average][i] = float(self.plan.cube_means(full).max())
                values["drive_A"][i] = amplitude[i - batch.first]
                if each is not None:
                    each(i, full)
        told = np.array(self.sampler.checked[checked:]).reshape(-1, 2)
        return ModelSamples(values, residual, error, products, told, self.sampler.span.size)

    def _amplitude(self, batch: Batch, placed: Placed | None) -> np.ndarray:
        """Factor of the drive that reaches the target, (sample,)."""
        if self._b1 is None or self.target_T is None:
            return np.ones(len(batch.coefficients))
        if placed is None:
            found = self._b1.of(batch.coefficients, self._region)
        else:  # one sample a batch
            incident = placed.b1plus(batch.first, self._b1)
            found = self._b1.of(batch.coefficients, placed.region(batch.first), incident)
        return np.asarray(self.target_T / np.abs(found).mean(axis=1))

    def _placed(self, count: int, rows: Mapping[str, np.ndarray]) -> Placed:
        """The incident fields of samples; B1+ is kept wherever one of them takes it."""
        zero = np.zeros((count, 3))
        body = rows.get("body_shift_m", zero)
        shift = rows.get("coil_shift_m", zero) - body
        drive = rows.get("drive", np.broadcast_to(self.sampler.weights, (count, len(self.sampler.weights))))
        moves = "coil_shift_m" in rows or "body_shift_m" in rows
        if moves:
            for one in shift:
                self.exposure.coil.translate(one).check_clear_of(self.exposure.phantom)
        placed = Placed(self, drive, shift if moves else None, body)
        if self._b1 is not None:
            there = self._b1.mask.copy()
            for mask in placed.regions.values():
                there |= mask
            if (there & ~self._b1.mask).any():
                self._b1 = self.sampler.b1plus(there)
        return placed

    def _rows(self, name: str, given: Any) -> np.ndarray:
        """An array with a row a sample."""
        ports = len(self.exposure.coil.ports)
        width, kind, what = (ports, complex, "weights") if name == "drive" else (3, float, "metres")
        found = np.asarray(given, kind)
        if found.ndim != 2 or found.shape[1] != width or not np.isfinite(found).all():
            expected = f"(samples, {width}) finite {what}"
            raise InputError("samples that cannot be used", field=name, found=found.shape, expected=expected)
        return found

    def _sar(self, batch: Batch, permittivity: np.ndarray) -> Iterator[np.ndarray]:
        """SAR of the voxels of the body at a unit drive, sample by sample, (voxel,) [W/kg]."""
        sampler = self.sampler
        omega = sampler.problem.omega
        J = sampler.be.to_numpy(sampler.span.combine(batch.coefficients, by_group=True))
        for i in range(len(J)):
            # E = J / (j w eps0 (eps - 1)) on the edges; 1/4 of abs(E)^2 goes to each of the four voxels around.
            scale = 1 / np.abs(omega * EPS_0 * (batch.permittivity[i] - 1)) ** 2
            square = (J[i].real ** 2 + J[i].imag ** 2) * scale.astype(J.real.dtype)[self._of_group]
            sigma = -permittivity[i].imag * omega * EPS_0
            yield 0.5 * sigma[self._labels] / self._density * (self._to_voxels @ square)

    def _voxels_of_edges(self) -> tuple[Any, np.ndarray]:
        """Matrix of the mean over the parallel edges of every voxel of the body (trapezium rule), and the body."""
        from scipy.sparse import csr_array

        problem, order = self.sampler.problem, self.sampler.span.order
        body = np.asarray(self.exposure.phantom.body, bool)
        box = tuple(slice(a, a + n - 1) for a, n in zip(problem.low, problem.shape, strict=True))
        voxels = np.argwhere(body[box])
        position = np.full(3 * int(np.prod(problem.shape)), -1)
        position[problem.be.to_numpy(problem.index)[order]] = np.arange(len(order))
        columns = []
        for c in range(3):
            a, b = (axis for axis in range(3) if axis != c)
            for step_a in (0, 1):
                for step_b in (0, 1):
                    at = voxels.copy()
                    at[:, a] += step_a
                    at[:, b] += step_b
                    edge = np.ravel_multi_index((np.full(len(at), c), *at.T), (3, *problem.shape))
                    columns.append(position[edge])
        found = np.stack(columns, axis=1)
        if (found < 0).any():
            raise InputError("an edge of the body has the permittivity of air", field="phantom.tissues")
        starts = np.arange(0, 12 * len(voxels) + 1, 12)
        weights = np.full(found.size, 0.25, np.float32 if problem.dtype == np.complex64 else np.float64)
        matrix = csr_array((weights, found.ravel(), starts), shape=(len(voxels), len(order)))
        return matrix, body

    def _permittivity(
        self,
        samples: int | None,
        conductivity: Mapping[str, Any],
        permittivity: Mapping[str, Any],
        rows: Mapping[str, np.ndarray],
    ) -> np.ndarray:
        """eps_r - j sigma / (w eps0) of every tissue, (sample, tissue)."""
        phantom, f = self.exposure.phantom, self.exposure.frequency_Hz
        names = [t.name for t in phantom.tissues]
        given: dict[tuple[str, str], np.ndarray] = {}
        for field, table, least in (
            ("conductivity_S_m", conductivity, 0.0),
            ("relative_permittivity", permittivity, 1.0),
        ):
            for name, values in table.items():
                if name not in names[1:]:
                    raise unknown("tissue not in this phantom", name, names[1:], field=field)
                array = np.atleast_1d(np.asarray(values, float))
                if array.ndim != 1 or not np.isfinite(array).all() or (array < least).any():
                    raise InputError(
                        "bad property of a tissue",
                        field=f"{field}.{name}",
                        found=float(array.min()) if array.size else None,
                        expected=f"one finite number >= {least:g} a sample",
                    )
                given[field, name] = array
        lengths = {len(a) for a in (*given.values(), *rows.values())} | ({samples} if samples is not None else set())
        if len(lengths) != 1:
            raise InputError("samples of different lengths", found=sorted(lengths), expected="one number a sample")
        eps = np.tile([t.complex_permittivity(f) for t in phantom.tissues], (lengths.pop(), 1)).astype(complex)
        for (field, name), array in given.items():
            at = names.index(name)
            if field == "conductivity_S_m":
                eps[:, at] = eps[:, at].real - 1j * array / (2 * np.pi * f * EPS_0)
            else:
                eps[:, at] = array + 1j * eps[:, at].imag
        return eps


class Placed:
    """What the coil does to samples that move or drive it in ways of their own.

    Parameters
    ----------
    sampler : ModelSampler
        Body and coil.
    drive : (sample, port) complex ndarray
        Weights of the ports.
    shift_m : (sample, 3) ndarray or None
        By how much the coil is moved against the body [m]; None where it is not.
    body_m : (sample, 3) ndarray
        By how much the body is moved against the isocentre [m].
    """

    def __init__(
        self, sampler: ModelSampler, drive: np.ndarray, shift_m: np.ndarray | None, body_m: np.ndarray
    ) -> None:
        self.drive, self.shift_m, self.vie = drive, shift_m, sampler.sampler
        self.moved = None if shift_m is None else MovedIncident(self.vie.problem)
        self.regions: dict[bytes, np.ndarray] = {}
        """Places of B1+ as masks, each once."""
        self._which: list[bytes] = []
        phantom, over = sampler.exposure.phantom, sampler.over
        stays = isinstance(over, np.ndarray) and over.dtype == bool
        for shift in body_m:
            grid = phantom.grid if stays else phantom.grid.moved(tuple(shift))
            mask = region_mask(grid, phantom.body, over)
            key = np.packbits(mask).tobytes()
            self.regions.setdefault(key, mask)
            self._which.append(key)

    def region(self, sample: int) -> np.ndarray:
        """Where a sample takes B1+, (nx, ny, nz)."""
        return self.regions[self._which[sample]]

    def incident(self, sample: int) -> np.ndarray:
        """E_inc of a sample on the unknowns, (n,) [V/m]."""
        if self.moved is None or self.shift_m is None:
            return np.asarray(self.drive[sample] @ self.vie.E_ports)
        return self.moved.on_unknowns(self.drive[sample], self.shift_m[sample])

    def b1plus(self, sample: int, known: B1Plus) -> np.ndarray:
        """Incident B1+ of a sample where it takes B1+, (voxel,) [T]."""
        region = self.region(sample)
        if self.moved is None or self.shift_m is None:
            return np.asarray(self.drive[sample] @ known.of_ports[:, region[known.mask]])
        return self.moved.b1plus(region, self.drive[sample], self.shift_m[sample])
