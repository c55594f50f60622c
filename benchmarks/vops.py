"""Many channels: covers of Q-matrices, windows over courses of drives, shims under limits, temperature matrices.

Matrices of rings of 8 and 16 sources around a ball of uneven conductivity, in closed form: a sample of 1 767, as
many as in a public set, 100 000 of 16 channels, a million of 8 channels, all of them averages over cubes of some
10 mm. Every cover is certified anew, which is timed by itself. Seconds by the clock and of processor time; what should
be reached stands beside. A JSON object goes to stdout.

    python benchmarks/vops.py [--small] [--out FILE]
    python benchmarks/vops.py --blocks [--voxels 100] [--channels 32] [--overestimate 0.1] [--out FILE]

With ``--blocks`` nothing but Q-matrices of fields is made, 10 g averages of a cube of so many voxels along each edge,
block by block, and their cover, with the largest memory of the process.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter

import emdose as em
from emdose.models.bodies import gel_box
from emdose.solvers.results.fields import PowerBalance

RADIUS_M = 0.09


def ring(channels: int, count: int, cube_m: float = 10e-3) -> em.QMatrices:
    """Averaged matrices of a ring of sources around a ball whose conductivity varies by two, evenly picked."""
    step = RADIUS_M * (4 / 3 * np.pi / (1.01 * count)) ** (1 / 3)
    line = step * np.arange(-int(RADIUS_M / step) - 1, int(RADIUS_M / step) + 2)
    x, y, z = np.meshgrid(line, line, line, indexing="ij", sparse=True)
    inside = x**2 + y**2 + z**2 <= RADIUS_M**2
    sigma = np.where(inside, 0.6 * (1 + 0.35 * np.sin(150 * x) * np.sin(130 * y + 1) * np.sin(170 * z + 2)), 0.0)
    E = []
    for n in range(channels):
        a = 2 * np.pi * n / channels
        d = np.sqrt((x - 0.16 * np.cos(a)) ** 2 + (y - 0.16 * np.sin(a)) ** 2 + (z - 0.03 * (-1.0) ** n) ** 2)
        wave = (np.sqrt(sigma / 2000) * np.exp(-(12 + 40j) * d) / d).astype(np.complex64)
        E.append((wave, -0.5 * np.sin(a), 0.5 * np.cos(a)))
    at = np.flatnonzero(inside)
    at = at[np.linspace(0, len(at) - 1, count).astype(int)]
    cube = max(1, 2 * round(0.5 * (cube_m / step - 1)) + 1)
    share = uniform_filter(inside.astype(np.float32), cube).ravel()[at]
    matrices = np.empty((count, channels, channels), np.complex64)
    for k in range(channels):
        for m in range(k, channels):
            dot = E[k][0].conj() * E[m][0] * np.float32(E[k][1] * E[m][1] + E[k][2] * E[m][2] + 1)
            parts = [uniform_filter(np.ascontiguousarray(p), cube).ravel()[at] / share for p in (dot.real, dot.imag)]
            matrices[:, k, m] = parts[0] + (0 if k == m else 1j) * parts[1]
            matrices[:, m, k] = matrices[:, k, m].conj()
    grid = em.Grid(inside.shape, float(step))
    return em.QMatrices(matrices, at, grid, tuple(map(str, range(channels))), "V", "mid-ordinate", 1e-3)


def timed(work: Callable[[], Any], repeat: int = 1) -> tuple[dict[str, float], Any]:
    """The best of some runs by the clock, its processor time [s], and what was made."""
    best, made = (np.inf, np.inf), None
    for _ in range(repeat):
        begin = time.perf_counter(), time.process_time()
        made = work()
        best = min(best, (time.perf_counter() - begin[0], time.process_time() - begin[1]))
    return {"wall_s": round(best[0], 4), "processor_s": round(best[1], 4)}, made


def cover(q: em.QMatrices, reach_s: float, repeat: int = 1) -> dict[str, Any]:
    """A convex cover at 10 %, and the check of its certificate."""
    made, vops = timed(lambda: em.compress(q, 0.1, device="cpu"), repeat)
    check, room = timed(lambda: vops.certify(q))
    return {"points": len(vops), **made, "reach_s": reach_s, "certificate": {**check, "room": room}}


def main() -> None:
    """Measure all of it."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--small", action="store_true", help="leave the large sets out")
    asked.add_argument("--out")
    asked.add_argument("--blocks", action="store_true", help="only matrices of fields, block by block")
    asked.add_argument("--voxels", type=int, default=100, help="along an edge of the body")
    asked.add_argument("--channels", type=int, default=32)
    asked.add_argument("--overestimate", type=float, default=0.1)
    options = asked.parse_args()
    rng = np.random.default_rng(1)
    found: dict[str, Any] = {
        "versions": {p: importlib.metadata.version(p) for p in ("emdose", "numpy", "scipy")},
        "machine": platform.platform(),
        "threads": os.environ.get("OMP_NUM_THREADS", f"all {os.cpu_count()}"),
    }
    if options.blocks:
        found["blocks"] = by_blocks(options.voxels, options.channels, options.overestimate)
        told(found, options.out)
        return
    sample = ring(8, 1767)
    em.compress(ring(8, 100), 0.1)  # what is compiled or imported is there
    first, clusters = timed(lambda: em.compress(sample, 0.1, method="clusters", device="cpu"), 3)
    found["1 767 matrices of 8 channels, clusters"] = {"points": len(clusters), **first, "reach_s": 0.2}
    found["1 767 matrices of 8 channels, convex cover"] = cover(sample, 3.0, 3)
    v = rng.normal(size=(200_000, 8)) + 1j * rng.normal(size=(200_000, 8))
    v *= (rng.random(200_000) < 0.3)[:, None]
    course, peaks = timed(lambda: em.window_peaks(sample, v, 5e-3, (360.0, 10.0)), 5)
    found["200 000 drives, 1 767 matrices, windows of 6 min and 10 s"] = {**course, "reach_s": 0.5}
    found["peaks"] = [round(float(p.value), 9) for p in peaks]
    found["shims"] = shims(em.compress(sample, 0.04), rng)
    found["temperature matrices"] = temperature()
    if not options.small:
        for channels, count, words in ((16, 100_000, "100 000"), (8, 1_000_000, "1 000 000")):
            name = f"{words} matrices of {channels} channels, convex cover"
            found[name] = cover(ring(channels, count), 60.0)
    told(found, options.out)


def told(found: dict[str, Any], out: str | None) -> None:
    """Print what was found, and write it where that is asked for."""
    text = json.dumps({"date": datetime.date.today().isoformat(), **found}, indent=1)
    print(text)
    if out:
        Path(out).write_text(text + "\n", encoding="utf-8")


def block_of_tissue(voxels: int, channels: int) -> tuple[em.Fields, em.Phantom]:
    """A cube of gel of 0.2 m in uneven waves of a ring of sources, closed form, in single precision."""
    body = gel_box(0.2 / voxels, (0.2, 0.2, 0.2))
    grid = body.grid
    E = np.zeros((channels, 3, *grid.node_shape), np.complex64)
    step = grid.spacing_m[0]
    nodes = [o + step * np.arange(n, dtype=np.float32) for o, n in zip(grid.origin_m, grid.node_shape, strict=True)]
    for n in range(channels):
        a = 2 * np.pi * n / channels
        for c, size in enumerate((-0.5 * np.sin(a), 0.5 * np.cos(a), 1.0)):
            x, y, z = np.meshgrid(*(nodes[k] + 0.5 * step * (c == k) for k in range(3)), indexing="ij", sparse=True)
            place = (x - 0.18 * np.cos(a)) ** 2 + (y - 0.18 * np.sin(a)) ** 2 + (z - 0.04 * (n % 4 - 1.5)) ** 2
            d = np.sqrt(place, dtype=np.float32)
            uneven = 1 + np.float32(0.35) * np.sin(150 * x) * np.sin(130 * y + 1) * np.sin(170 * z + 2)
            E[n, c] = np.float32(10 * size) * np.exp(np.complex64(-(12 + 40j)) * d) / d * uneven
    nothing = np.zeros((1,) * E.ndim, np.complex64)
    nothing.setflags(write=False)
    E.setflags(write=False)
    power = PowerBalance(*(np.eye(channels),) * 3)
    names = tuple(f"channel {n + 1}" for n in range(channels))
    B, residual = np.broadcast_to(nothing, E.shape), np.zeros(channels)
    return em.Fields(grid, 298e6, E, B, body.body, body.mass_kg, power, names, {}, "A", residual), body


def by_blocks(voxels: int, channels: int, overestimate: float) -> dict[str, Any]:
    """10 g matrices of a cube of tissue block by block, their cover and its certificate, and the largest memory."""

    def memory_GB() -> float:
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)

    made, (fields, body) = timed(lambda: block_of_tissue(voxels, channels))
    out: dict[str, Any] = {"voxels": int(body.body.sum()), "channels": channels, "overestimate": overestimate}
    out["fields"] = {**made, "GB": round(fields.E.nbytes / 1e9, 2), "peak_GB": memory_GB()}
    planned, plan = timed(lambda: em.AveragingPlan(body.density, body.spacing_m, mass_kg=10e-3))
    out["averaging plan"] = {**planned, "peak_GB": memory_GB()}
    print(out, flush=True)
    blocks = em.q_matrix_blocks(fields, body, plan)
    whole_GB = round(len(blocks) * channels**2 * 8 / 1e9, 2)
    first, _ = timed(lambda: next(iter(blocks)))
    out["averages of all entries"] = {"matrices": len(blocks), "whole_GB": whole_GB, **first, "peak_GB": memory_GB()}
    print(out, flush=True)
    covered, vops = timed(lambda: em.compress(blocks, overestimate, device="cpu"))
    out["cover"] = {"points": len(vops), "combinations": len(vops.coefficients), **covered, "peak_GB": memory_GB()}
    print(out, flush=True)
    checked, room = timed(lambda: vops.certify(blocks))
    out["certificate"] = {**checked, "room": room, "peak_GB": memory_GB()}
    return out


def shims(vops: em.VirtualObservationPoints, rng: np.random.Generator) -> dict[str, Any]:
    """Least squares at 4 000 points under 61 limits of local SAR, of mean and of peak power."""
    V = np.asarray(vops.matrices)[np.linspace(0, len(vops) - 1, 61).astype(int)]
    place = rng.normal(size=(4000, 3))
    turn = 2 * np.pi * np.arange(8) / 8
    A = np.exp(1j * (place[:, :1] * np.cos(turn) + place[:, 1:2] * np.sin(turn) + turn)) * (
        1 + 0.3 * np.sin(place[:, 2:])
    )
    free = em.shim(A, 1.0).drive[0]
    peak = np.einsum("i,mij,j->m", free.conj(), V, free).real.max()
    limits = em.DriveConstraints.of(V, 0.3 * peak)
    limits += em.DriveConstraints.mean_power(np.full(8, 0.8 * np.max(np.abs(free)) ** 2))
    limits += em.DriveConstraints.peak_amplitude(np.full(8, np.max(np.abs(free))))
    phases, one = timed(lambda: em.shim(A, 1.0, limits), 5)
    sizes, other = timed(lambda: em.shim(A, 1.0, limits, magnitude=True), 3)
    return {
        "limits": len(V),
        "complex target": {**phases, "gap": one.gap, "use": float(one.use.max()), "reach_s": 0.1},
        "magnitudes": {**sizes, "updates": other.updates, "use": float(other.use.max())},
    }


def temperature() -> dict[str, Any]:
    """A layered head of 8 mm with random smooth fields of 8 channels: 64 solutions, and three points."""
    head = em.phantoms.layered_head(spacing_m=8e-3)
    at = np.flatnonzero(head.body)
    place = np.stack(np.unravel_index(at, head.grid.shape), axis=1) * 8e-3
    turn = 2 * np.pi * np.arange(8) / 8
    depth = (place[:, :2] - place[:, :2].mean(axis=0)) @ np.stack([np.cos(turn), np.sin(turn)])
    F = np.exp((12 + 20j) * depth)[:, None, :] * np.random.default_rng(2).normal(size=(3, 8))
    Q = np.einsum("mak,mal->mkl", F.conj(), F).astype(np.complex64)
    q = em.QMatrices(Q, at, head.grid, tuple(map(str, range(8))), "V", "mid-ordinate")
    out: dict[str, Any] = {"voxels": len(at)}
    centre = head.grid.origin_m + 8e-3 * (np.argwhere(head.body)[:: len(at) // 3][:3] + 0.5)
    for words, time_s in (("steady", None), ("6 min", 360.0)):
        out[f"all voxels, {words}"], _ = timed(
            lambda t=time_s: em.temperature_matrices(q, head, time_s=t, device="cpu")
        )
        out[f"three points, {words}"], _ = timed(
            lambda t=time_s: em.temperature_matrices(q, head, time_s=t, points_m=centre, device="cpu")
        )
    return out


if __name__ == "__main__":
    main()
