"""Heat in 2 million voxels over 900 s by six sources: time of a step, its traffic beside the memory's, and of all.

A tissue block with a bar of metal, float32. Measured: the three sweeps of one step of all sources; the bytes that they
must move (``bytes_per_cell``: state and sources of every source once per sweep, maps once) over their time, beside the
bandwidth of the triad in the same run; the whole solution with steps chosen by measured error; the steady state of one
source. A JSON object goes to stdout, the same as a table to stderr.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
import time
from pathlib import Path

import numpy as np

from emdose.compute import backend
from emdose.solvers.heat.problem import HeatMaps, HeatProblem
from emdose.solvers.heat.rise import heat, steady
from emdose.solvers.heat.stepping import Stepper

PER_SOURCE = {"first_sweep": 12, "second_sweep": 8, "last_sweep": 12}
"""Bytes per cell and source in float32: T, q read and d written; d read and written; d read, T read and written."""
SHARED = {"first_sweep": 20, "second_sweep": 12, "last_sweep": 12}
"""Bytes per cell of the maps: gx, gy, gz, sink, pivots; heat, g, pivots; three factors."""


def block(n: int, spacing_m: float) -> tuple[HeatMaps, np.ndarray]:
    """Tissue with a bar of metal in which six sources lie."""
    shape = (n - 2, n + 1, n)
    C, k, W = (np.full(shape, v) for v in (4e6, 0.5, 3e3))
    x, y, z = np.indices(shape, sparse=True)
    bar = (abs(x - n // 2) < 5) & (abs(y - n // 2) < 5) & (abs(z - n // 2) < n // 3)
    C[bar], k[bar], W[bar] = 3.7e6, 13.0, 0.0
    maps = HeatMaps((spacing_m,) * 3, C, k, W, np.ones(shape, bool), surface_W_m2_K=8.0)
    rng = np.random.default_rng(0)
    sources = np.zeros((6, *shape), np.float32)
    sources[:, bar] = 1e5 * rng.random((6, int(bar.sum())))
    return maps, sources


class Timed:
    """A kernel module that measures its launches."""

    def __init__(self, module: object, be: backend.Backend) -> None:
        self.module, self.be, self.seconds = module, be, {}

    def launch(self, kernel: str, shape: int, *args: object) -> None:
        self.be.synchronize()
        begin = time.perf_counter()
        self.module.launch(kernel, shape, *args)
        self.be.synchronize()
        self.seconds.setdefault(kernel, []).append(time.perf_counter() - begin)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--side", type=int, default=126, help="voxels along an edge")
    parser.add_argument("--spacing", type=float, default=2e-3, help="of the voxels [m]")
    parser.add_argument("--duration", type=float, default=900.0, help="of the exposure [s]")
    parser.add_argument("--steps", type=int, default=30, help="steps of the first measurement")
    given = parser.parse_args()

    be = backend.get(given.device)
    maps, sources = block(given.side, given.spacing)
    before = backend.measure_bandwidth(be)
    problem = HeatProblem(maps, be, "float32", len(sources))
    stepper = Stepper(problem, problem.field(sources))
    stepper.kernels = timed = Timed(stepper.kernels, be)
    for _ in range(given.steps):
        stepper.advance(1.0, np.ones(len(sources)))
    bandwidth = max(before, backend.measure_bandwidth(be))
    sweeps, moved = {}, 0.0
    for name in PER_SOURCE:
        seconds = min(timed.seconds[name])  # the best of many, as for the triad
        bytes_ = problem.cells * (PER_SOURCE[name] * len(sources) + SHARED[name])
        moved += bytes_
        sweeps[name] = {
            "seconds": seconds,
            "bytes_per_cell": bytes_ / problem.cells,
            "roofline_fraction": bytes_ / seconds / bandwidth,
        }
    step_s = sum(s["seconds"] for s in sweeps.values())
    begin = time.perf_counter()
    found = heat(maps, sources, given.duration, device=be)
    whole_s = time.perf_counter() - begin
    begin = time.perf_counter()
    steady(maps, sources[:1], be)
    steady_s = time.perf_counter() - begin
    about = be.describe()
    result = {
        "benchmark": "bioheat",
        "date": time.strftime("%Y-%m-%d"),
        "processor": about["name"],
        "threads": about.get("threads"),
        "kernels": about["kernels"],
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in ("emdose", "numpy")},
        "case": {
            "voxels": problem.cells,
            "shape": list(maps.shape),
            "sources": len(sources),
            "duration_s": given.duration,
            "dtype": "float32",
        },
        "bandwidth_bytes_s": bandwidth,
        "step_s": step_s,
        "step_bytes": moved,
        "roofline_fraction": moved / step_s / bandwidth,
        "sweeps": sweeps,
        "whole_s": whole_s,
        "steps": found.steps,
        "time_error": found.time_error,
        "balance_error": found.balance_error,
        "steady_one_source_s": steady_s,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    for name, value, unit in (
        ("one step of all sources", 1e3 * step_s, "ms"),
        ("share of the memory's bandwidth", 100 * result["roofline_fraction"], "%"),
        (f"{given.duration:g} s by {len(sources)} sources", whole_s, "s"),
        ("error that the steps leave", 100 * found.time_error, "%"),
        ("steady state of one source", steady_s, "s"),
    ):
        print(f"{name:45s} {value:8.3f} {unit}", file=sys.stderr)


if __name__ == "__main__":
    main()
