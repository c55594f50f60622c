"""Helmholtz EPT with the kernel chosen voxel by voxel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from emdose.checks import one_of
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.ept.judging.second_look import SecondLooks
from emdose.ept.local.adjoint import FitPropagation, covariance
from emdose.ept.local.helmholtz import Helmholtz
from emdose.ept.local.noise import Noise
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import Flag, PropertyMap
from emdose.ept.maps.region_mean import Shift
from emdose.errors import InputError
from emdose.values import read_only

NONE = 255
"""Index where no kernel gives a value."""


@read_only
@dataclass(frozen=True)
class AutomaticHelmholtz:
    """The kernel with the smallest u^2 + bias^2 in every voxel, u from noise, bias the estimate of the method.

    A kernel whose window reaches over a tissue boundary (flag INTERFACE with support "window") is taken only where
    all do; so are values that are unphysical when ``physical`` is set. The choice by the data pulls the uncertainty of
    the chosen value a little low where it is itself estimated from residuals.

    Parameters
    ----------
    kernels : sequence of Helmholtz
        Candidates, all with ``uncertainty``; the same method and support.
    by : {"conductivity", "permittivity"}
        What to judge by; where the method does not give it, the other.
    physical : bool
        Prefer values with conductivity >= 0 and permittivity >= 1.

    Raises
    ------
    InputError
        When the candidates do not belong together.
    """

    kernels: Sequence[Helmholtz] = tuple(Helmholtz(radius=r) for r in (2, 3, 4, 5))
    by: str = "conductivity"
    physical: bool = False

    def __post_init__(self) -> None:
        kinds = {(k.method, k.support, k.uncertainty) for k in self.kernels}
        if not 1 <= len(self.kernels) < NONE or len(kinds) != 1 or not next(iter(kinds))[2]:
            raise InputError(
                "kernels do not belong together",
                field="kernels",
                found=len(self.kernels),
                expected="Helmholtz settings with one method, one support and uncertainty",
            )
        one_of("by", self.by, ("conductivity", "permittivity"), problem="cannot judge by this")

    def reconstruct(self, b1: B1Map, device: str | Backend = "auto") -> PropertyMap:
        """Conductivity and relative permittivity; ``choice`` of the result is the index of the kernel."""
        best: PropertyMap | None = None
        score = np.full(b1.grid.shape, np.inf)
        propagations: list[FitPropagation] = []
        noise: Noise | None = None
        for index, kernel in enumerate(self.kernels):
            one = kernel.reconstruct(b1, device)
            assert isinstance(one.propagation, FitPropagation)
            propagations.append(one.propagation)
            now = self._score(one)
            take = now < score
            score = np.where(take, now, score)
            estimated = one.propagation.estimated
            if best is None:
                best = replace(one, choice=np.where(take, index, NONE).astype(np.uint8))
                noise = estimated
                continue
            best = _merged(best, one, take, index)
            if estimated is not None and noise is not None:
                noise = replace(noise, maps=np.where(take, estimated.maps, noise.maps))
        assert best is not None
        assert best.choice is not None
        shared = tuple(replace(p, estimated=noise) for p in propagations)
        names = [f"{k.kernel} {k.radius} degree {k.degree}" for k in self.kernels]
        found = replace(
            best,
            propagation=ChosenPropagation(shared, best.choice),
            method=f"automatic Helmholtz {self.kernels[0].method}",
            settings={**best.settings, "kernels": names, "by": self.by, "physical": self.physical},
        )
        return replace(found, bias_estimate=self.second_looks(b1, found, backend.get(device).name))

    def second_looks(self, b1: B1Map, found: PropertyMap, device: str | Backend = "auto") -> ChosenBias:
        """Bias of means over regions of ``found``, estimated when it is asked for."""
        assert found.choice is not None
        return ChosenBias(tuple(k.second_looks(b1, found, device) for k in self.kernels), found.choice)

    def _score(self, found: PropertyMap) -> np.ndarray:
        name = self.by if getattr(found, self.by) is not None else next(iter(found.maps()))
        u, bias = getattr(found, f"u_{name}"), getattr(found, f"bias_{name}")
        total = u**2 + (0.0 if bias is None else np.nan_to_num(bias) ** 2)
        bad = np.zeros(found.grid.shape, bool)
        if self.kernels[0].support == "window":
            bad |= (found.flags & np.uint8(Flag.INTERFACE)) != 0
        if self.physical:
            bad |= (found.flags & np.uint8(Flag.UNPHYSICAL)) != 0
        total = np.where(bad, total + 1e12, total)  # only where all candidates are like that
        return np.where(found.valid & np.isfinite(total), total, np.inf)


def _merged(best: PropertyMap, one: PropertyMap, take: np.ndarray, index: int) -> PropertyMap:
    changes: dict[str, Any] = {"flags": np.where(take, one.flags, best.flags)}
    assert best.choice is not None
    changes["choice"] = np.where(take, index, best.choice).astype(np.uint8)
    for field in fields(PropertyMap):
        old, new = getattr(best, field.name), getattr(one, field.name)
        if field.name not in changes and isinstance(old, np.ndarray) and old.shape == take.shape:
            changes[field.name] = np.where(take, new, old)
    return replace(best, **changes)


@read_only
@dataclass(frozen=True, eq=False)
class ChosenPropagation:
    """Noise propagation when every voxel has one of several filters.

    Parameters
    ----------
    parts : tuple of FitPropagation
        One per filter.
    choice : (nx, ny, nz) uint8 ndarray
        Index of the filter.
    """

    parts: tuple[FitPropagation, ...]
    choice: np.ndarray

    def sum_covariance(self, weights: np.ndarray) -> np.ndarray:
        """Covariance (2, 2) of sum_v weights_v (sigma_v, eps_v)."""
        total: list[np.ndarray] = []
        noise: np.ndarray | None = None
        sample: Noise | None = None
        for index, part in enumerate(self.parts):
            mine = np.where(self.choice == index, weights, 0.0)
            if not mine.any():
                continue
            box, h, sample = part.adjoint(mine)
            if noise is None:
                total = [np.zeros(self.choice.shape, complex) for _ in h]
                noise = np.zeros((len(sample.maps), *self.choice.shape))
            for whole, piece in zip(total, h, strict=True):
                whole[box] += piece
            noise[:, box[0], box[1], box[2]] = sample.maps
        if sample is None or noise is None:
            return np.zeros((2, 2))
        return covariance(total, replace(sample, maps=noise), self.parts[0].b1.frequency_Hz)


@read_only
@dataclass(frozen=True, eq=False)
class ChosenBias:
    """Bias of region means when every voxel has one of several filters: the mean of theirs by voxels, added up.

    Parameters
    ----------
    parts : tuple of SecondLooks
        One per filter.
    choice : (nx, ny, nz) uint8 ndarray
        Index of the filter.
    """

    parts: tuple[SecondLooks, ...]
    choice: np.ndarray

    def terms(self, region: np.ndarray) -> tuple[Mapping[str, Shift], Sequence[str]]:
        """Standard uncertainties by cause, and the causes for which there is no estimate."""
        total = int(np.count_nonzero(region & (self.choice != NONE)))
        found: dict[str, Shift] = {}
        lacking: list[str] = []
        for index, part in enumerate(self.parts):
            mine = region & (self.choice == index)
            share = np.count_nonzero(mine) / max(total, 1)
            if not share:
                continue
            shifts, never = part.terms(mine)
            lacking += never
            for cause, shift in shifts.items():
                pairs = zip(found.get(cause, (None, None)), shift, strict=True)
                found[cause] = Shift(*(a if b is None else (a or 0.0) + share * b for a, b in pairs))
        return found, tuple(dict.fromkeys(lacking))
