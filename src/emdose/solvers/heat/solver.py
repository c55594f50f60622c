r"""Temperature in the body by Pennes' equation, from the losses of an implant, from SAR, or from both.

.. math:: \rho c\,\partial_t T = \nabla\cdot(k \nabla T) - W (T - T_b) + q

What is computed is the rise above the temperature without exposure: there the metabolic heat, the temperature of the
blood and that of the air drop out, as long as perfusion does not follow the temperature.

Source: H. H. Pennes, J. Appl. Physiol. 1 (1948) 93-122; docs/theory/bioheat.md for the discretisation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import lengths, not_negative
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.errors import InputError
from emdose.models.grids.grid import Grid, Shape
from emdose.solvers.heat.directions import PAIRS, HeatResult, crossing, near_metal
from emdose.solvers.heat.materials import Metals, body_maps, metabolic_W_m3
from emdose.solvers.heat.near_metal import metal_body, split_cells, within
from emdose.solvers.heat.options import BioheatOptions, HeatPlan, plan
from emdose.solvers.heat.problem import HeatMaps
from emdose.solvers.heat.rise import heat, steady
from emdose.solvers.heat.sources import extra_powers, named_sources, power_on
from emdose.solvers.heat.stepping import Envelope, Perfusion
from emdose.solvers.progress import watched
from emdose.solvers.results.measures import heat_measures
from emdose.solvers.running import Progress, callback
from emdose.validity import Measure
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.power_tensor import PowerTensor

__all__ = ["Bioheat", "Envelope", "HeatCourse", "HeatResult", "Perfusion"]

WINDOW_MARGIN_M = 12e-3
"""Around the metal, where rises are kept over time."""
CURVE_POINTS = 24
TYPICAL_DIFFUSIVITY = 1.5e-7
"""Of soft tissue [m^2/s]; only sizes the margin."""


@read_only(units={"rise": "K"})
@dataclass(frozen=True, eq=False)
class HeatCourse:
    """Temperature of a body over time.

    Parameters
    ----------
    phantom : Phantom
        Body on the voxels of the heat.
    times_s : (t,) ndarray
        Times [s]; the last one is the end.
    rise : (t, nx, ny, nz) ndarray
        Rise above the temperature without exposure [K], 0 in the background.
    peaks_K : (t,) ndarray
        Largest rise in the body at every time [K].
    baseline_degC : (nx, ny, nz) ndarray
        Temperature without exposure [degC].
    power_W : float
        Power of all sources while they are on [W].
    time_error, balance_error : float
        Error of the time steps over the largest rise, and of the energy balance.
    assumptions : tuple of str
        What the numbers rest on, in sentences.
    provenance : mapping
        Options, voxels, device.
    """

    phantom: Phantom
    times_s: np.ndarray
    rise: np.ndarray
    peaks_K: np.ndarray
    baseline_degC: np.ndarray
    power_W: float
    time_error: float
    balance_error: float
    assumptions: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def measures(self) -> list[Measure]:
        """How far these temperatures can be trusted, for :func:`emdose.validity.judge`: time steps and energy."""
        return heat_measures({"balance_error": self.balance_error, "time_error": self.time_error})

    def time_to(self, rise_K: float) -> float | None:
        """First time at which the largest rise reaches a value [s], by interpolation; None when it does not."""
        return crossing(np.append(0.0, self.times_s), np.append(0.0, self.peaks_K), rise_K)


@read_only
@dataclass(frozen=True)
class Bioheat(BioheatOptions):
    """Bioheat solver: Douglas' splitting in time, finite volumes on voxels.

    Parameters
    ----------
    spacing_m : float or (float, float, float), optional
        Voxels of the heat [m]; those of the phantom by default.
    margin_m : float, optional
        Tissue kept around an implant [m]; by default six diffusion lengths of the duration, where nothing arrives. Only
        :meth:`solve` without further sources cuts the body.
    surface_W_m2_K : float
        Heat exchange of the skin with the air: convection, radiation and evaporation together [W/m^2/K].
    edges : "surface", "insulated" or "fixed"
        What the body does at the ends of the grid: exchange heat as skin does, nothing, or hold its temperature.
    perfusion : Perfusion or str
        Law by which perfusion follows the rise: "constant", "none", or a law with numbers.
    contact_m2_K_W : float
        Thermal contact resistance between metal and tissue [m^2 K/W].
    cells_across : float
        Cells wanted across the thinnest part of heated metal: :meth:`solve` splits the voxels near it until there are
        as many, or the cells get too many; what is reached is a measure of the result. 0 splits nothing.
    initial : "uniform" or "steady"
        Temperature without exposure: ``initial_degC`` everywhere, or the steady state of metabolic heat, blood and air.
    initial_degC, blood_degC, ambient_degC : float
        Temperatures of the body, of arterial blood and of the air [degC]; blood and air only count for "steady".
    tolerance : float
        Error of the time steps over the largest rise.
    dtype : "float32" or "float64"
        Precision.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    def plan(
        self,
        phantom: Phantom,
        implant: Any = None,
        *,
        extra: int = 0,
        duration_s: float = 900.0,
        times_s: Sequence[float] | None = None,
        device: str | Backend = "auto",
    ) -> HeatPlan:
        """What a solution will take: that of :meth:`solve` with an implant, that of :meth:`solve_sar` without.

        Parameters
        ----------
        phantom, implant, duration_s, times_s, device
            As in :meth:`solve`.
        extra : int
            Number of further sources of :meth:`solve`.

        Returns
        -------
        HeatPlan
            Memory, time, cells and sources.

        Raises
        ------
        ResourceError
            When it does not fit the memory.
        """
        grid, count = phantom.grid, len(_times(duration_s, times_s)) + 1
        low, high = _bounds(phantom)
        if self.spacing_m is not None:
            spacing: np.ndarray = np.array(lengths("spacing_m", self.spacing_m))
            shape = np.ceil(np.array(grid.shape) * grid.spacing_m / spacing - 1e-6).astype(int).clip(1)
            origin = 0.5 * np.sum(grid.bounds_m, axis=0) - 0.5 * shape * spacing
            grid = Grid(tuple(shape.tolist()), tuple(spacing.tolist()), tuple(origin.tolist()))
        be = backend.get(device)
        if implant is None:
            return plan(self, grid.shape, within(grid, low, high), grid.size, 1, count, be)
        if not extra:
            grid = grid.crop(*self._part(grid, implant, duration_s))
        _, cells, _ = split_cells(grid, implant, self.cells_across)
        first, last = (np.array(b) for b in implant.bounds_m)
        kept = cells.cells_of(within(grid, first - WINDOW_MARGIN_M, last + WINDOW_MARGIN_M))
        active = cells.cells_of(within(grid, low, high))
        return plan(self, cells.shape, active, math.prod(s.stop - s.start for s in kept), 6 + extra, count, be)

    # ---- implants --------------------------------------------------------------------------------------------------
    @watched
    def solve(
        self,
        phantom: Phantom,
        implant: Any,
        power: PowerTensor,
        duration_s: float = 900.0,
        *,
        frequencies_Hz: Any = None,
        rms_T_s: Any = None,
        envelope: Envelope | None = None,
        extra: Mapping[str, Any] | None = None,
        signed: bool = False,
        times_s: Sequence[float] | None = None,
        device: str | Backend = "auto",
        progress: Progress = True,
    ) -> HeatResult:
        """Rises around an implant in switched gradient fields, for every direction of the field.

        Parameters
        ----------
        phantom : Phantom
            The body around the implant.
        implant : Implant
            The metal, posed as when its losses were computed.
        power : PowerTensor
            Its losses.
        duration_s : float
            How long [s].
        frequencies_Hz : float or (h,) array, optional
            Harmonics of the waveform [Hz]; the first solved frequency by default.
        rms_T_s : float or (h,) array, optional
            Rms dB/dt of every harmonic [T/s]; 1 by default, so that vectors given to the result are in T/s.
        envelope : Envelope, optional
            Strength of the gradients over time.
        extra : mapping of str to SarMap or PowerDensity, optional
            Further sources by name, on all the time; RF with this implant is two, of place "tissue" and of "metal".
        signed : bool
            Whether further sources may be negative, as differences of two exposures are.
        times_s : sequence of float, optional
            Times of the maps over time [s]; 24 that lie closer at the beginning, by default.
        device, progress
            As of :meth:`emdose.solvers.vie.solver.Vie.solve`: a bar by default where somebody watches.

        Raises
        ------
        InputError
            When the implant leaves the phantom, its losses lie elsewhere, a tissue has no thermal data, a source does
            not say what it holds or is negative, or perfusion follows the rise (then fields do not superpose: use
            :meth:`solve_sar`).
        """
        from emdose.solvers.results.power_tensor import UNIFORM

        if self._law.follows:
            raise InputError(
                "directions only superpose with constant perfusion",
                field="perfusion",
                found=self._law.law,
                expected='"constant" or "none"',
            )
        self.plan(
            phantom, implant, extra=len(extra or {}), duration_s=duration_s, times_s=times_s, device=device
        )  # refuses what does not fit before anything is laid out
        body, cut = self.body(phantom), False
        if not extra:
            body, cut = self._around(body, implant, duration_s)
        metal = metal_body(body, implant, self.cells_across, self.contact_m2_K_W)
        maps = metal.maps(self.surface_W_m2_K, "insulated" if cut else self.edges)
        f = np.atleast_1d(power.frequencies_Hz[:1] if frequencies_Hz is None else np.asarray(frequencies_Hz, float))
        rms = np.broadcast_to(1.0 if rms_T_s is None else np.asarray(rms_T_s, float), f.shape)
        uniform = power.select(UNIFORM)
        pairs = uniform.basis(f, rms)
        six = np.stack([pairs[i, j] for i, j in PAIRS])
        names, more, places = extra_powers(body, dict(extra or {}), signed)
        stack = metal.deposit(power.cells, six, power.grid, more, self.dtype, places)
        envelopes = [envelope or Envelope.constant()] * 6 + [Envelope.constant()] * len(more)
        window = metal.window(WINDOW_MARGIN_M)
        found = heat(
            maps,
            stack,
            duration_s,
            times_s=_times(duration_s, times_s),
            window=metal.cells.cells_of(window),
            envelope=envelopes,
            perfusion=self._law,
            tolerance=self.tolerance,
            dtype=self.dtype,
            device=device,
            progress=callback(progress),
        )
        matrix = np.einsum("h,hij->ij", rms**2, uniform.at(f).real)
        provenance = self._provenance(found.provenance) | {
            "frequencies_Hz": f.tolist(),
            "rms_T_s": rms.tolist(),
            "duration_s": duration_s,
            "cut": cut,
            "power_W": float(np.trace(matrix)),
        }
        whole = maps if not metal.cells.is_split else body_maps(body, metal.coarse, self.surface_W_m2_K, maps.edges)
        final, course = metal.cells.means(found.final), metal.cells.crop(window).means(found.rise)
        return HeatResult(
            phantom=body,
            metal=metal.coarse.fraction,
            tissue=metal.voxels_of_tissue,
            basis=final[:6],
            times_s=found.times_s,
            window=window,
            course=course[:6],
            extra={n: final[6 + k] for k, n in enumerate(names)},
            extra_course={n: course[6 + k] for k, n in enumerate(names)},
            baseline_degC=self._baseline(body, metal.coarse, whole, device),
            power_matrix=matrix,
            time_error=found.time_error,
            balance_error=found.balance_error,
            provenance=provenance | metal.about(),
            near=near_metal(metal, found, names),
            cells_across=metal.across,
        )

    # ---- SAR -------------------------------------------------------------------------------------------------------
    @watched
    def solve_sar(
        self,
        phantom: Phantom,
        sar: Any = None,
        duration_s: float = 900.0,
        *,
        sar_W_kg: Any = None,
        power_W_m3: Any = None,
        signed: bool = False,
        factor: float = 1.0,
        implant: Any = None,
        envelope: Envelope | None = None,
        times_s: Sequence[float] | None = None,
        device: str | Backend = "auto",
        progress: Progress = True,
    ) -> HeatCourse:
        """Temperature of a body that absorbs power, from one map or the sum of several.

        Parameters
        ----------
        phantom : Phantom
            The body.
        sar : SarMap, PowerDensity, or a sequence of them, optional
            Maps that carry their quantity and their grid.
        duration_s : float
            How long [s].
        sar_W_kg, power_W_m3 : (nx, ny, nz) ndarray, optional
            SAR [W/kg] or power density [W/m^3] on the phantom's grid, for arrays that do not say what they hold.
        signed : bool
            Whether sources may be negative, as differences of two exposures are.
        factor : float
            On all maps: a duty cycle, or another drive.
        implant : Implant, optional
            Metal that conducts heat; what a map says inside of it counts as tissue's share of the voxel.
        envelope, times_s, device, progress
            As in :meth:`solve`.

        Raises
        ------
        InputError
            When maps do not fit the phantom, an array does not say what it holds, power is negative, or a tissue has no
            thermal data.
        """
        self.plan(phantom, duration_s=duration_s, times_s=times_s, device=device)
        several = named_sources(sar, sar_W_kg, power_W_m3, phantom)
        body = self.body(phantom)
        metals = None
        if implant is not None:
            from emdose.models.implants.voxels import embed

            metal = embed(implant, body)
            metals = Metals(metal.fraction, metal.part, metal.metals, self.contact_m2_K_W)
        not_negative("factor", factor, problem="bad factor")
        q: np.ndarray = factor * np.sum([power_on(body, s, metals, signed=signed) for s in several], axis=0)
        maps = body_maps(body, metals, self.surface_W_m2_K, self.edges)
        baseline = self._baseline(body, metals, maps, device)
        excess = baseline - self.blood_degC if self._law.follows and self.initial == "steady" else None
        found = heat(
            maps,
            q[None],
            duration_s,
            times_s=_times(duration_s, times_s),
            envelope=envelope,
            perfusion=self._law,
            excess_K=excess,
            tolerance=self.tolerance,
            dtype=self.dtype,
            device=device,
            progress=callback(progress),
        )
        power = float(q[maps.solved].sum(dtype=float)) * body.grid.voxel_volume_m3
        return HeatCourse(
            phantom=body,
            times_s=found.times_s,
            rise=found.rise[0],
            peaks_K=found.peaks[0],
            baseline_degC=baseline,
            power_W=power,
            time_error=found.time_error,
            balance_error=found.balance_error,
            assumptions=self.assumptions(maps),
            provenance=self._provenance(found.provenance) | {"duration_s": duration_s},
        )

    def _around(self, body: Phantom, implant: Any, duration_s: float) -> tuple[Phantom, bool]:
        """The part of a body around an implant, and whether something was cut off."""
        first, last = self._part(body.grid, implant, duration_s)
        cut = first != (0, 0, 0) or last != body.grid.shape
        return (body.crop(first, last), True) if cut else (body, False)

    def _part(self, grid: Grid, implant: Any, duration_s: float) -> tuple[Shape, Shape]:
        """First voxels and those after the last ones of the part around an implant."""
        margin = 6 * math.sqrt(TYPICAL_DIFFUSIVITY * duration_s) if self.margin_m is None else self.margin_m
        low, high = implant.bounds_m
        first, last = [], []
        for a in range(3):
            step, origin = grid.spacing_m[a], grid.origin_m[a]
            first.append(max(0, math.floor((low[a] - margin - origin) / step)))
            last.append(min(grid.shape[a], math.ceil((high[a] + margin - origin) / step)))
        if any(b <= a for a, b in zip(first, last, strict=True)):
            raise InputError(
                "implant outside the phantom",
                field="implant",
                found=f"{low} to {high} m",
                expected=f"within {grid.bounds_m} m",
            )
        return tuple(first), tuple(last)

    def _baseline(self, body: Phantom, metals: Metals | None, maps: HeatMaps, device: Any) -> np.ndarray:
        """Temperature without exposure [degC], that of the air in the background."""
        if self.initial == "uniform":
            return np.where(maps.active, self.initial_degC, self.ambient_degC).astype(np.float32)
        surface = maps.sinks()[1]
        warmth = metabolic_W_m3(body, metals) + surface * (self.ambient_degC - self.blood_degC)
        above = steady(maps, warmth[None], device)[0]
        return np.where(maps.active, self.blood_degC + above, self.ambient_degC).astype(np.float32)

    def _provenance(self, found: Mapping[str, Any]) -> dict[str, Any]:
        options = {f.name: getattr(self, f.name) for f in fields(self)}
        law = {f.name: getattr(self._law, f.name) for f in fields(self._law)}
        return {**found, "options": {**options, "perfusion": law}}


def _times(duration_s: float, times_s: Sequence[float] | None) -> list[float]:
    if times_s is not None:
        return [float(t) for t in times_s]
    return (duration_s * (np.arange(1, CURVE_POINTS + 1) / CURVE_POINTS) ** 1.5).tolist()


def _bounds(phantom: Phantom) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner of the box that holds all tissue [m]."""
    body, grid = phantom.body, phantom.grid
    ends = []
    for axis in range(3):
        used = np.flatnonzero(body.any(axis=tuple(a for a in range(3) if a != axis)))
        ends.append(grid.nodes(axis)[[used[0], used[-1] + 1]])
    low, high = np.transpose(ends)
    return low, high
