"""The incident plane wave: what leaks out of its box, and what is inside."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.constants import C_0
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine import Cpml, Dft, DftRegion, Engine, Gaussian, IncidentWave, YeeProblem, vacuum

CPU = backend.get("cpu")


def wave_run(direction: tuple[float, ...], polarisation: tuple[float, ...], spacing: tuple[float, ...]) -> tuple:
    """Largest E outside and inside the box over a pulse [V/m], and the engine."""
    shape = (40, 38, 42)
    grid = RectilinearGrid(*(np.arange(n + 1) * d for n, d in zip(shape, spacing, strict=True)))
    wave = IncidentWave((12, 12, 12), (28, 26, 30), direction, polarisation, Gaussian(500e6), 2.0)
    inside = DftRegion("inside", (14, 14, 14), (27, 25, 29))
    problem = YeeProblem(grid, vacuum(grid), wave=wave, cpml=Cpml(8), dft=Dft([200e6, 400e6], [inside], 4))
    engine = Engine(problem, CPU, "float64")
    leak, peak = 0.0, 0.0
    view = engine.tables.lattice.view(engine.tables.e)
    lengths = np.array(spacing).reshape(3, 1, 1, 1)
    while engine.time < 13e-9:
        engine.advance(20)
        E = np.abs(view) / lengths
        peak = max(peak, float(E[:, 14:26, 14:24, 14:28].max()))
        E[:, 12:29, 12:27, 12:31] = 0
        leak = max(leak, float(E.max()))
    return leak, peak, engine


@pytest.mark.parametrize(
    ("direction", "polarisation", "spacing", "leak"),
    [
        ((0, 0, 1), (1, 0, 0), (0.01, 0.01, 0.01), 1e-9),
        ((-1, 0, 0), (0, 1, 0), (0.01, 0.012, 0.009), 1e-9),
        ((1, 1, 0), (0, 0, 1), (0.01, 0.01, 0.01), 1e-4),
        ((1, 0.5, -0.3), (-0.5, 1, 0), (0.01, 0.01, 0.01), 1e-3),
    ],
)
def test_little_leaks_out_of_the_box(direction, polarisation, spacing, leak) -> None:
    """Oracle: outside the box there is no field; along an axis to rounding, else to the error of the auxiliary line."""
    found, peak, _ = wave_run(direction, polarisation, spacing)
    assert peak == pytest.approx(2.0 * np.max(np.abs(polarisation)) / np.linalg.norm(polarisation), rel=0.01)
    assert found < leak * peak


def test_inside_the_box_is_the_wave() -> None:
    """Oracle: closed form exp(-j k (r - r0) d) for E and d x p / c for B, to the lattice's dispersion."""
    direction, polarisation = np.array([1, 0.5, -0.3]), np.array([-0.5, 1.0, 0.0])
    d, p = direction / np.linalg.norm(direction), polarisation / np.linalg.norm(polarisation)
    _, _, engine = wave_run(tuple(direction), tuple(polarisation), (0.01, 0.01, 0.01))
    found = engine.phasors("inside")
    spectrum = engine.source_spectrum(found.frequencies_Hz)
    corner = np.where(d >= 0, (12, 12, 12), (28, 26, 30)) * 0.01
    for magnetic, field, amplitude in ((0, found.E, p), (1, found.B, np.cross(d, p) / C_0)):
        for c in range(3):
            offset = [0.5 * ((a == c) != bool(magnetic)) for a in range(3)]
            axes = [0.01 * (np.arange(14, n) + o) for n, o in zip((27, 25, 29), offset, strict=True)]
            r = np.stack(np.meshgrid(*axes, indexing="ij"), -1) - corner
            k = 2 * np.pi * found.frequencies_Hz / C_0
            expected = amplitude[c] * np.exp(-1j * k[:, None, None, None] * (r @ d)) * spectrum[:, None, None, None]
            size = np.abs(spectrum).max() * np.linalg.norm(amplitude)
            assert np.abs(field[:, c] - expected).max() < 4e-3 * size
