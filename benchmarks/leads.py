"""Leads: the thin-wire moment method, transfer functions, and tier 3 over many paths and ports.

Measured: a coated wire of 60 cm in 200 segments with both kernels, its transfer function by reciprocity and piecewise,
the errors beside the table of 80 wires, and 1000 paths of 30 cm through fields of 8 ports on voxels of 5 mm. A JSON
object goes to stdout. Seconds by the clock and of processor time.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import emdose as em
from emdose.solvers.results.fields import PowerBalance

GEL = (80.0, 0.47)
F = 63.87e6
TABLE = Path(__file__).resolve().parents[1] / "tests" / "data" / "wire_currents.csv"


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """The best of three by the clock, and its processor time [s]."""
    best = (np.inf, np.inf)
    for _ in range(3):
        begin = time.perf_counter(), time.process_time()
        work()
        best = min(best, (time.perf_counter() - begin[0], time.process_time() - begin[1]))
    return {"wall_s": round(best[0], 4), "processor_s": round(best[1], 4)}


def of_table() -> dict[str, float]:
    """Largest relative errors of the mid current beside the table of 80 wires."""
    found: dict[str, float] = {"bare": 0.0, "coated": 0.0}
    for row in csv.DictReader(line for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#")):
        length, bare = float(row["length_cm"]) * 1e-2, row["kind"] == "bare"
        radii = float(row["wire_radius_mm"]) * 1e-3, None if bare else float(row["outer_radius_mm"]) * 1e-3
        lead = em.Lead(np.array([[0.0, 0, 0], [length, 0, 0]]), *radii, float(row["coat_eps_r"]))
        solved = em.lead_in_medium(lead, float(row["frequency_MHz"]) * 1e6, *GEL)
        known = 1e-3 * complex(float(row["I_mid_re_mA"]), float(row["I_mid_im_mA"]))
        error = abs(solved.in_field(np.array([1.0, 0, 0])).at(length / 2)[0] - known) / abs(known)
        found[row["kind"]] = max(found[row["kind"]], float(error))
    return found


def fields(ports: int = 8) -> em.Fields:
    """Random fields of a box of 40 x 20 x 20 cm."""
    grid = em.Grid((80, 40, 40), 5e-3)
    random = np.random.default_rng(1)
    E = random.normal(size=(ports, 3, *grid.node_shape, 2)).view(complex)[..., 0]
    one = np.eye(ports, dtype=complex)
    names = tuple(map(str, range(ports)))
    power = PowerBalance(one, one, one)
    body = np.ones(grid.shape, bool)
    drives = {"all": np.ones(ports, complex)}
    return em.Fields(grid, F, E, 0 * E, body, 1.0, power, names, drives, "A", np.zeros(ports))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    lead = em.Lead(np.array([[0.0, 0, 0], [0.6, 0, 0]]), 5e-4, 7.5e-4, bare_tip_m=0.01)
    along = np.array([1.0, 0, 0])
    found: dict[str, Any] = {
        "versions": {name: importlib.metadata.version(name) for name in ("emdose", "numpy", "scipy")},
        "machine": platform.platform(),
        "errors beside 80 wires": of_table(),
    }
    for kernel in ("axis", "tube"):
        found[f"200 segments, {kernel}"] = timed(
            lambda k=kernel: em.lead_in_medium(lead, F, *GEL, segment_m=3e-3, kernel=k).in_field(along)
        )
    found["transfer function, reciprocity"] = timed(lambda: em.transfer_function(lead, F, *GEL))
    found["transfer function, 60 pieces"] = timed(lambda: em.transfer_function(lead, F, *GEL, method="piecewise"))
    path = np.array([[-0.15, 0, 0], [0.15, 0, 0]])
    paths, of = em.paths_around(path, 1000, 5e-3), fields()
    s = np.linspace(0, 0.3, 61)
    tf = em.TransferFunction(s, np.exp(-(1 + 9j) * s), F, *GEL, "exp(+jwt)")
    found["1000 paths, 8 ports"] = timed(lambda: em.tier3(tf, of, paths))
    found["1000 paths drawn"] = timed(lambda: em.paths_around(path, 1000, 5e-3))
    text = json.dumps(found, indent=1)
    print(text)
    if out:
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
