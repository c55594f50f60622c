"""Metal by itself. Oracles: conservation of energy, reciprocity, the solution without symmetry, the NumPy reference."""

from __future__ import annotations

import metal_meshes as meshes
import numpy as np
import pytest

from emdose.compute import backend
from emdose.solvers.mom.metal import ThinMetal

COPPER = 5.8e7
BE = backend.get("cpu")


def strip(rotations=1, **more):
    return meshes.ring_strip(0.05, 4e-3, 24, 3, rotations=rotations, gaps=3, **more)


def wire(rotations=1):
    return meshes.ring_wire(0.05, 1e-3, 24, rotations=rotations, gaps=3)


@pytest.mark.parametrize("mesh", [strip, wire])
@pytest.mark.parametrize("rotations", [2, 3, 8, 24])
def test_a_symmetric_mesh_answers_as_without_its_symmetry(mesh, rotations: int) -> None:
    """Oracle: the same currents from one dense matrix; the seams of the sectors lie elsewhere."""
    dense, turned = (ThinMetal(mesh(n), 128e6, COPPER, None, BE) for n in (1, rotations))
    assert turned.n == dense.n
    np.testing.assert_allclose(turned.admittance(), dense.admittance(), rtol=1e-10)
    for quantity in ("radiated_W", "loss_W"):
        found, expected = (getattr(m, quantity)(m.driven) for m in (turned, dense))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * abs(expected).max())


@pytest.mark.parametrize("mesh", [strip, wire])
def test_the_reference_of_the_kernels_fills_the_same_matrix(mesh, reference_backend: backend.Backend) -> None:
    for rotations in (1, 3):
        found, expected = (
            ThinMetal(mesh(rotations), 128e6, COPPER, None, be).impedance_blocks() for be in (BE, reference_backend)
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * abs(expected).max())


@pytest.mark.parametrize("mesh", [strip, wire])
def test_power_in_is_power_out(mesh) -> None:
    """Oracle: conservation of energy, with and without loss; reciprocity."""
    for conductivity in (None, COPPER):
        metal = ThinMetal(mesh(), 128e6, conductivity, None, BE)
        Y = metal.admittance()
        assert abs(Y - Y.T).max() < 1e-10 * abs(Y).max()
        # Voltages that drive current around the ring, and that do not.
        drives = np.array([[1, 1, 1], [1, -1, 0], [1, 1j, -0.5]]).T
        accepted = 0.5 * np.real(np.einsum("gk,gh,hk->k", drives.conj(), Y, drives))
        currents = metal.driven @ drives
        out = metal.radiated_W(currents) + metal.loss_W(currents).sum(axis=0)
        np.testing.assert_allclose(np.diag(out).real, accepted, rtol=1e-5)
