r"""Temperature maps and what is read from them: peaks, regions, thermal dose.

Thermal dose as cumulative equivalent minutes at 43 degC,

.. math:: CEM43 = \int R^{43 - T(t)}\,dt, \qquad R = 0.5\ (T \ge 43), \quad 0.25\ (T < 43)

Source: S. A. Sapareto, W. C. Dewey, Int. J. Radiat. Oncol. Biol. Phys. 10 (1984) 787-800; temperatures below 39 degC
are commonly left out, see G. C. van Rhoon et al., Eur. Radiol. 23 (2013) 2215-2227. Where they are not, the body's own
temperature counts by itself, which says nothing of an exposure: doses are given with and without that of the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import fits, positive
from emdose.dosimetry.sar import Peak, peak
from emdose.errors import InputError
from emdose.models.grids.grid import Grid
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.heat.solver import HeatCourse

BREAK_DEGC = 43.0
LEAST_DEGC = 39.0
"""Below this temperature minutes do not count, unless asked for."""


@read_only(units={"rise": "K"})
@dataclass(frozen=True, eq=False)
class TemperatureMap:
    """Temperature of every voxel at one moment.

    Parameters
    ----------
    rise : (nx, ny, nz) ndarray
        Rise above the temperature without exposure [K], 0 in the background.
    baseline_degC : (nx, ny, nz) ndarray
        Temperature without exposure [degC].
    grid : Grid
        The voxels.
    time_s : float
        Since the exposure began [s].
    provenance : mapping
        Solver and options.

    Raises
    ------
    InputError
        When a map does not fit the grid.
    """

    rise: np.ndarray
    baseline_degC: np.ndarray
    grid: Grid
    time_s: float
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("rise", "baseline_degC"):
            fits(name, getattr(self, name), self.grid.shape)

    @property
    def absolute_degC(self) -> np.ndarray:
        """Temperature (nx, ny, nz) [degC]."""
        return self.baseline_degC + self.rise


def temperature_map(course: HeatCourse, index: int = -1) -> TemperatureMap:
    """Temperature at one of the times of a course, by default at its end."""
    return TemperatureMap(
        course.rise[index],
        course.baseline_degC,
        course.phantom.grid,
        float(course.times_s[index]),
        dict(course.provenance),
    )


def cem43(times_s: np.ndarray, temperature_degC: np.ndarray, least_degC: float | None = LEAST_DEGC) -> np.ndarray:
    """Cumulative equivalent minutes at 43 degC.

    Parameters
    ----------
    times_s : (t,) ndarray
        Growing times [s].
    temperature_degC : (t, ...) ndarray
        Temperature at these times [degC], taken as straight lines in between; the integral over them is exact.
    least_degC : float or None
        Temperatures below do not count; None counts all.

    Returns
    -------
    (...) ndarray
        Minutes.

    Raises
    ------
    InputError
        When times do not grow, shapes differ or a temperature is not finite.
    """
    times, T = np.asarray(times_s, float), np.asarray(temperature_degC)
    if times.ndim != 1 or T.shape[:1] != times.shape or np.any(np.diff(times) <= 0):
        raise InputError(
            "times do not fit the temperatures",
            field="times_s",
            found=f"{times.shape} and {T.shape}",
            expected="growing times, one per map",
        )
    if not np.isfinite(T).all():
        raise InputError("temperature is not finite", field="temperature_degC", expected="finite numbers in degC")
    low = -math.inf if least_degC is None else float(least_degC)
    total = np.zeros(T.shape[1:])
    for n in range(len(times) - 1):
        a, b = T[n].astype(float), T[n + 1].astype(float)
        rate = _band(a, b, low, BREAK_DEGC, 0.25) + _band(a, b, max(low, BREAK_DEGC), math.inf, 0.5)
        total += (times[n + 1] - times[n]) / 60 * rate
    return total


def cem43_bound(
    rise_K: Any, duration_s: float, baseline_degC: Any = 37.0, least_degC: float | None = LEAST_DEGC
) -> np.ndarray:
    """Upper bound of CEM43 from the largest rise over time: that of a temperature which is there from the beginning.

    Thermal dose is no quadratic form of a drive; its bound by rises that are (see
    :func:`emdose.temperature_matrices`) is what can be limited.

    Parameters
    ----------
    rise_K : float or (...) ndarray
        Largest rise over time, or a bound of it [K].
    duration_s : float
        How long [s].
    baseline_degC : float or (...) ndarray
        Temperature without exposure [degC].
    least_degC : float or None
        As in :func:`cem43`.

    Returns
    -------
    (...) ndarray
        Minutes.

    Raises
    ------
    InputError
        For a duration that is not above 0 and temperatures that are not finite.
    """
    positive("duration_s", duration_s, problem="bad duration", expected="seconds > 0")
    hottest = np.asarray(baseline_degC, float) + np.asarray(rise_K, float)
    return cem43(np.array([0.0, duration_s]), np.stack([hottest, hottest]), least_degC)


@read_only(units={"total_min": "min", "baseline_min": "min", "baseline_degC": "degC"})
@dataclass(frozen=True, eq=False)
class ThermalDose:
    """CEM43 of every voxel, beside what the temperature without exposure would have counted by itself.

    Parameters
    ----------
    total_min : (nx, ny, nz) ndarray
        Of the whole temperature, 0 in the background [min].
    baseline_min : (nx, ny, nz) ndarray
        Of the temperature without exposure over the same time [min].
    baseline_degC : (nx, ny, nz) ndarray
        That temperature [degC].
    least_degC : float or None
        Temperature below which nothing counts; None where all counts.
    duration_s : float
        The time [s].
    """

    total_min: np.ndarray
    baseline_min: np.ndarray
    baseline_degC: np.ndarray
    least_degC: float | None
    duration_s: float

    @property
    def excess_min(self) -> np.ndarray:
        """What the exposure adds, (nx, ny, nz) [min]."""
        return self.total_min - self.baseline_min


def thermal_dose(course: HeatCourse, least_degC: float | None = LEAST_DEGC) -> ThermalDose:
    """CEM43 of every voxel over a course, with and without its baseline; see :func:`cem43`."""
    body = course.phantom.body
    total, alone = np.zeros((2, *body.shape))
    total[body], alone[body] = dose_over_baseline(
        course.times_s, course.baseline_degC[body], course.rise[:, body], least_degC
    )
    return ThermalDose(total, alone, course.baseline_degC, least_degC, float(course.times_s[-1]))


def dose_over_baseline(
    times_s: np.ndarray, baseline_degC: np.ndarray | float, rise: np.ndarray, least_degC: float | None = LEAST_DEGC
) -> tuple[np.ndarray, np.ndarray]:
    """CEM43 of a rise above a baseline from time 0 on, and of the baseline by itself over the same time [min].

    Parameters
    ----------
    times_s : (t,) ndarray
        Growing times, the first one > 0 [s]; at 0 the rise is 0.
    baseline_degC : (...) ndarray or float
        Temperature without exposure [degC].
    rise : (t, ...) ndarray
        Rise above it at these times [K].
    least_degC : float or None
        As in :func:`cem43`.
    """
    times = np.append(0.0, times_s)
    above = np.concatenate([np.zeros((1, *rise.shape[1:])), np.asarray(rise, float)])  # microkelvins count as such
    level = np.broadcast_to(np.asarray(baseline_degC, float), rise.shape[1:])
    return cem43(times, level + above, least_degC), cem43(times[[0, -1]], np.stack([level, level]), least_degC)


def region_peaks(values: np.ndarray, phantom: Phantom) -> dict[str, Peak]:
    """Largest value of a map in the whole body ("body") and in each of its named regions that holds tissue.

    Parameters
    ----------
    values : (nx, ny, nz) ndarray
        Rise, temperature or dose.
    phantom : Phantom
        The body.
    """
    found = {"body": peak(values, phantom)}
    for name, mask in phantom.regions.items():
        if (mask & phantom.body).any():
            found[name] = peak(values, phantom, mask)
    return found


def _band(a: np.ndarray, b: np.ndarray, low: float, high: float, R: float) -> np.ndarray:
    """Mean of R^(43 - T) over a straight line from a to b, where only temperatures in [low, high) count."""
    first, last = np.clip(a, low, high), np.clip(b, low, high)
    log = -math.log(R)
    here, there = np.exp(log * (first - BREAK_DEGC)), np.exp(log * (last - BREAK_DEGC))
    steep = np.abs(b - a) > 1e-6
    step = np.where(steep, b - a, 1.0)
    middle = 0.5 * (a + b)
    level = np.where((a >= low) & (a < high), np.exp(log * (np.clip(middle, low, high) - BREAK_DEGC)), 0.0)
    return np.where(steep, (there - here) / (log * step), level)
