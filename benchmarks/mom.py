"""Metal by the method of moments: filling the matrix, its factors, and a solution.

Measured: a ring of strip with about ``unknowns`` unknowns, without a symmetry and in 16 equal sectors, and the metal of
the 16-rung shielded cage that the coil library makes. What other ways to factorise would take, and how exact they are,
is measured on a ring of 2 820 unknowns. A JSON object goes to stdout, the same as a table to stderr. ``STATED`` is the
throw-away prototype of this solver, measured once on two busy cores.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import lapack, lu_factor, lu_solve

from emdose.compute import backend
from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.solvers.mom.basis import elements_of, functions_of, incidence
from emdose.solvers.mom.factors import SectorFactors, planned_bytes
from emdose.solvers.mom.impedance import impedance_blocks
from emdose.solvers.mom.meshing.build import mesh_of
from emdose.solvers.mom.metal_mesh import MetalMesh
from emdose.validation.cases.mom import crowded, ring_strip

STATED = {"prototype, Numba, N = 8096: fill": 40.0, "the same: LU under load": 138.0}
FREQUENCY_HZ = 127.74e6


def measured(mesh: MetalMesh, be: backend.Backend) -> dict[str, float]:
    """Seconds by the clock and of processor time."""
    elements = elements_of(mesh)
    begin = time.perf_counter(), time.process_time()
    functions = functions_of(mesh, elements)
    found: dict[str, float] = {
        "unknowns": functions.count * elements.sectors,
        "sectors": elements.sectors,
        "elements": len(elements.kind),
        "planned_GiB": round(planned_bytes(functions.count, elements.sectors) / 2**30, 3),
    }

    def lap(name: str) -> None:
        nonlocal begin
        be.synchronize()
        now = time.perf_counter(), time.process_time()
        found[f"{name}_s"], found[f"{name}_processor_s"] = (round(b - a, 3) for a, b in zip(begin, now, strict=True))
        begin = now

    lap("functions")
    blocks = impedance_blocks(elements, functions, FREQUENCY_HZ, be)
    lap("fill")
    factors = SectorFactors(blocks, be)
    lap("factorise")
    rhs = be.asarray(np.random.default_rng(0).normal(size=(functions.count * elements.sectors, 64)))
    lap("right_hand_sides")
    factors.solve(rhs)
    lap("solve_64")
    return found


def dense(mesh: MetalMesh, frequency_Hz: float, be: backend.Backend) -> tuple[np.ndarray, np.ndarray]:
    """Z and F, the functions in the order of their places around the axis."""
    elements = elements_of(mesh)
    functions = functions_of(mesh, elements)
    Z = be.to_numpy(impedance_blocks(elements, functions, frequency_Hz, be)[0])
    places = elements.centres_m[functions.element[functions.first[:-1]]]
    order = np.argsort(np.arctan2(places[:, 1], places[:, 0]), kind="stable")
    return Z[np.ix_(order, order)], incidence(mesh, elements, functions)[order].astype(complex)


def ways(mesh: MetalMesh, frequency_Hz: float, be: backend.Backend) -> dict[str, dict[str, Any]]:
    """Other ways to factorise beside the one taken: processor seconds, residual, error of the admittance."""
    Z, F = dense(mesh, frequency_Hz, be)
    scale, found = np.linalg.norm(F), {}

    def note(name: str, begin: float, solution: np.ndarray) -> np.ndarray:
        residual = np.linalg.norm(Z @ solution - F) / scale
        seconds = time.process_time() - begin
        Y = F.T @ solution
        error = abs(Y - exact).max() / abs(exact).max() if found else 0.0
        found[name] = {"processor_s": round(seconds, 3), "residual": _number(residual), "Y_error": _number(error)}
        return Y

    exact = np.zeros((1, 1))
    begin = time.process_time()
    exact = note("LU", begin, lu_solve(lu_factor(Z.T.copy().T, overwrite_a=True), F))
    begin = time.process_time()
    work = int(lapack.zsytrf_lwork(len(Z), lower=1)[0].real)
    packed, pivots, _ = lapack.zsytrf(Z.T.copy().T, lower=1, lwork=work, overwrite_a=1)
    note("LDL^T", begin, lapack.zsytrs(packed, pivots, F, lower=1)[0])
    begin = time.process_time()
    note("LDL^T by blocks without pivots", begin, _unpivoted(Z.copy(), F))
    begin = time.process_time()
    short = lu_factor(Z.astype(np.complex64), check_finite=False)
    x = lu_solve(short, F.astype(np.complex64), check_finite=False).astype(complex)
    note("LU in single precision", begin, x)
    for _ in range(3):
        x += lu_solve(short, (F - Z @ x).astype(np.complex64), check_finite=False)
    note("the same, improved three times", begin, x)
    for tolerance in (1e-4, 1e-6, 1e-8):
        W, share = _low_rank(Z, tolerance)
        name = f"blocks of low rank to {tolerance:g}"
        note(name, time.process_time(), np.linalg.solve(W, F))
        # Only its error and its memory mean anything: the blocks were made from the whole, and solved as a whole.
        found[name] = {**found[name], "processor_s": None, "share_of_memory": round(share, 3)}
    return found


def _number(value: Any) -> float | None:
    return float(f"{value:.3g}") if np.isfinite(value) else None


def _unpivoted(A: np.ndarray, F: np.ndarray, block: int = 192, wide: int = 576) -> np.ndarray:
    """A^-1 F by block columns of a symmetric A, which it overwrites."""
    n, x = len(A), F.copy()
    for k in range(0, n, block):
        e = min(k + block, n)
        A[k:e, k:e] = np.linalg.inv(A[k:e, k:e])
        panel = A[e:, k:e].copy()
        A[e:, k:e] = panel @ A[k:e, k:e]
        for j in range(e, n, wide):
            A[j:, j : j + wide] -= A[j:, k:e] @ panel[j - e : j - e + wide].T
    for k in range(0, n, block):
        e = min(k + block, n)
        x[e:] -= A[e:, k:e] @ x[k:e]
        x[k:e] = A[k:e, k:e] @ x[k:e]
    for k in reversed(range(0, n, block)):
        e = min(k + block, n)
        x[k:e] -= A[e:, k:e].T @ x[e:]
    return x


def _low_rank(Z: np.ndarray, tolerance: float, blocks: int = 12) -> tuple[np.ndarray, float]:
    """Z with the blocks off its diagonal cut to a tolerance of their norms, and the share of memory that is left."""
    W, n, kept = Z.copy(), len(Z), 0.0
    cuts = np.linspace(0, n, blocks + 1).astype(int)
    for i in range(blocks):
        a = slice(cuts[i], cuts[i + 1])
        kept += 0.5 * (cuts[i + 1] - cuts[i]) ** 2
        for j in range(i):
            b = slice(cuts[j], cuts[j + 1])
            u, s, v = np.linalg.svd(Z[a, b], full_matrices=False)
            rank = int((s > tolerance * s[0]).sum())
            W[a, b] = (u[:, :rank] * s[:rank]) @ v[:rank]
            W[b, a] = W[a, b].T
            kept += min(rank * sum(u.shape[:1] + v.shape[1:]), Z[a, b].size)
    return W, kept / (0.5 * n * n)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--unknowns", type=int, default=8000, help="of the ring without a symmetry")
    given = parser.parse_args()
    be = backend.get(given.device)
    measured(ring_strip(0.15, 0.05, 16, crowded(4)), be)  # loads code
    along = 16 * round(given.unknowns / 47 / 16)  # 16 cells across have 47 edges inside and between them
    rows = {
        "ring": measured(ring_strip(0.15, 0.05, along, crowded(16)), be),
        "ring in 16 sectors": measured(ring_strip(0.15, 0.05, along, crowded(16), rotations=16), be),
        "shielded cage": measured(
            mesh_of(
                CircuitBirdcage(capacitance_F=22e-12, strip_width_m=0.01, shield_radius_m=0.18, shield_length_m=0.26),
                FREQUENCY_HZ,
            ),
            be,
        ),
    }
    small = ring_strip(0.15, 0.05, 60, crowded(16), gaps=4)
    other = {f"{f / 1e6:g} MHz": ways(small, f, backend.get("cpu")) for f in (1e6, 63.87e6, FREQUENCY_HZ, 298e6)}
    result = {
        "machine": be.describe(),
        "python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
        "results": rows,
        "ways_to_factorise_2820": other,
        "stated_s": STATED,
    }
    text = json.dumps(result, indent=2, default=str)
    for name, row in rows.items():
        print(name, *(f"{k} {v}" for k, v in row.items()), sep="\n  ", file=sys.stderr)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
