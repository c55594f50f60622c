"""Contrast-source inversion on the device. Oracle: the same on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.ept.inversion.csi import Csi, EdgeField
from emdose.ept.inversion.operators import ScatteringOperators, gradient, gradient_adjoint, rotating, rotating_adjoint
from emdose.ept.maps.b1map import B1Map
from emdose.models import bodies
from emdose.models.bodies import Phantom
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.solvers.results.fields import Fields
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.incident import incident_B, incident_E

F = 128e6
WAVE = PlaneWave((0, 0, 1), (1, 0, 0), 100.0)


@pytest.fixture(scope="module")
def body() -> Phantom:
    return bodies.sphere(0.025, 0.01, Tissue("gel", 1000.0, Constant(45.0, 0.6))).pad(1)


@pytest.fixture(scope="module")
def fields(body: Phantom) -> Fields:
    return Vie(tolerance=1e-5).solve(Exposure(body, WAVE, F), "cpu")


def test_operators(body: Phantom, cuda: backend.Backend) -> None:
    both = [ScatteringOperators(body.grid, body.body, F, be, "complex128") for be in (cuda, backend.get("cpu"))]
    rng = np.random.default_rng(2)
    n, voxels = len(both[1].edge_index), both[1].voxels
    w, chi, b = (
        rng.normal(size=s) + 1j * rng.normal(size=s) for s in ((2, n), len(both[1].body_index), (2, 2, *voxels))
    )
    A = rng.normal(size=(2, 3, 4, 5, 6)) + 0j
    for name, argument in (
        ("on_edges", chi),
        ("on_edges_adjoint", w[0]),
        ("electric", w),
        ("electric_adjoint", w),
        ("magnetic", w),
        ("magnetic_adjoint", b),
        ("volume", chi),
    ):
        found, expected = (getattr(one, name)(one.be.asarray(argument)) for one in both)
        _close(cuda.to_numpy(found), expected, 1e-12)
    for f in (
        lambda x: rotating(x, 2 - 1j),
        lambda x: rotating_adjoint(x[:, :2], 1j),
        lambda x: gradient(x[0, 0], 0.1),
        lambda x: gradient_adjoint(x[0]),
    ):
        _close(cuda.to_numpy(f(cuda.asarray(A))), f(A), 1e-13)
    chi = np.full(n, 40.0 - 80j)
    found, expected = (one.solve(one.be.asarray(chi), one.be.asarray(w), 1e-10) for one in both)
    _close(cuda.to_numpy(found), expected, 1e-7)


def _close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.filterwarnings("ignore:contrast-source inversion")  # two iterations
@pytest.mark.parametrize("kind", ["complex", "transceive", "phaseless"])
def test_reconstruction(body: Phantom, fields: Fields, cuda: backend.Backend, kind: str) -> None:
    plus, minus = fields.b1plus()[0], fields.b1minus()[0]
    phase = {"complex": np.angle(plus), "transceive": np.angle(plus * minus.conj()), "phaseless": None}[kind]
    b1 = B1Map(
        body.grid,
        F,
        np.abs(plus).astype(float),
        phase,
        "transmit" if kind == "complex" else "transceive",
        mask=body.body,
        u_magnitude=1e-10,
        u_phase=None if phase is None else 1e-3,
    )
    solver = Csi(max_iterations=2, dtype="complex128", misfit=1e-6)
    source = WAVE
    if kind == "complex":
        host = backend.get("cpu")
        source = EdgeField(
            *(f(WAVE, body.grid, F, host, complex) for f in (incident_E, incident_B)), drives={"unit": np.ones(1)}
        )
    found, expected = (solver.reconstruct(b1, source, device=be) for be in (cuda, "cpu"))
    np.testing.assert_array_equal(found.flags, expected.flags)
    _close(found.conductivity[body.body], expected.conductivity[body.body], 1e-4)
    _close(found.permittivity[body.body], expected.permittivity[body.body], 1e-4)
    assert found.settings["history"]["data"] == pytest.approx(expected.settings["history"]["data"], rel=1e-4)
