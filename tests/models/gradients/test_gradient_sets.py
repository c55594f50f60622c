"""Generated sets of gradient coils: stated efficiency and linearity, free gaps, Maxwell's equations far out."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.errors import InputError
from emdose.models import IdealGradient, head_gradients, split_gradients, uniplanar_gradients


@pytest.fixture(scope="module")
def sets():
    return {"head": head_gradients(), "split": split_gradients(), "uniplanar": uniplanar_gradients()}


@pytest.mark.parametrize(
    ("name", "efficiency", "radius", "departure"),
    [
        ("head", (0.208, 0.191, 0.190), 0.11, (0.041, 0.041, 0.029)),
        ("split", (0.089, 0.089, 0.084), 0.2, (0.070, 0.060, 0.021)),
        ("uniplanar", (0.0155, 0.0245, 0.0209), 0.1, (0.095, 0.43, 0.078)),
    ],
)
def test_stated_efficiency_and_linearity(sets, name, efficiency, radius, departure):
    """Oracle: the numbers that the documentation states, from the fields of the wires."""
    got = [1e3 * c.efficiency_T_m_A for c in sets[name].sources]
    assert got == pytest.approx(efficiency, rel=0.01)
    for coil, most in zip(sets[name].sources, departure, strict=True):
        assert 0.7 * most < coil.linearity(radius, 80) <= most
        assert coil.linearity(0.5 * radius, 30) < 0.6 * most


def test_the_gap_is_free_and_the_plane_is_flat(sets):
    for coil in sets["split"].sources:
        assert np.abs(np.concatenate(coil.paths)[:, 2]).min() > 0.1
    for n, coil in enumerate(sets["uniplanar"].sources):
        points = np.concatenate(coil.paths)
        np.testing.assert_allclose(points[:, 1], -0.2 - 0.01 * n)
        assert np.abs(points[:, 0]).max() < 0.45
    for coil in sets["head"].sources:
        assert coil.extent_m[1][2] < 0.34


@pytest.mark.parametrize("name", ["head", "split", "uniplanar", "ideal x", "ideal y", "ideal z"])
def test_curl_of_the_potential_is_the_field_far_out(sets, name):
    """Oracles: curl A = B and div A = 0 by central differences, near the isocentre and up to a metre from it."""
    sources = [IdealGradient(name[-1])] if name.startswith("ideal") else sets[name].sources
    h = 1e-4
    for source in sources:
        for place in np.array([[0.03, -0.05, 0.06], [0.1, 0.3, 0.9], [-0.7, 0.4, 0.6]]):
            J = np.stack([source.vector_potential(np.stack([place + h * e, place - h * e])) for e in np.eye(3)])
            J = (J[:, 0] - J[:, 1]).T / (2 * h)
            curl = np.array([J[2, 1] - J[1, 2], J[0, 2] - J[2, 0], J[1, 0] - J[0, 1]])
            field = source.expansion(place)[0]
            size = max(np.linalg.norm(field), 0.01)
            np.testing.assert_allclose(curl, field, atol=3e-6 * size)
            assert abs(np.trace(J)) < 1e-5 * size


def test_shapes_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="bad gap"):
        split_gradients(gap_m=0.5)
    with pytest.raises(InputError, match="too small for the sphere"):
        head_gradients(sphere_radius_m=0.18)
    with pytest.raises(InputError, match="too small for the sphere"):
        uniplanar_gradients(sphere_radius_m=0.18)
    with pytest.raises(InputError, match="number of turns"):
        uniplanar_gradients(turns=2)
