"""Metal by the method of moments: filling the matrix, its factors, and a solution.

A ring of strip with about ``unknowns`` unknowns, without a symmetry and in 16 equal sectors, and the metal of the
16-rung shielded cage that the coil library makes. A JSON object goes to stdout, the same as a table to stderr.
``STATED`` is the throw-away prototype of this solver, measured once on two busy cores.
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
from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.solvers.mom.basis import elements_of, functions_of
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
    result = {
        "machine": be.describe(),
        "python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
        "results": rows,
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
