"""Induced fields on voxels: conduction by multigrid beside plain conjugate gradients and pyamg, and a whole solution.

Run ``python benchmarks/quasistatic.py [--cells 216] [--largest 310] [--device cpu] [--skip-peers] [--out FILE]``.
The conductor is a ball of layers from 0.02 to 1.8 S/m times a lognormal of 0.5, in a cube of which it fills 41 %;
conductances between the centres of voxels are harmonic means, the source is uniform dB/dt, the goal a relative
residual of 1e-6.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import math
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import emdose as em
from emdose.compute import backend
from emdose.compute.multigrid import Conduction
from emdose.models import UniformField
from emdose.models.bodies.tissues import Constant, Tissue

LAYERS = ((0.0, 1.8), (0.3, 0.33), (0.55, 1.0), (0.7, 0.02), (0.8, 0.4), (0.9, 0.2))
SHARE, GOAL = 0.407, 1e-6


def conductor(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Conductances (3, n, n, n) float32 and net inflow (n, n, n) float64."""
    c = ((np.arange(n) + 0.5) / n * 2 - 1).astype(np.float32)
    r = np.sqrt(c[:, None, None] ** 2 + c[None, :, None] ** 2 + c[None, None, :] ** 2) / (SHARE * 6 / math.pi) ** (
        1 / 3
    )
    sigma = np.zeros((n, n, n), np.float32)
    for inner, value in LAYERS:
        sigma[r >= inner] = value
    sigma *= np.exp(0.5 * np.random.default_rng(0).standard_normal(sigma.shape, np.float32))
    sigma[r >= 1] = 0
    g, inflow = np.zeros((3, n, n, n), np.float32), np.zeros((n, n, n))
    emf = (0.5 * c[None, :, None] / n**2, -0.5 * c[:, None, None] / n**2, np.zeros((1, 1, 1)))
    for a in range(3):
        high, low = (tuple(s if q == a else slice(None) for q in range(3)) for s in (slice(1, None), slice(None, -1)))
        total = sigma[high] + sigma[low]
        g[a][high] = np.divide(2 * sigma[high] * sigma[low], total, out=np.zeros_like(total), where=total > 0)
        flow = g[a] * emf[a].astype(float)
        inflow += flow
        inflow[low] -= flow[high]
    return g, inflow


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What it returns; seconds on the wall and of all threads together."""
    wall, own = time.perf_counter(), time.process_time()
    out = work()
    return out, {"seconds": round(time.perf_counter() - wall, 2), "processor_s": round(time.process_time() - own, 2)}


def multigrid(n: int, be: backend.Backend, repeats: int) -> dict[str, Any]:
    """This package's."""
    g, inflow = conductor(n)
    b = be.asarray(inflow)[None]
    systems = [timed(lambda: Conduction(g, be, "float32")) for _ in range(repeats)]
    system = systems[-1][0]
    runs = [timed(lambda: be.to_numpy(system.solve(b, GOAL)))[1] for _ in range(repeats)]
    return {
        "cells": n**3,
        "conducting": int((system.cells).sum()),
        "iterations": system.iterations,
        "setup": min((run for _, run in systems), key=lambda r: r["seconds"]),
        "solve": min(runs, key=lambda r: r["seconds"]),
    }


def plain(n: int, be: backend.Backend) -> dict[str, Any]:
    """Conjugate gradients with the diagonal alone, without a matrix, in double, on the kernels of this package."""
    g, inflow = conductor(n)
    system = Conduction(g, be, "float64")

    def first_level_alone() -> None:
        level = system.levels[0]
        be.xp.multiply(level.dinv, level.b, out=level.x)

    system._cycle = first_level_alone  # type: ignore[method-assign]
    b = be.asarray(inflow)[None]
    _, run = timed(lambda: system.solve(b, GOAL, max_iterations=5000))
    return {"iterations": system.iterations, "solve": run}


def pyamg(n: int) -> dict[str, Any]:
    """Smoothed aggregation and conjugate gradients."""
    import pyamg
    from scipy.sparse import coo_matrix

    g, inflow = conductor(n)
    there = (g > 0).any(axis=0)
    for a in range(3):
        there |= np.roll(g[a] > 0, -1, a)
    number = np.full(there.shape, -1, np.int32)
    number[there] = np.arange(int(there.sum()), dtype=np.int32)
    rows, columns, values, diagonal = [], [], [], np.zeros(int(there.sum()))
    for a in range(3):
        high = g[a] > 0
        i, j, v = number[high], number[np.roll(high, -1, a)], g[a][high].astype(float)
        rows += [i, j]
        columns += [j, i]
        values += [-v, -v]
        diagonal += np.bincount(i, v, len(diagonal)) + np.bincount(j, v, len(diagonal))
    every = np.arange(len(diagonal), dtype=np.int32)
    A = coo_matrix(
        (np.concatenate([*values, diagonal]), (np.concatenate([*rows, every]), np.concatenate([*columns, every])))
    ).tocsr()
    solver, setup = timed(lambda: pyamg.smoothed_aggregation_solver(A, B=np.ones((A.shape[0], 1)), max_coarse=500))
    left: list[float] = []
    _, run = timed(lambda: solver.solve(inflow[there], tol=GOAL, accel="cg", residuals=left))
    return {"version": pyamg.__version__, "iterations": len(left) - 1, "setup": setup, "solve": run}


def whole(spacing_m: float, be: backend.Backend) -> dict[str, Any]:
    """A layered ball of 20 cm from phantom to field, three sources."""
    layers = tuple(Tissue(f"layer {i}", 1000.0, Constant(1.0, v)) for i, (_, v) in enumerate(LAYERS))
    radii = tuple(0.1 * r for r in (*(inner for inner, _ in LAYERS[1:]), 1.0))
    body = em.phantoms.layered_sphere(radii, layers, spacing_m, samples=1)
    sources = [em.Switched(UniformField(tuple(e)), "T/s") for e in np.eye(3)]
    planned = em.Quasistatic().plan(body, sources, device=be)
    found, run = timed(lambda: em.Quasistatic().solve(body, sources, device=be, progress=False))
    return {
        "voxels": len(found.cells),
        "box": list(planned.shape),
        "sources": len(sources),
        "iterations": found.iterations,
        "solve": run,
        "planned_GiB": round(planned.bytes / 2**30, 2),
        "residual": float(found.residual.max()),
        "balance": float(found.balance.max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=216)
    parser.add_argument("--largest", type=int, default=310)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--skip-peers", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    be = backend.get(args.device)
    result: dict[str, Any] = {
        "machine": be.describe(),
        "load": os.getloadavg()[0],
        "versions": {n: importlib.metadata.version(n) for n in ("numpy", "scipy", "emdose")},
        "bandwidth_GB_s": round(backend.measure_bandwidth(be) / 1e9, 1),
        "multigrid": multigrid(args.cells, be, args.repeats),
    }
    print(json.dumps(result["multigrid"]), flush=True)
    if not args.skip_peers:
        result["plain_cg"] = plain(args.cells, be)
        print(json.dumps(result["plain_cg"]), flush=True)
        if importlib.util.find_spec("pyamg"):
            result["pyamg"] = pyamg(args.cells)
            print(json.dumps(result["pyamg"]), flush=True)
    result["by_size"] = [multigrid(n, be, 1) for n in (100, 144, 216, 310) if n <= args.largest]
    result["whole"] = [whole(h, be) for h in (2e-3, 1.25e-3)]
    result["peak_resident_GiB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
    text = json.dumps(result, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
