"""Power around the tip of a lead in unbounded gel under 1 V/m along it, that of the scattered field: in the cells of
the time-stepping engine with what they do not resolve, and by the field of a moment method's currents and charges."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from emdose.compute import backend
from emdose.constants import EPS_0, MU_0
from emdose.dosimetry.sar import mean_square
from emdose.models.grids.grid import Grid
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.models.leads import Lead
from emdose.solvers.fdtd.setup.leads import beside, wire_of
from emdose.solvers.leads.lead_in_medium import lead_in_medium
from emdose.solvers.yee_engine import (
    Cpml,
    Dft,
    DftRegion,
    EdgeMaterials,
    Engine,
    ModulatedGaussian,
    YeeProblem,
)
from emdose.solvers.yee_engine.setup.wire_circuits import circuit_of

CELL_M, RIM = 5e-3, 13
EPS_R, SIGMA = 80.0, 0.47


def of_cells(lead: Lead, frequency_Hz: float, halves_m: tuple[float, ...]) -> tuple[list[float], list[float]]:
    """Power in cubes around the origin, where the lead begins along z: of the cells alone, and all of it [W]."""
    count = [2 * RIM, 2 * RIM, round(lead.length_m / CELL_M) + 2 * RIM]
    grid = RectilinearGrid(*((np.arange(n + 1) - RIM) * CELL_M for n in count))
    ids = np.ones((3, *grid.node_shape), np.uint8)
    gel = EdgeMaterials(ids, np.array([np.inf, EPS_R * EPS_0]), np.array([0.0, SIGMA]))
    wire = wire_of(lead, frequency_Hz, CELL_M)
    wire = replace(wire, emf_V=wire.lengths_m, waveform=ModulatedGaussian(frequency_Hz, 2 * frequency_Hz))
    reach = round(max(halves_m) / CELL_M)
    low, high = (RIM - reach,) * 3, (RIM + reach + 1,) * 3
    dft = Dft([frequency_Hz], [DftRegion("tip", low, high, "E")], 8)
    engine = Engine(YeeProblem(grid, gel, cpml=Cpml(7), wires=[wire], dft=dft), backend.get("cpu"))
    engine.advance(int(5 / frequency_Hz / engine.dt))
    source = engine.source_spectrum([frequency_Hz], lead.name)[0]
    current, E = engine.wire_currents()[lead.name][0] / source, engine.phasors("tip").E[0] / source
    cells = 0.5 * SIGMA * mean_square(E) * CELL_M**3
    voxels = Grid((2 * RIM, 2 * RIM, count[2]), (CELL_M,) * 3, (-RIM * CELL_M,) * 3)  # type: ignore[arg-type]
    voxel, node, ohm = beside(lead, circuit_of(grid, gel, wire), frequency_Hz, voxels, np.ones(voxels.shape), CELL_M)
    leaving = np.append(0, current) - np.append(current, 0)
    near = np.zeros(voxels.shape)
    np.add.at(near, tuple(voxel.T), 0.5 * ohm * np.abs(leaving[node]) ** 2)
    near = near[(slice(RIM - reach, RIM + reach),) * 3]
    cut = [(slice(reach - round(h / CELL_M), reach + round(h / CELL_M)),) * 3 for h in halves_m]
    return [float(cells[c].sum()) for c in cut], [float((cells + near)[c].sum()) for c in cut]


def of_moments(lead: Lead, frequency_Hz: float, halves_m: tuple[float, ...]) -> list[float]:
    """The same outside of the lead by integration in cylindrical coordinates [W]."""
    solved = lead_in_medium(lead, frequency_Hz, EPS_R, SIGMA, segment_m=5e-4, kernel="tube").in_field([0, 0, 1.0])
    I, s = solved.current_A[0], solved.distance_m  # noqa: E741 - a current
    h, middle = np.diff(s), 0.5 * (s[1:] + s[:-1])
    w = 2 * np.pi * frequency_Hz
    admitted = SIGMA + 1j * w * EPS_R * EPS_0
    k = np.sqrt(-1j * w * MU_0 * admitted)
    moment, leaving = 0.5 * (I[1:] + I[:-1]) * h, -np.diff(I)
    out = []
    for half in halves_m:
        breaks = {-half, -0.3 * half, -0.05 * half, 0.0, 0.05 * half, 0.3 * half, half}
        if lead.bare_tip_m < half:
            breaks |= {lead.bare_tip_m - 1e-3, lead.bare_tip_m, lead.bare_tip_m + 1e-3}
        total = 0.0
        for z, share in zip(*_rule(sorted(breaks)), strict=True):
            metal = lead.contact_radius_m if z < lead.bare_tip_m else lead.outer_radius_m
            begin = 1e-6 if z < 0 else metal
            inner = [r for r in (1e-4, 5e-4, 2e-3) if r > begin]
            log, weight = _rule(np.log([begin, *inner, half, half * np.sqrt(2)]))
            r = np.exp(log)
            R = np.sqrt(r[:, None] ** 2 + (z - middle) ** 2)
            G = np.exp(-1j * k * R) / (4 * np.pi * R)
            slope = -(1 + 1j * k * R) / R**2 * G
            Ez = -1j * w * MU_0 * G @ moment - (slope * (z - middle)) @ leaving / admitted
            Er = -(slope * r[:, None]) @ leaving / admitted
            inside = np.where(r <= half, 1.0, 1 - 4 / np.pi * np.arccos(np.minimum(1.0, half / r)))
            square = np.abs(Ez) ** 2 + np.abs(Er) ** 2
            total += share * float((weight * 2 * np.pi * r**2 * inside * 0.5 * SIGMA * square).sum())
        out.append(total)
    return out


def _rule(breaks: list[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of Gauss's rule on pieces."""
    x, w = np.polynomial.legendre.leggauss(16)
    mids, sizes = zip(*((0.5 * (a + b), 0.5 * (b - a)) for a, b in pairwise(breaks)), strict=True)
    return (np.array(mids)[:, None] + np.array(sizes)[:, None] * x).ravel(), (np.array(sizes)[:, None] * w).ravel()
