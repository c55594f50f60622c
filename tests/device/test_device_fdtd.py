"""The FDTD solver on the device. Oracle: the same computation on the CPU, to the rounding of its precision."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.models import bodies
from emdose.models.coils.circuit_loops import CapacitorLoop
from emdose.models.coils.current_element import CurrentElement
from emdose.models.coils.ideal import Loop
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.solvers.fdtd.solver import Fdtd
from emdose.validation.cases.volume_integral import gel

H = 0.02


@pytest.mark.parametrize("kind", ["loop", "wave", "element", "circuit"])
def test_device_equals_host(cuda, kind):
    body = bodies.sphere(0.05, H, gel(10.0, 0.5))
    coil = {
        "loop": Loop(0.05, centre_m=(0, 0, 0.1)),
        "wave": PlaneWave(),
        "element": CurrentElement(0.02, centre_m=(0, 0, 0.1), direction=(1, 0, 0), current_A=1 + 1j),
        "circuit": CapacitorLoop(size_m=(0.08, 0.08), capacitors=1, centre_m=(0, 0, 0.1), gap_m=H),
    }[kind]
    solver = Fdtd(margin_m=0.12, cpml_cells=4, tolerance=1e-3 if kind == "circuit" else 0.01, coarsest_m=0.03)
    a, b = (solver.solve(Exposure(body, coil, 298e6), device=d) for d in ("cpu", cuda))
    assert type(b.E) is np.ndarray
    assert b.provenance["device"]["device"] == "cuda"
    for x, y in ((a.E, b.E), (a.B, b.B)):
        assert np.linalg.norm(x - y) < 1e-5 * np.linalg.norm(x)
    np.testing.assert_allclose(b.power.absorbed_W, a.power.absorbed_W, rtol=1e-4)
