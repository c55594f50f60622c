"""What the plan of the bioheat solver says, beside the peak of the memory that processes of their own measure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import emdose as em
from emdose.compute.backend import Backend
from emdose.errors import ResourceError

STATUS = Path("/proc/self/status")
SCRIPT = """
import sys
import numpy as np
import emdose as em
sys.path.insert(0, {folder!r})
from test_near_metal import loaded

kind, n = sys.argv[1], int(sys.argv[2])
h = 2e-3
body, small = (em.phantoms.gel_box(h, (m * h,) * 3, "muscle") for m in (n, 14))
solver = em.Bioheat(margin_m=10.0, initial="steady" if kind == "steady" else "uniform")
if kind in ("sar", "steady"):
    solver.solve_sar(small, duration_s=60.0, power_W_m3=np.where(small.body, 1e3, 0.0), device="cpu")
    q = np.where(body.body, 1e3, 0.0)
    plan = solver.plan(body, device="cpu")
    def solve(): return solver.solve_sar(body, power_W_m3=q, device="cpu")
else:
    ball = em.implants.sphere(8e-3 if kind == "implant" else 2e-3, "CoCrMo", subdivisions=3)
    power = loaded(ball, 0.2, 1e-3)
    em.Bioheat(cells_across=0.0).solve(small, ball, power, 60.0, device="cpu")
    plan = solver.plan(body, ball, device="cpu")
    def solve(): return solver.solve(body, ball, power, device="cpu")

def told(name):
    return 1024 * int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1])

open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
before = told("VmRSS")
solve()
print(plan.bytes, told("VmHWM") - before)
"""


@pytest.mark.skipif(not STATUS.exists(), reason="peaks of memory are read from /proc")
@pytest.mark.parametrize(
    ("kind", "n"),
    [
        ("sar", 32),
        pytest.param("sar", 56, marks=pytest.mark.slow),
        ("steady", 40),
        ("implant", 36),
        pytest.param("implant", 52, marks=pytest.mark.slow),
        ("split", 30),
    ],
)
def test_memory_is_planned_within_a_half(kind: str, n: int) -> None:
    """Oracle: the peak of the resident memory of a process that solves, above what it held before."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "MALLOC_TRIM_THRESHOLD_": "0"}
    script = SCRIPT.format(folder=str(Path(__file__).parent))
    done = subprocess.run(
        [sys.executable, "-c", script, kind, str(n)], env=environment, capture_output=True, text=True, check=False
    )
    if "clear_refs" in done.stderr:
        pytest.skip("the peak of the memory cannot be set back here")
    assert done.returncode == 0, done.stderr
    planned, peak = map(int, done.stdout.split())
    assert peak <= planned <= 1.5 * peak, f"planned {planned / 2**20:.1f} MiB, measured {peak / 2**20:.1f} MiB"


def test_the_plan_in_words_and_its_refusal(monkeypatch) -> None:
    """Oracle: the cells that the solver makes; a machine without memory is told before anything is laid out."""
    body = em.phantoms.gel_box(4e-3, (0.06, 0.06, 0.06), "muscle")
    ball = em.implants.sphere(2e-3, "CoCrMo", subdivisions=2)
    solver = em.Bioheat(margin_m=1.0)
    planned = solver.plan(body, ball, device="cpu")
    assert (planned.sources, planned.cells) == (6, planned.size // 6)
    assert planned.cells > body.grid.size
    assert str(planned).startswith("heat in 0.")
    assert "6 sources on cpu; about" in str(planned)
    assert solver.plan(body, device="cpu").cells == body.grid.size
    assert em.Bioheat(spacing_m=8e-3).plan(body, device="cpu").cells < body.grid.size / 6
    monkeypatch.setattr(Backend, "memory_free_bytes", lambda self: 2**20)
    for refused in (
        lambda: solver.plan(body, ball, device="cpu"),
        lambda: solver.solve(body, ball, None, device="cpu"),
        lambda: solver.solve_sar(body, sar_W_kg=1.0 * body.body, device="cpu"),
    ):
        with pytest.raises(ResourceError, match=r"heat in .* needs .* but 1 MiB are free on cpu: coarser voxels"):
            refused()
