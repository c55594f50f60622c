"""Integrals over triangles, their sums, and what surfaces know about themselves."""

from __future__ import annotations

import numpy as np
import pytest
from surfaces import cylinder, icosphere, torus

from emdose.compute import backend
from emdose.errors import InputError
from emdose.solvers.surface import operator
from emdose.solvers.surface.mesh import Surface, refined
from emdose.solvers.surface.operator import PanelSums, near_pairs, panel_integrals, triangle_rule
from emdose.solvers.surface.slopes import slopes

BE = backend.get("cpu")


def _one_triangle(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    n = len(points)
    return panel_integrals(points, corners[None], np.arange(n), np.zeros(n, np.int64), BE)


def test_panel_integrals_are_those_of_a_fine_quadrature() -> None:
    """Oracle: 7 Gauss points on each of 4^6 small triangles."""
    corners = np.array([[0.1, 0.2, 0.0], [1.3, -0.1, 0.2], [0.4, 1.1, -0.3]])
    points = np.array([[0.5, 0.4, 0.6], [-0.7, 0.3, 0.1], [0.6, 0.4, -0.4], [2.0, 2.0, 2.0]])
    small = corners[None]
    for _ in range(6):
        a, b, c = small.transpose(1, 0, 2)
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        small = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    nodes, weights = triangle_rule(7)
    area = 0.5 * np.linalg.norm(np.cross(corners[1] - corners[0], corners[2] - corners[0])) / len(small)
    x = points[:, None] - np.einsum("qk,tkc->tqc", nodes, small).reshape(-1, 3)
    w, R = np.tile(weights, len(small)) * area, np.linalg.norm(x, axis=2)
    found = _one_triangle(points, corners)
    np.testing.assert_allclose(found[0], (w / R).sum(1), rtol=1e-10)
    np.testing.assert_allclose(found[1:].T, (w[None, :, None] * (x / R[..., None] ** 3)).sum(1), rtol=1e-8)


def test_field_is_minus_the_gradient_also_close_by() -> None:
    """Oracle: central differences of the potential, 1e-3 of an edge above the triangle and beside an edge."""
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0.3, 0.8, 0]])
    points = np.array([[0.4, 0.3, 1e-3], [0.5, -1e-2, 0.0], [0.4, 0.3, -1e-3], [1.01, 0.01, 0.0]])
    h = 1e-6
    gradient = [
        (_one_triangle(points + h * e, corners)[0] - _one_triangle(points - h * e, corners)[0]) / (2 * h)
        for e in np.eye(3)
    ]
    np.testing.assert_allclose(_one_triangle(points, corners)[1:], -np.array(gradient), atol=2e-7)


def test_field_of_a_linear_density_is_a_fine_quadrature(reference_backend) -> None:
    """Oracles: 7 Gauss points on each of 4^6 small triangles; the NumPy reference."""
    corners = np.array([[0.1, 0.2, 0.0], [1.3, -0.1, 0.2], [0.4, 1.1, -0.3]])
    points = np.array([[0.5, 0.4, 0.6], [-0.7, 0.3, 0.1], [0.6, 0.4, -0.4], [2.0, 2.0, 2.0]])
    density = np.array([[0.7, 0.3, -0.5, 0.9]])
    small = corners[None]
    for _ in range(6):
        a, b, c = small.transpose(1, 0, 2)
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        small = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    nodes, weights = triangle_rule(7)
    at = np.einsum("qk,tkc->tqc", nodes, small).reshape(-1, 3)
    area = 0.5 * np.linalg.norm(np.cross(corners[1] - corners[0], corners[2] - corners[0])) / len(small)
    q = (density[0, 0] + (at - corners.mean(axis=0)) @ density[0, 1:]) * np.tile(weights, len(small)) * area
    x = points[:, None] - at
    wanted = (q[None, :, None] * x / np.linalg.norm(x, axis=2)[..., None] ** 3).sum(1).T
    for be in (BE, reference_backend):
        found = np.empty((3, 4))
        be.kernels.load("emdose.solvers.surface", "panels", "double").launch(
            "near_linear", 4, np.arange(4), np.zeros(4, np.int64), points, corners[None], density, found
        )
        np.testing.assert_allclose(found, wanted, rtol=1e-8)


def test_slopes_of_a_linear_density_are_its_gradient_within_the_surface() -> None:
    """Oracle: the gradient of a linear function, less its part along the normal."""
    surface = Surface(*icosphere(3))
    direction = np.array([0.3, -1.0, 0.5])
    found = slopes(surface, (surface.centroids @ direction)[None])[0]
    n = surface.normals
    wanted = direction - (n @ direction)[:, None] * n
    assert np.abs(found - wanted).max() < 0.05
    box = Surface(*cylinder(0.5, 2.0, 4, 3))
    assert np.all(np.isfinite(slopes(box, box.centroids.T)))


def test_normal_field_on_the_triangle_is_the_mean_of_both_sides() -> None:
    """Oracle: the jump of 2 pi each way."""
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0.3, 0.8, 0]])
    height = np.array([1e-7, 0.0, -1e-7])
    points = np.stack([np.full(3, 0.4), np.full(3, 0.3), height], axis=1)
    np.testing.assert_allclose(_one_triangle(points, corners)[3], [2 * np.pi, 0, -2 * np.pi], atol=1e-5)


def test_near_pairs_are_all_pairs_within_reach() -> None:
    """Oracle: all distances."""
    rng = np.random.default_rng(0)
    a, sizes = rng.random((200, 3)), rng.uniform(0.01, 0.1, 200)
    distance = np.linalg.norm(a[:, None] - a, axis=2)
    expected = np.argwhere(distance < 1.5 * (sizes[:, None] + sizes))
    np.testing.assert_array_equal(np.transpose(near_pairs(a, sizes, a, sizes)), expected)
    b = rng.random((50, 3))
    own = np.argwhere(distance < 3 * sizes)
    np.testing.assert_array_equal(np.transpose(near_pairs(a, np.zeros(200), a, 2 * sizes)), own)
    expected = np.argwhere(np.linalg.norm(b[:, None] - a, axis=2) < 3 * sizes)
    np.testing.assert_array_equal(np.transpose(near_pairs(b, np.zeros(50), a, 2 * sizes)), expected)


@pytest.mark.parametrize("level", [2, 3])
def test_potential_and_flux_of_a_uniformly_charged_sphere(level: int) -> None:
    """Oracle: V = a on the sphere; half of the flux leaves inward, for every single charge; second order."""
    surface = Surface(*icosphere(level, 2.0))
    one = np.ones((1, len(surface.areas)))
    potential = PanelSums(surface, BE, "potential", real="double")(one)[0]
    assert np.abs(potential / 2.0 - 1).max() < 0.13 / 4**level
    charge = np.random.default_rng(1).normal(size=one.shape)
    normal = PanelSums(surface, BE, "normal", real="double")(charge)[0]
    assert normal @ surface.areas == pytest.approx(0.5 * charge[0] @ surface.areas, abs=1e-10)
    outside = np.array([[0.0, 0.5, 6.0], [2.3, 0.1, 0.2], [0.3, 0.1, 0.4]])
    field = PanelSums(surface, BE, "field", outside, real="double")(one)[0].T
    expected = 4.0 * outside / np.linalg.norm(outside, axis=1)[:, None] ** 3
    expected[2] = 0
    assert np.abs(field - expected).max() < 0.25 / 4**level


def test_sums_are_symmetric_and_agree_in_both_precisions(reference_backend) -> None:
    """Oracles: reciprocity of two charge distributions; double precision; the NumPy references."""
    surface = Surface(*torus(0.03, 0.01, 24, 10))
    rng = np.random.default_rng(2)
    q = rng.normal(size=(10, len(surface.areas)))
    operators = [
        PanelSums(surface, be, "potential", real=real)
        for be, real in ((BE, "double"), (BE, "float"), (reference_backend, "double"))
    ]
    exact, single, reference = (P(q) for P in operators)
    reciprocal = (exact * surface.areas) @ q.T
    # Not exact where triangles of different size are far from each other: the moment is that of the source.
    np.testing.assert_allclose(reciprocal, reciprocal.T, atol=2e-3 * np.abs(reciprocal).max())
    np.testing.assert_allclose(single, exact, atol=2e-6 * np.abs(exact).max())
    np.testing.assert_allclose(reference, exact, atol=1e-12 * np.abs(exact).max())


@pytest.mark.parametrize("n", [3, 40, 128, 301])
@pytest.mark.parametrize("d", [1, 2, 4, 8])
def test_normal_fields_of_pairs_looked_at_once_and_twice(
    n: int, d: int, reference_backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: all pairs one by one, least distances of the later point, or of the source within a block."""
    rng = np.random.default_rng(n)
    r, normals, q = rng.normal(size=(n, 3)), rng.normal(size=(n, 3)), rng.normal(size=(n, d))
    least = rng.uniform(0.1, 0.6, n)
    x = r[:, None] - r[None]
    R2 = (x * x).sum(axis=2)
    i, j = np.indices((n, n))
    targets, sources = np.concatenate([r.T, normals.T]), np.concatenate([r, least[:, None]], axis=1)
    for once in (True, False):
        monkeypatch.setattr(operator, "joint", lambda _, once=once: once)
        clamp = least[operator.clamped_by(i, j)] if once else least[None]
        wanted = np.einsum("ijc,ic,ij,jd->di", x, normals, np.maximum(R2, clamp) ** -1.5, q)
        for be, real, error in (
            (BE, np.float64, 1e-12),
            (BE, np.float32, 3e-6),
            (reference_backend, np.float64, 1e-12),
        ):
            arrays = (np.ascontiguousarray(a.astype(real)) for a in (targets, sources, q))
            found = operator.point_sums("normal", *arrays, be)
            assert found.shape == (d, 1, n)
            np.testing.assert_allclose(found[:, 0], wanted, atol=error * np.abs(wanted).max())


def test_normal_sums_do_not_depend_on_how_pairs_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the field of every density by itself, times the normal; 11 densities in kernels of 8, 2 and 1."""
    surface = Surface(*torus(0.03, 0.01, 40, 12))
    q = np.random.default_rng(2).normal(size=(11, len(surface.areas)))
    once = PanelSums(surface, BE, "normal", real="double")(q)
    monkeypatch.setattr(operator, "joint", lambda _: False)
    twice = PanelSums(surface, BE, "normal", real="double")(q)
    np.testing.assert_allclose(once, twice, atol=1e-11 * np.abs(twice).max())
    single = PanelSums(surface, BE, "normal")(q)
    np.testing.assert_allclose(single, twice, atol=3e-6 * np.abs(twice).max())


def test_topology_and_cycles_of_a_ring() -> None:
    """Oracles: Euler's formula; jumps that agree from both sides of every edge and close around every triangle."""
    ring = Surface(*torus(0.03, 0.01, 24, 10))
    assert (ring.components, ring.genus.tolist()) == (1, [1])
    assert ring.volumes[0] == pytest.approx(2 * np.pi**2 * 0.03 * 0.01**2, rel=0.08)
    jumps = ring.handle_jumps()
    assert len(jumps) == 2
    sign = np.where(ring.triangles < np.roll(ring.triangles, -1, axis=1), 1, -1)
    for jump in jumps:
        assert np.abs(jump.sum(axis=1)).max() == 0
        order = np.argsort(ring.triangle_edges.ravel(), kind="stable")
        one, other = (jump * sign).ravel()[order].reshape(-1, 2).T
        np.testing.assert_array_equal(one, other)
        # Not the differences of any function of the vertices:
        d = np.zeros((len(ring.edges), len(ring.vertices)))
        d[np.arange(len(d)), ring.edges[:, 1]], d[np.arange(len(d)), ring.edges[:, 0]] = 1, -1
        form = np.zeros(len(d))
        form[ring.triangle_edges.ravel()] = (jump * sign).ravel()
        assert np.linalg.norm(d @ np.linalg.lstsq(d, form)[0] - form) > 0.5
    assert Surface(*icosphere(1)).handle_jumps() == []


def test_curvature_of_sphere_and_cylinder() -> None:
    """Oracle: 1/a twice; 1/a and 0, with nothing from the rims."""
    ball = Surface(*icosphere(3, 0.5))
    principal = np.linalg.eigvalsh(ball.shape_operator)
    np.testing.assert_allclose(principal, np.broadcast_to([0, 2.0, 2.0], principal.shape), atol=0.12)
    assert principal[:, 1:].mean() == pytest.approx(2.0, rel=0.01)
    rod = Surface(*cylinder(0.5, 2.0, 48, 12, power=1.0))
    assert rod.crease_edges.sum() == 2 * 48
    side = (np.abs(rod.normals[:, 2]) < 0.1) & (np.abs(rod.centroids[:, 2]) < 0.6)
    np.testing.assert_allclose(np.linalg.eigvalsh(rod.shape_operator[side])[:, 2], 2.0, rtol=0.02)
    assert np.abs(rod.shape_operator[np.abs(rod.normals[:, 2]) > 0.9]).max() < 1e-9


def test_refined_surface_is_the_same_with_short_edges() -> None:
    """Oracle: volume, area and closedness do not change."""
    before = Surface(*cylinder(0.5, 2.0, 12, 3))
    vertices, triangles, parent = refined(before.vertices, before.triangles, 0.15)
    after = Surface(vertices, triangles)
    assert after.sizes.max() <= 0.15
    assert after.volumes[0] == pytest.approx(before.volumes[0], rel=1e-12)
    assert after.areas.sum() == pytest.approx(before.areas.sum(), rel=1e-12)
    np.testing.assert_allclose(np.bincount(parent, after.areas), before.areas, rtol=1e-12)
    np.testing.assert_allclose((after.normals * before.normals[parent]).sum(1), 1, rtol=1e-12)
    # Bisection of longest edges keeps at least half of the smallest angle.
    assert (after.areas / after.sizes**2).min() > 0.4 * (before.areas / before.sizes**2).min()


@pytest.mark.parametrize(("change", "message"), [("hole", "not closed"), ("flat", "without area")])
def test_bad_surfaces_are_refused(change: str, message: str) -> None:
    v, f = icosphere(1)
    f = f[1:] if change == "hole" else np.concatenate([f, [[0, 0, 1]]])
    with pytest.raises(InputError, match=message):
        Surface(v, f)
