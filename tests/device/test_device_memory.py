"""Memory of a device that ends in the middle of a computation."""

from __future__ import annotations

from typing import Any

import pytest

from emdose.compute import backend
from emdose.compute.kernel_loader import CudaModule
from emdose.errors import ResourceError
from emdose.models import bodies
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.models.implants import shapes
from emdose.solvers.eddy.solver import EddyCurrent
from emdose.solvers.fdtd.solver import Fdtd
from emdose.solvers.vie.solver import Vie
from emdose.validation.cases.volume_integral import gel


@pytest.mark.parametrize("solver", ["vie", "fdtd", "eddy"])
def test_out_of_memory_is_one_line_that_offers_the_cpu(
    solver: str, cuda: backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CuPy raises its own MemoryError at any allocation; here at the first one of the kernels of a solver."""
    launch = CudaModule.run

    def full(self: Any, signature: Any, shape: Any, args: Any) -> None:
        if signature.name == kernel:
            raise cuda.xp.cuda.memory.OutOfMemoryError(9, 8)
        launch(self, signature, shape, args)

    exposure = Exposure(bodies.sphere(0.05, 0.02, gel(10.0, 0.5)), PlaneWave(), 298e6)
    ball = shapes.sphere(0.01, metal="CoCrMo")
    kernel, solve = {
        "vie": ("", lambda: Vie().solve(exposure, device=cuda)),
        "fdtd": ("cells_h", lambda: Fdtd(margin_m=0.12, cpml_cells=4).solve(exposure, device=cuda)),
        "eddy": ("", lambda: EddyCurrent(spacing_m=0.005, engine="voxel").solve(ball, [1e3], device=cuda)),
    }[solver]
    if not kernel:

        def no_room(*args: Any, **kwargs: Any) -> Any:
            raise cuda.xp.cuda.memory.OutOfMemoryError(9, 8)

        monkeypatch.setattr(type(cuda), "fftn", no_room)
    monkeypatch.setattr(CudaModule, "run", full)
    with pytest.raises(ResourceError, match=r'^out of memory on cuda with [^\n]*use device="cpu", which is slower, or'):
        solve()
