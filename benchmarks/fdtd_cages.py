r"""Reference numbers for coils of metal: Fdtd over cells of 5, 2.5 and 1.25 mm, extrapolated (about an hour).

The cage is square, so that all its metal and every gap lies in planes of the grid at every cell size and nothing but
the edges of the strips is left to converge: eight rungs at the corners and in the middle of the faces of a prism,
a capacitor in the middle between two rungs in both end rings (high-pass), and a shield of four plates. The load is a
cylinder of 5 mm voxels, which are split at finer cells; without load the same voxels are as good as air. Two loops of
120 x 160 mm with four gaps go with it. All metal is perfect. A cage on a round cylinder is there too, at two cell
sizes, for what its staircase does.

**What a gap is.** A gap of this FDTD is one line of edges across the space between two strips. It has the inductance
of a thin wire, not of a strip, which grows with the logarithm of the cell: the reactance does not converge. With
``lines`` > 1 the gap holds that many lines side by side over the width of the strip, each a port of its own;
``in_parallel`` joins them to one port whose voltage is the same over the width, as in the method of moments. At the
finest cells the difference of both is extrapolated by w mu0 ln 2 / 2 pi per length and halving.

The impedance of a mode is v^H Z v with the currents v of all capacitors, of norm 1; its capacitance 1 / (w Im). The
resistances are given apart by what is radiated and absorbed for these currents, by Poynting's vector and by the field
in the body, which know nothing of Z.

    python benchmarks/fdtd_cages.py --out FILE
    python benchmarks/fdtd_cages.py --case "square loaded" --cell 5 --lines 1 --out ROW
    python benchmarks/fdtd_cages.py --join ROWS --out FILE
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from square_cage import FREQUENCY_HZ, GAP_M, VOXEL_M, body, loop, mode_numbers, pattern, square_cage

import emdose as em
from emdose.circuits.network import Network
from emdose.compute import backend
from emdose.constants import MU_0
from emdose.models.bodies.tissues import Constant

LOW_HZ = 10e6
CELLS_MM = (5.0, 2.5, 1.25)
WIDE = ("square empty", "square open empty", "strip loop")
CONVERGED = ("square loaded", "square empty", "square open empty", "strip loop")


def in_parallel(network: Network) -> Network:
    """One port for the lines of each gap: their voltages are equal, their currents add up."""
    stems = [n.split(" line ")[0] for n in network.names]
    names = list(dict.fromkeys(stems))
    join = np.array([[float(s == n) for n in names] for s in stems])
    return Network.from_y(network.frequencies_Hz, join.T @ network.y @ join, names)


def mode_powers(answer: Any, network: Network, case: str) -> dict[str, float]:
    """Resistances [ohm] of the useful mode by what it radiates and what the body absorbs, which Z does not enter."""
    v = mode_numbers(network, case)[1]
    v = v / np.linalg.norm(v, axis=0)
    shares = (network.at(FREQUENCY_HZ).z[0] + 50 * np.eye(network.size)) @ v
    phasors = answer.gap_fields.phasors
    out = {}
    for name in ("radiated", "absorbed"):
        power = np.einsum("pk,pq,qk->k", shares.conj(), getattr(phasors, name), shares).real
        out[f"resistance_{name}_ohm"] = float(2 * power.mean())
    return out


def exposure(case: str, lines: int) -> em.Exposure:
    """Coil and body of a case."""
    if "loop" in case:
        # A voxel around the middle, apart from the plane of the strip, leaves the planes of the loop to the grid.
        grid = em.Grid((1, 1, 1), VOXEL_M)
        air = em.Tissue("gel", 1000.0, Constant(1.0001, 0.0))
        speck = em.Phantom(grid, np.ones((1, 1, 1), np.uint8), (em.TissueTable.default()["air"], air))
        return em.Exposure(speck, loop("strip" in case, lines), FREQUENCY_HZ)
    if case.startswith("round"):
        kind = case.split(" ")
        shield = {"shield_radius_m": 0.18, "shield_length_m": 0.26} if "shielded" in kind else {}
        coil = em.CircuitBirdcage(16, radius_m=0.15, length_m=0.2, strip_width_m=0.01, **shield)  # type: ignore[arg-type]
        return em.Exposure(body(False, (0.02, 0.02, 0.02)), coil, FREQUENCY_HZ)
    coil = square_cage(lines, shielded="open" not in case)
    return em.Exposure(body("loaded" in case), coil, FREQUENCY_HZ)


def measure(case: str, cell_mm: float, lines: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """One case at one cell size [mm]."""
    cell_m = 1e-3 * cell_mm
    what = exposure(case, lines)
    settings: dict[str, Any] = {"spacing_m": cell_m, "snap": True, "tolerance": 5e-4, **options}
    solver = em.Fdtd(**settings)
    low = lines == 1 and cell_mm >= 2.5 and not case.startswith("round") and case != "square loaded"
    frequencies = [LOW_HZ, FREQUENCY_HZ] if low else [FREQUENCY_HZ]
    plan = solver.plan(what, "cpu")
    told = f"{case}, {cell_mm:g} mm, {lines} lines: {plan.what}, {plan.seconds:.0f} s planned"
    print(told, file=sys.stderr, flush=True)
    begin, cpu = time.perf_counter(), time.process_time()
    answer = solver.cosimulate(what, frequencies, "cpu", False)
    seconds = time.perf_counter() - begin
    # Called by their capacitors, in the order in which these stand in the coil.
    by_gap = {g.name: g.element.name for g in what.coil.gaps if g.element}  # type: ignore[union-attr]
    names = [by_gap[n] for n in answer.network.names]
    order = [names.index(e.name) for e in what.coil.elements]  # type: ignore[union-attr]
    network = Network.from_z(answer.network.frequencies_Hz, answer.network.z, names)
    powers = mode_powers(answer, network, case) if lines == 1 and not case.startswith("round") else {}
    z = network.z[:, np.array(order)[:, None], order]
    network = Network.from_z(network.frequencies_Hz, z, [names[n] for n in order])
    network = in_parallel(network) if lines > 1 else network
    z = network.at(FREQUENCY_HZ).z[0]
    out: dict[str, Any] = {
        "case": case,
        "cell_mm": cell_mm,
        "lines": lines,
        "options": {k: v for k, v in settings.items() if k != "spacing_m"},
        "cells": list(plan.shape),
        "runs": plan.runs,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "asymmetry": answer.asymmetry,
        "residual": answer.residual,
        "mode": {**mode_numbers(network, case)[0], **powers},
        "names": list(network.names),
        "Z_ohm": [[[float(f"{v.real:.7g}"), float(f"{v.imag:.7g}")] for v in row] for row in z],
    }
    if len(network.frequencies_Hz) > 1:
        out["reactance_over_w_nH"] = {
            f"{f:g}": 1e9 * _inductance(network, f, case) for f in network.frequencies_Hz.tolist()
        }
    if case.startswith("round"):
        del out["names"], out["Z_ohm"]
    if lines == 1 and case.startswith("square"):
        out["driven"] = driven(answer, what)
    return out


def _inductance(network: Network, f: float, case: str) -> float:
    shape = np.linalg.qr(pattern(network.names, case))[0][:, 0]
    return float((shape @ network.at(f).z[0] @ shape).imag / (2 * math.pi * f))


def driven(answer: Any, what: em.Exposure) -> dict[str, Any]:
    """The tuned cage in quadrature, unmatched; powers are shares of what the feeds put in."""
    names = [e.name for e in what.coil.elements]  # type: ignore[union-attr]
    tuned = answer.tune(names, pattern=pattern(names, "square"))
    fields = tuned.fields().drive("quadrature")
    power = fields.power.power()
    put_in = power["extinction_W"]
    b1 = fields.b1plus()[0]
    n = tuple(k // 2 for k in b1.shape)
    centre = b1[n[0] - 1 : n[0] + 1, n[1] - 1 : n[1] + 1, n[2] - 1 : n[2] + 1].mean()
    out = {
        "capacitance_pF": 1e12 * tuned.coil.element("top 1").capacitance_F,
        "absorbed_share": power["absorbed_W"] / put_in,
        "radiated_share": power["scattered_W"] / put_in,
        "B1plus_centre_uT_per_sqrt_W": float(1e6 * abs(centre) / math.sqrt(put_in)),
    }
    if power["absorbed_W"] > 0:
        body = np.asarray(what.phantom.body, bool)
        sar = em.point_sar(fields, what.phantom)
        density = np.where(body, 1000.0, 0.0)
        average = em.mass_average(sar, density, what.phantom.grid.spacing_m, mass_kg=10e-3)
        out["psSAR10g_per_kg"] = float(np.nanmax(average.value)) / put_in
        out["B1plus_mean_uT_per_sqrt_W"] = float(1e6 * np.abs(b1[body]).mean() / math.sqrt(put_in))
    return out


CASES: tuple[tuple[str, float, int, dict[str, Any]], ...] = (
    *((case, cell, 1, {}) for case in CONVERGED for cell in CELLS_MM),
    *((case, cell, lines, {}) for case in WIDE for cell, lines in ((5.0, 3), (2.5, 5))),
    ("square empty", 1.66667, 1, {}),
    *(("wire loop", cell, 1, {}) for cell in (5.0, 2.5)),
    ("round empty", 5.0, 1, {}),
    ("round shielded empty", 5.0, 1, {}),
    ("square loaded", 2.5, 1, {"growth": 1.1}),
    ("square empty", 2.5, 1, {"margin_m": 0.12}),
)
"""Case, cell [mm], lines in a gap and options of the solver."""


def limit(values: Sequence[float]) -> dict[str, float | None]:
    """What values at cells of 5, 2.5 and 1.25 mm tend to.

    An error in the first and second power of the cell, as edges of strips have; and beside it one in a single power,
    the observed one, where there is any.
    """
    coarse, middle, fine = values
    twice = (4 * (2 * fine - middle) - (2 * middle - coarse)) / 3
    out: dict[str, float | None] = {"value": twice, "finest": fine, "observed_order": None, "by_observed_order": None}
    ratio = (middle - coarse) / (fine - middle) if fine != middle else 0.0
    if ratio > 1:
        out.update(observed_order=math.log2(ratio), by_observed_order=fine + (fine - middle) / (ratio - 1))
    return out


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The limits of small cells."""
    plain = [r for r in rows if not set(r["options"]) - {"snap", "tolerance"}]
    found = {(r["case"], r["cell_mm"], r["lines"]): r for r in plain}
    step = 2 * math.pi * FREQUENCY_HZ * MU_0 * GAP_M * math.log(2) / (2 * math.pi)
    out: dict[str, Any] = {"reactance_of_a_line_per_halving_ohm": step}
    excess = {}
    for case in WIDE:
        if (case, 2.5, 5) in found:
            at = [
                found[case, c, 1]["mode"]["reactance_ohm"] - found[case, c, n]["mode"]["reactance_ohm"]
                for c, n in ((5.0, 3), (2.5, 5))
            ]
            excess[case] = [*at, at[1] + step]
    excess["square loaded"] = excess.get("square empty", [])  # what a line adds is the same around a load
    for case, lines in excess.items():
        if not lines or any((case, c, 1) not in found for c in CELLS_MM):
            continue
        modes = [found[case, c, 1]["mode"] for c in CELLS_MM]
        told = {"line_excess_ohm": lines}
        wide = [m["reactance_ohm"] - e for m, e in zip(modes, lines, strict=True)]
        told["reactance_ohm"] = limit(wide)
        told["capacitance_pF"] = 1e12 / (2 * math.pi * FREQUENCY_HZ * told["reactance_ohm"]["value"])
        for key in ("resistance_ohm", "resistance_radiated_ohm", "resistance_absorbed_ohm"):
            told[key] = limit([m[key] for m in modes])
        driven = [found[case, c, 1].get("driven", {}) for c in CELLS_MM]
        for key in driven[0]:
            if key != "capacitance_pF":
                told[key] = limit([d[key] for d in driven])
        out[case] = told
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case")
    parser.add_argument("--cell", type=float, default=5.0)
    parser.add_argument("--lines", type=int, default=1)
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--join", type=Path, nargs="*")
    parser.add_argument("--out", type=Path)
    a = parser.parse_args()
    if a.case:
        result = measure(a.case, a.cell, a.lines, a.options)
    else:
        rows = [json.loads(p.read_text()) for p in a.join or []]
        rows = rows or [measure(*case) for case in CASES]
        about = {k: v for k, v in backend.get("cpu").describe().items() if "memory" not in k}
        result = {"date": str(datetime.date.today()), "machine": about, "rows": rows, "limits": summary(rows)}
    text = json.dumps(result)
    if a.out:
        a.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
