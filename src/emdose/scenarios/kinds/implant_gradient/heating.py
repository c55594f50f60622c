r"""Temperature rises of all exposures of a scenario, for their own field and for every orientation.

Of a uniform field the rise is a quadratic form of its direction u: with the rises T_ab of the power
densities of all pairs of axes, T(u, r) = sum_ab u_a u_b T_ab(r). Six solutions tell the rise for every u; its largest
value over all directions at a place is the largest eigenvalue of T_ab(r). For the fields of gradient coils see
:mod:`emdose.scenarios.kinds.implant_gradient.worst.turns`.

Source: A. Arduino et al., Magn. Reson. Med. 85 (2021) 3447; U. Zanovello et al. 2023 (three orthogonal fields).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.temperature import dose_over_baseline
from emdose.models.gradients.waveform import Waveform
from emdose.scenarios.kinds.implant_gradient.result.result import ExposureMaps
from emdose.scenarios.kinds.implant_gradient.worst.poses import Poses
from emdose.scenarios.kinds.implant_gradient.worst.power import SHARES
from emdose.scenarios.kinds.implant_gradient.worst.turns import TurnedLoss, TurnedRises
from emdose.solvers.heat.directions import PAIRS, crossing, hottest_direction, upright, weights
from emdose.solvers.heat.rise import HeatSolution, heat
from emdose.solvers.heat.stepping import Envelope
from emdose.solvers.results.power_tensor import UNIFORM
from emdose.solvers.running import Event, ProgressCallback

if TYPE_CHECKING:
    from emdose.scenarios.kinds.implant_gradient.schema import ImplantThermalTable
    from emdose.scenarios.shared.implants.exposures import BuiltExposure
    from emdose.scenarios.shared.implants.rf_heating import RfHeating
    from emdose.solvers.heat.near_metal import MetalBody
    from emdose.solvers.results.power_tensor import PowerTensor

DISC = 21
"""Points across the disc of directions."""
WINDOW_MARGIN_m = 12e-3
"""Around the metal, where rises are kept over time."""
TOGETHER = 16
"""Power densities whose rises are solved at once in the search of the worst orientation: memory does not allow more."""
AT_ONCE = 1 << 20
"""Rises of directions times cells that are laid out at once."""
WORST = "worst orientation"


@dataclass(frozen=True)
class _Case:
    exposure: BuiltExposure
    about: dict[str, Any]

    @property
    def free(self) -> bool:
        """Whether its direction can be chosen: a uniform linearly polarised field."""
        return self.exposure.matrix is None


class Heating:
    """The heat problem of a scenario.

    Parameters
    ----------
    table : ThermalTable
        Options.
    metal : MetalBody
        The metal in what surrounds it, on the cells of the heat; the maps that are kept are means of its voxels.
    tensor : PowerTensor
        Power densities.
    device : str
        "cpu" or "cuda".
    tell : callable
        Takes progress events.
    poses : Poses
        How orientations are told.
    rf : RfHeating, optional
        RF heating that is on as well.
    solve : callable, optional
        Takes the place of :func:`emdose.solvers.heat.rise.heat`, to keep what it finds.
    """

    def __init__(
        self,
        table: ImplantThermalTable,
        metal: MetalBody,
        tensor: PowerTensor,
        device: str,
        tell: ProgressCallback,
        poses: Poses,
        rf: RfHeating | None = None,
        solve: Callable[..., HeatSolution] = heat,
    ) -> None:
        self.solve = solve
        self.table, self.metal, self.tensor, self.rf, self.poses = table, metal, tensor, rf, poses
        self.device, self.tell = device, tell
        maps = metal.maps(table.surface_W_m2_K, table.edges)
        self.maps = maps if table.perfusion else replace(maps, perfusion=np.zeros_like(maps.perfusion))
        self.window = metal.cells.cells_of(metal.window(WINDOW_MARGIN_m))
        self.provenance: dict[str, Any] = {}

    def run(self, pairs: Sequence[tuple[BuiltExposure, dict[str, Any]]]) -> dict[str, ExposureMaps]:
        """Heat all exposures; what is found goes into their entries of the summary, the maps come back."""
        cases = [_Case(e, a) for e, a in pairs]
        groups: dict[tuple[Any, ...], list[_Case]] = {}
        for case in cases:
            # One march serves all exposures of the same length that are on without pause.
            paused = _envelope(case) is not None
            groups.setdefault((case.exposure.duration_s, case.exposure.name if paused else ""), []).append(case)
        found: dict[str, ExposureMaps] = {}
        for n, group in enumerate(groups.values()):
            self._group(group, found, n, len(groups))
        return {case.exposure.name: found[case.exposure.name] for case in cases}

    def _group(self, cases: Sequence[_Case], found: dict[str, ExposureMaps], index: int, count: int) -> None:
        duration, envelope = cases[0].exposure.duration_s, _envelope(cases[0])
        exposures = ", ".join(c.exposure.name for c in cases)

        def tell(event: Event) -> None:
            self.tell(event.within(exposures, index, count))

        worst: dict[str, np.ndarray] = {}
        own = {c.exposure.name: self._loss(c) for c in cases}
        turned = {c.exposure.name: self._turned(c) for c in cases if not c.free}
        basis = [self._basis(c) if c.free else turned[c.exposure.name].densities for c in cases]
        march = partial(self.solve, self.maps, device=self.device, envelope=envelope, progress=tell)
        searched, base = self._final(march, np.concatenate(basis), duration)
        first = 0
        for case, densities in zip(cases, basis, strict=True):
            rises = searched[first : first + len(densities)]
            first += len(densities)
            if case.free:
                worst[case.exposure.name] = weights(self._orientations(case, rises, base)) @ densities
            else:
                loss = turned[case.exposure.name]
                turn = self._turns(case, loss, rises, base)
                worst[case.exposure.name] = loss.density(self.tensor, case.about["_drive"], turn)
        del searched, base, rises, basis, turned
        together = self._together(np.stack([*own.values(), *worst.values()]), len(own))
        times = np.linspace(0, duration, self.table.curve_points + 1)[1:].tolist()
        solution = march(together, duration, times_s=times, window=self.window)
        del together
        self.provenance = dict(solution.provenance) | {"balance_error": solution.balance_error} | self.metal.about()
        for n, case in enumerate(cases):
            name = case.exposure.name
            curves = {}
            curves[WORST] = solution.peaks[len(own) + n]
            self._worst(case, solution, len(own) + n)
            if self.rf is not None:
                curves |= {"gradients alone": solution.peaks[2 * len(own) + n], "RF alone": solution.peaks[-1]}
            self._judge(case, solution, n, curves)
            final = self.metal.cells.means(solution.final[n])
            found[name] = ExposureMaps(own[name], final, solution.times_s, solution.peaks[n], curves)

    def _final(
        self, march: Callable[..., HeatSolution], densities: np.ndarray, duration: float
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Rises at the end of power densities (s, m), some at a time, and that of the RF heating, where there is any.

        Returns
        -------
        (s, nx, ny, nz) float32 ndarray, (nx, ny, nz) ndarray or None [K]
        """
        corner = (slice(0, 1),) * 3  # nothing over time is asked for
        base = None
        if self.rf is not None:
            base = march(self.rf.density[None], duration, window=corner).final[-1]
        out = np.empty((len(densities), *self.metal.cells.shape), np.float32)
        for low in range(0, len(densities), TOGETHER):
            cut = slice(low, low + TOGETHER)
            out[cut] = march(self._deposit(densities[cut]), duration, window=corner).final
        return out, base

    def _together(self, losses: np.ndarray, exposures: int) -> np.ndarray:
        """Sources of the fields and of the worst orientations; with RF in each, and both alone after them, if it is."""
        if self.rf is None:
            return self._deposit(losses)
        alone = [np.zeros(self.metal.phantom.grid.shape)] * (exposures + 1)
        out = self._deposit(losses, alone)
        out[len(losses) : -1] = out[:exposures]
        out[: len(losses)] += self.rf.density
        out[-1] = self.rf.density
        return out

    def _loss(self, case: _Case) -> np.ndarray:
        return np.asarray(self.tensor.loss_density(case.about["_spectrum"]))

    def _basis(self, case: _Case) -> np.ndarray:
        """Power densities of the six pairs of axes for the spectrum of an exposure, (6, m)."""
        own = case.about["_spectrum"].frequencies_Hz
        maps = self.tensor.select(UNIFORM).basis(own, case.about["_strength"])
        return np.stack([maps[a, b] for a, b in PAIRS])

    def _turned(self, case: _Case) -> TurnedLoss:
        """Power densities of a sequence for all orientations."""
        return TurnedLoss(self.tensor, case.exposure.turned, case.about["_drive"], max(self.metal.phantom.spacing_m))

    def _deposit(self, values: np.ndarray, further: Sequence[np.ndarray] = ()) -> np.ndarray:
        return self.metal.deposit(self.tensor.cells, values, self.tensor.grid, further, "float32")

    def _orientations(self, case: _Case, T: np.ndarray, base: np.ndarray | None) -> np.ndarray:
        """Worst and best direction for temperature and the disc of all; gives back the worst direction."""
        tried = directions()
        peaks, worst, place, best, lowest = orientations(T, base, tried)
        tissue = self.metal.tissue.ravel()
        if tissue.any():
            offset = np.zeros(int(tissue.sum())) if base is None else base.ravel()[tissue].astype(float)
            value, along, _ = hottest_direction(T.reshape(6, -1)[:, tissue].astype(float), offset)
            case.about.update(worst_tissue_rise_K=value, worst_tissue_direction=along)
        case.about.update(
            worst_rise_K=float(worst[0]),
            worst_rise_direction=worst[1],
            worst_rise_m=list(self.metal.place(place)),
            worst_rise_in=self.metal.matter(place),
            best_rise_K=lowest,
            best_rise_direction=best,
            rise_disc_K=peaks.reshape(DISC, DISC),
        )
        return np.asarray(worst[1])

    def _turns(self, case: _Case, loss: TurnedLoss, rises: np.ndarray, base: np.ndarray | None) -> np.ndarray:
        """Worst and best orientation of a sequence for temperature; gives back the worst rotation."""
        everywhere = TurnedRises(loss.amounts, rises, base, self.maps.active)
        found = everywhere.extremes()
        case.about.update(
            worst_rise_K=found["worst"],
            worst_rise_pose=self.poses.told(found["turn"]),
            worst_rise_m=list(self.metal.place(place := everywhere.place(found["turn"]))),
            worst_rise_in=self.metal.matter(place),
            best_rise_K=found["best"],
            best_rise_pose=self.poses.told(found["across"]),
            rise_quantiles_K=np.quantile(found["grid"], SHARES),
            orientations_solved=len(loss.chosen),
        )
        tissue = self.metal.tissue
        if tissue.any():
            found_there = TurnedRises(loss.amounts, rises, base, tissue).extremes()
            case.about.update(
                worst_tissue_rise_K=found_there["worst"], worst_tissue_pose=self.poses.told(found_there["turn"])
            )
        return np.asarray(found["turn"])

    def _worst(self, case: _Case, solution: Any, n: int) -> None:
        """What the solution of the worst orientation itself says beside the search; the larger of both counts."""
        peak, found = float(solution.final[n].max()), float(case.about["worst_rise_K"])
        case.about.update(
            worst_search_error=abs(found / peak - 1) if peak > 0 else 0.0,
            worst_rise_K=max(peak, found),
            worst_time_to_K=self._times_to(solution, n),
        )

    def _times_to(self, solution: Any, n: int) -> dict[str, float | None]:
        times, peaks = np.concatenate([[0.0], solution.times_s]), np.concatenate([[0.0], solution.peaks[n]])
        return {f"{k:g}": crossing(times, peaks, k) for k in self.table.thresholds_K}

    def _judge(self, case: _Case, solution: Any, n: int, curves: dict[str, np.ndarray]) -> None:
        """What comes of an exposure's own field."""
        case.about.update(self.told_of(solution, n))
        if "RF alone" in curves:
            case.about.update(
                gradient_rise_K=float(curves["gradients alone"][-1]), rf_rise_K=float(curves["RF alone"][-1])
            )

    def told_of(self, solution: HeatSolution, n: int) -> dict[str, Any]:
        """Peak, place, times to given rises and thermal dose of one of the sources of a solution."""
        rise = solution.final[n]
        index = np.unravel_index(int(np.argmax(rise)), rise.shape)
        told = {
            "rise_K": float(rise[index]),
            "hot_spot_m": list(self.metal.place(index)),
            "hot_spot_in": self.metal.matter(index),
            "time_to_K": self._times_to(solution, n),
            **self._dose(solution, n),
        }
        tissue = self.metal.tissue
        if tissue.any():
            there = np.where(tissue, rise, -np.inf)
            spot = np.unravel_index(int(np.argmax(there)), rise.shape)
            told |= {"tissue_rise_K": float(rise[spot]), "tissue_spot_m": list(self.metal.place(spot))}
        return told

    def _dose(self, solution: Any, n: int) -> dict[str, float]:
        """Largest CEM43 in tissue around the metal with and without the baseline, and what that counts alone [min]."""
        level = self.table.baseline_degC
        tissue = self.metal.tissue[self.window]
        total, alone = dose_over_baseline(solution.times_s, level, solution.rise[n][:, tissue], least_degC=None)
        return {
            "baseline_degC": level,
            "cem43_min": float(total.max(initial=0.0)),
            "cem43_excess_min": float((total - alone).max(initial=0.0)),
            "cem43_baseline_min": float(alone.max(initial=0.0)),
        }


def directions() -> np.ndarray:
    """Unit vectors (n, 3) of a square of points over Lambert's disc of a hemisphere; points outside fall on its rim."""
    u = np.linspace(-1, 1, DISC)
    x, y = (v.ravel() for v in np.meshgrid(u, u, indexing="ij"))
    rho = np.hypot(x, y)
    inside = np.minimum(rho, 1)
    z = 1 - inside**2
    lateral = np.sqrt(np.maximum(1 - z * z, 0)) / np.maximum(rho, 1e-12)
    return np.stack([x * lateral, y * lateral, z], axis=1)


def orientations(
    T: np.ndarray, base: np.ndarray | None, tried: np.ndarray
) -> tuple[np.ndarray, tuple[float, np.ndarray], tuple[int, ...], np.ndarray, float]:
    """Peak rise over all directions of a linearly polarised field.

    Parameters
    ----------
    T : (6, nx, ny, nz) ndarray
        Rises of the pairs xx, yy, zz, xy, xz, yz [K].
    base : (nx, ny, nz) ndarray or None
        Rise that does not depend on the direction [K].
    tried : (n, 3) ndarray
        Directions.

    Returns
    -------
    peaks : (n,) ndarray
        Peak rise of every direction tried [K].
    worst : (float, (3,) ndarray)
        Largest peak of all directions [K] and its direction: exact, an eigenvalue.
    place : tuple of int
        Voxel of the worst peak.
    best : (3,) ndarray
        Direction of the smallest peak, found by search.
    lowest : float
        That peak [K].
    """
    from scipy.optimize import minimize

    shape, flat = T.shape[1:], T.reshape(6, -1).astype(float)
    offset = np.zeros(flat.shape[1]) if base is None else base.ravel().astype(float)
    value, direction, place = hottest_direction(flat, offset)
    trace = flat[:3].sum(axis=0) + offset
    # No direction makes a voxel warmer than its trace: below the smallest peak of the warmest few it never counts.
    few = np.argsort(-trace)[: min(4000, len(trace))]
    kept = np.flatnonzero(trace >= 0.999 * float(_peaks(flat[:, few], offset[few], tried).min()))
    flat, offset = flat[:, kept], offset[kept]
    peaks = _peaks(flat, offset, tried)
    start = tried[int(np.argmin(peaks))]

    def peak(angles: np.ndarray) -> float:
        return float(_peaks(flat, offset, _unit(angles)[None])[0])

    found = minimize(peak, _angles(start), method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-4, "maxiter": 80})
    best = _unit(found.x)
    index = tuple(int(i) for i in np.unravel_index(place, shape))
    return peaks, (value, direction), index, upright(best), float(found.fun)


def _peaks(flat: np.ndarray, offset: np.ndarray, tried: np.ndarray) -> np.ndarray:
    factors = np.stack([weights(u) for u in tried])
    out = np.full(len(tried), -np.inf)
    step = max(1, AT_ONCE // len(tried))
    for low in range(0, flat.shape[1], step):
        cut = slice(low, low + step)
        out = np.maximum(out, (factors @ flat[:, cut] + offset[cut]).max(axis=1))
    return out


def _unit(angles: np.ndarray) -> np.ndarray:
    theta, phi = angles
    return np.array([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])


def _angles(u: np.ndarray) -> np.ndarray:
    return np.array([np.arccos(np.clip(u[2], -1, 1)), np.arctan2(u[1], u[0])])


def _envelope(case: _Case) -> Envelope | None:
    return envelope_of(case.exposure, case.about["time_course"])


def envelope_of(exposure: BuiltExposure, course: Mapping[str, Any] | None) -> Envelope | None:
    """Strength of a sequence over time, where its repetitions differ: its mean is 1."""
    wave = exposure.waveform
    if course is None or not isinstance(wave, Waveform) or len(course["power_W"]) < 2:
        return None
    edges, power = np.asarray(course["edges_s"]), np.asarray(course["power_W"])
    mean = float(power @ np.diff(edges)) / (edges[-1] - edges[0])
    if mean <= 0 or np.ptp(power) < 0.02 * mean:
        return None
    turns = int(np.ceil(exposure.duration_s / wave.duration_s))
    starts = (edges[:-1] - edges[0])[None] + wave.duration_s * np.arange(turns)[:, None]
    used = starts.ravel() < exposure.duration_s
    return Envelope(starts.ravel()[used], np.tile(power / mean, turns)[used])
