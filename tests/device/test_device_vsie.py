"""Metal and body, coupled, on the device. Oracle: the same computation on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.compute import backend
from emdose.solvers.mom.meshing.options import MeshOptions

F = 128e6
SOLVER = em.Vsie(mesh=MeshOptions(across=2), tolerance=1e-5)


@pytest.fixture(scope="module")
def exposure() -> em.Exposure:
    """A lump in front of a loop with two capacitors."""
    coil = em.CapacitorLoop(size_m=(0.06, 0.08), strip_width_m=0.01, centre_m=(0, 0, 0.05), capacitors=2)
    return em.Exposure(em.phantoms.sphere(0.025, 0.01), coil, F)


def test_network_and_fields(cuda: backend.Backend, exposure: em.Exposure) -> None:
    found, expected = (SOLVER.cosimulate(exposure, [F], be) for be in (cuda, "cpu"))
    np.testing.assert_allclose(found.network.s, expected.network.s, rtol=0, atol=1e-5)
    one, two = found.fields(), expected.fields()
    assert type(one.E) is np.ndarray
    assert one.provenance["device"]["device"] == "cuda"
    for a, b in ((one.E, two.E), (one.B, two.B), (one.power.absorbed_W, two.power.absorbed_W)):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * np.abs(b).max())


@pytest.mark.slow
def test_answers_of_a_body(cuda: backend.Backend) -> None:
    phantom = em.phantoms.sphere(0.025, 0.0125)
    coil = em.CircuitBirdcage(4, radius_m=0.06, length_m=0.06, strip_width_m=0.01)
    response = em.BodyResponse.around(phantom, F, radius_m=0.05, length_m=0.12, error=5e-3, device=cuda)
    found = response.cosimulate(coil, solver=SOLVER, device=cuda)
    direct = SOLVER.cosimulate(em.Exposure(phantom, coil, F), [F], "cpu")
    a, b = (np.linalg.norm(c.network.z[0]) for c in (found, direct))
    assert a == pytest.approx(b, rel=1e-3)
