"""The volume integral on a GPU."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.models import bodies
from emdose.models.coils.ideal import Birdcage, LoopArray
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.solvers.vie.solver import Vie
from emdose.validation.cases.volume_integral import gel

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("method", ["gmres", "cocr", "bicgstab"])
def test_gpu_equals_cpu(method):
    # Oracle: the CPU; both stop at the same residual.
    body = bodies.layered_sphere((0.06, 0.08), (gel(60, 0.7, "a"), gel(20, 0.2, "b")), 8e-3).pad(2)
    for coil in (LoopArray(4, radius_m=0.13), Birdcage(radius_m=0.13, shield_radius_m=0.17), PlaneWave()):
        exposure = Exposure(body, coil, 298e6)
        a, b = (Vie(tolerance=2e-5, method=method).solve(exposure, device=d) for d in ("cpu", "cuda"))
        assert type(b.E) is np.ndarray
        for x, y in ((a.E, b.E), (a.B, b.B)):
            assert np.linalg.norm(x - y) < 1e-3 * np.linalg.norm(x)
        assert np.allclose(
            a.power.absorbed_W, b.power.absorbed_W, rtol=2e-3, atol=1e-3 * np.abs(a.power.absorbed_W).max()
        )
        assert np.allclose(
            a.power.scattered_W, b.power.scattered_W, rtol=2e-3, atol=1e-3 * np.abs(a.power.scattered_W).max()
        )
