"""Walking past a 3 T magnet: a stylised adult, 200 positions, then another trajectory from the same answers.

Processor seconds are stated beside seconds of the clock: on a machine that others use, only the former repeat.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import emdose as em

RESULTS = Path(__file__).parent / "results"


def timed(job: Any) -> tuple[Any, dict[str, float]]:
    """What a job gives, and the seconds that it took."""
    wall, busy = time.perf_counter(), time.process_time()
    got = job()
    return got, {"wall_s": time.perf_counter() - wall, "processor_s": time.process_time() - busy}


def run(spacing_m: float, tolerance: float, device: str) -> dict[str, Any]:
    """Times [s] and errors of one body."""
    body = em.phantoms.stylised_adult(spacing_m)
    magnet = em.scanner_magnet(3.0)
    walk, other = (em.movements.walk_past(body, d, 2.5, samples=200) for d in (1.35, 1.40))
    moving = em.Moving(tolerance=tolerance)
    answers, solved = timed(lambda: moving.solve(body, magnet, walk, device=device, progress=False))

    def course(trajectory: em.Trajectory) -> Any:
        found = answers.along(trajectory)
        return found, found.percentiles(), found.change_of_B()

    (first, *_), along = timed(lambda: course(walk))
    (second, *_), further = timed(lambda: course(other))
    return {
        "spacing_m": spacing_m,
        "voxels": int(answers.induced.E.shape[2]),
        "tolerance": tolerance,
        "motions": len(answers.rates),
        "left_out": first.left_out,
        "left_out_further": second.left_out,
        "peak_E_V_m": first.peak_E,
        "solve": {**solved, **answers.about["seconds"]},
        "same_trajectory": along,
        "further_trajectory": further,
        "balance": float(answers.induced.balance.max()),
        "iterations": answers.induced.iterations,
    }


def accuracy(spacing_m: float, residual: float, device: str) -> list[dict[str, Any]]:
    """Sums of few motions, and solutions to this residual, beside solutions to 1e-8: largest difference in any voxel
    over the walk's peak, at four poses and that of the peak."""
    body, magnet = em.phantoms.stylised_adult(spacing_m), em.scanner_magnet(3.0)
    rows = []
    for name, walk in (
        ("past", em.movements.walk_past(body, 1.35, 2.5, samples=200)),
        ("up", em.movements.walk_up(body, 2.4, 1.3, samples=60)),
    ):
        answers = em.Moving(em.Quasistatic(tolerance=residual)).solve(body, magnet, walk, device=device, progress=False)
        course = answers.along(walk)
        times = [*(float(t) for t in np.linspace(*walk.times_s[[0, -1]], 9)[1:-1:2]), float(course.peak_time_s)]
        poses, at = walk.poses(times), answers.along(walk, times)
        sums, own = [], []
        for n, t in enumerate(times):
            R = poses.rotations[n]
            shift = poses.positions_m[n] - R @ poses.centre_m
            motion = em.RigidMotion(magnet, poses.velocities_m_s[n], poses.turns_rad_s[n], R, shift, poses.centre_m)
            exact, rough = (
                em.Quasistatic(tolerance=tolerance).solve(body, motion, 10.0, device, False).E[0]
                for tolerance in (1e-8, residual)
            )
            sums.append(float(np.abs(at.field(t) - exact).max() / course.peak_E))
            own.append(float(np.abs(rough - exact).max() / course.peak_E))
        rows.append(
            {
                "spacing_m": spacing_m,
                "residual": residual,
                "walk": name,
                "motions": len(answers.rates),
                "left_out": course.left_out,
                "peak_E_V_m": course.peak_E,
                "sums": sums,
                "own_solutions": own,
            }
        )
    return rows


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spacing", type=float, nargs="+", default=[8e-3, 4e-3, 2e-3])
    parser.add_argument("--tolerance", type=float, default=2e-3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, default=RESULTS / f"{date.today()}-moving.json")
    parser.add_argument("--accuracy", type=float, nargs="*", metavar="RESIDUAL", help="errors at residuals, no times")
    options = parser.parse_args()
    warnings.simplefilter("ignore", em.EmdoseWarning)
    rows = []
    for spacing in options.spacing:
        if options.accuracy is None:
            rows.append(run(spacing, options.tolerance, options.device))
        for residual in options.accuracy or ():
            rows += accuracy(spacing, residual, options.device)
        about = {"date": str(date.today()), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
        options.output.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(rows[-1]))


if __name__ == "__main__":
    main()
