"""Thin skin: closed forms of spheres, cylinders and spheroids; rings and tubes against coaxial loops; invariances."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from axisymmetric import rod_power
from surfaces import cylinder, icosphere, revolved, torus

from emdose.compute import backend
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.solvers.eddy.thin_skin.geometry import edges, inscribed_radii
from emdose.solvers.eddy.thin_skin.power import ThinSkinPower, thin_skin_power
from emdose.solvers.surface.charges import ChargeOperator
from emdose.solvers.surface.mesh import Surface, refined
from emdose.validation.closed_forms.low_frequency.eddy_cylinder import axial_power, cylinder_limits, transverse_power
from emdose.validation.closed_forms.low_frequency.eddy_sphere import sphere_limits, sphere_power

BE = backend.get("cpu")
COCR = SimpleNamespace(name="CoCrMo", conductivity_S_m=1.16e6, relative_permeability=1.0)


def _part(v: np.ndarray, f: np.ndarray, metal: SimpleNamespace = COCR) -> SimpleNamespace:
    return SimpleNamespace(name="part", vertices=v, triangles=f, metal=metal)


def _solve(*parts: SimpleNamespace, f: list[float], **options) -> ThinSkinPower:
    return thin_skin_power(SimpleNamespace(parts=parts), f, BE, **options)


def _diagonal(power: ThinSkinPower) -> np.ndarray:
    return np.einsum("faa->fa", power.matrix).real


def test_sphere_within_two_percent_while_the_skin_is_thin() -> None:
    """Oracle: closed form; 2 % to a skin depth of 0.38 radii, 1 % below 0.3; the estimate covers the error."""
    a = 0.015
    depths = np.array([0.02, 0.1, 0.2, 0.3, 0.38, 0.5])
    f = np.sort(1 / (np.pi * MU_0 * COCR.conductivity_S_m * (depths * a) ** 2))
    power = _solve(_part(*icosphere(3, a)), f=f)
    expected = np.array([sphere_power(a, COCR.conductivity_S_m, one) for one in f])
    error = _diagonal(power) / expected[:, None] - 1
    thin = power.skin_depth_m[:, 0] / a
    assert np.abs(error[thin < 0.39]).max() < 0.02
    assert np.abs(error[thin < 0.31]).max() < 0.01
    assert np.all(np.abs(error).max(axis=1) < 1.5 * power.error_estimate + 0.006)  # 0.006: the mesh
    assert power.error_estimate[thin > 0.45].min() > 0.05
    np.testing.assert_allclose(power.matrix[0], np.diag(_diagonal(power)[0]), atol=1e-4 * expected[0])
    np.testing.assert_allclose(
        np.einsum("fabt,t->fab", power.surface_loss, power.areas), power.matrix, rtol=1e-5, atol=1e-9 * expected[0]
    )
    assert power.handles == 0
    assert power.residual < 2e-4


def test_magnetic_sphere() -> None:
    """Oracle: closed form, mu_r = 10, where mu_r delta / a is small."""
    a, metal = 0.015, SimpleNamespace(conductivity_S_m=1.35e6, relative_permeability=10.0)
    f = 1 / (np.pi * MU_0 * 10 * 1.35e6 * (0.01 * a) ** 2)
    power = _solve(_part(*icosphere(3, a), metal), f=[f])
    expected = sphere_power(a, 1.35e6, f, 10.0)
    assert _diagonal(power)[0] == pytest.approx(np.full(3, expected), rel=0.012)
    # The correction itself, 1 - mu_r delta / a, is ten times that of mu_r = 1 at the same skin depth.
    assert expected / sphere_limits(a, 1.35e7, f)[1] / 10 == pytest.approx(0.9, abs=0.01)


def _round(v: np.ndarray, f: np.ndarray, around: int) -> tuple[np.ndarray, np.ndarray]:
    """Polygons around the axis made as large as the circles."""
    angle = 2 * np.pi / around
    return v * [np.sqrt(angle / np.sin(angle)), np.sqrt(angle / np.sin(angle)), 1], f


def _spheroid(a: float, c: float, around: int) -> tuple[np.ndarray, np.ndarray]:
    """Spheroid of semi-axes a, a, c with even steps along the meridian."""
    t = np.linspace(0, np.pi, 4001)
    arc = np.concatenate([[0], np.cumsum(np.hypot(np.diff(a * np.sin(t)), np.diff(c * np.cos(t))))])
    n = max(4, round(arc[-1] / (2 * np.pi * a / around * 0.866)))
    t = np.interp(np.linspace(0, arc[-1], n + 1), arc, t)
    return revolved(np.stack([a * np.sin(t), -c * np.cos(t)], axis=1), around, closed=False)


def test_cylinder_is_the_waist_of_a_long_spheroid() -> None:
    """Oracle: closed form of the infinite cylinder, with the fields at the surface that a spheroid's demagnetising
    factors N give: H0/(1 - N) for H0 (axial) and 2 H0 sin (transverse)."""
    a, c = 0.01, 0.1
    e = np.sqrt(1 - (a / c) ** 2)
    along = (1 - e * e) / e**3 * (np.arctanh(e) - e)
    across = (1 - along) / 2
    f = np.array([1 / (np.pi * MU_0 * COCR.conductivity_S_m * (d * a) ** 2) for d in (0.38, 0.27, 0.15)])
    v, t = _spheroid(a, c, 24)
    power = _solve(_part(v, t), f=f)
    waist = np.abs(power.corners.mean(axis=1)[:, 2]) < 0.1 * c
    loss = np.einsum("faat,t->fa", power.surface_loss[..., waist].real, power.areas[waist])
    # The waist is not quite a cylinder: length by what the exact field gives without skin depth.
    n = np.cross(power.corners[:, 1] - power.corners[:, 0], power.corners[:, 2] - power.corners[:, 0])[waist]
    n /= np.linalg.norm(n, axis=1)[:, None]
    exact = (
        (1 - n[:, 2] ** 2) / (1 - along) ** 2 @ power.areas[waist],
        (1 - n[:, 0] ** 2) / (1 - across) ** 2 @ power.areas[waist],
    )
    for i, one in enumerate(f):
        scale = 1 / (COCR.conductivity_S_m * power.skin_depth_m[i, 0] * (2 * np.pi * one * MU_0) ** 2)
        limits = cylinder_limits(a, COCR.conductivity_S_m, one)
        for axis, expected in ((2, axial_power), (0, transverse_power)):
            found = loss[i, axis] / (scale * exact[0 if axis == 2 else 1])
            high = limits[1] * (1 if axis == 2 else 2)
            assert found == pytest.approx(expected(a, COCR.conductivity_S_m, one) / high, rel=0.02)


def _coaxial_loops(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Superconducting body of revolution in a unit axial field, as coaxial ribbons through which no flux passes.

    Returns mid radii, widths and currents per width of the ribbons between successive points (r, z).

    Source: J. C. Maxwell, A Treatise on Electricity and Magnetism, vol. 2, art. 701 (mutual inductance of loops).
    """
    from scipy.special import ellipe, ellipk

    d = np.diff(points, axis=0)
    width, mid = np.hypot(*d.T), (points[1:] + points[:-1]) / 2
    r, z = mid.T
    m = 4 * r * r[:, None] / ((r + r[:, None]) ** 2 + (z - z[:, None]) ** 2)
    np.fill_diagonal(m, 0.5)
    k = np.sqrt(m)
    M = np.sqrt(r * r[:, None]) * ((2 / k - k) * ellipk(m) - 2 / k * ellipe(m))
    np.fill_diagonal(M, r * (np.log(8 * r / (0.22313016 * width)) - 2))  # 0.2231: mean distance within a ribbon
    return r, width, np.linalg.solve(M, -np.pi * r * r) / width


def _loops_power(points: np.ndarray) -> tuple[float, float]:
    """Integral of the square of the surface current, and total current."""
    r, width, K = _coaxial_loops(points)
    return float(2 * np.pi * (K * K * r * width).sum()), float((K * width).sum())


def _high_limit(power: ThinSkinPower) -> np.ndarray:
    """Integral of the square of the field at the surface, from the power at one frequency."""
    f, depth = power.frequencies_Hz[0], power.skin_depth_m[0, 0]
    return _diagonal(power)[0] * COCR.conductivity_S_m * depth * (2 * np.pi * f * MU_0) ** 2


def _net_current(power: ThinSkinPower) -> np.ndarray:
    c = power.corners.mean(axis=1)
    n = np.cross(power.corners[:, 1] - power.corners[:, 0], power.corners[:, 2] - power.corners[:, 0])
    n /= np.linalg.norm(n, axis=1)[:, None]
    K = np.cross(n, power.tangential_field.transpose(0, 2, 1))
    rho = np.hypot(c[:, 0], c[:, 1])
    around = np.stack([-c[:, 1], c[:, 0], 0 * rho], axis=1) / rho[:, None]
    return (K * around).sum(axis=2) @ (power.areas / rho) / (2 * np.pi)


def test_ring_carries_the_current_that_keeps_its_hole_free_of_flux() -> None:
    """Oracles: coaxial loops < 1 % in current and 2 % in power; a circuit of the thin ring's inductance < 2 %."""
    R, a = 0.03, 0.0015
    power = _solve(_part(*torus(R, a, 150, 12)), f=[1e8])
    angle = np.linspace(0, 2 * np.pi, 401)
    square, current = _loops_power(np.stack([R + a * np.cos(angle), a * np.sin(angle)], axis=1))
    assert power.handles == 1
    assert _net_current(power) == pytest.approx(np.array([0, 0, current]), abs=1e-2 * abs(current))
    assert abs(current) == pytest.approx(np.pi * R * R / (R * (np.log(8 * R / a) - 2)), rel=0.01)
    B2 = (power.tangential_field**2).sum(axis=1) @ power.areas
    assert B2[2] == pytest.approx(square, rel=0.02)


def test_tube_shields_its_bore() -> None:
    """Oracle: coaxial loops, current < 1 %, power < 2 %; the wall of the bore carries little."""
    inner, outer, half = 0.006, 0.01, 0.02
    corners = np.array([[inner, half], [inner, -half], [outer, -half], [outer, half]])

    def outline(per_edge: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(
            [c + (d - c) * s[:, None] for c, d, s in zip(corners, np.roll(corners, -1, axis=0), per_edge, strict=True)]
        )

    def graded(n: int) -> np.ndarray:
        return 0.5 - 0.5 * np.cos(np.pi * np.arange(n) / n)

    rough = outline([graded(20), graded(6), graded(20), graded(6)])
    power = _solve(_part(*_round(*revolved(rough, 36, closed=True), 36)), f=[1e13])
    fine = outline([graded(n) for n in (160, 60, 160, 60)])
    square, current = _loops_power(np.concatenate([fine, fine[:1]]))
    assert _net_current(power)[2] == pytest.approx(current, rel=0.01)
    assert _high_limit(power)[2] == pytest.approx(square, rel=0.02)
    B2 = (power.tangential_field**2).sum(axis=1)
    c = power.corners.mean(axis=1)
    bore = (np.hypot(c[:, 0], c[:, 1]) < 1.05 * inner) & (np.abs(c[:, 2]) < 0.5 * half)
    assert B2[2, bore].max() < 0.02


def test_rod_with_sharp_rims_in_the_limit_of_no_skin_depth() -> None:
    """Oracle: coaxial loops, graded to the rims, < 2 % of the integral of the squared field."""
    radius, length = 0.01, 0.04
    power = _solve(_part(*_round(*cylinder(radius, length, 32, 16, power=3.0), 32)), f=[1e13])
    t = 0.5 - 0.5 * np.cos(np.pi * np.arange(201) / 200)
    side = np.stack([np.full(201, radius), length * (t - 0.5)], axis=1)
    disc = radius * np.sin(0.5 * np.pi * np.arange(101) / 100)
    down = np.stack([disc, np.full(101, -length / 2)], axis=1)
    up = np.stack([disc[::-1], np.full(101, length / 2)], axis=1)
    square, _ = _loops_power(np.concatenate([down[:-1], side[:-1], up]))
    assert _high_limit(power)[2] == pytest.approx(square, rel=0.02)


def test_rod_with_sharp_rims_at_finite_skin_depth() -> None:
    """Oracle: axisymmetric finite elements, 1.5 % from 0.03 to 0.3 radii."""
    radius, length, sigma = 0.01, 0.04, COCR.conductivity_S_m
    f = [1 / (np.pi * MU_0 * sigma * (d * radius) ** 2) for d in (0.3, 0.2, 0.1, 0.03)]
    power = _solve(_part(*_round(*cylinder(radius, length, 32, 24, power=1.0), 32)), f=f)
    expected = [rod_power(radius, length, sigma, one) for one in f]
    np.testing.assert_allclose(power.matrix[:, 2, 2].real, expected, rtol=0.015)


def test_superconducting_ellipsoid_by_both_formulations() -> None:
    """Oracles: H_t = H0 e_t/(1 - N) of a 3:2:1 ellipsoid in closed form; magnetic charges just outside."""
    from scipy.integrate import quad

    axes = np.array([3.0, 2.0, 1.0])
    v, f = icosphere(3)
    surface = Surface(v * axes, f)

    def factor(b: float) -> float:
        return 0.5 * axes.prod() * quad(lambda s: 1 / ((s + b * b) * np.sqrt(np.prod(axes**2 + s))), 0, np.inf)[0]

    N = [factor(b) for b in axes]
    power = _solve(_part(0.005 * surface.vertices, f), f=[1e9])
    n = surface.normals
    for k, e in enumerate(np.eye(3)):
        exact = (e - n * n[:, k : k + 1]) / (1 - N[k])
        error = power.tangential_field[k].T - exact
        assert (error**2).sum(1) @ surface.areas < 0.02**2 * ((exact**2).sum(1) @ surface.areas)
        assert (power.tangential_field[k] ** 2).sum(0) @ power.areas == pytest.approx(
            (exact**2).sum(1) @ power.areas, rel=0.01
        )
    charges = ChargeOperator(surface, -1.0, BE).solve(n.T.copy())
    some = np.arange(0, len(n), 61)
    outside = np.eye(3)[:, :, None] + charges.field(surface.centroids[some] + 0.03 * n[some], BE)
    along = power.tangential_field[:, :, some]
    assert np.linalg.norm(outside - along) < 0.06 * np.linalg.norm(along)


def test_rotating_body_and_field_together_changes_nothing() -> None:
    """Oracle: M' = R M R^T, here with every axis unlike every other, and a linear source field."""
    from scipy.spatial.transform import Rotation

    v, f = icosphere(2)
    v = v * [0.03, 0.02, 0.012] + [0.01, 0.02, -0.01]
    R = Rotation.from_rotvec([0.3, -0.8, 0.5]).as_matrix()

    def gradient(r: np.ndarray) -> np.ndarray:  # curl = (x, y, -2 z)
        x, y, z = r.T
        return np.stack([-y * z, x * z, 0 * x])[None]

    def turned(r: np.ndarray) -> np.ndarray:
        return np.einsum("ab,sbn->san", R, gradient(r @ R))

    one, other = _solve(_part(v, f), f=[1e5]), _solve(_part(v @ R.T, f), f=[1e5])
    np.testing.assert_allclose(other.matrix[0], R @ one.matrix[0] @ R.T, atol=1e-3 * np.abs(one.matrix).max())
    powers = [
        _solve(_part(w, f), f=[1e5], potential=A).matrix[0, 0, 0].real for w, A in ((v, gradient), (v @ R.T, turned))
    ]
    assert powers[1] == pytest.approx(powers[0], rel=1e-3)


def test_parts_cavities_and_enclosed_parts() -> None:
    """Oracles: the solid sphere for a hollow one with a core of another metal; far apart, the sum of two metals."""
    a = 0.01
    copper = SimpleNamespace(conductivity_S_m=5.8e7, relative_permeability=1.0)
    v, f = icosphere(2)
    hollow = _part(np.concatenate([a * v, 0.5 * a * v]), np.concatenate([f, f[:, ::-1] + len(v)]))
    core = _part(0.4 * a * v, f, copper)
    alone = _solve(_part(a * v, f), f=[1e5, 1e6])
    nested = _solve(hollow, core, f=[1e5, 1e6])
    np.testing.assert_allclose(nested.matrix, alone.matrix, rtol=1e-5, atol=1e-12 * np.abs(alone.matrix).max())
    assert len(nested.part) == len(f)
    apart = _solve(_part(a * v, f), _part(a * v + [0.4, 0, 0], f, copper), f=[1e5, 1e6])
    other = _solve(_part(a * v, f, copper), f=[1e5, 1e6])
    np.testing.assert_allclose(_diagonal(apart), _diagonal(alone) + _diagonal(other), rtol=1e-3)
    np.testing.assert_array_equal(apart.part, np.repeat([0, 1], len(f)))


def test_inscribed_radii() -> None:
    """Oracles: the radius of a ball; half the thickness of a plate."""
    ball = Surface(*icosphere(3, 0.5))
    np.testing.assert_allclose(inscribed_radii(ball), 0.5, rtol=0.12)
    v, f = cylinder(1.0, 0.2, 48, 6, power=1.0)
    plate = Surface(*refined(v, f, 0.08)[:2])
    flat = (np.abs(plate.normals[:, 2]) > 0.9) & (np.hypot(*plate.centroids[:, :2].T) < 0.7)
    np.testing.assert_allclose(inscribed_radii(plate)[flat], 0.1, rtol=0.1)


def test_bad_input_is_one_line() -> None:
    v, f = icosphere(1, 0.01)
    with pytest.raises(InputError, match="inside out"):
        _solve(_part(v, f[:, ::-1]), f=[1e5])
    with pytest.raises(InputError, match="not closed"):
        _solve(_part(v, f[:-1]), f=[1e5])
    with pytest.raises(InputError, match="bad frequencies"):
        _solve(_part(v, f), f=[0.0])


@pytest.mark.parametrize(("sides", "bend"), [(4, 1.0), (6, (60 / 90) ** 2), (8, (45 / 90) ** 2), (10, 0.0)])
def test_bend_of_the_edges_of_prisms(sides: int, bend: float) -> None:
    """Oracle: the angle between the sides over 90 degrees, squared; below the crease angle there is no edge."""
    n, phi = np.arange(sides), 2 * np.pi * np.arange(sides) / sides
    ring = 0.01 * np.stack([np.cos(phi), np.sin(phi)], axis=1)
    levels = np.linspace(-0.015, 0.015, 4)
    vertices = [np.c_[ring, 0 * phi + z] for z in levels] + [[[0, 0, levels[0]], [0, 0, levels[-1]]]]
    turn, faces = (n + 1) % sides, []
    for k in range(3):
        a, b = k * sides, (k + 1) * sides
        faces += [(a + n, a + turn, b + n), (a + turn, b + turn, b + n)]
    faces += [(4 * sides + 0 * n, turn, n), (4 * sides + 1 + 0 * n, 3 * sides + n, 3 * sides + turn)]
    prism = Surface(np.concatenate(vertices), np.concatenate([np.stack(f, axis=1) for f in faces]))
    across, height, found = edges(prism)
    middle = np.abs(prism.centroids[:, 2]) < 0.005
    np.testing.assert_allclose(found[middle], bend, atol=1e-12)
    np.testing.assert_allclose(found[np.abs(prism.normals[:, 2]) > 0.5], 1.0)  # the rims bend by 90 degrees
    if bend:  # across an upright edge is along the side, and so is the height: the side's width
        np.testing.assert_allclose(np.abs(across[middle] @ [0, 0, 1]), 0, atol=1e-12)
        np.testing.assert_allclose(height[middle], 2 * 0.01 * np.sin(np.pi / sides), rtol=1e-9)
    else:
        np.testing.assert_array_equal(across[middle], 0)
