"""Straight wires in unbounded gel under a uniform impressed field, by the time-stepping engine; and their oracle.

Maxwell's equations allow another unit of time: with permittivities divided by s and conductivities by its root, the
frequency times the root, the same currents come out over the root. Vacuum alone is left behind by that, and there is
none here: with s = 16 a run takes a quarter of the steps.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from emdose.compute import backend
from emdose.constants import EPS_0
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine import (
    Cpml,
    Dft,
    DftRegion,
    EdgeMaterials,
    Engine,
    ModulatedGaussian,
    SubcellWire,
    YeeProblem,
)

CELL_M = 5e-3
SCALE = 16.0


@cache
def reference() -> dict[tuple[float, float, float, float, int], complex]:
    """Current in the middle [A per V/m] by frequency [MHz], both radii [mm], permittivity and length [cm]."""
    rows = {}
    for line in (Path(__file__).parents[1] / "data" / "wire_currents.csv").read_text().splitlines():
        parts = line.split(",")
        if parts[0][0].isdigit():
            f, a, b, eps, length, re, im = (float(parts[n]) for n in (0, 2, 3, 4, 5, 6, 7))
            rows[f, a, b, eps, int(length)] = 1e-3 * (re + 1j * im)
    return rows


def wire_in_gel(
    frequency_MHz: float,
    radius_mm: float,
    outer_mm: float,
    coat: float,
    length_cm: float,
    direction: tuple[float, float, float] = (0, 0, 1),
    offset: tuple[float, float, float] = (0, 0, 0),
    scale: float = SCALE,
    periods: float = 5.0,
    gap: int = 5,
    segment: float = 1.0,
    stripped_mm: tuple[float, float] | None = None,
) -> np.ndarray:
    """Currents of the segments [A per V/m]; offset and segment in cells; bare where both radii agree; of an insulated
    wire, the length of its bare beginning and the radius of the metal there."""
    root, f = np.sqrt(scale), 1e6 * frequency_MHz
    along = np.array(direction, float) / np.linalg.norm(direction)
    length = 1e-2 * length_cm
    count = 2 * max(1, round(length / CELL_M / segment / 2))
    cells = [2 * int(np.ceil(0.5 * length * abs(a) / CELL_M)) + 2 * (7 + gap) for a in along]
    grid = RectilinearGrid(*((np.arange(n + 1) - n / 2) * CELL_M for n in cells))
    gel = EdgeMaterials(
        np.ones((3, *grid.node_shape), np.uint8),
        np.array([np.inf, 80 * EPS_0 / scale]),
        np.array([0.0, 0.47 / root]),
    )
    nodes = CELL_M * np.array(offset) + np.linspace(-0.5, 0.5, count + 1)[:, None] * length * along
    bare = outer_mm == radius_mm
    wire = SubcellWire(
        "wire",
        nodes,
        1e-3 * radius_mm,
        None if bare else 1e-3 * outer_mm,
        coat / scale,
        emf_V=np.full(count, length / count),
        waveform=ModulatedGaussian(f * root, 2 * f * root),
    )
    if stripped_mm is not None:
        ends = np.append(0.0, np.append((np.arange(count) + 0.5) * length / count, length))
        bare_m, metal_m = 1e-3 * np.array(stripped_mm)
        wire = replace(wire, coated_m=np.clip(ends[1:] - np.maximum(ends[:-1], bare_m), 0, None), bare_radius_m=metal_m)
    problem = YeeProblem(grid, gel, cpml=Cpml(7), wires=[wire], dft=Dft([f * root], [], 4))
    engine = Engine(problem, backend.get("cpu"))
    engine.advance(int(periods / (f * root) / engine.dt))
    return root * engine.wire_currents()["wire"][0] / engine.source_spectrum([f * root], "wire")[0]


def middle(currents: np.ndarray) -> complex:
    """Current in the middle of an even number of segments."""
    n = len(currents) // 2
    return complex(0.5 * (currents[n - 1] + currents[n]))


def power_around_tip(frequency_MHz: float, first: float, last: float, scale: float = SCALE) -> tuple[float, float]:
    """Power between two radii [cells] around the bare end of an insulated wire with 1 V at its tip, in fields and as
    a point that delivers the current of the tip would give it [W/V^2]."""
    root, f, count = np.sqrt(scale), 1e6 * frequency_MHz, 20
    reach = int(np.ceil(last)) + 1
    origin = np.array([reach + 9] * 3)
    cells = [2 * reach + 18, 2 * reach + 18, reach + count + 20]
    grid = RectilinearGrid(*((np.arange(n + 1) - o) * CELL_M for n, o in zip(cells, origin, strict=True)))
    gel = EdgeMaterials(
        np.ones((3, *grid.node_shape), np.uint8),
        np.array([np.inf, 80 * EPS_0 / scale]),
        np.array([0.0, 0.47 / root]),
    )
    nodes = CELL_M * (np.array([0.2, 0.3, 0.1]) + np.arange(count + 1)[:, None] * np.array([0, 0, 1]))
    wire = SubcellWire("wire", nodes, 0.5e-3, 1.25e-3, 2.1 / scale)
    coated = wire.node_lengths_m * (np.arange(count + 1) > 0)
    pulse = ModulatedGaussian(f * root, 2 * f * root)
    wire = replace(wire, coated_m=coated, emf_V=1.0 * (np.arange(count) == 0), waveform=pulse)
    low, high = (tuple(int(v) for v in origin + n) for n in (-reach, reach + 1))
    dft = Dft([f * root], [DftRegion("tip", low, high, "E")], 4)  # type: ignore[arg-type]
    engine = Engine(YeeProblem(grid, gel, cpml=Cpml(7), wires=[wire], dft=dft), backend.get("cpu"))
    engine.advance(int(5 / (f * root) / engine.dt))
    source = engine.source_spectrum([f * root], "wire")[0]
    current, E = root * engine.wire_currents()["wire"][0, 0] / source, engine.phasors("tip").E[0] / source
    found = 0.0
    for c in range(3):
        x = [grid.nodes(a)[low[a] : high[a]] + (0.5 * CELL_M if a == c else 0.0) - nodes[0, a] for a in range(3)]
        r = np.sqrt(x[0][:, None, None] ** 2 + x[1][:, None] ** 2 + x[2] ** 2)
        there = (r >= first * CELL_M) & (r <= last * CELL_M)
        found += 0.5 * 0.47 * float((np.abs(E[c][there]) ** 2).sum()) * CELL_M**3
    admitted = abs(0.47 + 2j * np.pi * f * 80 * EPS_0)
    shells = (1 / first - 1 / last) / CELL_M
    return found, abs(current) ** 2 * 0.47 / (8 * np.pi * admitted**2) * shells
