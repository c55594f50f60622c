r"""How uncertain voxels leave the numbers of a run: the one curve, measured on spheres, that states it.

The expanded uncertainty (k = 2) of a number, relative to it, is

.. math::

   U = c_0 + \frac{c_b}{n_\mathrm{body}} + \frac{c_t}{n_\mathrm{tissue}} + \frac{c_\lambda}{n_\lambda^2}
       + c_a \frac{h}{a}

with the cells across the body and across its tissues (1.5 mean chords, the diameter of a sphere), the cells per
wavelength in the densest tissue, and cells of size h in an averaging cube of side a. The terms stand for the staircase
of the surface, that of inner interfaces, dispersion of the grid, and the averaging volume. It holds discretisation
only, for bodies that the fit knows: 10 to 40 cells across, layers of a cell and more, 10 cells per wavelength and more.

Source: errors of :class:`~emdose.solvers.Vie` beside Mie series of 32 homogeneous and layered spheres (radius 40 to
140 mm, 64 to 900 MHz, permittivity 12 to 75, 0.07 to 2 S/m) on 108 grids; the coefficients are the non-negative ones of
least pinball loss at 95 %, rounded. benchmarks/discretisation.py measures and fits; docs/guide/uncertainty.md. What
metal adds: a ball in gel (12 mm, 128 MHz, 6 to 16 voxels across, two places each) beside its series: 10 g +8 to +18 %,
1 g -5 to +14 %, power in the gel around it +9 to +23 %; the largest voxel does not converge, +32 to +75 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import one_of, positive
from emdose.errors import InputError
from emdose.values import read_only

COEFFICIENTS: Mapping[str, tuple[float, float, float, float, float]] = {
    # number: constant, body, tissue, wavelength, averaging cube
    "E": (0.06, 0.0, 3.3, 0.0, 0.0),
    "B": (0.0, 0.0, 0.0, 14.2, 0.0),
    "power": (0.0, 6.0, 0.0, 3.0, 0.0),
    "scattered power": (0.0, 7.8, 0.0, 18.5, 0.0),
    "regional SAR": (0.0, 8.8, 0.0, 0.0, 0.0),
    "10 g SAR": (0.0, 2.5, 1.3, 7.2, 0.2),
    "1 g SAR": (0.0, 2.8, 2.3, 0.0, 0.94),
    "point SAR": (1.83, 5.2, 0.0, 0.0, 0.0),
    "E peak": (0.64, 0.0, 1.33, 0.0, 0.0),
}
"""The coefficients of the curve for every kind of number."""
BESIDE_METAL: Mapping[str, float] = {"10 g SAR": 1.4, "1 g SAR": 1.0, "power": 1.8, "regional SAR": 1.8}
"""What voxels of metal add to a number beside it, times the voxels across the metal."""
BASIS = "Mie spheres on as coarse voxels"
KIND = "discretisation"
_MASSES_kg = {"10 g SAR": 10e-3, "1 g SAR": 1e-3}
_WATER_kg_m3 = 1000.0


@read_only
@dataclass(frozen=True, kw_only=True)
class Discretisation:
    """How finely voxels resolve a body, and how uncertain that leaves what is computed on them.

    Parameters
    ----------
    across_body : float
        Cells across the body: 1.5 mean chords, which for a sphere is its diameter.
    across_tissue : float
        The same across its tissues, each by itself.
    per_wavelength : float
        Cells per wavelength in the densest tissue; infinite where waves play no part.
    spacing_m : float
        Largest edge of a voxel [m].
    across_metal : float
        Cells across the metal of implants; infinite without any.

    Raises
    ------
    InputError
        For a number that is not positive.
    """

    across_body: float
    across_tissue: float
    per_wavelength: float
    spacing_m: float
    across_metal: float = math.inf

    def __post_init__(self) -> None:
        for name in ("across_body", "across_tissue", "spacing_m"):
            positive(name, getattr(self, name))
        for name in ("per_wavelength", "across_metal"):
            if not getattr(self, name) > 0:
                raise InputError("must be positive", field=name, found=getattr(self, name), expected="> 0")

    def expanded(self, number: str, mass_kg: float | None = None) -> float:
        """Expanded uncertainty (k = 2) of a number by discretisation alone, as a fraction of it.

        Parameters
        ----------
        number : str
            A key of :data:`COEFFICIENTS`: "E" (relative L2 in the body), "B" (B1+ at a place or as a mean), "power"
            (absorbed, or whole-body SAR), "scattered power", "regional SAR", "10 g SAR", "1 g SAR" (their peaks),
            "point SAR" and "E peak" (largest value of a voxel).
        mass_kg : float, optional
            Averaging mass of "10 g SAR" or "1 g SAR" where it is another one.

        Raises
        ------
        InputError
            For a number that the curve does not know.
        """
        one_of("number", number, COEFFICIENTS, problem="the curve of discretisation does not know this number")
        constant, body, tissue, wave, cube = COEFFICIENTS[number]
        mass = _MASSES_kg.get(number, math.inf) if mass_kg is None else positive("mass_kg", mass_kg)
        metal = BESIDE_METAL.get(number, 0.0) / self.across_metal
        total = metal + constant + body / self.across_body + tissue / self.across_tissue + wave / self.per_wavelength**2
        return total + (cube * self.spacing_m / (mass / _WATER_kg_m3) ** (1 / 3) if cube else 0.0)

    def average_sar(self, mass_kg: float) -> float:
        """:meth:`expanded` of the peak of a mass average: the curve of 10 g from there on, of 1 g from there, else of
        the point SAR."""
        number = next((n for n, m in _MASSES_kg.items() if mass_kg >= m * (1 - 1e-9)), "point SAR")
        return self.expanded(number, mass_kg)

    def standard(self, number: str) -> float:
        """Standard uncertainty (k = 1) of a number by discretisation alone, as a fraction of it."""
        return 0.5 * self.expanded(number)

    @staticmethod
    def uncertainty(expanded: float) -> dict[str, Any]:
        """What an entry of ``summary.json`` says for an expanded uncertainty in the unit of its value."""
        return {"expanded": float(expanded), "k": 2, "basis": BASIS, "kind": KIND}


def cells_across(labels: np.ndarray, spacing_m: float | Sequence[float]) -> float:
    """Cells across the parts of a body: 1.5 of their mean chords over the largest edge of a voxel.

    Parameters
    ----------
    labels : (nx, ny, nz) int or bool ndarray
        Parts, 0 for the background.
    spacing_m : float or (float, float, float)
        Voxel edges [m].

    Returns
    -------
    float
        9 V / (S h) with the faces S between voxels of different labels, which for a sphere is its diameter over h; 0
        without any part.

    Notes
    -----
    The mean chord of a body is 4 V / S. Faces of voxels have 1.5 times the area of a smooth surface that is turned to
    all directions alike.

    Source: A. Cauchy, C. R. Acad. Sci. 13 (1841) 1060 (mean chord).
    """
    step = np.broadcast_to(np.asarray(spacing_m, float), 3)
    there, volume = np.asarray(labels), float(np.prod(step))
    area = 0.0
    for axis in range(3):
        lines = np.moveaxis(there, axis, 0)
        ends = np.count_nonzero(lines[0]) + np.count_nonzero(lines[-1])
        area += (ends + np.count_nonzero(lines[1:] != lines[:-1])) * volume / step[axis]
    return 9 * np.count_nonzero(there) * volume / (area * step.max()) if area > 0 else 0.0


def of_fields(fields: Any) -> Discretisation:
    """How finely the voxels of solved fields resolve their body.

    Parameters
    ----------
    fields : Fields
        As a solver returned them, driven or not; fields that do not tell the cells across their tissues count as one
        tissue.
    """
    spacing = fields.grid.spacing_m
    body = cells_across(fields.body, spacing)
    tissue, wave = (fields.convergence.get(name) for name in ("cells_across_tissue", "cells_per_wavelength"))
    metal = 0.0 if fields.metal is None else cells_across(np.asarray(fields.metal.metal), spacing)
    return Discretisation(
        across_body=body,
        across_tissue=min(body, float(tissue)) if tissue else body,
        per_wavelength=float(wave) if wave else math.inf,
        spacing_m=float(max(spacing)),
        across_metal=metal or math.inf,
    )
