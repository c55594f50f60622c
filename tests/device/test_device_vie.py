"""The volume integral on the device. Oracle: the same computation on the CPU, to the rounding of its precision."""

from __future__ import annotations

import numpy as np
import pytest
from memory_checkpoint import Memory

from emdose.compute import backend
from emdose.errors import ConvergenceError, ResourceError
from emdose.models import bodies
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.models.coils.current_element import CurrentElement
from emdose.models.coils.cylinder import Shield
from emdose.models.coils.ideal import Birdcage, Coil
from emdose.models.coils.incident_field import IncidentField
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.models.implants import box
from emdose.solvers.results.fields import Fields
from emdose.solvers.running import Done, Event, Iteration
from emdose.solvers.vie.library.implant_library import ImplantLibrary
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.incident import field_at, incident_B, incident_E

F = 128e6
COIL = 2e-6
"""Filaments: a GPU chooses its Gauss points for every point, a CPU for a tile of them."""
GEL = Tissue("gel", 1000.0, Constant(40.0, 0.6))


@pytest.fixture(scope="module")
def exposure() -> Exposure:
    """A lump off the middle of its grid in a birdcage: two ports."""
    body = bodies.sphere(0.02, 0.01, GEL).pad(1).translate((0.01, 0.0, 0.0))
    return Exposure(body, Birdcage(rungs=4, radius_m=0.1, length_m=0.1), F)


def _close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    assert type(found) is np.ndarray
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def _same(found: Fields, expected: Fields, tolerance: float) -> None:
    _close(found.E, expected.E, tolerance)
    _close(found.B, expected.B, tolerance)
    for name in ("absorbed_W", "extinction_W", "scattered_W"):
        _close(getattr(found.power, name), getattr(expected.power, name), tolerance)
    assert found.convergence["unknowns"] == expected.convergence["unknowns"]


@pytest.mark.parametrize("method", ["gmres", "cocr", "bicgstab"])
@pytest.mark.parametrize(("dtype", "tolerance", "rounding"), [("complex64", 1e-5, 2e-4), ("complex128", 1e-9, COIL)])
def test_solution(
    exposure: Exposure, cuda: backend.Backend, method: str, dtype: str, tolerance: float, rounding: float
) -> None:
    solver, memory = Vie(tolerance=tolerance, dtype=dtype, method=method, restart=10), Memory()
    events: list[Event] = []
    planned = solver.plan(exposure, cuda)
    assert (planned.device, planned.ports_at_once) == ("cuda", 2)
    found = solver.solve(exposure, cuda, progress=events.append, checkpoint=memory)
    _same(found, solver.solve(exposure, "cpu"), rounding)
    assert found.provenance["device"]["device"] == "cuda"
    assert [e.stage for e in events[:: len(events) - 1]] == ["setup", "done"]
    assert all(type(e.residual) is float for e in events if isinstance(e, Iteration | Done))
    again = solver.solve(exposure, cuda, checkpoint=memory)
    assert again.convergence["resumed"] == [True, True]
    _same(again, found, rounding)


def test_one_port_and_a_plane_wave(cuda: backend.Backend) -> None:
    wave = Exposure(bodies.sphere(0.02, 0.01, GEL).pad(1), PlaneWave((0, 0, 1), (1, 0, 0)), F)
    solver = Vie(tolerance=1e-8, dtype="complex128")
    _same(solver.solve(wave, cuda), solver.solve(wave, "cpu"), 1e-7)


@pytest.mark.parametrize("metal", ["perfect", "real"])
def test_metal_in_the_body(cuda: backend.Backend, metal: str) -> None:
    body, block = bodies.sphere(0.03, 0.01, GEL).pad(1), box((0.02, 0.02, 0.02), centre_m=(0.0, 0.0, 0.01))
    wave = Exposure(body, PlaneWave((0, 0, 1), (1, 0, 0)), F, implants=[block])
    solver = Vie(tolerance=1e-8, metal=metal)
    found, expected = solver.solve(wave, cuda), solver.solve(wave, "cpu")
    _same(found, expected, 1e-6)
    assert found.power.losses().keys() == expected.power.losses().keys()


@pytest.mark.parametrize("keep", ["answers", "couplings"])
def test_metal_by_answers_of_a_region(cuda: backend.Backend, keep: str) -> None:
    body, block = bodies.sphere(0.03, 0.01, GEL).pad(1), box((0.018, 0.018, 0.009), centre_m=(0.0, 0.0, 0.005))
    found, expected = (
        ImplantLibrary.within(body, F, [(-0.01, -0.01, 0.0), (0.01, 0.01, 0.01)], keep=keep, device=be, tolerance=1e-6)
        .exposed(PlaneWave((0, 0, 1), (1, 0, 0)), device=be)
        .solve(block)
        for be in (cuda, "cpu")
    )
    _same(found, expected, 1e-5)
    assert found.provenance["device"]["device"] == "cuda"


def test_missed_tolerance_keeps_the_fields(exposure: Exposure, cuda: backend.Backend) -> None:
    for method in ("gmres", "cocr", "bicgstab"):
        with pytest.raises(ConvergenceError, match="cosine, sine") as caught:
            Vie(tolerance=2e-6, max_iterations=2, method=method).solve(exposure, cuda)
        assert type(caught.value.partial.E) is np.ndarray
        assert np.isfinite(caught.value.partial.E).all()


def test_too_little_memory(exposure: Exposure, cuda: backend.Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "memory_free_bytes", lambda: 10_000, raising=False)
    with pytest.raises(ResourceError, match="free on cuda"):
        Vie().solve(exposure, cuda)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_incident_fields(exposure: Exposure, cuda: backend.Backend, dtype: type) -> None:
    cpu = backend.get("cpu")
    bare = exposure.coil
    shield = Shield(0.15, 0.15, cells_around=8, cells_along=2)
    shielded = Coil(bare.name, bare.segments, bare.currents, bare.ports, bare.drives, shield=shield)
    element = CurrentElement(0.02, centre_m=(0.1, 0, 0), current_A=1 - 1j)
    given = IncidentField(lambda p: field_at(element, p, F)[0], frequency_Hz=F)
    for source in (shielded, PlaneWave((0, 0.6, 0.8), (1, 0, 0), 2.0), element, given):
        for field in (incident_E, incident_B):
            found, expected = (field(source, exposure.phantom.grid, F, be, dtype) for be in (cuda, cpu))
            assert backend.of(found).name == "cuda"
            _close(cuda.to_numpy(found), expected, COIL)


def test_slabs_on_the_device(exposure: Exposure, cuda: backend.Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grid in several slabs, as where it does not fit at once, gives what one slab gives."""
    from emdose.solvers.yee_grid import green_convolution

    solver = Vie(tolerance=1e-8, dtype="complex128", max_iterations=60)
    whole = solver.solve(exposure, cuda)
    monkeypatch.setitem(green_convolution.CHUNK_BYTES, "cuda", 50_000)
    _same(solver.solve(exposure, cuda), whole, 1e-9)
