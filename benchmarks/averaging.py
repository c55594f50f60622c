"""10 g averages (IEC/IEEE 62704-1, both steps) of a two-density sphere of 2 mm voxels, 382 000 of them tissue.

Measured: finding the cubes (once per body and mass), averaging one map with them, both together, the means over all
cubes that Q-matrices need, and the same in plain NumPy as a machine without a compiler runs it. A JSON object goes to
stdout, the same as a table to stderr. ``STATED`` are times of other codes on such a sphere as measured once on two
cores, not here; no other code is installed or run by this script.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from emdose.compute import backend
from emdose.dosimetry.averaging.cubic import AveragingPlan

STATED = {"INRIM C code, accurate roots, 1 thread": 5.3, "gprMax (Cython, OpenMP)": 3.1, "openEMS (serial)": 23.0}


def sphere(radius_m: float, spacing_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Density and a SAR that decays from one side, on a grid that just holds the sphere."""
    half = int(np.ceil(radius_m / spacing_m))
    x = np.arange(-half, half + 1) * spacing_m
    r = np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)
    density = np.where(r < 0.8 * radius_m, 1045.0, np.where(r < radius_m, 1900.0, np.nan))
    return density, np.exp(-((x - radius_m) ** 2) / 2e-3)[:, None, None] * np.ones(r.shape)


def median_s(be: backend.Backend, work: Callable[[], object], repeats: int) -> float:
    """Median of the wall-clock times after one run that loads code [s]."""
    times = []
    for _ in range(repeats + 1):
        be.synchronize()
        begin = time.perf_counter()
        work()
        be.synchronize()
        times.append(time.perf_counter() - begin)
    return round(statistics.median(times[1:]), 4)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--radius", type=float, default=0.09, help="of the sphere [m]")
    parser.add_argument("--spacing", type=float, default=2e-3, help="of the voxels [m]")
    parser.add_argument("--mass", type=float, default=10e-3, help="averaging mass [kg]")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--no-numpy", action="store_true", help="leave the slow NumPy version out")
    given = parser.parse_args()
    repeats = max(given.repeats, 3)

    be = backend.get(given.device)
    density, sar = (be.asarray(a) for a in sphere(given.radius, given.spacing))

    def plan() -> AveragingPlan:
        return AveragingPlan(density, given.spacing, given.mass, device=be)

    ready = plan()
    times = {
        "plan_s": median_s(be, plan, repeats),
        "map_s": median_s(be, lambda: ready.apply(sar), repeats),
        "plan_and_map_s": median_s(be, lambda: plan().apply(sar), repeats),
        "complex_cube_means_s": median_s(be, lambda: ready.cube_means(sar * (1 + 2j)), repeats),
    }
    if not given.no_numpy and be.name == "cpu":
        reference = backend.Backend("cpu", np, backend.ReferenceKernels())
        times["plan_and_map_numpy_s"] = median_s(
            reference, lambda: AveragingPlan(density, given.spacing, given.mass, device=reference).apply(sar), 3
        )
    flags = np.bincount(be.to_numpy(ready.flag).ravel(), minlength=4)
    about = be.describe()
    result = {
        "benchmark": "averaging",
        "date": time.strftime("%Y-%m-%d"),
        "processor": about["name"],
        "threads": about.get("threads"),
        "kernels": about["kernels"],
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in ("emdose", "numpy")},
        "case": {
            "mass_kg": given.mass,
            "spacing_m": given.spacing,
            "shape": list(density.shape),
            "voxels": {
                "tissue": int(flags[1:].sum()),
                "unused": int(flags[1]),
                "used": int(flags[2]),
                "valid": int(flags[3]),
            },
        },
        "repeats": repeats,
        **times,
        "stated_elsewhere_s": STATED,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    rows = {name.removesuffix("_s").replace("_", " "): value for name, value in times.items()}
    for name, value in (rows | {f"{k} (stated)": v for k, v in STATED.items()}).items():
        print(f"{name:45s} {value:8.3f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
