"""What the plan of an implant's heat says, beside the peak of the memory that processes of their own measure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
import warnings
from pathlib import Path

from emdose import scenarios
from emdose.scenarios import kinds
from emdose.scenarios.shared import toml

warnings.simplefilter("ignore")
sine = {"type": "sinusoid", "frequency_Hz": 1000.0, "dbdt_rms_T_s": 20.0}
coils = {"gradients": {"type": "ideal", "position_m": [0.1, 0.0, 0.19]}}

def job(exposures, spacing_m, cells_across=0, **more):
    tables = {
        "scenario": {"kind": "implant-gradient", "name": "rod"},
        "implant": {"type": "cylinder", "radius_m": 6e-3, "length_m": 0.05, "metal": "Ti6Al4V"},
        "solver": {"spacing_m": 3e-3, "frequencies_Hz": [270.0, 1000.0, 4000.0], "cache": False},
        "thermal": {"spacing_m": spacing_m, "margin_m": 0.025, "duration_s": 30.0, "cells_across": cells_across},
        "exposures": exposures,
        **more,
    }
    Path("rod.toml").write_text(toml.dump(tables), encoding="utf-8")
    return kinds.get("implant-gradient").job(scenarios.load("rod.toml"), "cpu")

def told(name):
    return 1024 * int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1])

small = job({"one": sine}, 8e-3)
small.evaluate(small.solve())
if sys.argv[1] == "sines":
    one = job({f"sine {n}": sine for n in range(4)}, 2e-3)
elif sys.argv[1] == "split":
    one = job({"one": sine}, 4e-3, 20.0)
else:
    one = job({"train": {"type": "epi", "echoes": 8, "repetition_s": 0.01, "echo_spacing_s": 1e-3}}, 2e-3, **coils)
solution = one.solve()
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
before = told("VmRSS")
one.evaluate(solution)
print(one.plan().evaluation.bytes, told("VmHWM") - before + solution.loss.nbytes)
"""


def slow(kind):
    return pytest.param(kind, marks=pytest.mark.slow)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks of memory are read from /proc")
@pytest.mark.parametrize("kind", [slow("sines"), slow("split"), slow("train")])
def test_memory_of_the_heat_is_planned_within_a_half(kind, tmp_path):
    """Oracle: the peak of the resident memory of a process that evaluates, above what it held before."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "MALLOC_TRIM_THRESHOLD_": "0"}
    command = [sys.executable, "-c", SCRIPT, kind]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    if "clear_refs" in done.stderr:
        pytest.skip("the peak of the memory cannot be set back here")
    assert done.returncode == 0, done.stderr
    planned, peak = map(int, done.stdout.split())
    assert peak <= planned <= 1.5 * peak, f"planned {planned / 2**20:.1f} MiB, measured {peak / 2**20:.1f} MiB"
