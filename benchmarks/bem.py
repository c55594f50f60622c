"""Boundary elements: sums over pairs of triangles, a thin-skin solve of a sphere, a head in a switched field.

Measured: billions of pairs per second of every kernel of panels.cuh (``pairs`` triangles against themselves; a pair is
one, whatever the number of densities that it serves, in which the name ends), the set-up of the closed-form integrals,
and the power of a sphere of 20 x 4^level triangles for three field directions; surfaces of the layered head of about
``head`` triangles, and their charges in a uniform dB/dt, with the processor's time (all threads together) beside that
of the clock. A JSON object goes to stdout, the same as a table to stderr.
``STATED`` are rates of other codes measured once on two
cores, not here; no other code is installed or run by this script.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import emdose as em
from emdose.compute import backend
from emdose.models import UniformField
from emdose.models.implants import shapes
from emdose.solvers.eddy.thin_skin.power import thin_skin_power
from emdose.solvers.surface.mesh import Surface
from emdose.solvers.surface.operator import AT_ONCE, PanelSums, point_sums

STATED = {
    "Numba, fastmath, float32, field": 15.0,
    "Numba, fastmath, float64, field": 4.1,
    "Numba, strict, float64": 0.57,
}


def median_s(be: backend.Backend, work: Callable[[], object], repeats: int) -> float:
    """Median of the wall-clock times after one run that loads code [s]."""
    times = []
    for _ in range(repeats + 1):
        be.synchronize()
        begin = time.perf_counter()
        work()
        be.synchronize()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--pairs", type=int, default=20_000, help="triangles of the sums")
    parser.add_argument("--level", type=int, default=5, help="of the sphere: 20 x 4^level triangles")
    parser.add_argument("--head", type=int, default=20_000, help="triangles of the head, about")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    be, n = backend.get(given.device), given.pairs
    rng = np.random.default_rng(0)
    rates, processor = {}, {}
    for real, dtype in (("float", np.float32), ("double", np.float64)):
        points = rng.normal(size=(3, n)).astype(dtype)
        targets = be.asarray(points)
        least = np.full((n, 1), 1e-4, dtype)
        sources = be.asarray(np.ascontiguousarray(np.concatenate([points.T, least], axis=1)))
        normals = be.asarray(np.concatenate([points, points / np.linalg.norm(points, axis=0)]).astype(dtype))
        for kind, count in ((kind, count) for kind, counts in AT_ONCE.items() for count in counts):
            q = be.asarray(rng.normal(size=(n, count)).astype(dtype))
            at = normals if kind == "normal" else targets
            seconds = median_s(be, lambda a=(kind, at, sources, q): point_sums(*a, be), given.repeats)
            rates[f"{kind}_{count}_{real}"] = round(n * n / seconds / 1e9, 2)
            used = time.process_time()
            for _ in range(given.repeats):
                point_sums(kind, at, sources, q, be)
            used = (time.process_time() - used) / given.repeats
            processor[f"{kind}_{count}_{real}"] = round(n * n / used / 1e9, 2)
    implant = shapes.sphere(0.015, subdivisions=given.level)
    part = implant.parts[0]
    surface = Surface(part.vertices, part.triangles)
    setup = median_s(be, lambda: PanelSums(surface, be, "potential"), 1)
    solve = median_s(be, lambda: thin_skin_power(implant, np.geomspace(3e4, 1e6, 8), be), 1)
    warnings.simplefilter("ignore")  # of parts of the head that are smaller than triangles, and of tissue data
    phantom = em.phantoms.layered_head(spacing_m=3e-3)
    brain = ["grey_matter", "white_matter", "cerebellum"]
    layers = {"muscle": ["muscle"], "skull": ["skull", "skull_diploe"]} | {
        "cerebrospinal_fluid": ["cerebrospinal_fluid"],
        "white_matter": brain,
    }
    body = em.SurfaceBody.from_phantom(phantom, layers, size_m=7.5e-3 * (20_000 / given.head) ** 0.5)
    begin, used = time.perf_counter(), time.process_time()
    field = em.Bem().solve(body, em.Switched(UniformField((1, 0, 0)), "T/s"), device=be, progress=False)
    head = {
        "triangles": body.triangles,
        "surfaces": len(body.shells.volume_m3),
        "iterations": field.iterations,
        "s": round(time.perf_counter() - begin, 2),
        "processor_s": round(time.process_time() - used, 2),
    }
    about = be.describe()
    result = {
        "benchmark": "bem",
        "date": time.strftime("%Y-%m-%d"),
        "processor": about["name"],
        "threads": about.get("threads"),
        "kernels": about["kernels"],
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in ("emdose", "numpy")},
        "case": {"triangles_of_sums": n, "triangles_of_sphere": len(surface.areas), "frequencies": 8},
        "repeats": given.repeats,
        "gpairs_per_s": rates,
        "closed_forms_s": round(setup, 3),
        "thin_skin_s": round(solve, 3),
        "gpairs_per_processor_s": processor,
        "head": head,
        "load": os.getloadavg()[0],
        "stated_elsewhere_gpairs_per_s": STATED,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    for name, value in (rates | {f"{k} (stated)": v for k, v in STATED.items()}).items():
        print(f"{name:45s} {value:8.2f} Gpair/s", file=sys.stderr)
    print(f"head: {head}", file=sys.stderr)
    print(f"{'closed forms':45s} {setup:8.2f} s\n{'thin skin, three directions':45s} {solve:8.2f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
