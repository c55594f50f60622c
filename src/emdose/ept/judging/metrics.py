"""How close a property map comes to a known truth, in the measures of reconstruction challenges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from emdose.ept.maps.property_map import PropertyMap
from emdose.errors import InputError

WHOLE = "whole"


class Metric(NamedTuple):
    """One quantity of one region; conductivities in S/m, ``nrmse`` values as fractions, NaN for an empty region.

    ``ball_m`` is the radius of the ball that the region was eroded by, None where it was shrunk by ``erosion`` steps.
    """

    quantity: str
    region: str
    erosion: int
    voxels: int
    missing: int
    truth_mean: float
    mean: float
    sd: float
    median: float
    iqr: float
    rmse: float
    nrmse: float
    nrmse_best_99: float
    ball_m: float | None = None


def metrics(
    found: PropertyMap,
    conductivity: np.ndarray | None,
    permittivity: np.ndarray | None,
    labels: np.ndarray,
    names: Mapping[int, str] | None = None,
    erosion: Sequence[int] = (0, 2, 4),
    ball_m: Sequence[float] = (),
) -> list[Metric]:
    """Statistics of a property map and its errors, for the whole object and every tissue.

    Parameters
    ----------
    found : PropertyMap
        The reconstruction. Voxels without a value are counted as ``missing`` and left out otherwise.
    conductivity, permittivity : (nx, ny, nz) ndarray, optional
        True conductivity [S/m] and relative permittivity.
    labels : (nx, ny, nz) int ndarray
        Tissues; labels below 0 are background, and so is 0 unless ``names`` has it.
    names : mapping of int to str, optional
        Names of the labels; by default all labels above 0 with their number.
    erosion : sequence of int
        Voxels by which every region is shrunk first (6 neighbours; the image border counts as background).
    ball_m : sequence of float
        Radii [m] of balls by which every region is eroded, in rows of their own: what reconstruction challenges do;
        voxels may be longer along one axis.

    Returns
    -------
    list of Metric
        ``nrmse`` = sqrt(sum (found - truth)^2 / sum truth^2); ``nrmse_best_99`` leaves out the 1 % largest errors.

    Raises
    ------
    InputError
        When the arrays do not fit or nothing can be compared.
    """
    labels = np.asarray(labels)
    if labels.shape != found.grid.shape:
        raise InputError(
            "labels do not fit the map", field="labels", found=labels.shape, expected=f"{found.grid.shape}"
        )
    if names is None:
        names = {int(n): str(int(n)) for n in np.unique(labels) if n > 0}
    regions = {WHOLE: np.isin(labels, list(names))} | {name: labels == n for n, name in names.items()}
    rows = []
    for quantity, truth in (("conductivity", conductivity), ("permittivity", permittivity)):
        values = getattr(found, quantity)
        if truth is None or values is None:
            continue
        truth = np.asarray(truth, float)
        if truth.shape != found.grid.shape:
            raise InputError(
                "truth does not fit the map", field=quantity, found=truth.shape, expected=str(found.grid.shape)
            )
        for name, region in regions.items():
            for shrink in erosion:
                rows.append(_metric(quantity, name, shrink, eroded(region, shrink), values, truth, found.valid))
            for radius in ball_m:
                kept = eroded_by_ball(region, radius, found.grid.spacing_m)
                rows.append(_metric(quantity, name, 0, kept, values, truth, found.valid)._replace(ball_m=float(radius)))
    if not rows:
        raise InputError("nothing to compare: the map and the truth have no quantity in common")
    return rows


def eroded(region: np.ndarray, voxels: int) -> np.ndarray:
    """A region without the voxels that are so close to its outside (6 neighbours)."""
    from scipy.ndimage import binary_erosion

    return binary_erosion(region, iterations=voxels) if voxels else region


def eroded_by_ball(region: np.ndarray, radius_m: float, spacing_m: Sequence[float]) -> np.ndarray:
    """The voxels of a region from which a ball reaches no voxel outside; the image border counts as outside.

    Parameters
    ----------
    region : (nx, ny, nz) bool ndarray
        The region.
    radius_m : float
        Radius of the ball [m]: voxels whose centres are that far away or nearer belong to it.
    spacing_m : sequence of float
        Voxel size [m].

    Raises
    ------
    InputError
        For a negative radius.
    """
    from scipy.ndimage import distance_transform_edt

    if not radius_m >= 0:
        raise InputError("bad radius of a ball", field="ball_m", found=radius_m, expected="metres, >= 0")
    away = distance_transform_edt(np.pad(np.asarray(region, bool), 1), sampling=tuple(spacing_m))[1:-1, 1:-1, 1:-1]
    return np.asarray(region, bool) & (away > radius_m * (1 + 1e-9))


def _metric(
    quantity: str, name: str, erosion: int, region: np.ndarray, values: np.ndarray, truth: np.ndarray, valid: np.ndarray
) -> Metric:
    pick = region & valid & np.isfinite(values)
    got, true = values[pick].astype(float), truth[pick]
    missing = int(np.count_nonzero(region)) - got.size
    if not got.size:
        nothing = dict.fromkeys(
            ("truth_mean", "mean", "sd", "median", "iqr", "rmse", "nrmse", "nrmse_best_99"), float("nan")
        )
        return Metric(quantity, name, erosion, voxels=0, missing=missing, **nothing)
    error = (got - true) ** 2
    order = np.argsort(error)[: max(1, int(np.ceil(0.99 * got.size)))]
    power, best = float((true**2).sum()), float((true[order] ** 2).sum())
    low, middle, high = np.percentile(got, [25, 50, 75])
    return Metric(
        quantity,
        name,
        erosion,
        voxels=got.size,
        missing=missing,
        truth_mean=float(true.mean()),
        mean=float(got.mean()),
        sd=float(got.std(ddof=1)) if got.size > 1 else float("nan"),
        median=float(middle),
        iqr=float(high - low),
        rmse=float(np.sqrt(error.mean())),
        nrmse=float(np.sqrt(error.sum() / power)) if power else float("nan"),
        nrmse_best_99=float(np.sqrt(error[order].sum() / best)) if best else float("nan"),
    )
