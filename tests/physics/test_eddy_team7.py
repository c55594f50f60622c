"""TEAM workshop problem 7: an aluminium plate with a hole beside a coil. Oracles: measured flux density, and the plate
loss of a finite element computation (NGSolve, third order: 4.73 W at 50 Hz and 9.67 W at 200 Hz)."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.models.gradients.coils import GradientCoil
from emdose.models.grids.grid import Grid
from emdose.models.implants.metals import Metal
from emdose.models.implants.voxels import VoxelImplant

LOSS_W = {50: 4.73, 200: 9.67}
TURNS = 2742.0


def coil(across: int, along: int, arc: int = 6) -> GradientCoil:
    """Filaments at the Gauss points of the winding, 25 x 100 mm; chords of the rounded corners keep the area."""
    (x, wx), (z, wz) = (np.polynomial.legendre.leggauss(n) for n in (across, along))
    paths, turns = [], []
    for s, u in zip((x + 1) / 2, wx / 2, strict=True):
        for t, v in zip((z + 1) / 2, wz / 2, strict=True):
            radius = 0.025 + 0.025 * s
            angle = np.linspace(0, math.pi / 2, arc + 1)
            radius *= math.sqrt(angle[1] / math.sin(angle[1]))
            corners = []
            for quarter, (a, b) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
                turn = angle + quarter * math.pi / 2
                x_m, y_m = 0.194 + 0.05 * a + radius * np.cos(turn), 0.1 + 0.05 * b + radius * np.sin(turn)
                corners.append(np.stack([x_m, y_m, np.full(arc + 1, 0.049 + 0.1 * t)], axis=1))
            paths.append(np.concatenate(corners))
            turns.append(u * v)
    return GradientCoil("TEAM 7", "x", paths, turns)


def plate(step: float, height: float) -> VoxelImplant:
    """The plate, 294 x 294 x 19 mm, with its hole from 18 to 126 mm, on voxels whose planes hold all its faces."""
    n = (round(0.294 / step), round(0.294 / step), round(0.019 / height))
    grid = Grid(n, (0.294 / n[0], 0.294 / n[1], 0.019 / n[2]), (0.0, 0.0, 0.0))
    metal, centre = np.ones(n, np.float32), grid.centres(0)
    hole = (centre > 0.018) & (centre < 0.126)
    metal[np.ix_(hole, hole, np.ones(n[2], bool))] = 0
    faces = np.zeros((3, *grid.node_shape), np.float32)
    faces[0, 1:-1, :-1, :-1] = metal[1:] * metal[:-1]
    faces[1, :-1, 1:-1, :-1] = metal[:, 1:] * metal[:, :-1]
    faces[2, :-1, :-1, 1:-1] = metal[:, :, 1:] * metal[:, :, :-1]
    return VoxelImplant(
        grid, (metal > 0).astype(np.uint8), metal, faces, (Metal("aluminium", 3.526e7, 2700, 900, 200),)
    )


def measured(frequency: int) -> tuple[np.ndarray, np.ndarray]:
    """Points [m] and complex Bz [T], exp(+jwt)."""
    path = Path(__file__).parents[1] / "data" / "team7_bz.csv"
    rows = list(csv.DictReader(line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")))
    points = np.array([[float(r["x_mm"]) / 1e3, {"A1B1": 0.072, "A2B2": 0.144}[r["line"]], 0.034] for r in rows])
    real, turned = (np.array([float(r[f"bz_{frequency}hz_wt{k}_G"]) for r in rows]) for k in (0, 90))
    return points, 1e-4 * (real - 1j * turned)


def check(solution, winding: GradientCoil, frequency: int, loss_error: float) -> None:
    """Plate loss, and the total of Bz at the points, rms over the peak."""
    power, work = solution.power(solution.currents(frequency))
    loss = 0.5 * (2 * math.pi * frequency) ** 2 * power[0, 0].real
    assert loss == pytest.approx(LOSS_W[frequency], rel=loss_error)
    assert abs(power - work).max() < 1e-4 * abs(power).max()
    points, expected = measured(frequency)
    found = winding.field(points, TURNS)[:, 2] + solution.magnetic_field(points, frequency)[0, :, 2]
    rms = math.sqrt(np.mean((np.abs(found) - np.abs(expected)) ** 2))
    assert rms < 0.03 * np.abs(expected).max()


def test_50_hz() -> None:
    winding = coil(2, 4)
    solver = em.EddyCurrent(engine="voxel", tolerance=1e-3)
    solution = solver.currents(plate(6e-3, 2.4e-3), 50.0, sources=lambda p: winding.potential(p, TURNS))
    check(solution, winding, 50, 0.02)


@pytest.mark.slow
def test_50_and_200_hz() -> None:
    winding = coil(3, 6, arc=8)
    solver = em.EddyCurrent(engine="voxel")
    solution = solver.currents(plate(3e-3, 1.9e-3), 200.0, sources=lambda p: winding.potential(p, TURNS))
    for frequency in LOSS_W:
        check(solution, winding, frequency, 0.03)
