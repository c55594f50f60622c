"""Contrast-source inversion of layered boxes and a layered sphere: accuracy per layer and time.

Run ``python benchmarks/ept_csi.py [--case NAME ...] [--out FILE]``. Data come from the volume integral at half the
spacing (boxes) or from the Mie series (sphere in a circularly polarised plane wave), never from the inversion's grid.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.ept.inversion.csi import Csi
from emdose.ept.inversion.operators import at_centres
from emdose.ept.local.helmholtz import Helmholtz
from emdose.ept.maps.b1map import B1Map
from emdose.models.bodies import Phantom, box, layered_sphere, rasterise
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.models.coils.ideal import Birdcage
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.models.grids.grid import Grid
from emdose.solvers.vie.solver import Vie
from emdose.validation.closed_forms import Sphere

FREQUENCY = 128e6
SPACING = 5e-3
TISSUES = (
    Tissue("outer", 1000.0, Constant(65.0, 1.0)),
    Tissue("middle", 1000.0, Constant(73.0, 0.6)),
    Tissue("inner", 1000.0, Constant(52.0, 0.34)),
)
TWO = ((0.04, 0.04, 0.035), (0.025, 0.025, 0.02))
THREE = ((0.06, 0.06, 0.06), (0.045, 0.045, 0.045), (0.025, 0.025, 0.025))
QUADRATURE = np.array([[1, -1j], [1, 1j]])
CASES: dict[str, tuple[Any, ...]] = {
    "two layers, complex": (TWO, "complex", "quadrature"),
    "two layers, transceive": (TWO, "transceive", "quadrature"),
    "two layers, phaseless, two ports": (TWO, "phaseless", "ports"),
    "three layers, complex": (THREE, "complex", "quadrature"),
    "three layers, transceive, two ports": (THREE, "transceive", "ports"),
    "three layers, complex, two ports": (THREE, "complex", "ports"),
}


def boxes(halves: tuple[tuple[float, float, float], ...], spacing_m: float) -> Phantom:
    """Nested boxes whose faces lie on the 5 mm grid."""
    cells = round(0.13 / spacing_m)
    solids = [box(t, (0, 0, 0), h) for t, h in zip(TISSUES, halves, strict=False)]
    return rasterise(solids, Grid((cells, cells, cells), spacing_m), name="boxes")


def simulate(halves: tuple[tuple[float, float, float], ...], coil: Any, device: str) -> np.ndarray:
    """(Bx +- j By) / 2 (port, 2, nx, ny, nz) from half the spacing, as means over the voxels."""
    fine = boxes(halves, SPACING / 2)
    b = at_centres(Vie(tolerance=1e-6, dtype="complex128").solve(Exposure(fine, coil, FREQUENCY), device=device).B)
    n = tuple(m // 2 for m in fine.grid.shape)
    return b.reshape(2, 2, n[0], 2, n[1], 2, n[2], 2).mean((3, 5, 7))


def b1_map(body: Phantom, b: np.ndarray, kind: str, drive: str) -> tuple[B1Map, list[Any], list[Any]]:
    """Map and drives: one quadrature channel, or one per port (received by the other one)."""
    transmit = QUADRATURE[:1] if drive == "quadrature" else np.eye(2)
    receive = QUADRATURE[1:] if drive == "quadrature" else np.eye(2)[::-1]
    plus, minus = np.tensordot(transmit, b[:, 0], axes=1), np.tensordot(receive, b[:, 1], axes=1)
    phase = {"complex": np.angle(plus), "transceive": np.angle(plus * minus), "phaseless": None}[kind]
    pick = 0 if drive == "quadrature" else slice(None)
    b1 = B1Map(
        body.grid,
        FREQUENCY,
        1e6 * abs(plus)[pick],
        None if phase is None else phase[pick],
        "transmit" if kind == "complex" else "transceive",
        mask=body.body,
    )
    return b1, list(transmit), list(receive)


def table(result: Any, body: Phantom) -> list[dict[str, float]]:
    """Deviation of mean and median and standard deviation per layer [%]."""
    rows = []
    for label, tissue in enumerate(body.tissues[1:], 1):
        layer, row = body.labels == label, {"layer": tissue.name}
        for name in ("permittivity", "conductivity"):
            truth, values = getattr(tissue, name)(FREQUENCY), getattr(result, name)[layer]
            values = values[np.isfinite(values)]
            row |= (
                {
                    f"{name}_{k}_%": round(100 * float(v), 2)
                    for k, v in (
                        ("mean", values.mean() / truth - 1),
                        ("median", np.median(values) / truth - 1),
                        ("sd", values.std() / truth),
                    )
                }
                if values.size
                else {}
            )
        rows.append(row)
    return rows


def run_boxes(name: str, device: str, cache: dict[Any, np.ndarray]) -> dict[str, Any]:
    """One case of boxes."""
    halves, kind, drive = CASES[name]
    coil, body = Birdcage(16, radius_m=0.13, length_m=0.2), boxes(halves, SPACING)
    if halves not in cache:
        cache[halves] = simulate(halves, coil, device)
    b1, transmit, receive = b1_map(body, cache[halves], kind, drive)
    return run(name, b1, body, coil, device, drive=transmit, receive=receive)


def run_sphere(device: str) -> dict[str, Any]:
    """Three shells in a circularly polarised wave along z: closed form."""
    radii = (0.03, 0.045, 0.06)
    body = layered_sphere(radii, TISSUES[::-1], SPACING, samples=3)
    x, y, z = (np.broadcast_to(c, body.grid.shape)[body.body] for c in body.grid.centre_points())
    mie = Sphere(radii, [t.complex_permittivity(FREQUENCY) for t in TISSUES[::-1]], FREQUENCY)
    plain = mie.fields(np.stack([x, y, z], 1))[1]
    # E along y is the same turned by a quarter about z.
    turned = mie.fields(np.stack([y, -x, z], 1))[1]
    across = np.stack([-turned[:, 1], turned[:, 0]], 1)
    wave = PlaneWave((0, 0, 1), (1, -1j, 0), name="circular wave")
    plus = np.zeros(body.grid.shape, complex)
    B = (plain[:, :2] - 1j * across) / np.sqrt(2)
    plus[body.body] = (B[:, 0] + 1j * B[:, 1]) / 2
    b1 = B1Map(body.grid, FREQUENCY, abs(plus), np.angle(plus), "transmit", mask=body.body)
    # The staircase of a curved surface leaves more than the default expects.
    return run("three shells, complex", b1, body, wave, device, Csi(misfit=2e-3))


def run(
    name: str, b1: B1Map, body: Phantom, coil: Any, device: str, method: Csi | None = None, **drives: Any
) -> dict[str, Any]:
    """Inversion and, beside it, Helmholtz with the smallest window."""
    begin = time.perf_counter()
    result = (method or Csi()).reconstruct(b1, coil, device=device, **drives)
    seconds = time.perf_counter() - begin
    settings: Any = result.settings
    row = {
        "case": name,
        "voxels": int(body.body.sum()),
        "seconds": round(seconds, 1),
        "products": settings["products"],
        "iterations": len(settings["history"]["data"]) - 1,
        "stopped": settings["stopped"],
        "data_residual": settings["history"]["data"][-1],
        "csi": table(result, body),
    }
    if b1.phase is not None and b1.channels == 1:
        row["helmholtz"] = table(Helmholtz(radius=1, support="window", uncertainty=False).reconstruct(b1), body)
    return row


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs="*", default=[*CASES, "three shells, complex"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    arguments = parser.parse_args()
    cache: dict[Any, np.ndarray] = {}
    rows = [
        run_boxes(c, arguments.device, cache) if c in CASES else run_sphere(arguments.device) for c in arguments.case
    ]
    result = {
        "benchmark": "contrast-source inversion",
        "date": time.strftime("%Y-%m-%d"),
        "device": backend.get(arguments.device).describe(),
        "cases": rows,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
