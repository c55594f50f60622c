"""Water-content EPT: properties as calibrated functions of the water fraction of tissue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.ept.maps.property_map import Flag, PropertyMap
from emdose.errors import InputError
from emdose.models.grids.grid import Grid
from emdose.values import read_only

NODES = 15
"""Water fractions at which a function is taken to propagate the uncertainty."""


@read_only
@dataclass(frozen=True)
class WaterContent:
    """Conductivity and permittivity that follow from the water fraction alone.

    The functions are monotone and pass through the calibration points (piecewise cubic, Fritsch and Carlson); beyond
    the points they go on as straight lines with the mean slope of the last interval, within a margin. (The cubic itself
    may end flat at the driest tissue, which is the curvature of the points, not a property of tissue.) The model knows
    no ions beyond those that go with the water of the tissues in the calibration: a lesion with another salinity gets
    the wrong conductivity.

    Parameters
    ----------
    water : sequence of float
        Water fractions of the calibration points, increasing, between 0 and 1.
    conductivity : sequence of float
        Conductivity there [S/m], increasing.
    permittivity : sequence of float
        Relative permittivity there, increasing.
    frequency_Hz : float
        Frequency at which they hold [Hz].
    source : str
        Where the calibration is from.
    margin : float
        Water fractions this far beyond the points are still taken.

    Notes
    -----
    Source: E. Michel, D. Hernandez and S. Y. Lee, Magn. Reson. Med. 77 (2017) 1094-1103 (method; the water fraction
    comes from the ratio of two spin-echo images of different repetition time).

    Raises
    ------
    InputError
        For points that are not increasing or out of range.
    """

    water: Sequence[float]
    conductivity: Sequence[float]
    permittivity: Sequence[float]
    frequency_Hz: float
    source: str = ""
    margin: float = 0.05

    def __post_init__(self) -> None:
        w = np.asarray(self.water, float)
        for name, values in (("water", w), ("conductivity", self.conductivity), ("permittivity", self.permittivity)):
            array = np.asarray(values, float)
            if array.shape != w.shape or array.ndim != 1 or array.size < 2:
                raise InputError(
                    "calibration points do not match",
                    field=name,
                    found=array.size,
                    expected="two or more, as many of each",
                )
            if not np.all(np.isfinite(array)) or np.any(np.diff(array) <= 0):
                raise InputError(
                    "calibration is not monotone", field=name, found=tuple(array), expected="increasing numbers"
                )
        if w[0] < 0 or w[-1] > 1:
            raise InputError("water fraction out of range", field="water", found=(w[0], w[-1]), expected="0 to 1")
        if min(self.conductivity) < 0 or min(self.permittivity) < 1:
            raise InputError(
                "calibration is not physical",
                field="conductivity",
                found=min(self.conductivity),
                expected="conductivity >= 0 and permittivity >= 1",
            )

    @classmethod
    def from_tissues(cls, water: dict[str, float], frequency_Hz: float) -> WaterContent:
        """Calibration from tissues of the tissue table.

        Parameters
        ----------
        water : dict of str to float
            Water fraction of each tissue, such as ``{"white_matter": 0.70, "grey_matter": 0.83, "csf": 0.98}``; use the
            values of the scanner protocol's own calibration.
        frequency_Hz : float
            Frequency [Hz].

        Raises
        ------
        InputError
            For an unknown tissue, or properties that do not grow with the water fraction.
        """
        from emdose.models.bodies import tissues

        names = sorted(water, key=lambda n: water[n])
        found = [tissues.get(n) for n in names]
        return cls(
            [water[n] for n in names],
            [float(t.conductivity(frequency_Hz)) for t in found],
            [float(t.permittivity(frequency_Hz)) for t in found],
            frequency_Hz,
            f"tissue table: {', '.join(names)}",
        )

    @classmethod
    def fitted(
        cls,
        water: np.ndarray,
        conductivity: np.ndarray,
        permittivity: np.ndarray,
        frequency_Hz: float,
        points: int = 4,
        source: str = "",
    ) -> WaterContent:
        """Calibration from measured samples: means of equally filled bins, made monotone by pooling.

        Parameters
        ----------
        water, conductivity, permittivity : (n,) ndarray
            Samples; those that are not finite are left out.
        frequency_Hz : float
            Frequency [Hz].
        points : int
            Number of bins; neighbouring bins that are not increasing are pooled.
        source : str
            Where the samples are from.

        Raises
        ------
        InputError
            When fewer than two points remain.
        """
        samples = np.stack([np.ravel(a).astype(float) for a in (water, conductivity, permittivity)], axis=1)
        samples = samples[np.isfinite(samples).all(axis=1)]
        samples = samples[np.argsort(samples[:, 0], kind="stable")]
        if len(samples) < 2:
            raise InputError("too few samples", field="water", found=len(samples), expected="at least 2")
        pools = [(b.sum(axis=0), len(b)) for b in np.array_split(samples, min(points, len(samples)))]
        merged: list[tuple[np.ndarray, int]] = []
        for total, count in pools:
            merged.append((total, count))
            while len(merged) > 1 and np.any(merged[-1][0] / merged[-1][1] <= merged[-2][0] / merged[-2][1]):
                (a, m), (b, n) = merged.pop(-2), merged.pop()
                merged.append((a + b, m + n))
        table = np.array([total / count for total, count in merged])
        if len(table) < 2:
            raise InputError(
                "properties do not grow with the water fraction",
                field="water",
                expected="samples of at least two tissues",
            )
        return cls(tuple(table[:, 0]), tuple(table[:, 1]), tuple(table[:, 2]), frequency_Hz, source)

    def _curve(self, name: str, water: np.ndarray) -> np.ndarray:
        """One of the two functions."""
        from scipy.interpolate import PchipInterpolator

        points, values = np.asarray(self.water, float), np.asarray(getattr(self, name), float)
        slope = np.diff(values) / np.diff(points)
        below, above = np.minimum(water - points[0], 0), np.maximum(water - points[-1], 0)
        inner = PchipInterpolator(points, values)(np.clip(water, points[0], points[-1]))
        return inner + slope[0] * below + slope[-1] * above

    def _spread(self, water: np.ndarray, u_water: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Root mean square of both properties about their values, and the mean product, for Gaussian water."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        weights = weights / weights.sum()
        names = ("conductivity", "permittivity")
        centre = [self._curve(n, water) for n in names]
        total = np.zeros((3, water.size))
        for node, weight in zip(nodes, weights, strict=True):
            sigma, epsr = (self._curve(n, water + node * u_water) - c for n, c in zip(names, centre, strict=True))
            total += weight * np.stack([sigma**2, epsr**2, sigma * epsr])
        return np.sqrt(total[0]), np.sqrt(total[1]), total[2]

    def reconstruct(
        self, water: np.ndarray, grid: Grid, mask: np.ndarray | None = None, u_water: float | np.ndarray | None = None
    ) -> PropertyMap:
        """Properties from a map of the water fraction.

        Parameters
        ----------
        water : (nx, ny, nz) ndarray
            Water fraction (0 to 1).
        grid : Grid
            Voxel grid.
        mask : (nx, ny, nz) bool ndarray, optional
            Where to evaluate; by default where ``water`` is finite.
        u_water : float or (nx, ny, nz) ndarray, optional
            Standard uncertainty of the water fraction. It is propagated by quadrature over a Gaussian of that width,
            not by the slope at one point: beside the end of a function, where the slope vanishes, the width of the data
            still moves the value. That of the calibration is not in it.

        Returns
        -------
        PropertyMap
            Voxels outside the calibrated range (and its margin) carry no value.

        Raises
        ------
        InputError
            When a map does not fit the grid, or is in percent.
        """
        water = np.asarray(water, float)
        inside = np.isfinite(water) if mask is None else np.asarray(mask).astype(bool)
        for name, array in (("water", water), ("mask", inside)):
            if array.shape != grid.shape:
                raise InputError("map does not fit the grid", field=name, found=array.shape, expected=str(grid.shape))
        if np.any(inside & np.isfinite(water)) and float(np.median(water[inside & np.isfinite(water)])) > 1.5:
            raise InputError(
                "water fraction in percent", field="water", found=float(np.median(water[inside])), expected="0 to 1"
            )
        low, high = float(self.water[0]), float(self.water[-1])
        with np.errstate(invalid="ignore"):
            known = inside & (water >= low - self.margin) & (water <= high + self.margin)
        maps = {name: np.full(grid.shape, np.nan) for name in ("conductivity", "permittivity")}
        for name, value in maps.items():
            value[known] = self._curve(name, water[known])
        if u_water is not None:
            spread = self._spread(water[known], np.broadcast_to(np.asarray(u_water, float), grid.shape)[known])
            for name, found in zip(("u_conductivity", "u_permittivity", "covariance"), spread, strict=True):
                maps[name] = np.full(grid.shape, np.nan)
                maps[name][known] = found
        flags = np.where(inside, np.where(known, 0, Flag.NO_FIT), Flag.OUTSIDE).astype(np.uint8)
        with np.errstate(invalid="ignore"):
            flags[known & ((maps["conductivity"] < 0) | (maps["permittivity"] < 1))] |= np.uint8(Flag.UNPHYSICAL)
        sigma, epsr = maps.pop("conductivity"), maps.pop("permittivity")
        settings = {
            "water": tuple(self.water),
            "conductivity": tuple(self.conductivity),
            "permittivity": tuple(self.permittivity),
            "source": self.source,
        }
        return PropertyMap(
            grid=grid,
            frequency_Hz=self.frequency_Hz,
            conductivity=sigma,
            permittivity=epsr,
            flags=flags,
            u_conductivity=maps.get("u_conductivity"),
            u_permittivity=maps.get("u_permittivity"),
            covariance=maps.get("covariance"),
            method="water content",
            settings=settings,
        )
