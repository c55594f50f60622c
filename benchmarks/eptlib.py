"""emdose beside an installed EPTlib on a slab of 200 x 200 x 11 voxels: errors against the closed form, CPU seconds.

EPTlib is looked for in EMDOSE_EPTLIB and on the PATH. Both get the same noiseless maps of a three-layer cylinder and,
where both have them, the same settings (``Settings.native``); emdose's own choice is a third row. CPU seconds are
those of the whole call, EPTlib's with reading and writing its files.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
from pathlib import Path
from typing import Any

import numpy as np

from emdose import eptlib_bridge
from emdose.ept import B1Map, ConvectionReaction, Gradient, Helmholtz, PropertyMap
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms.ept.channels import array_fields
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder

FREQUENCY_HZ, N, SLICES, SPACING_M = 128e6, 200, 11, 0.6e-3
CYLINDER = LayeredCylinder([0.018, 0.036, 0.054], [52.0, 73.0, 65.0], [0.34, 0.6, 1.0], FREQUENCY_HZ)
MIDDLE = SLICES // 2
SETTINGS = {
    "helmholtz": (eptlib_bridge.Settings(size=(3, 3, 3), shape="cuboid"), Helmholtz(radius=3, uncertainty=False)),
    "convection-reaction": (
        eptlib_bridge.Settings(method="convection-reaction", size=(1, 1, 1), dirichlet=(1.0, 65.0), diffusion=0.1),
        ConvectionReaction(slices=[MIDDLE], smoothing=1.0),
    ),
    "gradient": (
        eptlib_bridge.Settings(method="gradient", size=(1, 1, 1), shape="cuboid", regularisation=1.0),
        Gradient(slices=[MIDDLE], radius=1),
    ),
}


def case(channels: int) -> tuple[B1Map, np.ndarray, np.ndarray]:
    """Maps of a birdcage, or of line sources, and the true properties."""
    grid = Grid((N, N, SLICES), SPACING_M)
    x, y, _ = np.broadcast_arrays(*grid.centre_points())
    if channels == 1:
        plus, minus = CYLINDER.transmit_and_receive(x[..., 0], y[..., 0])
    else:
        plus, receive = array_fields(CYLINDER, x[..., 0], y[..., 0], channels)
        minus = receive.sum(axis=0)
    plus = plus / np.abs(plus).max()  # artificial diffusion is in its unit
    repeat = np.ones((1, 1, SLICES))
    magnitude, phase = (np.abs(plus)[..., None] * repeat, np.angle(plus * minus)[..., None] * repeat)
    layer = CYLINDER.layer(x, y)
    b1 = B1Map(grid, FREQUENCY_HZ, magnitude, phase, mask=layer < 3, source="closed form")
    return b1, *CYLINDER.properties(x, y)


def cpu_seconds() -> float:
    """Of this process and of the programs that it has waited for."""
    return sum(
        u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def row(name: str, found: PropertyMap, seconds: float, truth: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """Median and 90th percentile of the relative errors in the middle slice, voxels with a value, CPU seconds."""
    out: dict[str, Any] = {"program": name, "cpu_s": round(seconds, 2)}
    for quantity, true in zip(("conductivity", "permittivity"), truth, strict=True):
        values = getattr(found, quantity)
        if values is not None:
            pick = found.valid & np.isfinite(values)
            pick[:, :, np.arange(SLICES) != MIDDLE] = False
            off = np.abs(values[pick] / true[pick] - 1)
            out[quantity] = {
                "median": float(np.median(off)),
                "p90": float(np.percentile(off, 90)),
                "voxels": int(off.size),
            }
    return out


def main() -> None:
    """Print and optionally write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--methods", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    args = parser.parse_args()
    program = eptlib_bridge.find_program()
    results: dict[str, Any] = {"voxels": [N, N, SLICES], "machine": platform.processor() or platform.machine()}
    for name in args.methods:
        settings, own = SETTINGS[name]
        b1, *truth = case(8 if name == "gradient" else 1)
        rows = []
        for who, run in (
            ("EPTlib", lambda b=b1, s=settings: eptlib_bridge.reconstruct(b, s, program=program)),
            ("emdose, EPTlib's settings", lambda b=b1, s=settings: s.native(b).reconstruct(b)),
            ("emdose", lambda b=b1, m=own: m.reconstruct(b)),
        ):
            begun = cpu_seconds()
            try:
                found = run()
            except Exception as error:  # a program that fails is a result of the comparison, too
                rows.append({"program": who, "failed": " ".join(str(error).split())[:200]})
            else:
                rows.append(row(who, found, cpu_seconds() - begun, tuple(truth)))
            print(name, json.dumps(rows[-1]), flush=True)
        results[name] = rows
    if args.out:
        args.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
