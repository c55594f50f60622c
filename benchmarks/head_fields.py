"""RF fields of the layered head: what the volume integral takes per port, set-up apart.

The default is the demo's question: 5 mm voxels, 3 T, the two ports of a birdcage. `--channels 8 --spacing 2e-3` asks
for an array instead. No peer is installed or run here.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import statistics
import time
from pathlib import Path

import emdose as em
from emdose import backend


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--spacing", type=float, default=5e-3, help="of the voxels [m]")
    parser.add_argument("--frequency", type=float, default=127.74e6, help="[Hz]")
    parser.add_argument("--channels", type=int, default=0, help="loops of an array; 0 is the birdcage")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()

    be = backend.get(given.device)
    head = em.phantoms.layered_head(spacing_m=given.spacing)
    coil = em.LoopArray(given.channels) if given.channels else em.Birdcage()
    exposure = em.Exposure(head, coil, given.frequency)
    solver, walls, parts, fields = em.Vie(), [], [], None
    for _ in range(given.repeats + 1):  # the first run compiles kernels and plans FFTs
        begin = time.perf_counter()
        fields = solver.solve(exposure, device=be)
        be.synchronize()
        walls.append(time.perf_counter() - begin)
        parts.append(fields.provenance["timing_s"])
    ports = len(coil.ports)
    about, balance = be.describe(), fields.drive(next(iter(coil.drives))).power.power()
    result = {
        "benchmark": "head fields",
        "date": time.strftime("%Y-%m-%d"),
        "device": about["name"],
        "threads": about.get("threads"),
        "kernels": about["kernels"],
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in ("emdose", "numpy", "scipy")},
        "case": {
            "spacing_m": given.spacing,
            "frequency_Hz": given.frequency,
            "coil": coil.name,
            "ports": ports,
            "shape": list(head.grid.shape),
            "tissue_voxels": int(head.body.sum()),
            "unknowns": fields.convergence["unknowns"],
            "iterations": fields.convergence["iterations"],
            "tolerance": solver.tolerance,
            "closure": balance["closure"],
        },
        "first_run_s": round(walls[0], 3),
        "whole_s": round(statistics.median(walls[1:]), 3),
        "setup_s": round(statistics.median(p["setup"] for p in parts[1:]), 3),
        "per_port_s": round(statistics.median(p["ports"] for p in parts[1:]) / ports, 3),
        "E_and_B_s": round(statistics.median(p["fields"] for p in parts[1:]), 3),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
