"""The time-stepping engine against closed forms: waves on the grid, guides, interfaces, metal."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from emdose.compute import backend
from emdose.constants import C_0, EPS_0
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers import yee_engine
from emdose.solvers.fdtd.power import outflow
from emdose.solvers.fdtd.setup.domain import faces
from emdose.solvers.fdtd.setup.pulse import Pulse
from emdose.validation.closed_forms.coils import dipole
from emdose.validation.closed_forms.waves import dispersion, pec_sphere, slab, waveguide


def grid_of(cells, h):
    return RectilinearGrid(*(h * np.arange(n + 1) for n in cells))


def phasors(problem, steps, dtype="float64"):
    engine = yee_engine.Engine(problem, backend.get("cpu"), dtype=dtype)
    engine.advance(steps)
    return engine


def guide(frequencies, centre, h=5e-3, width=20, length=90):
    """TE10 of a guide that is ``width`` cells wide, from a sheet; Ey in the middle (f, z) and the time step."""
    grid = grid_of((width, 2, length), h)
    i = np.arange(1, width)
    edges = np.array([[1, a, b, 25] for a in i for b in range(2)])
    weights = np.repeat(np.sin(math.pi * i / width), 2)
    walls = ("pec", "pec", "pec", "pec", "cpml", "cpml")
    region = yee_engine.DftRegion("line", (width // 2, 0, 0), (width // 2 + 1, 1, length + 1), "E")
    source = yee_engine.CurrentSource("sheet", edges, weights, yee_engine.ModulatedGaussian(centre, 0.2e9))
    problem = yee_engine.YeeProblem(
        grid,
        yee_engine.vacuum(grid),
        walls,
        yee_engine.Cpml(cells=20),
        [source],
        dft=yee_engine.Dft(frequencies, [region], 4),
    )
    engine = phasors(problem, 4000)
    return engine.phasors("line").E[:, 1, 0, 0], engine.dt


def test_rectangular_waveguide():
    # Oracle: phase constant and attenuation of TE10, and exactly those of the lattice.
    h, width, frequencies = 5e-3, 20, np.array([0.9e9, 1.9e9, 2.1e9])
    assert waveguide.cutoff_Hz(0.1, 0.01) == pytest.approx(1.499e9, rel=1e-3)
    # Pulses that leave out the cut-off, where the guide would ring for ever.
    (below, dt), (above, _) = guide(frequencies[:1], 0.9e9), guide(frequencies[1:], 2e9)
    field = np.concatenate([below, above])
    for n, f in enumerate(frequencies):
        step = cmath.log(field[n, 32] / field[n, 48]) / 16
        beta = waveguide.phase_constant(f, width * h, 2 * h)
        assert abs(step / (1j * beta * h) - 1) < 0.015
        across = (math.sin(0.5 * math.pi / width) / h) ** 2
        time = (math.sin(math.pi * f * dt) / (C_0 * dt)) ** 2
        lattice = (
            2j * cmath.asin(h * cmath.sqrt(time - across))
            if time > across
            else 2 * math.asinh(h * math.sqrt(across - time))
        )
        assert abs(step - lattice) < 5e-4 * abs(lattice)
    # The wave of a guide is a pair of oblique plane waves: the same dispersion as the closed form of the vacuum.
    f = frequencies[-1]
    along = abs(cmath.log(field[-1, 32] / field[-1, 48])) / 16 / h
    k = dispersion.wavenumber(f, (math.pi / (width * h), 0.0, along), (h,) * 3, dt)
    assert math.hypot(math.pi / (width * h), along) == pytest.approx(k, rel=2e-4)


def line(material=None, h=2e-3, cells=200, start=100, frequencies=(0.5e9, 1e9, 2e9)):
    """A plane wave along x between electric and magnetic walls; Ey (f, x) at unit source, and the engine."""
    grid = grid_of((cells, 2, 2), h)
    eps, sigma = np.ones((3, *grid.node_shape)), np.zeros((3, *grid.node_shape))
    if material is not None:
        permittivity, conductivity, stop = material
        eps[1:, start:stop], sigma[1:, start:stop] = permittivity, conductivity
        for end in (start, stop) if stop < cells else (start,):
            eps[1:, end], sigma[1:, end] = 0.5 * (1 + permittivity), 0.5 * conductivity
    edges = np.array([[1, 40, j, k] for j in range(2) for k in range(3)])
    weights = np.where(np.isin(edges[:, 3], (0, 2)), 0.5, 1.0)
    walls = ("cpml", "cpml", "pec", "pec", "pmc", "pmc")
    source = yee_engine.CurrentSource("sheet", edges, weights, Pulse(1e9))
    dft = yee_engine.Dft(np.array(frequencies), [yee_engine.DftRegion("line", (0, 0, 1), (cells + 1, 1, 2), "E")], 2)
    problem = yee_engine.YeeProblem(
        grid, yee_engine.materials_from_edges(eps, sigma), walls, yee_engine.Cpml(cells=16), [source], dft=dft
    )
    engine = phasors(problem, 2500)
    return engine.phasors("line").E[:, 1, :, 0, 0], engine.dt


def test_numerical_dispersion():
    # Oracle: the dispersion relation of the scheme along an axis.
    frequencies = (0.5e9, 1e9, 2e9, 4e9)
    field, dt = line(frequencies=frequencies)
    for n, f in enumerate(frequencies):
        k = -np.angle(field[n, 121] / field[n, 120]) / 2e-3
        expected = dispersion.wavenumber(f, (1, 0, 0), (2e-3,) * 3, dt)
        assert k == pytest.approx(expected, rel=1e-4)
        assert expected > 2 * math.pi * f / C_0


def test_reflection_at_lossy_tissue():
    # Oracle: Fresnel's formulas for a half space (which goes on into the absorber) and for a slab.
    frequencies, h = np.array([0.5e9, 1e9, 2e9]), 2e-3
    empty, dt = line(frequencies=frequencies)
    for permittivity, conductivity, stop in ((50.0, 0.7, 200), (4.0, 0.1, 200), (10.0, 0.3, 112)):
        field, _ = line((permittivity, conductivity, stop), frequencies=frequencies)
        for n, f in enumerate(frequencies):
            eps = permittivity - 1j * conductivity / (2 * math.pi * f * EPS_0)
            k = dispersion.wavenumber(f, (1, 0, 0), (h,) * 3, dt)
            # Forward and backward wave between source and interface, from the difference to the empty line.
            reflected = (field[n, 60] - empty[n, 60]) * np.exp(1j * k * 40 * h)
            incident = empty[n, 60] * np.exp(-1j * k * 40 * h)
            found = reflected / incident
            if stop == 200:
                expected = slab.half_space(eps)[0]
            else:
                expected, through = slab.slab(eps, 12 * h, f)
                forward = field[n, 140] / (incident * np.exp(-1j * k * 40 * h))
                assert abs(forward / (through * np.exp(1j * k * 12 * h)) - 1) < 0.02
            # Second order: (k h)^2 / 24 in tissue, at most 1.5 % here.
            inside = abs(2 * math.pi * f / C_0 * cmath.sqrt(eps) * h) ** 2
            assert abs(found - expected) < 2e-3 + inside / 12


def sphere_of_metal(radius_cells, ka, margin=14):
    """Power scattered by a sphere of metal over that of the closed form."""
    h = 0.01
    radius, n = radius_cells * h, 2 * (radius_cells + margin)
    frequency = ka * C_0 / (2 * math.pi * radius)
    grid = RectilinearGrid(*(h * (np.arange(n + 1) - n / 2) for _ in range(3)))
    x = grid.nodes(0)
    inside = sum(np.meshgrid(x**2, x**2, x**2, indexing="ij", sparse=True)) <= (radius + 1e-9) ** 2
    pec = np.zeros((3, *grid.node_shape), bool)
    for c in range(3):
        low, high = (tuple(s if a == c else slice(None) for a in range(3)) for s in (slice(0, -1), slice(1, None)))
        pec[(c, *low)] = inside[low] & inside[high]
    box = ((11,) * 3, (n - 11,) * 3)
    regions = [
        yee_engine.DftRegion(f"face {m}", tuple(s.start for s in cut), tuple(s.stop for s in cut))
        for m, cut in enumerate(faces(box))
    ]
    pulse = Pulse(frequency)
    wave = yee_engine.IncidentWave((margin - 1,) * 3, (n - margin + 1,) * 3, (0, 0, 1), (1, 0, 0), pulse)
    problem = yee_engine.YeeProblem(
        grid, yee_engine.vacuum(grid).with_pec(pec), wave=wave, dft=yee_engine.Dft([frequency], regions, 4)
    )
    engine = phasors(problem, int(6 / frequency / (0.99 * h / (C_0 * math.sqrt(3)))), "float32")
    unit = engine.source_spectrum([frequency])[0]
    found = [engine.phasors(r.name) for r in regions]
    power = outflow([p.E / unit for p in found], [p.B / unit for p in found], box, grid)[0, 0].real
    return power / pec_sphere.scattered_power_W(radius, frequency)


def test_sphere_of_metal():
    # Oracle: the series of a perfectly conducting sphere. Edges with both ends within make it a fifth of a cell
    # smaller, and the power goes with the fourth to sixth power of the radius.
    assert sphere_of_metal(12, 1.0) == pytest.approx(1.0, abs=0.08)


@pytest.mark.slow
def test_sphere_of_metal_converges():
    # Oracle: the series; the staircase error falls with the cell.
    coarse, fine = (abs(sphere_of_metal(n, 1.5) - 1) for n in (8, 20))
    assert fine < 0.6 * coarse
    assert fine < 0.05


def test_closed_forms_agree_with_their_limits():
    # Oracle: Rayleigh and geometrical optics; transmission lines; the half-wave dipole.
    a, f = 0.1, 1e6
    k = 2 * math.pi * f / C_0
    assert pec_sphere.scattering_cross_section_m2(a, f) == pytest.approx(10 * math.pi / 3 * k**4 * a**6, rel=1e-4)
    assert pec_sphere.backscatter_m2(a, f) == pytest.approx(9 * math.pi * k**4 * a**6, rel=1e-4)
    assert pec_sphere.backscatter_m2(10, 3e9) == pytest.approx(math.pi * 100, rel=1e-3)
    reflected, through = slab.slab(4.0, C_0 / 1e9 / 4, 1e9)  # half a wavelength in it
    assert abs(reflected) < 1e-12
    assert abs(through + 1) < 1e-12
    assert slab.half_space(4.0) == pytest.approx((-1 / 3, 2 / 3))
    assert waveguide.resonance_Hz((0.1, 0.2, 0.2), (1, 1, 0)) == pytest.approx(math.hypot(1.5, 0.75) * 1e9, rel=1e-3)
    assert dispersion.wavenumber(1e8, (1, 2, 3), (1e-3,) * 3, 1e-13) == pytest.approx(2 * math.pi * 1e8 / C_0, rel=1e-6)
    assert dispersion.courant_limit_s((1e-3,) * 3) == pytest.approx(1e-3 / C_0 / math.sqrt(3))
    f = C_0
    assert dipole.impedance_sinusoidal(0.5, 1e-3, f) == pytest.approx(73.1 + 42.5j, abs=0.1)
    # Very thin: the integral equation approaches the sinusoidal current.
    thick, thin = (dipole.impedance_hallen(0.5, r, f, 16) for r in (1e-3, 1e-8))
    assert abs(thin - (73.1 + 42.5j)) < 5 < abs(thick - (73.1 + 42.5j))
