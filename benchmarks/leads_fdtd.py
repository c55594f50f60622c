"""Leads in the FDTD: steps with and without a lead, and what setting one up costs.

Measured: steps per second of a box of gel (15 x 15 x 30 cm in cells of 5 mm) under a plane wave, without a lead in
blocks of steps and step by step, and with leads; the time to couple a lead to the lattice. JSON goes to stdout.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np

import emdose as em
from emdose.compute import backend
from emdose.solvers import yee_engine
from emdose.solvers.fdtd.setup.problem import FdtdProblem


def measured(leads: list[em.Lead], be: backend.Backend, schedule: str | None, steps: int) -> dict[str, float]:
    """Steps per second, cells per second and time of the set-up [s]."""
    body, wave = em.phantoms.gel_box(5e-3, (0.15, 0.15, 0.3)), em.PlaneWave((1, 0, 0), (0, 0, 1))
    problem = FdtdProblem(em.Fdtd(margin_m=0.05, cpml_cells=6), em.Exposure(body, wave, 128e6, leads=leads), be)
    begin = time.perf_counter()
    _ = problem.leads.circuits
    coupled = time.perf_counter() - begin
    engine = yee_engine.Engine(problem.problem_of(problem.excitations[0]), be, schedule=schedule)
    engine.advance(20)
    be.synchronize()
    begin = time.perf_counter()
    engine.advance(steps)
    be.synchronize()
    rate = steps / (time.perf_counter() - begin)
    return {
        "steps_per_s": rate,
        "Mcells_per_s": 1e-6 * rate * float(np.prod(problem.grid.shape)),
        "coupling_s": coupled,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--steps", type=int, default=300)
    given = parser.parse_args()
    be = backend.get(given.device)
    z = np.linspace(-0.12, 0.12, 60)
    leads = [
        em.Lead(np.column_stack([x + 0.02 * np.sin(30 * z), 0 * z, z]), 5e-4, 7.5e-4, 3.0, bare_tip_m=1e-2, name=f"{x}")
        for x in (-0.03, 0.0, 0.03)
    ]
    found = {"device": be.describe(), "python": platform.python_version(), "emdose": em.__version__}
    found["without"] = measured([], be, None, given.steps)
    if be.name == "cpu":
        found["without, step by step"] = measured([], be, "walk", given.steps)
    found |= {f"{n} leads": measured(leads[:n], be, None, given.steps) for n in (1, 3)}
    text = json.dumps(found, indent=1)
    print(text)
    if given.out is not None:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
