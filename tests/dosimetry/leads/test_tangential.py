"""Tangential fields: affine ones are exact, waves converge, and paths that make no sense are refused."""

from __future__ import annotations

import numpy as np
import pytest
from lead_fields import GRID, fields_of, wave

import emdose as em

BENT = np.array([[-0.08, 0.01, -0.02], [-0.02, 0.031, 0.01], [0.05, -0.02, 0.013], [0.07, -0.02, 0.04]])


def affine(x, y, z):
    return (
        (1 + 2j) + 3 * x - 5j * y + 7 * z,
        -2 + 11j * x + 4 * y - z,
        0.5j - 6 * x + 2 * y + (3 - 1j) * z,
    )


def test_affine_field_is_exact() -> None:
    """Trilinear from each component's own edges: a shift by half a cell would show, as would a wrong tangent."""
    found = em.tangential_E(fields_of(affine), BENT)
    lead = em.Lead(BENT, 5e-4)
    assert found.length_m == pytest.approx(lead.length_m, rel=1e-9)
    corners = np.cumsum(np.linalg.norm(np.diff(BENT, axis=0), axis=1))
    s = found.distance_m
    tangent = np.diff(BENT, axis=0) / np.linalg.norm(np.diff(BENT, axis=0), axis=1)[:, None]
    leg = np.minimum(np.searchsorted(corners, s), 2)
    E = np.stack(affine(*lead.points_at(s).T), axis=1)
    known = np.einsum("na,na->n", E, tangent[leg])
    np.testing.assert_allclose(found.E[0], known, rtol=1e-12)
    assert np.diff(s).max() <= 0.5 * 5e-3 + 1e-12
    assert found.spread is None


def test_wave_converges() -> None:
    """int E dl of a wave along x: second order in the voxel."""
    k, path = 14.5 - 8.2j, np.array([[-0.07, 0.013, 0.004], [0.07, 0.013, 0.004]])
    known = (np.exp(-1j * k * 0.07) - np.exp(1j * k * 0.07)) / (-1j * k)
    errors = []
    for n in (1, 2):
        grid = em.Grid((20 * n, 8 * n, 6 * n), 10e-3 / n)
        found = em.tangential_E(fields_of(wave(k), grid=grid), path)
        errors.append(abs(found.E[0] @ found.step_m - known) / abs(known))
    assert errors[0] < 0.01
    assert errors[1] < 0.3 * errors[0]


def test_beside_the_path() -> None:
    """Mean over the path and four points beside it: an affine field keeps its value; a jump shows in the spread."""
    path = np.array([[-0.06, 0.012, 0.004], [0.06, 0.012, 0.004]])
    plain, wide = (em.tangential_E(fields_of(affine), path, beside=b) for b in (False, True))
    np.testing.assert_allclose(wide.E, plain.E, rtol=1e-9)
    assert wide.spread is not None
    assert wide.spread.min() > 0

    def jump(x, y, z):
        return np.where(y + 0 * (x + z) > 0.0125, 4.0, 1.0), 0 * (x + y + z), 0 * (x + y + z)

    found = em.tangential_E(fields_of(jump), path, beside=True)
    assert found.spread.max() > 0.5


def test_reversed_path_and_drives() -> None:
    fields = fields_of(affine, wave(3.0))
    there, back = em.tangential_E(fields, BENT), em.tangential_E(fields, BENT[::-1])
    np.testing.assert_allclose(there.E @ there.step_m, -(back.E @ back.step_m), rtol=1e-9)
    one = em.tangential_E(fields.drive([0.5, 2j]), BENT)
    np.testing.assert_allclose(one.E[0], 0.5 * there.E[0] + 2j * there.E[1], rtol=1e-9)


def test_paths_that_make_no_sense() -> None:
    body = np.ones(GRID.shape, bool)
    body[:15] = False
    with pytest.raises(em.InputError, match=r"path leaves the tissue.*mm from the tip"):
        em.tangential_E(fields_of(affine, body=body), BENT[::-1])
    with pytest.raises(em.InputError, match="path leaves the tissue"):
        em.tangential_E(fields_of(affine), BENT + np.array([0.05, 0, 0]))
    with pytest.raises(em.InputError, match="shorter than a voxel"):
        em.tangential_E(fields_of(affine), np.array([[0, 0, 0], [2e-3, 0, 0]]))
    with pytest.raises(em.InputError, match="millimetres taken for metres"):
        em.tangential_E(fields_of(affine), 1e3 * BENT)
    with pytest.raises(em.InputError, match="path too short"):
        em.tangential_E(fields_of(affine), BENT[:1])


def test_fields_of_another_convention_are_conjugated() -> None:
    """A wave told as exp(-jwt) gives the same; one that keeps quiet about it does not."""
    path = np.array([[-0.09, 0.01, 0.0], [0.09, 0.01, 0.0]])
    E = em.tangential_E(fields_of(wave(25.0 - 9j)), path)
    tf = em.TransferFunction(
        np.linspace(0, 0.18, 40), np.exp(-(2 + 20j) * np.linspace(0, 0.18, 40)), 64e6, 80, 0.47, "exp(+jwt)"
    )
    told = em.TangentialE(E.distance_m, E.step_m, E.E.conj(), 64e6, E.ports, "A", "exp(-jwt)")
    quiet = em.TangentialE(E.distance_m, E.step_m, E.E.conj(), 64e6, E.ports, "A")
    right = abs(E.induced(tf)[0]) ** 2
    assert abs(told.induced(tf)[0]) ** 2 == pytest.approx(right, rel=1e-12)
    assert abs(told.induced(tf.in_convention("exp(-jwt)"))[0]) ** 2 == pytest.approx(right, rel=1e-12)
    assert abs(quiet.induced(tf)[0]) ** 2 > 5 * right
