"""Fields on the phantom's grid and their power balance from the runs of an FDTD."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import EPS_0
from emdose.errors import EmdoseWarning
from emdose.models.coils.plane_wave import PlaneWave
from emdose.solvers.cosimulation import pair_power
from emdose.solvers.fdtd.graded.onto_voxels import onto_voxels
from emdose.solvers.fdtd.power import dissipated, outflow
from emdose.solvers.fdtd.setup.given_field import incident_on_cells
from emdose.solvers.fdtd.setup.leads import with_leads
from emdose.solvers.fdtd.setup.metal import REGION, volumes, work_on_metal
from emdose.solvers.results.discretisation import cells_across
from emdose.solvers.results.fields import Fields, PowerBalance, phantom_told
from emdose.solvers.results.lead_response import LeadResponse
from emdose.solvers.yee_grid.incident import GivenField, about_source
from emdose.validity import THRESHOLDS
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.solvers.fdtd.run_result import SteppedRun
    from emdose.solvers.fdtd.setup.plan import FdtdPlan
    from emdose.solvers.fdtd.setup.problem import FdtdProblem

MEANING = (
    "residual is what was still to come of fields and port spectra when the run ended, or the energy over its peak; "
    "the voxel staircase adds its own error, which only a finer grid shows"
)


def fields_of(problem: FdtdProblem, runs: Sequence[SteppedRun], plan: FdtdPlan, clock: dict[str, float]) -> Fields:
    """Fields of the ports from runs, one or two per port.

    Parameters
    ----------
    problem : FdtdProblem
        What was solved.
    runs : sequence of SteppedRun
        Its runs.
    plan : FdtdPlan
        What was planned.
    clock : dict
        Times at "start", "setup" and "ports" [s].
    """
    shares = shares_of(problem, runs)
    count = len(shares)
    phasors = RunPhasors(problem, runs)
    power = phasors.power(shares, _accepted(problem, runs, shares), _lost(problem, runs, shares))
    residual = np.zeros(count)
    for run in runs:
        residual[run.port] = max(residual[run.port], run.history[-1] if run.history else 1.0)
    return assemble(problem, runs, phasors, shares, power, residual, plan, clock)


def shares_of(problem: FdtdProblem, runs: Sequence[SteppedRun]) -> np.ndarray:
    """What every run has in the fields of the ports, (port, run)."""
    shares = np.zeros((len(problem.exposure.coil.ports), len(runs)), complex)
    for n, run in enumerate(runs):
        shares[run.port, n] = run.factor
    return shares


def assemble(
    problem: FdtdProblem,
    runs: Sequence[SteppedRun],
    phasors: RunPhasors,
    shares: np.ndarray,
    power: PowerBalance,
    residual: np.ndarray,
    plan: FdtdPlan,
    clock: Mapping[str, float],
) -> Fields:
    """Fields of the ports of a coil as sums of runs with ``shares`` (port, run)."""
    exposure, solver = problem.exposure, problem.solver
    phantom, coil = exposure.tissue, exposure.coil
    leads = lead_responses(problem, runs, shares)
    power = with_leads(power, leads)
    # Whoever asks for less than the balance needs without question has been told.
    _warn_closure(power, coil.drives, max(THRESHOLDS["closure"].questionable or 0.0, solver.tolerance))
    E, B = phasors.on_voxels(shares)
    step = problem.time_step_s
    behind = [[r for r, share in zip(runs, row, strict=True) if share != 0] for row in shares]
    return Fields(
        grid=phantom.grid,
        frequency_Hz=exposure.frequency_Hz,
        E=owned(E),
        B=owned(B),
        body=np.asarray(phantom.body, bool),
        body_mass_kg=float(phantom.mass_kg),
        power=power,
        ports=tuple(coil.ports),
        drives=dict(coil.drives),
        drive_unit=coil.drive_unit,
        residual=residual,
        convergence={
            "method": "fdtd",
            "tolerance": solver.tolerance,
            "steps": [r.steps for r in runs],
            "iterations": [max(r.steps for r in mine) for mine in behind],
            "history": [list(max(mine, key=lambda r: len(r.history)).history) for mine in behind],
            "energy_dB": [r.energy_dB for r in runs],
            "resumed": [all(r.resumed for r in mine) for mine in behind],
            "runs": [r.name for r in runs],
            "image_of": [r.image_of for r in runs],
            "meaning": MEANING,
            "cells_per_wavelength": problem.cells_per_wavelength,
            "cells_across_tissue": cells_across(phantom.labels, phantom.spacing_m),
            **about_source(exposure),
            "cells": plan.cells,
            "shape": list(problem.grid.shape),
            "time_step_s": step,
        },
        metal=exposure.implanted,
        provenance={
            "engine": "Fdtd",
            "options": asdict(solver),
            "phantom": phantom_told(phantom, exposure.frequency_Hz),
            "implants": [{"name": i.name, "sha256": i.hash()} for i in exposure.implants],
            "leads": [{"name": lead.name, "sha256": lead.hash()} for lead in exposure.leads],
            "coil": {"name": coil.name, **coil.parameters},
            "frequency_Hz": exposure.frequency_Hz,
            "grid": {
                "shape": list(problem.grid.shape),
                "bounds_m": problem.grid.bounds_m,
                "finest_m": [float(problem.grid.steps(a).min()) for a in range(3)],
                "coarsest_m": [float(problem.grid.steps(a).max()) for a in range(3)],
                "cells_per_voxel": problem.domain.factor,
                "time_step_s": step,
                "fourier_every": problem.dft_every,
            },
            "device": problem.be.describe(),
            "timing_s": {
                "setup": clock["setup"] - clock["start"],
                "ports": clock["ports"] - clock["setup"],
                "fields": time.perf_counter() - clock["ports"],
                "per_port": {f"{n} {r.name}": r.seconds for n, r in enumerate(runs)},
            },
        },
        lead_currents=leads,
    )


class RunPhasors:
    """RunPhasors of runs, from which the fields and powers of any sums of runs follow.

    Parameters
    ----------
    problem : FdtdProblem
        What was solved.
    runs : sequence of SteppedRun
        Its runs.
    """

    def __init__(self, problem: FdtdProblem, runs: Sequence[SteppedRun]) -> None:
        self.problem, self.runs = problem, runs
        self._absorbed: np.ndarray | None = None
        self._radiated: np.ndarray | None = None

    def on_voxels(self, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """E and B (port, 3, nodes) on the phantom's grid for shares (port, run)."""
        E, B = self.on_cells(shares)
        domain = self.problem.domain
        if domain.planes is not None:
            cells, voxels = ([g.nodes(a) for a in range(3)] for g in (domain.cells, domain.phantom))
            return onto_voxels(E, cells, voxels, False), onto_voxels(B, cells, voxels, True)
        factor = domain.factor
        return tuple(_coarse(v, factor, faces) for v, faces in ((E, False), (B, True)))  # type: ignore[return-value]

    def on_cells(self, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """E and B (port, 3, nodes) on the cells of the phantom's grid for shares (port, run)."""
        E, B = (self._sum(shares, [getattr(r, x)["core"] for r in self.runs]) for x in "EB")
        metal = self.problem.metal
        return (E, B) if metal is None or metal.cut is None else metal.cut.told(E, B)

    def core_E(self, shares: np.ndarray) -> np.ndarray:
        """E on the cells of the phantom's grid as the engine has it, (port, 3, nodes)."""
        return self._sum(shares, (r.E["core"] for r in self.runs))

    @property
    def absorbed(self) -> np.ndarray:
        """Power absorbed in the body by pairs of runs [W]."""
        if self._absorbed is None:
            domain = self.problem.domain
            sigma, h = self.problem.conductivity.ravel(), domain.phantom.voxel_volume_m3 / domain.factor**3
            if domain.planes is not None:
                sigma, h = sigma * volumes(domain, faces=False).ravel(), 1.0
            there = np.flatnonzero(sigma)
            inside = np.stack([r.E["core"].ravel()[there] for r in self.runs])
            self._absorbed = dissipated(inside, sigma[there], h)
        return self._absorbed

    @property
    def radiated(self) -> np.ndarray:
        """Power through the box around everything by pairs of runs [W]; zero within metal walls."""
        if self._radiated is None:
            n = len(self.runs)
            self._radiated = np.zeros((n, n), complex)
            if self.problem.solver.walls == "cpml":
                E, B = ([np.stack([getattr(r, x)[f"face {f}"] for r in self.runs]) for f in range(6)] for x in "EB")
                self._radiated = outflow(E, B, self.problem.domain.power_box, self.problem.grid)
        return self._radiated

    def power(self, shares: np.ndarray, accepted: np.ndarray, lost: np.ndarray | None) -> PowerBalance:
        """Balance of the ports; ``accepted`` and ``lost`` (port, port) are known already [W]."""
        drives = shares.T
        absorbed, radiated = (drives.conj().T @ m @ drives for m in (self.absorbed, self.radiated))
        return PowerBalance(absorbed, accepted, radiated, lost)

    def _sum(self, shares: np.ndarray, arrays: Any) -> np.ndarray:
        out: np.ndarray | None = None
        for n, a in enumerate(arrays):
            if out is None:
                out = np.zeros((len(shares), *a.shape), a.dtype)
            for p in np.flatnonzero(shares[:, n]):
                out[p] += a.dtype.type(shares[p, n]) * a
        assert out is not None
        return out


def _coarse(a: np.ndarray, factor: int, on_faces: bool) -> np.ndarray:
    """Voxel edges (or faces) from those of the cells: means along the edge (over the face), zero past the last one."""
    out = []
    for c in range(3):
        part = a[:, c]
        for axis in range(3):
            part = np.moveaxis(part, axis + 1, -1)
            if (axis == c) != on_faces:
                n = (part.shape[-1] - 1) // factor
                mean = part[..., :-1].reshape(*part.shape[:-1], n, factor).mean(axis=-1)
                part = np.concatenate([mean, np.zeros_like(mean[..., :1])], axis=-1)
            else:
                part = part[..., ::factor]
            part = np.moveaxis(part, -1, axis + 1)
        out.append(part)
    return np.ascontiguousarray(np.stack(out, axis=1)).astype(a.dtype, copy=False)


def _accepted(problem: FdtdProblem, runs: Sequence[SteppedRun], shares: np.ndarray) -> np.ndarray:
    """Power that the source delivers, or the work of an incident field in the body, [W]."""
    coil = problem.exposure.coil
    if isinstance(coil, PlaneWave | GivenField):
        return _extinction(problem, coil, runs, shares)
    if problem.currents is None:
        return _at_ports(problem, runs, shares)
    edges, weights = problem.currents.edges, problem.currents.weights
    length = np.array([problem.grid.steps(c)[node[c]] for c, *node in edges])
    E = np.zeros((len(runs), len(edges)), complex)
    for region in problem.tiles:
        low, high = np.array(region.low), np.array(region.high)
        here = np.flatnonzero(np.all((edges[:, 1:] >= low) & (edges[:, 1:] < high), axis=1))
        at = (edges[here, 0], *(edges[here, 1:] - low).T)
        for n, run in enumerate(runs):
            E[n, here] = run.E[region.name][at]
    work = -0.5 * (weights.conj() * length) @ (shares @ E).T
    return 0.5 * (work + work.conj().T)


def _extinction(
    problem: FdtdProblem, source: PlaneWave | GivenField, runs: Sequence[SteppedRun], shares: np.ndarray
) -> np.ndarray:
    """Work of the incident field on the currents in the body; see :class:`PowerBalance`."""
    f = problem.frequency_Hz
    incident, magnetic = incident_on_cells(source, problem.domain, f)
    ids = problem.materials.ids[(slice(None), *problem.domain.core)]
    omega = 2 * np.pi * f
    table = problem.materials.permittivity / EPS_0 - 1j * problem.materials.conductivity / (omega * EPS_0) - 1
    table[0] = 0
    ports = len(incident)
    total = RunPhasors(problem, runs).core_E(shares)
    currents = (1j * omega * EPS_0 * table[ids] * volumes(problem.domain, faces=False) * total).reshape(ports, -1)
    work = 0.5 * (incident.reshape(ports, -1).conj() @ currents.T)
    if problem.metal is not None:
        around = np.einsum("pr,r...->p...", shares, np.stack([r.B[REGION] for r in runs]))
        fields = incident, magnetic
        work = work + work_on_metal(problem.metal, fields, around, isinstance(source, GivenField), f, problem.domain)
    responses = lead_responses(problem, runs, shares).values()
    for voltages, response in zip(problem.leads.incident(incident), responses, strict=True):
        work = work + 0.5 * voltages.conj() @ response.current_A.T
    return 0.5 * (work + work.conj().T)


def lead_responses(problem: FdtdProblem, runs: Sequence[SteppedRun], shares: np.ndarray) -> dict[str, LeadResponse]:
    """What leads do per port, for sums of runs with ``shares`` (port, run)."""
    names = [w.name for w in problem.leads.wires]
    return problem.leads.responses([shares @ np.stack([r.leads[name] for r in runs]) for name in names])


def _at_ports(problem: FdtdProblem, runs: Sequence[SteppedRun], shares: np.ndarray) -> np.ndarray:
    """Power that the sources deliver behind their impedances into the coil, [W]."""
    return _in_elements(problem, runs, shares, feeds=True)


def _lost(problem: FdtdProblem, runs: Sequence[SteppedRun], shares: np.ndarray) -> np.ndarray | None:
    """Power dissipated in lumped elements, [W]; None where there are none."""
    return None if problem.coil_on_grid is None else _in_elements(problem, runs, shares, feeds=False)


def _in_elements(problem: FdtdProblem, runs: Sequence[SteppedRun], shares: np.ndarray, feeds: bool) -> np.ndarray:
    names = problem.exposure.coil.ports
    place = [n for n, name in enumerate(runs[0].elements) if (name in names) == feeds]
    f = int(np.abs(problem.frequencies_Hz - problem.frequency_Hz).argmin())
    volts, amperes = (shares @ np.stack([getattr(r, x)[f] for r in runs])[:, place] for x in ("voltages", "currents"))
    return pair_power(volts, amperes)


def _warn_closure(power: PowerBalance, drives: Mapping[str, np.ndarray], limit: float) -> None:
    worst = max((power.power(v)["closure"] for v in drives.values()), default=0.0)
    if worst > limit:
        warnings.warn(
            f"power balance of the FDTD does not close: {100 * worst:.1f} % of the power is unaccounted for (expected "
            f'at most {100 * limit:g} %); use a smaller tolerance, more margin_m, or dtype="float64"',
            EmdoseWarning,
            stacklevel=4,
        )
