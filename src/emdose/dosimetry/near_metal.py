"""SAR by distance from metal: means over shells, which converge where values of single voxels do not."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from emdose.checks import positives
from emdose.dosimetry.sar import point_sar
from emdose.errors import EmdoseWarning, InputError
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.fields import Fields

THIN = 2.0
"""Voxels across a shell below which its mean is a matter of the staircase."""


@read_only
@dataclass(frozen=True, eq=False)
class MetalShells:
    """Mean SAR of the tissue at some distances from metal.

    Parameters
    ----------
    bounds_m : (n + 1,) ndarray
        Distances from the surface of the voxels of metal between which the shells lie [m].
    sar_W_kg : (n,) ndarray
        Mean point SAR of the tissue voxels whose centre lies in a shell; NaN without any.
    voxels : (n,) int ndarray
        How many there are.
    spacing_m : float
        Largest edge of a voxel [m].
    """

    bounds_m: np.ndarray
    sar_W_kg: np.ndarray
    voxels: np.ndarray
    spacing_m: float


def sar_near_metal(fields: Fields, phantom: Phantom, bounds_m: Sequence[float] = (5e-3, 10e-3, 20e-3)) -> MetalShells:
    """Mean SAR in shells around the metal of implants.

    One grid does not tell how far its shells are off: around a metal ball they were 27 % too low and 33 % too high, in
    the first and second 5 mm, on voxels of 5 mm, and 4 and 10 % on voxels of 2.5 mm. Take two spacings, and what their
    difference leaves uncertain (``refinement``).

    Parameters
    ----------
    fields : Fields
        Of one drive, with implants.
    phantom : Phantom
        The tissue that they were solved in: ``exposure.tissue``.
    bounds_m : sequence of float
        Outer bounds of the shells, growing; the first begins at the metal [m].

    Raises
    ------
    InputError
        When the fields have no metal, or bounds do not grow.

    Warns
    -----
    EmdoseWarning
        When a shell is thinner than two voxels.

    Source: docs/theory/vie_metal.md, a metal ball in a ball of gel beside its Mie series.
    """
    from scipy.ndimage import distance_transform_edt

    if fields.metal is None:
        raise InputError("fields without metal", field="fields", expected="an exposure with implants")
    bounds = np.concatenate([[0.0], positives("bounds_m", bounds_m)])
    if np.any(np.diff(bounds) <= 0):
        raise InputError("shells that do not grow", field="bounds_m", found=list(bounds[1:]), expected="growing bounds")
    spacing = np.asarray(phantom.spacing_m)
    thinnest, h = float(np.diff(bounds).min()), float(spacing.max())
    if thinnest < THIN * h * (1 - 1e-9):
        warnings.warn(
            f"a shell of {1e3 * thinnest:.3g} mm on voxels of {1e3 * h:.3g} mm is a matter of the staircase: take "
            f"shells of {1e3 * THIN * h:.3g} mm, smaller voxels, or a Subdomain, and two spacings",
            EmdoseWarning,
            stacklevel=2,
        )
    sar = np.asarray(point_sar(fields, phantom).value)
    # Distances are between centres of voxels; the surface lies half a voxel nearer.
    distance = distance_transform_edt(~fields.metal.metal, sampling=spacing) - 0.5 * float(spacing.min())
    tissue, rows, counts = np.asarray(phantom.body, bool), [], []
    for low, high in pairwise(bounds):
        inside = tissue & (distance > low) & (distance <= high)
        counts.append(int(np.count_nonzero(inside)))
        rows.append(float(sar[inside].mean(dtype=float)) if counts[-1] else np.nan)
    return MetalShells(bounds, np.array(rows), np.array(counts), h)
