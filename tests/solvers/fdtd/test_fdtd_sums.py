"""What becomes of the running sums of an FDTD: rests of series that pause, voxels from cells, clocks."""

from __future__ import annotations

import time

import numpy as np
import pytest

import emdose as em
from emdose.models import bodies
from emdose.solvers.fdtd.convergence import Monitor
from emdose.solvers.fdtd.fields import _coarse


@pytest.mark.parametrize("pause", [0, 1])
def test_a_series_that_pauses_for_a_window_has_not_ended(pause: int) -> None:
    """Oracle: steady growth that stands still in the last window only; three windows in a row at rest are an end."""
    monitor = Monitor(1e-3, 0)
    values = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, *[3.5] * pause]
    done = [monitor.update(n + 1, 1e-12 * 0.1**n, {"fields": np.array([v, 1.0])}) for n, v in enumerate(values)]
    assert not any(done)
    assert monitor.residual > 0.01
    rest = [monitor.update(20 + n, 1e-30, {"fields": np.array([3.5, 1.0])}) for n in range(9)]
    assert rest[-1]
    assert monitor.residuals["fields"] == 0


@pytest.mark.parametrize("on_faces", [False, True])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_voxel_edges_and_faces_are_means_of_those_of_cells(on_faces: bool, factor: int) -> None:
    """Oracle: a linear field, whose means are its values at the middles; three axes of unlike length."""
    cells, slope = np.array((2, 3, 4)) * factor, np.array((1.0, 10.0, 100.0))

    def field(shape: np.ndarray, h: float) -> np.ndarray:
        out = np.zeros((3, *(shape + 1)))
        for c in range(3):
            at = np.stack(np.meshgrid(*(h * np.arange(n + 1) for n in shape), indexing="ij"), axis=-1)
            at = at + 0.5 * h * np.array([(a == c) != on_faces for a in range(3)])
            inside = tuple(slice(0, n if (a == c) != on_faces else n + 1) for a, n in enumerate(shape))
            out[c][inside] = (at @ slope + 1000 * c)[inside]
        return out

    fine = np.stack([field(cells, 1.0), 2 * field(cells, 1.0)])
    found = _coarse(fine, factor, on_faces)
    coarse = field(cells // factor, float(factor))
    np.testing.assert_allclose(found, np.stack([coarse, 2 * coarse]), rtol=1e-12, atol=1e-12)


def test_clocks_of_the_runs_fit_into_the_time_it_took() -> None:
    """Oracle: the time of the whole call."""
    exposure = em.Exposure(bodies.sphere(0.04, 1e-2, "gel"), em.PlaneWave(), 300e6)
    begin = time.perf_counter()
    fields = em.Fdtd(tolerance=1e-2).solve(exposure, device="cpu")
    took = time.perf_counter() - begin
    clock = dict(fields.provenance["timing_s"])
    runs = clock.pop("per_port").values()
    assert all(s > 0 for s in runs)
    assert sum(runs) <= clock["ports"] * 1.05 + 0.05
    assert sum(clock.values()) <= took
