"""Fields of metal on the edges of a lattice. Oracles: direct evaluation, the transpose, Maxwell's equations."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from emdose.compute import backend
from emdose.constants import C_0
from emdose.solvers.vsie.potentials.coupling import EdgeCoupling, NodeLattice, Sources, step_for

BE = backend.get("cpu")
OMEGA = 2 * np.pi * 127.74e6
H, SHAPE = 5e-3, (23, 18, 27)
ORIGIN = -0.5 * H * np.array(SHAPE)


@pytest.fixture(scope="module")
def ring():
    """A wavy ring of current 9 cm or more from the axis whose charge is that of its current."""
    angle = 2 * np.pi * np.arange(720) / 720
    points = np.stack([0.12 * np.cos(angle), 0.12 * np.sin(angle), 0.03 * np.sin(3 * angle)], axis=1)
    along, shape = (
        0.5 * (np.roll(points, -1, 0) - np.roll(points, 1, 0)),
        np.stack([np.cos(angle), np.sin(2 * angle)], 1),
    )
    current = tuple(sp.csr_matrix(along[:, [c]] * shape) for c in range(3))
    return Sources(points, current, sp.csr_matrix(0.5 * (np.roll(shape, -1, 0) - np.roll(shape, 1, 0))))


def coupling(ring, step, dtype=np.complex128):
    return EdgeCoupling(ring, NodeLattice(ORIGIN, H, SHAPE, step), OMEGA, BE, dtype)


def in_body(E):
    """Edges within 6 cm of the middle."""
    x = np.stack(np.meshgrid(*[ORIGIN[a] + H * np.arange(n) for a, n in enumerate(SHAPE)], indexing="ij"))
    return E[:, :, np.linalg.norm(x, axis=0) < 0.05]


@pytest.mark.parametrize(("step", "error"), [(2, 1e-4), (3, 1e-3)])
def test_interpolated_potentials(ring, step, error):
    # Oracle: the same potentials at every node. Rough lattices are for metal that is further away.
    exact, found = (in_body(coupling(ring, s).field(np.eye(2))[0]) for s in (1, step))
    assert np.linalg.norm(found - exact) < error * np.linalg.norm(exact)
    assert step_for(0.07, H) >= 2


def test_single_precision(ring):
    exact, found = (in_body(coupling(ring, 2, t).field(np.eye(2))[0]) for t in (np.complex128, np.complex64))
    assert np.linalg.norm(found - exact) < 2e-5 * np.linalg.norm(exact)


@pytest.mark.parametrize("step", [1, 2])
def test_voltages_are_the_transpose(ring, step):
    # Oracle: reciprocity.
    here, rng = coupling(ring, step), np.random.default_rng(3)
    J = rng.normal(size=(2, 3, *SHAPE)) + 1j * rng.normal(size=(2, 3, *SHAPE))
    E, v = here.field(np.eye(2))[0], here.voltages(J)
    np.testing.assert_allclose(v, H**3 * np.einsum("mcxyz,pcxyz->mp", E, J), rtol=1e-11)


def test_the_field_solves_maxwells_equations(ring):
    # Oracle: div E = 0 on the lattice away from metal, up to the error of second order of a lattice of 5 mm.
    E, _ = coupling(ring, 1).field(np.eye(2))
    inner = (slice(None), *(slice(1, n - 2) for n in SHAPE))
    div = sum((E[:, c] - np.roll(E[:, c], 1, axis=c + 1)) / H for c in range(3))[inner]
    k = OMEGA / C_0
    size = np.abs(E[:, 0][inner]).max() * k
    centre = tuple(slice(n // 2 - 5, n // 2 + 4) for n in SHAPE)
    assert np.abs(div[(slice(None), *centre)]).max() < 2e-2 * size


def test_the_kernel_is_its_reference():
    # Oracle: NumPy.
    rng = np.random.default_rng(1)
    for real, name, error in ((np.float64, "double", 3e-11), (np.float32, "float", 3e-6)):
        targets, sources = (np.ascontiguousarray(rng.normal(size=(3, n)).astype(real)) for n in (37, 23))
        targets[:, 0] = sources[:, 0]
        found = np.empty((37, 23), np.result_type(real, np.complex64))
        kernels = BE.kernels.load("emdose.solvers.vsie.potentials", "green", name)
        kernels.launch("green", (37, 1, 23), real(2.7), real(1e-5), targets, sources, found)
        R = np.maximum(np.linalg.norm(targets.astype(float)[:, :, None] - sources.astype(float)[:, None], axis=0), 1e-5)
        np.testing.assert_allclose(found, np.exp(-2.7j * R) / (4 * np.pi * R), rtol=error)
