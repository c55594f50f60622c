"""Metal in a region of a body: a pose by answers of the body beside its solution from the start, by Vie and by Fdtd.

Measured: rods and a ball in a box of gel in a plane wave at 127.74 MHz; seconds and products of the library, and for
every pose seconds, residual, and difference of E to the direct solution; for the first one also to Fdtd on the same
grid, with the peak 1 g SAR. ``--spacing 5`` takes a quarter of an hour for the library. A JSON object goes to stdout.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import emdose as em
from emdose.solvers.yee_grid.edge_materials import edge_mean

FREQUENCY_HZ = 127.74e6
REGION = [(0.01, -0.01, -0.03), (0.03, 0.01, 0.03)]


def timed(job: Callable[[], Any]) -> tuple[Any, float]:
    """A result, and the seconds that it took."""
    start = time.perf_counter()
    return job(), time.perf_counter() - start


def apart(one: em.Fields, other: em.Fields) -> float:
    """Relative L2 difference of E in tissue."""
    tissue = edge_mean(other.body.astype(float), 0.0) > 0
    return float(np.linalg.norm((one.E - other.E)[:, tissue]) / np.linalg.norm(other.E[:, tissue]))


def peak(fields: em.Fields, tissue: em.Phantom) -> float:
    """Peak 1 g SAR [W/kg]."""
    sar, metal = em.point_sar(fields, tissue), fields.metal
    return float(em.mass_average(sar, tissue.density, tissue.spacing_m, 1e-3, metal=metal and metal.metal).peak)


def measured(spacing_m: float) -> dict[str, Any]:
    """The library, and its poses."""
    body, wave = em.phantoms.gel_box(spacing_m, (0.16, 0.10, 0.24)), em.PlaneWave((0, 1, 0), (0, 0, 1))
    rod = em.implants.box((0.0198, 0.0198, 0.0398), "Ti-6Al-4V", centre_m=(0.02, 0.0, 0.0))
    poses = [rod.moved((0.0, 0.0, z)) for z in (-0.01, 0.0, 0.01)]
    poses.append(em.implants.sphere(0.0099, "CoCrMo", centre_m=(0.02, 0.0, 0.0)))
    planned = em.ImplantLibrary.plan(body, FREQUENCY_HZ, REGION)
    library, seconds = timed(lambda: em.ImplantLibrary.within(body, FREQUENCY_HZ, REGION, progress=False))
    out: dict[str, Any] = {
        "planned": str(planned),
        "edges": len(library.edges),
        "products": library.about["products"],
        "library_s": seconds,
    }
    exposed, out["body_without_metal_s"] = timed(lambda: library.exposed(wave, progress=False))
    exposed.solve(poses[-1])  # kernels, and transforms that every pose shares
    out["poses"] = []
    for pose in poses:
        exposure = em.Exposure(body, wave, FREQUENCY_HZ, implants=[pose])
        found, quick = timed(lambda pose=pose: exposed.solve(pose))  # type: ignore[misc]
        slow = timed(lambda exposure=exposure: em.Vie().solve(exposure, progress=False))[1]  # type: ignore[misc]
        exact = em.Vie(tolerance=1e-7).solve(exposure, progress=False)
        row = {"pose_s": quick, "vie_s": slow, "E": apart(found, exact), "residual": float(found.residual.max())}
        if not out["poses"]:
            stepped, row["fdtd_s"] = timed(lambda exposure=exposure: em.Fdtd().solve(exposure, progress=False))  # type: ignore[misc]
            row |= {"E_fdtd": apart(found, stepped)}
            row |= {"sar_1g_fdtd": peak(found, exposure.tissue) / peak(stepped, exposure.tissue) - 1}
        out["poses"].append(row)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--spacing", type=float, default=10.0, help="voxels [mm]")
    options = parser.parse_args()
    machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
    result = {"machine": machine, "spacing_mm": options.spacing, **measured(1e-3 * options.spacing)}
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
