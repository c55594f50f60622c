"""The time-stepping engine on the device. Oracle: the same steps on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine import (
    Cpml,
    CurrentSource,
    Dft,
    DftRegion,
    Engine,
    Gaussian,
    IncidentWave,
    Lumped,
    SubcellWire,
    VoltagePort,
    YeeProblem,
    materials_from_voxels,
    thin_wire,
)


def problem() -> YeeProblem:
    rng = np.random.default_rng(1)
    grid = RectilinearGrid(*(np.arange(n + 1) * 0.01 for n in (20, 21, 22)))
    labels = (rng.random(grid.shape) < 0.2).astype(np.uint8)
    labels[:, :12] = 0
    wire = np.array([[2, 8, 7, k] for k in range(8, 12)])
    thin = thin_wire(grid, wire, 0.001)
    materials = materials_from_voxels(grid, labels, np.array([1.0, 50.0]), np.array([0.0, 0.7]))
    pulse = Gaussian(2e9)
    path = np.linspace([0.07, 0.13, 0.08], [0.13, 0.15, 0.15], 9)
    lead = SubcellWire(
        "lead",
        path,
        1e-3,
        1.5e-3,
        3.0,
        coated_m=0.005 * np.ones(9) * [0, *8 * [1]],
        resistance_ohm_m=2.0,
        emf_V=np.ones(8),
        waveform=pulse,
    )
    return YeeProblem(
        grid,
        materials.scaled(thin.edges, thin.permittivity).with_pec(wire[1:]),
        ("cpml", "cpml", "cpml", "pmc", "pec", "cpml"),
        Cpml(4),
        sources=[CurrentSource("i", np.array([[0, 9, 9, 9]]), np.ones(1), pulse)],
        ports=[VoltagePort("p", wire[:1], 50.0, pulse)],
        lumped=[Lumped("c", np.array([[1, 12, 9, 9]]), 1.0, 1e-9, 1e-12)],
        wave=IncidentWave((6, 6, 6), (14, 11, 15), (1, 0.5, 0), (0, 0, 1), pulse),
        face_factors=thin.faces,
        wires=[lead],
        dft=Dft([3e8], [DftRegion("r", (1, 2, 3), (19, 19, 19))], 3),
    )


@pytest.mark.parametrize(
    ("dtype", "schedule", "tolerance"),
    [("float32", "cells", 1e-5), ("float64", "cells", 1e-11), ("float32", "one-pass", 1e-5)],
)
def test_steps(cuda: backend.Backend, dtype: str, schedule: str, tolerance: float) -> None:
    given = problem()
    found, expected = Engine(given, cuda, dtype, schedule), Engine(given, backend.get("cpu"), dtype)
    for engine in (found, expected):
        engine.advance(31)
    for name in ("E", "B"):
        a, b = (getattr(e.phasors("r"), name) for e in (found, expected))
        assert type(a) is np.ndarray
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())
    a, b = (e.wire_currents()["lead"] for e in (found, expected))
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())
    for name, record in expected.records.items():
        np.testing.assert_allclose(
            found.records[name].current, record.current, rtol=0, atol=tolerance * np.abs(record.current).max()
        )
    assert found.check() == pytest.approx(expected.check(), rel=10 * tolerance)
    state = found.state()
    assert all(type(v) is np.ndarray for v in state.values())
    again = Engine(given, cuda, dtype, schedule)
    again.restore(state)
    again.advance(9)
    found.advance(9)
    assert np.array_equal(again.phasors("r").E, found.phasors("r").E)
    found.tables.e[1, 10, 9, 8] = float("nan")
    assert found.strongest()[0] == (9, 9, 8)
