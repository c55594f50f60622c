"""The worst orientation in power. Oracles: brute force over many rotations, and the implant turned and solved."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.models.gradients.coils import GradientSet
from emdose.models.implants import shapes
from emdose.models.implants.implant import Implant, assembly, rotation_matrix
from emdose.solvers.results.orientations import (
    GRID,
    PowerForm,
    angles_deg,
    power_form,
    rotations,
    turn_deg,
    turned_matrices,
    worst_turn,
)

pytestmark = pytest.mark.filterwarnings("ignore:voxels are coarse")
PLACE = (0.06, -0.02, 0.05)
F = 2e3


def many(count: int, seed: int = 1) -> np.ndarray:
    """Random rotations, by the QR decomposition of Gaussian matrices."""
    Q, R = np.linalg.qr(np.random.default_rng(seed).normal(size=(count, 3, 3)))
    Q = Q * np.sign(np.einsum("nii->ni", R))[:, None]
    return Q * np.linalg.det(Q)[:, None, None]


def body() -> Implant:
    """A rod with a ball at its end: nothing about it is symmetric to its middle."""
    rod = shapes.cylinder(4e-3, 0.06, "CoCrMo", axis="x")
    ball = shapes.sphere(9e-3, "CoCrMo").moved((0.024, 0.0, 0.012))
    return assembly("rod and ball", rod, ball).placed((0.0, 0.0, 0.0))


class Shifted:
    """The vector potential of a gradient, with the implant's middle at PLACE."""

    def __init__(self, source: object) -> None:
        self.source, self.name = source, "shifted"

    def vector_potential(self, points: np.ndarray) -> np.ndarray:
        return self.source.vector_potential(points + np.asarray(PLACE))  # type: ignore[attr-defined]


def direct_W(implant: Implant) -> np.ndarray:
    """Power matrix of the x and y gradients themselves at 1 T/m/s rms."""
    sources = [Shifted(s) for s in GradientSet().sources[:2]]
    return em.EddyCurrent(spacing_m=2e-3, engine="voxel").solve(implant, F, sources=sources).matrix[0]


@pytest.fixture(scope="module")
def tensor():
    return em.EddyCurrent(spacing_m=2e-3, engine="voxel").solve(body(), F, sources="uniform+linear")


def test_rotations_are_spread_evenly():
    """Oracle: no rotation is farther than 15 degrees from the grid; the mean over it is that of the group."""
    R = rotations()
    assert R.shape == (GRID, 3, 3)
    np.testing.assert_allclose(R @ R.transpose(0, 2, 1), np.broadcast_to(np.eye(3), R.shape), atol=1e-12)
    np.testing.assert_allclose(R[0], np.eye(3), atol=1e-15)
    traces = np.einsum("nij,mij->nm", many(300), R).max(axis=1)
    assert np.degrees(np.arccos((traces - 1) / 2)).max() < 15.5
    assert np.abs(R.mean(axis=0)).max() < 2e-3


def test_angles_make_the_rotation():
    """Oracle: turns about x, then y, then z."""
    for R in [*many(20), rotation_matrix(90, "y"), rotation_matrix(-90, "y") @ rotation_matrix(30, "x")]:
        x, y, z = angles_deg(R)
        made = rotation_matrix(z, "z") @ rotation_matrix(y, "y") @ rotation_matrix(x, "x")
        np.testing.assert_allclose(made, R, atol=1e-7)
    assert turn_deg(rotation_matrix(70, (1, 2, 3))) == pytest.approx(70)


@pytest.mark.parametrize("terms", [8, 3])
def test_worst_and_best_of_any_form_by_brute_force(terms):
    """Oracle: 20 000 random rotations never pass the extremes and come near them."""
    rng = np.random.default_rng(terms)
    for _ in range(2):
        root, matrix = rng.normal(size=(terms * 2, 5)), rng.normal(size=(terms, 2))
        form = PowerForm(root @ root.T)

        def power(R: np.ndarray, form: PowerForm = form, matrix: np.ndarray = matrix) -> np.ndarray:
            return form(turned_matrices(matrix, R))

        brute = power(many(20_000))
        worst, turn = worst_turn(power)
        best, _ = worst_turn(power, least=True)
        assert brute.max() <= worst * (1 + 1e-6)
        assert worst <= brute.max() * 1.02
        assert brute.min() * (1 - 1e-6) >= best * (1 - 1e-3)
        assert power(turn[None])[0] == pytest.approx(worst)


def test_tensor_in_the_field_of_a_gradient(tensor):
    """Oracle: the same voxels in the vector potential of the gradients themselves, which are linear."""
    exact = direct_W(body())
    terms = GradientSet().matrix(PLACE)[:, :2]
    found = terms.T @ tensor.matrix[0] @ terms
    np.testing.assert_allclose(found, exact, atol=5e-3 * np.abs(exact).max())
    alone = terms[:3].T @ tensor.matrix[0][:3, :3] @ terms[:3]
    assert np.abs(alone - exact).max() > 0.1 * np.abs(exact).max()  # what the linear terms are worth here


@pytest.mark.slow
def test_implant_turned_in_the_field(tensor):
    """Oracle: the body itself turned and solved anew on its voxels in the field of the gradients.

    No orientation gives more than the stated worst by more than the error of voxels, and the one stated reaches it.
    """
    drive = em.waveforms.Sinusoid(F, (1.0, 0.6, 0.0), "T/m").harmonics()
    form, terms = power_form(tensor, drive), GradientSet().matrix(PLACE)
    worst, turn = worst_turn(lambda R: form(turned_matrices(terms, R)))
    strength = np.array([1.0, 0.6])

    def solved(R: np.ndarray) -> float:
        return float((strength @ direct_W(body().rotated(R)) @ strength).real)

    assert solved(turn) == pytest.approx(worst, rel=0.05)
    cube = [rotation_matrix(90 * n, a) for a in "xy" for n in (1, 2, 3)]
    for R in [np.eye(3), *cube, *many(3, seed=5)]:
        here = solved(R)
        assert here <= worst * 1.05
        assert form(turned_matrices(terms, R)) == pytest.approx(here, rel=0.05, abs=0.03 * worst)


def test_a_ball_has_no_orientation_in_a_linear_field():
    """Oracle: low frequency: P = 2 pi sigma a^5 b^2 / 15 + 4 pi sigma a^7 tr(S S') / 315, whatever the turn."""
    a, sigma = 0.015, em.metals.get("CoCrMo").conductivity_S_m
    ball = em.EddyCurrent(spacing_m=a / 8).solve(shapes.sphere(a), 20.0, sources="uniform+linear")
    terms = GradientSet().matrix((0.0, 0.0, 0.0))[:, 2:]  # the z gradient at the isocentre: linear terms alone
    form = power_form(ball, em.waveforms.Sinusoid(20.0, (2.0,), "T/m").harmonics())
    exact = 4 * np.pi * sigma * a**7 / 315 * 1.5 * 2.0**2
    worst, _ = worst_turn(lambda R: form(turned_matrices(terms, R)))
    best, _ = worst_turn(lambda R: form(turned_matrices(terms, R)), least=True)
    assert worst == pytest.approx(exact, rel=0.03)
    assert best == pytest.approx(exact, rel=0.03)


def test_a_tensor_without_linear_terms_refuses_a_field_that_varies():
    """Oracle: the documented error; and a uniform field in a tensor that has them."""
    tensor = em.EddyCurrent(spacing_m=2e-3).solve(shapes.sphere(0.01), 1e3)
    spectrum = em.waveforms.Sinusoid(1e3, (1.0, 0.0, 0.0), "T/m").harmonics()
    terms = GradientSet().matrix(PLACE)
    with pytest.raises(InputError, match=r"field varies over the implant.*uniform\+linear") as caught:
        tensor.average_power(spectrum.through(terms))
    assert "\n" not in str(caught.value)
    uniform = tensor.average_power(spectrum.through(GradientSet().uniform_matrix(PLACE)))
    whole = em.EddyCurrent(spacing_m=2e-3).solve(shapes.sphere(0.01), 1e3, sources="uniform+linear")
    assert whole.average_power(spectrum.through(terms[:3])) == pytest.approx(uniform, rel=1e-3)
    assert whole.average_power(spectrum.through(terms)) > uniform
