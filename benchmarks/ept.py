"""Helmholtz EPT of a noisy three-layer cylinder: seconds and errors, beside EPTlib where it is found.

EPTlib is looked for in EMDOSE_EPTLIB and on the PATH; without it only emdose is timed. Both run on the same arrays with
the same number of threads. EPTlib's time is that of its process without reading and writing (a run with the smallest
kernel is subtracted when it is available); emdose's is that of ``reconstruct`` on arrays in memory, unwrapping checks,
flags and transfers included. CPU seconds are given as well: they compare on a busy machine, too.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from emdose.compute import backend
from emdose.ept import B1Map, Helmholtz
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms import LayeredCylinder

FREQUENCY_Hz, SPACING_m = 128e6, 2e-3
CASES = {
    # name: (emdose settings, EPTlib: size, shape, with variance, anatomical; None: nothing to compare with)
    "cuboid r3": (Helmholtz(radius=3, support="window", centre="voxel", uncertainty=False), (3, 2, False, False)),
    "cuboid r4": (Helmholtz(radius=4, support="window", centre="voxel", uncertainty=False), (4, 2, False, False)),
    "ellipsoid r5": (
        Helmholtz("ellipsoid", 5, support="window", centre="voxel", uncertainty=False),
        (5, 1, False, False),
    ),
    "cuboid r5, uncertainty": (Helmholtz(radius=5, support="window"), (5, 1, True, False)),
    "boundary-aware cuboid r5": (Helmholtz(radius=5, uncertainty=False), (5, 2, False, True)),
    "boundary-aware cuboid r5, uncertainty": (Helmholtz(radius=5), (5, 2, False, True)),
    "boundary-aware cuboid r3": (Helmholtz(radius=3, uncertainty=False), None),
    "soft weights cuboid r5": (Helmholtz(radius=5, contrast=0.05, uncertainty=False), (5, 2, False, True)),
}


def make_case(n: int, slices: int, snr: float) -> tuple[B1Map, np.ndarray, np.ndarray, np.ndarray]:
    """The cylinder with noise 1/snr on magnitude (relative to the axis) and transceive phase, and its truth."""
    grid = Grid((n, n, slices), SPACING_m)
    outer = 0.45 * n * SPACING_m
    cylinder = LayeredCylinder([outer / 3, 2 * outer / 3, outer], [52, 73, 65], [0.34, 0.6, 1.0], FREQUENCY_Hz)
    x, y, _ = np.broadcast_arrays(*grid.centre_points())
    plus, minus = cylinder.transmit_and_receive(x[..., 0], y[..., 0])
    axis = (n // 2, n // 2)
    rng = np.random.default_rng(1)
    labels = cylinder.layer(x, y)
    mask = labels < 3
    magnitude = abs(plus / plus[axis])[..., None] + rng.normal(size=grid.shape) / snr
    phase = np.angle(plus * minus / (plus * minus)[axis])[..., None] + rng.normal(size=grid.shape) / snr
    reference = np.where(mask, 100.0 * (1 + labels), 0.0)
    b1 = B1Map(
        grid,
        FREQUENCY_Hz,
        magnitude,
        phase,
        mask=mask,
        labels=labels,
        reference=reference,
        u_magnitude=1 / snr,
        u_phase=1 / snr,
    )
    return b1, *cylinder.properties(x, y), mask


def time_emdose(method: Helmholtz, b1: B1Map, device: str, repeats: int) -> dict[str, float]:
    """Best wall-clock and CPU seconds of ``reconstruct``."""
    be = backend.get(device)
    method.reconstruct(b1, be)  # compiles, fills caches
    wall, cpu = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        method.reconstruct(b1, be)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    return {"wall_s": round(min(wall), 4), "cpu_s": round(min(cpu), 4)}


def errors(method: Helmholtz, b1: B1Map, sigma: np.ndarray, eps: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Median relative errors over all voxels of the mask that have a value."""
    found = method.reconstruct(b1, "cpu")
    where = mask & found.valid
    out = {"voxels": int(where.sum())}
    for name, values, truth in (("sigma", found.conductivity, sigma), ("epsr", found.permittivity, eps)):
        assert values is not None
        out[f"{name}_median_error_percent"] = round(100 * float(np.median(np.abs(values / truth - 1)[where])), 2)
    return out


def time_eptlib(app: str, b1: B1Map, setting: tuple[int, int, bool, bool], threads: int) -> dict[str, float]:
    """Wall-clock and CPU seconds of one run of EPTlib, reading and writing included."""
    radius, shape, variance, anatomical = setting
    with tempfile.TemporaryDirectory() as folder:
        with h5py.File(Path(folder) / "in.h5", "w") as file:
            for name, values in (("b1", b1.magnitude), ("phase", b1.phase), ("ref", b1.reference)):
                file[name] = np.ascontiguousarray(np.where(b1.mask, values, 0.0).T)
        lines = [
            'title = "benchmark"',
            'description = "layered cylinder"',
            "method = 0",
            "[mesh]",
            f"size = {list(b1.grid.shape)}",
            f"step = [{SPACING_m}, {SPACING_m}, {SPACING_m}]",
            "[input]",
            f"frequency = {FREQUENCY_Hz:.1f}",
            "tx-channels = 1",
            "rx-channels = 1",
            'tx-sensitivity = "in.h5:/b1"',
            'trx-phase = "in.h5:/phase"',
            "wrapped-phase = false",
            *(['reference-image = "in.h5:/ref"'] if anatomical else []),
            "[output]",
            'electric-conductivity = "out.h5:/sigma"',
            'relative-permittivity = "out.h5:/epsr"',
            "[parameter.savitzky-golay]",
            f"size = [{radius}, {radius}, {radius}]",
            f"shape = {shape}",
            "degree = 2",
            "weight-param = 0.05",
            *(["[parameter]", 'output-variance = "out.h5:/var"'] if variance else []),
        ]
        (Path(folder) / "run.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        run = subprocess.run(
            [app, "run.toml"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=3000,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if run.returncode or not (Path(folder) / "out.h5").exists():
            raise SystemExit(f"EPTlib failed ({run.returncode}): {run.stdout[-500:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall, 3), "cpu_s": round(cpu, 3)}


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--size", type=int, default=100, help="voxels along x and y")
    parser.add_argument("--slices", type=int, default=100, help="voxels along z")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    options = parser.parse_args()
    threads = backend.thread_count()
    b1, sigma, eps, mask = make_case(options.size, options.slices, 100.0)
    app = os.environ.get("EMDOSE_EPTLIB") or shutil.which("EPTlib_app")
    overhead = {"wall_s": 0.0, "cpu_s": 0.0}
    if app:
        overhead = time_eptlib(app, b1, (1, 0, False, False), threads)
    rows = {}
    for name in options.cases:
        method, setting = CASES[name]
        row: dict[str, object] = {"emdose": time_emdose(method, b1, options.device, options.repeats)}
        row |= errors(method, b1, sigma, eps, mask)
        if app and setting:
            other = time_eptlib(app, b1, setting, threads)
            row["eptlib"] = {k: round(v - overhead[k], 3) for k, v in other.items()}
            row["times_faster"] = {k: round(row["eptlib"][k] / row["emdose"][k], 1) for k in other}  # type: ignore[index]
        rows[name] = row
        print(name, row, flush=True)
    result = {
        "benchmark": "ept",
        "date": time.strftime("%Y-%m-%d"),
        "processor": backend.get("cpu").describe()["name"],
        "device": options.device,
        "threads": threads,
        "load_average": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "voxels": b1.grid.shape,
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in ("emdose", "numpy", "scipy")},
        "eptlib": app is not None,
        "eptlib_overhead": overhead,
        "cases": rows,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
