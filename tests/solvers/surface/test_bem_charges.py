"""Charge boundary elements: closed forms for spheres, shells, ellipsoids; a dense solve; the NumPy references."""

from __future__ import annotations

import numpy as np
import pytest
from surfaces import icosphere

from emdose.compute import backend
from emdose.errors import ConvergenceError, InputError
from emdose.solvers.surface import operator
from emdose.solvers.surface.charges import ChargeOperator
from emdose.solvers.surface.mesh import Surface
from emdose.validation.cases.induced.bodies import TABLE_DIPOLE
from emdose.validation.closed_forms.low_frequency.induced_bodies import sphere_dipole_E

BE = backend.get("cpu")
POINTS = np.array(
    [[0, 0, 0.03], [0.03, 0, 0], [0, 0.04, 0.02], [0.02, -0.03, 0.05], [-0.05, 0.01, 0.03], [0.0, 0, -0.06]]
)


def _shells(level: int, radii: list[float]) -> Surface:
    v, f = icosphere(level)
    return Surface(np.concatenate([r * v for r in radii]), np.concatenate([f + k * len(v) for k in range(len(radii))]))


def _error(level: int, radii: list[float], contrast: list[float], real: str = "float") -> tuple[float, int]:
    surface = _shells(level, radii)
    charges = ChargeOperator(surface, contrast, BE, real).solve(
        (TABLE_DIPOLE.impressed_E(surface.centroids) * surface.normals).sum(1)[None]
    )
    expected = sphere_dipole_E(POINTS, TABLE_DIPOLE.place_m, TABLE_DIPOLE.rate)
    found = TABLE_DIPOLE.impressed_E(POINTS) + charges.field(POINTS, BE)[0].T
    return float(
        np.linalg.norm(found - expected, axis=1).max() / np.linalg.norm(expected, axis=1).max()
    ), charges.iterations


def test_dipole_and_homogeneous_sphere_second_order() -> None:
    """Oracle: closed form; error of order h^2, and few iterations although an insulated body has a null space."""
    coarse, fine = _error(2, [0.085], [1.0]), _error(3, [0.085], [1.0])
    assert fine[0] < 6e-3
    assert coarse[0] / fine[0] > 3
    assert fine[1] <= 8


def test_dipole_and_three_close_shells() -> None:
    """Oracle: the same closed form, for 0.33/0.01/0.33 S/m 5 mm apart: point charges alone fail here."""
    contrast = [1.0, (0.01 - 0.33) / 0.34, (0.33 - 0.01) / 0.34]
    assert _error(2, [0.085, 0.080, 0.075], contrast)[0] < 8e-3
    assert _error(3, [0.085, 0.080, 0.075], contrast)[0] < 5e-3


def test_gmres_is_a_dense_direct_solve() -> None:
    """Oracle: LAPACK on the matrix that the operator is, column by column; with complex contrast too."""
    surface = _shells(1, [1.0, 0.7])
    n = len(surface.areas)
    rng = np.random.default_rng(0)
    for contrast in ([1.0, -0.8], [0.3 + 0.4j, 0.9]):
        equation = ChargeOperator(surface, contrast, BE, "double")
        matrix = equation.apply(np.eye(n, dtype=complex)).T
        b = rng.normal(size=(3, n))
        found = equation.solve(b, tolerance=1e-11)
        K = np.array(contrast)[surface.component]
        right = K * b
        for c in range(2):
            own = surface.component == c
            right[:, own] -= (right[:, own] @ surface.areas[own] / surface.areas[own].sum())[:, None]
        np.testing.assert_allclose(found.density, np.linalg.solve(matrix, right.T).T, atol=1e-8)
        for c in range(2):  # conservation of charge
            own = surface.component == c
            assert np.abs(found.density[:, own] @ surface.areas[own]).max() < 1e-9


def test_both_precisions_and_the_references_agree(reference_backend) -> None:
    """Oracles: double precision; the NumPy references."""
    surface = _shells(2, [1.0])
    b = surface.normals.T.copy()
    exact, single, reference = (
        ChargeOperator(surface, 0.9, be, real).solve(b, tolerance=1e-6).density
        for be, real in ((BE, "double"), (BE, "float"), (reference_backend, "double"))
    )
    np.testing.assert_allclose(single, exact, atol=2e-5)
    np.testing.assert_allclose(reference, exact, atol=1e-9)


def test_fast_multipoles_are_the_direct_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: all pairs in double precision, to 1e-4: charges of shells close together, and fields close by and far."""
    pytest.importorskip("fmm3dpy")
    surface = _shells(2, [1.0, 0.95])
    b = surface.normals.T.copy()
    direct = ChargeOperator(surface, [1.0, -0.5], BE, "double").solve(b, tolerance=1e-8)
    points = np.concatenate([2.0 * POINTS / 0.085, surface.centroids[:5], surface.centroids[:5] * 1.001])
    expected = direct.field(points, BE)
    monkeypatch.setattr(operator, "FMM_ABOVE", 100)
    fast = ChargeOperator(surface, [1.0, -0.5], BE, "double").solve(b)
    np.testing.assert_allclose(fast.density, direct.density, atol=1e-4 * np.abs(direct.density).max())
    np.testing.assert_allclose(fast.field(points, BE), expected, atol=1e-4 * np.abs(expected).max())


def test_permeable_ellipsoid_has_the_demagnetised_field_inside() -> None:
    """Oracle: H_in = H0 / (1 + (mu_r - 1) N), uniform, with the demagnetising factors N of a 2:1:1 spheroid."""
    v, f = icosphere(3)
    surface = Surface(v * [2.0, 1.0, 1.0], f)
    e = np.sqrt(0.75)
    along = (1 - e * e) / e**3 * (np.arctanh(e) - e)
    factors = np.array([along, (1 - along) / 2, (1 - along) / 2])
    mu = 5.0
    charges = ChargeOperator(surface, (mu - 1) / (mu + 1), BE).solve(surface.normals.T.copy())
    points = np.array([[0.0, 0, 0], [1.0, 0.3, 0.2], [-0.5, 0.1, -0.6]])
    inside = np.eye(3)[:, :, None] + charges.field(points, BE)
    expected = np.eye(3)[:, :, None] / (1 + (mu - 1) * factors)[:, None, None]
    np.testing.assert_allclose(inside, np.broadcast_to(expected, inside.shape), atol=6e-3)


def test_superconducting_sphere_has_three_halves_of_the_field_around_it() -> None:
    """Oracle: just outside, H_n = 0 and H_t = 3/2 H0 sin theta."""
    surface = Surface(*icosphere(3))
    charges = ChargeOperator(surface, -1.0, BE).solve(surface.normals[:, 2][None])
    points = 1.05 * surface.centroids[::37] / np.linalg.norm(surface.centroids[::37], axis=1)[:, None]
    field = np.array([0, 0, 1.0]) + charges.field(points, BE)[0].T
    u = points / 1.05
    radial, along = (1 - 1.05**-3) * u[:, 2:] * u, (1 + 0.5 * 1.05**-3) * (np.array([0, 0, 1.0]) - u[:, 2:] * u)
    np.testing.assert_allclose(field, radial + along, atol=0.02)


def test_bad_contrast_and_no_convergence_are_one_line_each() -> None:
    surface = Surface(*icosphere(1))
    with pytest.raises(InputError, match="bad contrast"):
        ChargeOperator(surface, 1.2, BE)
    with pytest.raises(InputError, match="bad contrast"):
        ChargeOperator(surface, [1.0, 0.5], BE)
    with pytest.raises(ConvergenceError, match="charges: residual"):
        ChargeOperator(surface, 1.0, BE).solve(surface.centroids[:, :1].T ** 3 * surface.normals.T, max_iterations=1)
