"""The Yee engine: speed with and without absorbing walls, memory, set-up, beside the memory's bandwidth and peers.

The case is a dielectric sphere of 10 cm radius (permittivity 50, 0.7 S/m) in a uniform 2 mm grid, a port as source, the
Fourier transform of E in a box of 100 cells around the centre every 32 steps. The roofline of a scheme that sweeps over
E and over H once per step is 75 bytes per cell and step. `openEMS` is driven through its XML file where the program is
found on the path or given, gprMax through its input file as `PYTHON -m gprMax` with the interpreter in --gprmax or
EMDOSE_GPRMAX_PYTHON; nothing is installed. Peers run the same sphere and cells with their own absorbing layers
(openEMS: PML_8, gprMax: 10 cells), one source and no Fourier transform. Every round measures the memory, this engine,
the memory again and each peer once, as the bandwidth of a shared machine changes within minutes; numbers are medians
over the rounds. On CUDA add --cells for larger grids.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine import (
    Cpml,
    Dft,
    DftRegion,
    Engine,
    Gaussian,
    VoltagePort,
    YeeProblem,
    materials_from_voxels,
)

STEP_M = 2e-3
RADIUS_M = 0.1
SWEEPS_BYTES = 75
EVERY = 32
ROW = 2**16


def in_place_bandwidth(be: backend.Backend) -> float:
    """Bandwidth of a = b + s a, two streams of reading and one of writing without a line fetched for it [bytes/s]."""
    rows = min(2**30 if be.name == "cuda" else 2**26, be.memory_free_bytes() // 16) // ROW
    n = rows * ROW
    a, b = be.xp.full(n, np.float32(1)), be.xp.full(n, np.float32(2))
    module, best = be.kernels.load("emdose.compute", "bandwidth", "float"), float("inf")
    for _ in range(8):
        be.synchronize()
        begin = time.perf_counter()
        module.launch("scaled_add", (rows, 1, ROW), 0.5, b, a)
        be.synchronize()
        best = min(best, time.perf_counter() - begin)
    return 12 * n / best


def sphere_problem(n: int, wall: str) -> YeeProblem:
    x = np.arange(n + 1) * STEP_M
    grid, r = RectilinearGrid(x, x, x), (np.arange(n) + 0.5 - n / 2) * STEP_M
    radius = min(RADIUS_M, 0.25 * n * STEP_M)
    labels = ((r[:, None, None] ** 2 + r[:, None] ** 2 + r**2) < radius**2).astype(np.uint8)
    materials = materials_from_voxels(grid, labels, np.array([1.0, 50.0]), np.array([0.0, 0.7]))
    half = min(50, n // 4)
    box = DftRegion("box", (n // 2 - half,) * 3, (n // 2 + half,) * 3, "E")
    port = VoltagePort(
        "port", np.array([[2, n // 2 + int(radius / STEP_M) + 2, n // 2, n // 2]]), 50.0, Gaussian(300e6)
    )
    return YeeProblem(grid, materials, (wall,) * 6, Cpml(10), ports=[port], dft=Dft([300e6], [box], EVERY))


class EngineCase:
    """One problem, ready for timed runs of about some seconds."""

    def __init__(self, n: int, wall: str, be: backend.Backend, seconds: float, schedule: str | None) -> None:
        begin = time.perf_counter()
        self.engine, self.be, self.cells = Engine(sphere_problem(n, wall), be, schedule=schedule), be, n**3
        be.synchronize()
        self.setup_s = time.perf_counter() - begin
        self.steps = EVERY
        self.run()
        self.steps *= max(1, round(seconds * self.run() * 1e6 / (self.cells * self.steps)))

    def run(self) -> float:
        """Speed of one run [Mcells/s]."""
        begin = time.perf_counter()
        self.engine.advance(self.steps)
        self.be.synchronize()
        return self.cells * self.steps / (time.perf_counter() - begin) / 1e6

    def about(self) -> dict[str, Any]:
        plan = self.engine.plan()
        bare = plan["bytes"] - plan["layers_bytes"] - plan["dft_bytes"]
        return {
            "steps": self.steps,
            "setup_s": round(self.setup_s, 2),
            "bytes_per_cell": round(plan["bytes"] / self.cells, 2),
            "bytes_per_cell_without_layers_and_dft": round(bare / self.cells, 2),
            "schedule": type(self.engine._schedule).__name__,
        }


def openems(program: str, n: int, wall: str, threads: int, steps: int) -> float:
    """Speed that openEMS reports [Mcells/s]."""
    lines, mid = ",".join(f"{2 * i}" for i in range(n + 1)), n  # mm, in the middle
    face = {"cpml": "PML_8", "pec": "PEC"}[wall]
    walls = " ".join(f'{a}{m}="{face}"' for a in "xyz" for m in ("min", "max"))
    radius, at = min(100.0, 0.5 * n), mid + 2 * (int(min(RADIUS_M, 0.25 * n * STEP_M) / STEP_M) + 2)
    text = f"""<?xml version="1.0"?><openEMS><FDTD NumberOfTimesteps="{steps}" endCriteria="1e-30" f_max="6e8">
<Excitation Type="0" f0="3e8" fc="3e8"/><BoundaryCond {walls}/></FDTD><ContinuousStructure CoordSystem="0">
<Properties><Material Name="gel"><Property Epsilon="50" Kappa="0.7"/><Primitives><Sphere Priority="1" Radius="{radius}">
<Center X="{mid}" Y="{mid}" Z="{mid}"/></Sphere></Primitives></Material>
<Excitation Name="source" Type="0" Excite="0,0,1"><Primitives><Box Priority="5"><P1 X="{at}" Y="{mid}" Z="{mid}"/>
<P2 X="{at}" Y="{mid}" Z="{mid + 2}"/></Box></Primitives></Excitation></Properties>
<RectilinearGrid DeltaUnit="0.001" CoordSystem="0"><XLines>{lines}</XLines>
<YLines>{lines}</YLines><ZLines>{lines}</ZLines>
</RectilinearGrid></ContinuousStructure></openEMS>"""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "case.xml").write_text(text, encoding="utf-8")
        command = [program, "case.xml", f"--numThreads={threads}"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = re.findall(r"Speed:\s*([\d.]+)\s*MC", run.stdout)
    if not found:
        raise RuntimeError(f"openEMS said no speed: {(run.stdout + run.stderr)[-500:]}")
    return float(found[-1])


def gprmax(python: str, n: int, wall: str, threads: int, steps: int) -> float:
    """Speed of gprMax from two runs of different length, so that its set-up drops out [Mcells/s]."""
    side, mid, radius = n * STEP_M, n * STEP_M / 2, min(RADIUS_M, 0.25 * n * STEP_M)
    at = mid + (int(radius / STEP_M) + 2) * STEP_M
    seconds = []
    for count in (steps // 4, steps + steps // 4):
        text = f"""#domain: {side:g} {side:g} {side:g}
#dx_dy_dz: {STEP_M:g} {STEP_M:g} {STEP_M:g}
#time_window: {count}
#omp_threads: {threads}
#pml_cells: {10 if wall == "cpml" else 0}
#material: 50 0.7 1 0 gel
#sphere: {mid:g} {mid:g} {mid:g} {radius:g} gel n
#waveform: gaussian 1 3e8 pulse
#hertzian_dipole: z {at:g} {mid:g} {mid:g} pulse
"""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "case.in").write_text(text, encoding="utf-8")
            environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
            begin = time.perf_counter()
            subprocess.run(
                [python, "-m", "gprMax", "case.in", "--hide-progress-bars"],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            seconds.append(time.perf_counter() - begin)
    return n**3 * steps / (seconds[1] - seconds[0]) / 1e6


def case(n: int, wall: str, be: backend.Backend, given: argparse.Namespace, threads: int) -> dict[str, Any]:
    """Rounds of memory, engine, memory, peers."""
    own = EngineCase(n, wall, be, given.seconds, given.schedule)
    steps = max(40, round(200 * (150 / n) ** 3))
    others = [("openEMS", given.openems, openems), ("gprMax", given.gprmax, gprmax)] if be.name == "cpu" else []
    speeds: dict[str, list[float]] = {"emdose": []}
    bandwidths, failed = [], {}
    for _ in range(given.repeats):
        before = in_place_bandwidth(be)
        speeds["emdose"].append(own.run())
        bandwidths.append((before + in_place_bandwidth(be)) / 2)
        for name, program, run in others:
            if not program or name in failed:
                continue
            try:
                speeds.setdefault(name, []).append(run(program, n, wall, threads, steps))
            except (RuntimeError, subprocess.CalledProcessError) as error:
                failed[name] = {"error": str(getattr(error, "stderr", None) or error)[-300:]}
    found = {
        name: {"Mcells_per_s": round(statistics.median(runs), 1), "runs_Mcells_per_s": [round(s, 1) for s in runs]}
        for name, runs in speeds.items()
    }
    rooflines = [bandwidth / SWEEPS_BYTES / 1e6 for bandwidth in bandwidths]
    ratios = [speed / roofline for speed, roofline in zip(speeds["emdose"], rooflines, strict=True)]
    mine = found.pop("emdose")
    return {
        "cells": n**3,
        "wall": wall,
        **mine,
        **own.about(),
        "in_place_bandwidth_GB_s": [round(b / 1e9, 1) for b in bandwidths],
        "over_two_sweep_roofline": round(statistics.median(ratios), 2),
        "runs_over_two_sweep_roofline": [round(r, 2) for r in ratios],
        **found,
        **failed,
        **{f"over_{name}": round(mine["Mcells_per_s"] / other["Mcells_per_s"], 2) for name, other in found.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--cells", type=int, nargs="+", default=None, help="cells along an edge")
    parser.add_argument("--walls", nargs="+", default=["cpml", "pec"], choices=["cpml", "pec"])
    parser.add_argument("--schedule", help="how the lattice is walked, e.g. cells or one-pass on CUDA")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one timed run")
    parser.add_argument("--openems", default=shutil.which("openEMS"), help="program")
    parser.add_argument("--gprmax", default=os.environ.get("EMDOSE_GPRMAX_PYTHON"), help="Python with gprMax")
    given = parser.parse_args()

    be = backend.get(given.device)
    about = be.describe()
    threads = about.get("threads", 1)
    sizes = given.cells or ([100, 250, 800] if be.name == "cuda" else [150, 250])
    rows = [case(n, wall, be, given, threads) for n in sizes for wall in given.walls]
    result = {
        "benchmark": "Yee engine",
        "date": time.strftime("%Y-%m-%d"),
        "device": about["name"],
        "threads": about.get("threads"),
        "kernels": about["kernels"],
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in ("emdose", "numpy", "scipy")},
        "cases": rows,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
