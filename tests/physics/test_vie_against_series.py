"""The volume integral against Mie series, limits and conservation laws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emdose.models import bodies
from emdose.models.coils.ideal import Birdcage, Loop, LoopArray
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.edge_materials import edge_mean
from emdose.solvers.yee_grid.incident import incident_E
from emdose.validation.cases.volume_integral import LIMITS, edge_errors, gel, solve_sphere
from emdose.validation.closed_forms.low_frequency import uniform


def test_mie_128_mhz():
    # Oracle: Mie series; limits of the staircase at 5 mm.
    fields, sphere = solve_sphere(128e6, 5e-3, "cpu")
    error, power = edge_errors(fields, sphere), fields.power.power()
    core, everywhere, absorbed = LIMITS[128e6]
    assert error["core"] < core
    assert error["all"] < everywhere
    assert abs(power["absorbed_W"] / sphere.power()["absorption"] - 1) < absorbed
    assert power["closure"] < 1e-3
    # The scattered power goes with the sixth power of the radius: edge averages make the sphere 2 % larger.
    assert abs(power["scattered_W"] / sphere.power()["scattering"] - 1) < 0.15
    # B on faces near the centre.
    grid, c = fields.grid, fields.grid.shape[0] // 2
    points = np.array([[p.ravel()[i] for p, i in zip(grid.face_points(1), (c, c, c), strict=True)]])
    expected = sphere.fields(points)[1][0, 1]
    assert abs(fields.B[0, 1, c, c, c] / expected - 1) < 0.03


def test_mie_298_mhz_and_order():
    # Oracle: Mie series; first order of the staircase when the spacing halves.
    coarse, _ = solve_sphere(298e6, 10e-3, "cpu")
    fields, sphere = solve_sphere(298e6, 5e-3, "cpu")
    error, power = edge_errors(fields, sphere), fields.power.power()
    core, everywhere, absorbed = LIMITS[298e6]
    assert error["core"] < core
    assert error["all"] < everywhere
    assert abs(power["absorbed_W"] / sphere.power()["absorption"] - 1) < absorbed
    assert math.log2(edge_errors(coarse, sphere)["core"] / error["core"]) >= 0.9


@pytest.mark.slow
def test_mie_order_to_2_5_mm():
    # Oracle: order of convergence.
    errors = [edge_errors(*solve_sphere(128e6, h, "cpu"))["core"] for h in (5e-3, 2.5e-3)]
    assert math.log2(errors[0] / errors[1]) >= 0.9


def test_fields_outside_the_sphere():
    # Oracle: Mie series in the air around, E and B.
    body = bodies.sphere(0.05, 5e-3, gel(10, 0.3)).pad(6)
    fields = Vie().solve(Exposure(body, PlaneWave(), 298e6), device="cpu")
    from emdose.validation.cases.volume_integral import complex_permittivity
    from emdose.validation.closed_forms import Sphere

    sphere, grid = Sphere([0.05], [complex_permittivity(10, 0.3, 298e6)], 298e6), fields.grid
    for c in range(3):
        for array, points, which in ((fields.E, grid.edge_points(c), 0), (fields.B, grid.face_points(c), 1)):
            p = np.stack([np.broadcast_to(v, grid.node_shape) for v in points], axis=-1)[:-1, :-1, :-1]
            away = np.linalg.norm(p, axis=-1) > 0.06
            expected = sphere.fields(p[away])[which]
            error = array[0, c, :-1, :-1, :-1][away] - expected[:, c]
            assert np.linalg.norm(error) < 0.04 * np.linalg.norm(expected)


def test_reciprocity():
    # Oracle: reaction integrals of two sources are equal, <J1, E2_inc> = <J2, E1_inc>.
    body = bodies.sphere(0.08, 10e-3, gel())
    coils = [Loop(0.05, centre_m=(0, 0, 0.12)), Loop(0.04, centre_m=(0.13, 0.02, 0), normal=(1, 0.3, 0))]
    solver = Vie(tolerance=1e-6, dtype="complex128")
    E = [solver.solve(Exposure(body, c, 128e6), device="cpu").E[0] for c in coils]
    from emdose.compute import backend

    incident = [incident_E(c, body.grid, 128e6, backend.get("cpu"), complex)[0] for c in coils]
    contrast = edge_mean(body.complex_permittivity(128e6).astype(complex), 1.0) - 1
    a, b = np.sum(contrast * E[0] * incident[1]), np.sum(contrast * E[1] * incident[0])
    assert abs(a - b) < 3e-5 * abs(a)


def test_power_balance_of_several_ports():
    # Oracle: energy conservation for any drive, and Hermitian matrices.
    body = bodies.layered_sphere((0.06, 0.08), (gel(60, 0.7, "a"), gel(20, 0.2, "b")), 10e-3)
    fields = Vie().solve(Exposure(body, LoopArray(4, radius_m=0.12), 298e6), device="cpu")
    rng = np.random.default_rng(2)
    for _ in range(3):
        drive = rng.normal(size=4) + 1j * rng.normal(size=4)
        power = fields.drive(drive).power.power()
        assert power["closure"] < 5e-4
        assert min(power["absorbed_W"], power["scattered_W"]) > 0
    for matrix in (fields.power.absorbed_W, fields.power.extinction_W, fields.power.scattered_W):
        assert np.allclose(matrix, matrix.conj().T, atol=1e-6 * np.abs(matrix).max())
        assert np.linalg.eigvalsh(0.5 * (matrix + matrix.conj().T)).min() > 0


def test_low_contrast_is_born():
    # Oracle: first Born approximation, E = E_inc + O(contrast).
    contrast = 1e-3
    body = bodies.sphere(0.05, 5e-3, gel(1 + contrast, 0.0))
    exposure = Exposure(body, PlaneWave(), 298e6)
    fields = Vie(tolerance=1e-10, dtype="complex128").solve(exposure, device="cpu")
    from emdose.compute import backend

    incident = incident_E(exposure.coil, body.grid, 298e6, backend.get("cpu"), complex)
    change = np.abs(fields.E - incident).max()
    assert 0 < change < 2 * contrast
    # Twice the contrast, twice the change (to second order).
    twice = Vie(tolerance=1e-10, dtype="complex128").solve(
        Exposure(bodies.sphere(0.05, 5e-3, gel(1 + 2 * contrast, 0.0)), PlaneWave(), 298e6), device="cpu"
    )
    difference = np.linalg.norm((twice.E - incident) - 2 * (fields.E - incident))
    assert difference < 5 * contrast * np.linalg.norm(twice.E - incident)


def test_quasistatic_dielectric_sphere():
    # Oracle: uniform field 3 / (eps + 2) in a small dielectric sphere.
    body = bodies.sphere(0.05, 5e-3, gel(4.0, 0.0))
    fields = Vie(tolerance=1e-5).solve(Exposure(body, PlaneWave(), 1e6), device="cpu")
    n = fields.grid.shape[0] // 2
    centre = fields.E_centre()[0, 0, n - 2 : n + 2, n - 2 : n + 2, n - 2 : n + 2].mean()
    assert abs(centre / uniform.sphere_in_E(4.0) - 1) < 0.03


def test_eddy_currents_in_a_small_sphere():
    # Oracle: E = -jw B x r / 2 and P = pi sigma w^2 B^2 R^5 / 15 in a uniform B (Helmholtz pair).
    body = bodies.sphere(0.02, 2e-3, gel(1.0, 0.2))
    frequency, a = 5e6, 0.4
    top, bottom = (Loop(a, centre_m=(0, 0, s * a / 2)) for s in (1, -1))
    from emdose.models.coils.ideal import Coil

    pair = Coil(
        "Helmholtz",
        np.concatenate([top.segments, bottom.segments]),
        np.concatenate([top.currents, bottom.currents], axis=1),
        ("a",),
        {},
    )
    fields = Vie(dtype="complex128").solve(Exposure(body, pair, frequency), device="cpu")
    B = (4 / 5) ** 1.5 * 4e-7 * math.pi / a
    power = fields.power.power()["absorbed_W"]
    assert abs(power / (uniform.sphere_in_B_power(0.02, 0.2, frequency) * B**2) - 1) < 0.04
    x, y, z = fields.grid.centre_points()
    inside = np.broadcast_to(np.sqrt(x * x + y * y + z * z) < 0.016, fields.grid.shape)
    points = np.stack(np.broadcast_arrays(x, y, z), axis=-1)[inside]
    expected = uniform.sphere_in_B(points, frequency) * B
    error = np.linalg.norm(fields.E_centre()[0][:, inside].T - expected) / np.linalg.norm(expected)
    assert error < 0.05


def test_precisions_and_methods_agree():
    # Oracle: the same equations in double precision, and a different Krylov method.
    body = bodies.layered_sphere((0.06, 0.08), (gel(60, 0.7, "a"), gel(20, 0.2, "b")), 10e-3)
    exposure = Exposure(body, Birdcage(rungs=8, radius_m=0.13), 298e6)

    def solve(**options):
        return Vie(tolerance=2e-5, **options).solve(exposure, device="cpu").E

    double = solve(dtype="complex128")
    size = np.linalg.norm(double)
    for other in (solve(), solve(method="bicgstab"), solve(restart=10), solve(method="cocr")):
        assert np.linalg.norm(other - double) < 1e-3 * size


def test_currents_are_free_of_divergence():
    # Oracle: charge conservation; the discrete divergence of eps E vanishes in and at the body.
    body = bodies.sphere(0.05, 5e-3, gel()).pad(1)
    E = Vie(tolerance=1e-8, dtype="complex128").solve(Exposure(body, PlaneWave(), 128e6), device="cpu").E[0]
    D = edge_mean(body.complex_permittivity(128e6).astype(complex), 1.0) * E
    inner = (slice(1, -1),) * 3
    back = [
        (slice(0, -2), slice(1, -1), slice(1, -1)),
        (slice(1, -1), slice(0, -2), slice(1, -1)),
        (slice(1, -1), slice(1, -1), slice(0, -2)),
    ]
    divergence = sum(D[c][inner] - D[c][back[c]] for c in range(3))
    assert np.abs(divergence).max() < 1e-5 * np.abs(D).max()
