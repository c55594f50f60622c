"""A rod of metal in a box of gel: the fine grid everywhere beside the body once and the rod on a grid of its own.

Both have cells of the same size around the rod and whole cells of metal, so that they answer the same equations there
(tests/solvers/subdomain holds their fields side by side: 1e-3). A further pose takes the subdomain alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np

import emdose as em
from emdose.models import bodies, implants

RESULTS = Path(__file__).parent / "results" / "subdomain.json"
VOXEL_M = 6e-3


def run(spacing_m: float, device: str) -> dict[str, float]:
    """Times [s] and the difference of E around the rod."""
    gel = bodies.gel_box(VOXEL_M, (0.12, 0.12, 0.18))
    coil = em.Loop(0.06, centre_m=(0.0, 0.10, 0.0), normal=(0.0, 1.0, 0.0))
    rod = implants.box((6e-3, 6e-3, 0.06), "Ti6Al4V")
    alone, exposure = em.Exposure(gel, coil, 128e6), em.Exposure(gel, coil, 128e6, implants=[rod])
    clock = [time.perf_counter()]
    full = em.Fdtd(spacing_m=spacing_m).solve(exposure, device=device, progress=False)
    clock.append(time.perf_counter())
    body = em.Vie().solve(alone, device=device, progress=False)
    clock.append(time.perf_counter())
    near = em.Subdomain(spacing_m, metal="cells").solve(exposure, body, device=device, progress=False)
    clock.append(time.perf_counter())
    seconds = np.diff(clock)
    return {
        "spacing_m": spacing_m,
        "full_grid_s": float(seconds[0]),
        "body_s": float(seconds[1]),
        "subdomain_s": float(seconds[2]),
        "ratio_of_a_pose": float(seconds[0] / seconds[2]),
        "cells_full": float(full.convergence["cells"]),
        "cells_subdomain": float(near.convergence["cells"]),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spacing", type=float, nargs="+", default=[3e-3, 2e-3])
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    rows = [run(h, options.device) for h in options.spacing]
    RESULTS.write_text(json.dumps({"machine": platform.processor() or platform.machine(), "rows": rows}, indent=1))
    for row in rows:
        print("  ".join(f"{k} {v:.4g}" for k, v in row.items()))


if __name__ == "__main__":
    main()
