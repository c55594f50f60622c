"""Errors of spheres beside Mie series on many grids, and the curve of uncertainty that is fitted to them.

The spheres of "fit" give the coefficients of ``emdose.solvers.results.discretisation``; those of "held out" have other
radii, tissues, layers, frequencies and grids, and only say how many of their errors the curve covers. ``--fit FILE``
fits to an earlier measurement.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linprog

from emdose.constants import C_0
from emdose.solvers.results.discretisation import COEFFICIENTS, Discretisation
from emdose.validation.cases.discretisation import NUMBERS, as_scaled, sphere_errors
from emdose.validation.cases.volume_integral import complex_permittivity

GEL, CSF, FAT, BRAIN, WHITE, MUSCLE = (50.0, 0.6), (75.0, 2.0), (12.0, 0.07), (60.0, 0.8), (42.0, 0.4), (60.0, 0.75)
LAYERS = (
    ((0.6, 0.8, 1.0), (BRAIN, FAT, GEL)),
    ((0.85, 0.92, 1.0), (WHITE, FAT, MUSCLE)),
    ((0.8, 0.85, 0.9, 0.95, 1.0), (BRAIN, CSF, FAT, WHITE, GEL)),
    ((0.7, 1.0), (GEL, FAT)),
    ((0.75, 0.85, 1.0), (BRAIN, CSF, FAT)),
)
A, B, C, D = (55.0, 0.5), (70.0, 1.2), (20.0, 0.2), (45.0, 1.0)
OTHER_LAYERS = (((0.75, 0.9, 1.0), (A, C, B)), ((0.5, 1.0), (C, A)), ((0.8, 0.88, 0.94, 1.0), (A, B, C, D)))
QUANTILE = 0.95


def spheres(held_out: bool) -> Iterator[tuple[tuple[float, ...], Any, float, tuple[int, ...], bool]]:
    """Radii, media, frequency, cells across and whether the wave is turned."""
    sizes, frequencies, media, layers, grids = (
        ((0.05, 0.085, 0.12), (100e6, 200e6, 400e6, 750e6), (A, B, C, D), OTHER_LAYERS, ((12, 17, 24), (16, 24, 34)))
        if held_out
        else (
            (0.04, 0.07, 0.1, 0.14),
            (64e6, 128e6, 298e6, 600e6, 900e6),
            (GEL, CSF, FAT, BRAIN, WHITE, MUSCLE),
            LAYERS,
            ((10, 14, 20, 28), (14, 20, 28, 40)),
        )
    )
    i, every = 0, 2 if held_out else 3
    for radius in sizes:
        for frequency in frequencies:
            yield (radius,), (media[i % len(media)],), frequency, grids[0], i % every == 1
            i += 1
    repeats = 1 if held_out else 2
    for radius in (0.08, 0.11) if held_out else (0.06, 0.1):
        for frequency in (100e6, 200e6, 400e6) if held_out else (64e6, 128e6, 298e6, 500e6):
            for _ in range(repeats):
                shells, tissues = layers[i % len(layers)]
                yield tuple(radius * x for x in shells), tissues, frequency, grids[1], i % every == 1
                i += 1


def measure(held_out: bool) -> list[dict[str, Any]]:
    """Errors of all spheres on all grids of 10 cells per wavelength and more."""
    rows = []
    for radii, media, frequency, grids, turned in spheres(held_out):
        truth = None
        for cells in grids:
            h = 2 * radii[-1] / cells
            dense = max(np.sqrt(complex_permittivity(*m, frequency)).real for m in media)
            if C_0 / frequency / dense / h < 9.5:
                continue
            fields, errors, truth = sphere_errors(radii, media, frequency, h, turned=turned, truth=truth)
            told = fields.discretisation()
            rows.append(
                {
                    "radii_m": radii,
                    "media": media,
                    "frequency_Hz": frequency,
                    "turned": turned,
                    "spacing_m": h,
                    "across_body": told.across_body,
                    "across_tissue": told.across_tissue,
                    "per_wavelength": told.per_wavelength,
                    "errors": errors,
                }
            )
    return rows


def fit(rows: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Non-negative coefficients of least pinball loss, for every kind of number."""
    found = {}
    for number in COEFFICIENTS:
        names = [n for n, kind in NUMBERS.items() if kind == number]
        errors = np.array([max(as_scaled(r["errors"])[n] for n in names) for r in rows])
        side = {"10 g SAR": 1e-5, "1 g SAR": 1e-6}.get(number, np.inf) ** (1 / 3)
        terms = np.array(
            [
                (
                    1,
                    1 / r["across_body"],
                    1 / r["across_tissue"],
                    1 / r["per_wavelength"] ** 2,
                    r["spacing_m"] / side,
                )
                for r in rows
            ]
        )
        size = np.where(terms.max(axis=0) > 0, terms.max(axis=0), 1)
        n, k = terms.shape
        cost = np.concatenate([np.zeros(k), np.full(n, QUANTILE), np.full(n, 1 - QUANTILE)])
        equal = np.hstack([terms / size, np.eye(n), -np.eye(n)])
        found[number] = (linprog(cost, A_eq=equal, b_eq=errors).x[:k] / size).tolist()
    return found


def covered(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Share of the errors of every kind that the curve of emdose covers."""
    told: dict[str, list[bool]] = {}
    for r in rows:
        resolved = Discretisation(**{k: r[k] for k in ("across_body", "across_tissue", "per_wavelength", "spacing_m")})
        for name, error in as_scaled(r["errors"]).items():
            told.setdefault(NUMBERS[name], []).append(error <= resolved.expanded(NUMBERS[name]))
    return {number: float(np.mean(v)) for number, v in told.items()}


def main() -> None:
    """Measure, or read a measurement, and fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fit", type=Path)
    options = parser.parse_args()
    if options.fit:
        told = json.loads(options.fit.read_text(encoding="utf-8"))
        rows, held = told["fit"], told["held_out"]
    else:
        rows, held = measure(False), measure(True)
    result = {
        "quantile": QUANTILE,
        "coefficients": fit(rows),
        "covered": {"fit": covered(rows), "held_out": covered(held)},
        "fit": rows,
        "held_out": held,
    }
    text = json.dumps(result, indent=1)
    print(json.dumps({k: result[k] for k in ("coefficients", "covered")}, indent=1))
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
