r"""Bias of the mean over a region, from what the same data give under another setting of the same method.

No reconstruction knows its own bias, but most of it grows with something that can be changed. A window of half-width
r + 1 instead of r shows what the degree of the polynomials leaves out (:func:`widened`): with a bias that goes with
:math:`r^p`,

.. math:: b(r) \approx \frac{m(r + 1) - m(r)}{((r + 1)/r)^p - 1} .

The region reconstructed by itself shows what reaches into it from beyond its boundary (:class:`Alone`). The absolute
value of such an estimate is the standard uncertainty of the mean that this cause brings (JCGM 100:2008, F.2.4.5: a bias
that is known roughly and not corrected). Everything is computed when it is first asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np

from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import PropertyMap
from emdose.ept.maps.region_mean import INTERFACE, Shift
from emdose.errors import EmdoseError

LEAST_SHARE = 0.5
"""Part of a region that must have a value under the other setting too."""

Maps = tuple[np.ndarray | None, np.ndarray | None]
"""Conductivity [S/m] and relative permittivity."""


class Look(Protocol):
    """One estimate of one cause."""

    @property
    def cause(self) -> str:
        """Its name."""
        ...

    def shift(self, region: np.ndarray) -> Shift | None:
        """Estimated bias of the mean over a region; None where this region does not tell."""
        ...


class Given:
    """A bias that the method itself states as maps.

    Parameters
    ----------
    cause : str
        Its name.
    maps : (array or None, array or None)
        Estimated error of conductivity [S/m] and permittivity, (nx, ny, nz).
    """

    def __init__(self, cause: str, maps: Maps) -> None:
        self.cause, self.maps = cause, maps

    def shift(self, region: np.ndarray) -> Shift | None:
        """Mean over the region."""
        return _means(self.maps, self.maps, region)


class Another:
    """The difference to what another setting gives.

    Parameters
    ----------
    cause : str
        What the setting changes.
    first : (array or None, array or None)
        The maps that are judged.
    reconstruct : callable
        The maps of the other setting.
    factor : float
        Bias of the first over the difference to the other.
    keep : callable, optional
        Takes what makes :attr:`maps`, and gives them, from earlier where they are kept.
    """

    def __init__(
        self,
        cause: str,
        first: Maps,
        reconstruct: Callable[[], PropertyMap],
        factor: float,
        keep: Callable[[Callable[[], Maps | None]], Maps | None] | None = None,
    ) -> None:
        self.cause, self.first, self.factor, self._reconstruct, self._keep = cause, first, factor, reconstruct, keep

    def kept(self, keep: Callable[[Callable[[], Maps | None]], Maps | None]) -> Another:
        """The same with somewhere to keep its maps."""
        return Another(self.cause, self.first, self._reconstruct, self.factor, keep)

    @cached_property
    def maps(self) -> Maps | None:
        """The estimated bias per voxel; None where the other setting fails."""
        return self._looked() if self._keep is None else self._keep(self._looked)

    def _looked(self) -> Maps | None:
        try:
            other = self._reconstruct()
        except EmdoseError:
            return None
        return _difference(other, self.first, self.factor)

    def shift(self, region: np.ndarray) -> Shift | None:
        """Mean over the region."""
        return None if self.maps is None else _means(self.maps, self.first, region)


class Alone:
    """What reaches into a region from beyond its boundary: the difference to the region reconstructed by itself.

    Parameters
    ----------
    b1 : B1Map
        The data.
    first : (array or None, array or None)
        The maps that are judged.
    reconstruct : callable
        B1Map (whose mask is the region) and slices in which a value is wanted to PropertyMap.
    thicker : int
        A region of fewer than 2 ``thicker`` + 1 slices is continued by so many along z, for methods that take nothing
        to vary there.
    """

    cause = INTERFACE

    def __init__(
        self, b1: B1Map, first: Maps, reconstruct: Callable[[B1Map, list[int]], PropertyMap], thicker: int = 0
    ) -> None:
        self.b1, self.first, self.thicker, self._reconstruct = b1, first, thicker, reconstruct

    def shift(self, region: np.ndarray) -> Shift | None:
        """Mean over the region; None for the whole mask, whose boundaries inside are not known."""
        mask = np.asarray(self.b1.mask)
        own = region & mask
        if self.thicker and np.count_nonzero(own.any(axis=(0, 1))) < 2 * self.thicker + 1:
            thick = own.copy()
            for step in range(1, self.thicker + 1):
                thick[:, :, step:] |= own[:, :, :-step]
                thick[:, :, :-step] |= own[:, :, step:]
            own = thick & mask
        if not own.any() or not (mask & ~own).any():
            return None
        first = next(m for m in self.first if m is not None)
        slices = np.flatnonzero((region & np.isfinite(first)).any(axis=(0, 1)))
        try:
            other = self._reconstruct(replace(self.b1, mask=own, labels=None), [int(s) for s in slices])
        except EmdoseError:
            return None
        return _means(_difference(other, self.first, -1.0), self.first, region)


class SecondLooks:
    """The bias of region means; see :class:`~emdose.ept.maps.region_mean.BiasEstimate`.

    Parameters
    ----------
    looks : sequence of Look
        Estimates; several of one cause are added in quadrature.
    never : sequence of str
        Causes that the method has and that nothing here estimates.
    """

    def __init__(self, looks: Sequence[Look], never: Sequence[str] = ()) -> None:
        self.looks, self.never = tuple(looks), tuple(never)

    def __repr__(self) -> str:
        return f"SecondLooks({', '.join(dict.fromkeys(look.cause for look in self.looks))})"

    def kept(self, keep: Callable[[int, Callable[[], Maps | None]], Maps | None]) -> SecondLooks:
        """The same whose whole maps are kept, each by its number: they take as long as the reconstruction itself."""
        looks = [k.kept(partial(keep, i)) if isinstance(k, Another) else k for i, k in enumerate(self.looks)]
        return SecondLooks(looks, self.never)

    def terms(self, region: np.ndarray) -> tuple[Mapping[str, Shift], Sequence[str]]:
        """Standard uncertainties by cause, and the causes for which there is no estimate."""
        found: dict[str, list[Shift]] = {}
        lacking: list[str] = []
        for look in self.looks:
            shift = look.shift(region)
            if shift is None:
                lacking.append(look.cause)
            else:
                found.setdefault(look.cause, []).append(shift)
        terms = {cause: Shift(*(_root([s[i] for s in shifts]) for i in (0, 1))) for cause, shifts in found.items()}
        return terms, tuple(dict.fromkeys([c for c in lacking if c not in terms] + list(self.never)))


def widened(radius: Sequence[int], shape: Sequence[int], degree: int) -> tuple[tuple[int, int, int], float] | None:
    """A window wider by one voxel where the image allows it, and the bias of the first over the difference to it.

    Parameters
    ----------
    radius : (int, int, int)
        Half-widths; those of 0 stay.
    shape : (int, int, int)
        Voxels of the image.
    degree : int
        Degree of the polynomials; the Laplacian errs with the power 2 of the width for 2 and 3, 4 for 4 and 5.

    Returns
    -------
    (int, int, int), float, or None
        None where the image has no room.
    """
    wide = tuple(r + 1 if r and 2 * r + 3 <= n else r for r, n in zip(radius, shape, strict=True))
    ratio = sum(r * r for r in wide) / sum(r * r for r in radius)
    power = degree // 2  # of the square of the width
    return None if ratio == 1 else ((wide[0], wide[1], wide[2]), 1 / (ratio**power - 1))


def maps_of(found: PropertyMap) -> Maps:
    """Conductivity and permittivity of a map."""
    return found.conductivity, found.permittivity


def _difference(other: PropertyMap, first: Maps, factor: float) -> Maps:
    found: list[Any] = []
    for one, value in zip(maps_of(other), first, strict=True):
        found.append(None if one is None or value is None else factor * (np.where(other.valid, one, np.nan) - value))
    return found[0], found[1]


def _means(maps: Maps, first: Maps, region: np.ndarray) -> Shift | None:
    """Means over the voxels of a region that had a value at first; None where too few have one now."""
    means: list[float | None] = []
    for values, before in zip(maps, first, strict=True):
        if values is None or before is None:
            means.append(None)
            continue
        inside = values[region & np.isfinite(before)]
        there = inside[np.isfinite(inside)]
        if not there.size or there.size < LEAST_SHARE * inside.size:
            return None
        means.append(float(np.mean(there, dtype=np.float64)))
    return None if means == [None, None] else Shift(means[0], means[1])


def _root(values: Sequence[float | None]) -> float | None:
    there = [v for v in values if v is not None]
    return math.hypot(*there) if there else None
