"""Eddy currents in metal: accuracy on spheres, and time and memory for a hip prosthesis.

Run ``python benchmarks/eddy.py [--spacing-mm 1] [--device cpu] [--out FILE]``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import emdose as em
from emdose.compute import backend
from emdose.models.implants import shapes
from emdose.solvers.eddy.run import voxels_of
from emdose.solvers.eddy.voxels.branches import branch_network
from emdose.solvers.eddy.voxels.operator import EddyOperator
from emdose.validation.closed_forms.low_frequency.eddy_sphere import sphere_power

FREQUENCIES = np.geomspace(100, 1e4, 8)


def spheres(be: backend.Backend) -> list[dict[str, Any]]:
    """Power error on voxels, 15 mm CoCrMo."""
    rows = []
    body = shapes.sphere(0.015, subdivisions=5)
    for cells in (10, 20, 30):
        begin = time.perf_counter()
        solution = em.EddyCurrent(spacing_m=0.03 / cells, engine="voxel").currents(body, 1e5, device=be)
        seconds = time.perf_counter() - begin
        for f in (1e3, 1e4, 1e5):
            power, _ = solution.power(solution.currents(f))
            error = power[2, 2].real / sphere_power(0.015, 1.16e6, f) - 1
            ratio = 503.29 / np.sqrt(f * 1.16e6) / (0.03 / cells)
            rows.append(
                {
                    "cells_across": cells,
                    "frequency_Hz": f,
                    "skin_depth_over_step": round(float(ratio), 2),
                    "error_percent": round(100 * float(error), 2),
                }
            )
        rows[-1]["seconds_for_all"] = round(seconds, 2)
    return rows


def hip(spacing_m: float, be: backend.Backend) -> dict[str, Any]:
    """Three directions, eight frequencies, all of it from the surfaces on."""
    body = shapes.hip()
    solver = em.EddyCurrent(spacing_m=spacing_m, engine="voxel")
    planned = solver.plan(body, FREQUENCIES, device=be)
    begin = time.perf_counter()
    tensor = solver.solve(body, FREQUENCIES, device=be)
    seconds = time.perf_counter() - begin
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    harmonics = np.arange(1, 37, 2) * 270.0
    vectors = np.ones((len(harmonics), 3)) / harmonics[:, None]
    tensor.average_power(harmonics, vectors)  # makes the fit
    again = []
    for _ in range(5):
        start = time.perf_counter()
        tensor.average_power(harmonics, vectors)
        tensor.loss_density(harmonics, vectors)
        tensor.worst(harmonics, 1 / harmonics)
        again.append(time.perf_counter() - start)
    return {
        "spacing_mm": 1e3 * spacing_m,
        "frequencies": len(FREQUENCIES),
        "voxels": len(tensor.cells),
        **tensor.provenance["engines"]["voxel"],
        "seconds": round(seconds, 2),
        "timing_s": tensor.provenance["timing_s"],
        "planned_seconds": round(planned.seconds, 1),
        "planned_GiB": round(planned.bytes / 2**30, 2),
        "peak_resident_GiB": round(memory / 2**30, 2),
        "seconds_per_waveform_or_orientation": round(min(again), 4),
        "residual": float(tensor.residual.max()),
        "identity": float(tensor.identity.max()),
        "worst_270_Hz_W": tensor.worst(270.0)[0],
    }


def pieces(spacing_m: float, be: backend.Backend) -> dict[str, Any]:
    """One product with the inductances and one projection, for three sources."""
    net = branch_network(voxels_of(em.EddyCurrent(spacing_m=spacing_m), shapes.hip()))
    op = EddyOperator(net, be, "float32", 1e-5)
    x = be.asarray(np.random.default_rng(0).normal(size=(3, len(net.branches))).astype(np.float32))
    out: dict[str, Any] = {"shape": list(net.shape), "fft_shape": list(op.inductance.convolution.big)}
    for name, function in (("product_s", op.induced), ("projection_s", op.project)):
        times = []
        for _ in range(4):
            be.synchronize()
            start = time.perf_counter()
            function(x)
            be.synchronize()
            times.append(time.perf_counter() - start)
        out[name] = round(statistics.median(times[1:]), 4)
    out["conduction_iterations"] = op.conduction.iterations
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--spacing-mm", type=float, default=1.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--skip-spheres", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    be = backend.get(args.device)
    result = {
        "machine": be.describe(),
        "versions": {n: importlib.metadata.version(n) for n in ("numpy", "scipy", "emdose")},
        "hip": hip(1e-3 * args.spacing_mm, be),
        "pieces": pieces(1e-3 * args.spacing_mm, be),
        "spheres": [] if args.skip_spheres else spheres(be),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
