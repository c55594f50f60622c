"""The cells of a subdomain: equal ones around the implant, growing ones to the rim, and the absorber."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.grids.grid import Grid
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.models.implants.implanted_body import ImplantedBody, implanted
from emdose.solvers.fdtd.setup.domain import Domain
from emdose.values import owned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emdose.models.implants.implant import Implant
    from emdose.solvers.subdomain.options import SubdomainOptions

EQUAL = 3
"""Cells beyond the fine ones that keep their size."""
COARSE = 4.0
"""Largest cell over the fine ones."""


@dataclass(frozen=True, eq=False)
class SubdomainLayout:
    """Cells and tissues of a subdomain.

    Parameters
    ----------
    options : SubdomainOptions
        Options.
    phantom : Phantom
        The body without metal, on its own voxels.
    implants : sequence of Implant
        The metal.

    Raises
    ------
    InputError
        When the implant leaves the body's grid.
    """

    options: SubdomainOptions
    phantom: Phantom
    implants: Sequence[Implant]

    @cached_property
    def fine(self) -> Grid:
        """The equal cells around the metal: planes are laid around its middle, and end within the body's grid."""
        h = self.options.spacing_m
        low = np.min([i.bounds_m[0] for i in self.implants], axis=0)
        high = np.max([i.bounds_m[1] for i in self.implants], axis=0)
        bounds = self.phantom.grid.bounds_m
        origin, shape = [], []
        for a in range(3):
            if low[a] < bounds[0][a] or high[a] > bounds[1][a]:
                raise InputError(
                    "implant outside the body's grid",
                    field="implants",
                    found=f"{'xyz'[a]} {1e3 * low[a]:.4g} to {1e3 * high[a]:.4g} mm",
                    expected=f"within {1e3 * bounds[0][a]:.4g} to {1e3 * bounds[1][a]:.4g} mm",
                )
            # As many cells as fit the metal best, so that its ends lie as near to planes as equal cells allow.
            across = max(1, round((high[a] - low[a]) / h))
            first = 0.5 * (low[a] + high[a]) - 0.5 * across * h
            before = min(math.ceil(self.options.margin_m / h - 1e-6), math.floor((first - bounds[0][a]) / h + 1e-6))
            room = math.floor((bounds[1][a] - first) / h + 1e-6)
            after = min(across + math.ceil(self.options.margin_m / h - 1e-6), room)
            origin.append(first - before * h)
            shape.append(before + after)
        return Grid((shape[0], shape[1], shape[2]), (h, h, h), (origin[0], origin[1], origin[2]))

    @cached_property
    def domain(self) -> Domain:
        """All cells."""
        h, options = self.options.spacing_m, self.options
        steps = [h] * EQUAL
        coarsest = options.coarsest_m or COARSE * h
        while sum(steps) < options.rim_m * (1 - 1e-9):
            steps.append(max(steps[-1], min(steps[-1] * options.growth, coarsest)))
        out = np.cumsum([*steps, *[steps[-1]] * options.cpml_cells])
        nodes = []
        for a in range(3):
            inner = self.fine.nodes(a)
            nodes.append(np.concatenate([inner[0] - out[::-1], inner, inner[-1] + out]))
        first = len(out)
        low = (first, first, first)
        high = tuple(first + n for n in self.fine.shape)
        return Domain(RectilinearGrid(*nodes), self.fine, low, 1, options.cpml_cells, (low, high))  # type: ignore[arg-type]

    @cached_property
    def labels(self) -> np.ndarray:
        """Tissue of every cell, that of the voxel at its middle; it goes on through the absorber, whatever is there."""
        old, cells, index = self.phantom.grid, self.options.cpml_cells, []
        outside: list[np.ndarray] = []
        for a in range(3):
            centres = self.domain.grid.centres(a)
            centres[:cells], centres[-cells:] = centres[cells], centres[-cells - 1]
            i = np.floor((centres - old.origin_m[a]) / old.spacing_m[a] + 1e-9).astype(int)
            outside.append((i < 0) | (i >= old.shape[a]))
            index.append(np.clip(i, 0, old.shape[a] - 1))
        out = np.asarray(self.phantom.labels)[np.ix_(*index)]
        for a in range(3):
            np.moveaxis(out, a, 0)[outside[a]] = 0
        return out

    @cached_property
    def implanted(self) -> ImplantedBody:
        """The fine cells as a body of their own with the metal in it."""
        cut = tuple(slice(a, a + n) for a, n in zip(self.domain.low, self.fine.shape, strict=True))
        found = implanted(
            replace(self.phantom, grid=self.fine, labels=owned(self.labels[cut].copy()), regions={}), self.implants
        )
        if not found.metal.any():
            raise InputError(
                "no cell of the subdomain is metal",
                field="spacing_m",
                found=self.options.spacing_m,
                expected="cells smaller than the implant is thick",
            )
        return found

    @property
    def metal(self) -> np.ndarray:
        """Cells of metal among the fine ones."""
        return np.asarray(self.implanted.metal)

    @property
    def body(self) -> Phantom:
        """The fine cells as a body of their own, metal left out of its tissue."""
        return self.implanted.phantom
