"""Bodies between closed surfaces that move: charges on the surfaces answer, fields are read at centres of voxels."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import metres
from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.bodies.tissues import AIR, Constant, Tissue
from emdose.models.grids.grid import Grid
from emdose.models.induction.sources import InductionSource
from emdose.models.surfaces.body import SurfaceBody, material_text
from emdose.solvers.bem.solver import Bem, BemPlan
from emdose.solvers.results.induced import InducedField, centres_of
from emdose.solvers.running import Progress
from emdose.values import owned

ACROSS = 30
"""Voxels along the longest side of a body whose fields are read in voxels of no stated size."""
DENSITY_kg_m3 = 1000.0
"""Of what has a conductivity and no name; no field depends on it."""


def voxels_of(body: SurfaceBody, spacing_m: float | None = None) -> tuple[Phantom, np.ndarray]:
    """The voxels whose centres lie in a body of surfaces, each of the tissue of the innermost surface around it.

    Parameters
    ----------
    body : SurfaceBody
        The body.
    spacing_m : float, optional
        Edge of the voxels [m]; a thirtieth of the longest side of the body by default.

    Returns
    -------
    Phantom
        The voxels.
    (nx ny nz,) int ndarray
        Innermost shell around the centre of each, -1 outside of all.

    Raises
    ------
    InputError
        When no centre lies in the body.
    """
    low, high = (np.asarray(v, float) for v in body.bounds_m)
    h = float((high - low).max()) / ACROSS if spacing_m is None else metres("spacing_m", spacing_m)
    shape = tuple(int(n) for n in np.ceil((high - low) / h).astype(int))
    origin = 0.5 * (low + high) - 0.5 * h * np.array(shape)
    grid = Grid(shape, (h, h, h), tuple(float(x) for x in origin))  # type: ignore[arg-type]
    centres = np.stack(np.meshgrid(*(grid.centres(a) for a in range(3)), indexing="ij"), axis=-1)
    shell = body.shell_at(centres.reshape(-1, 3))
    names: list[str] = []
    tissues: list[Tissue] = [AIR]
    of_shell = np.zeros(len(body.materials) + 1, np.uint16)
    for n, (inside, _) in enumerate(body.materials):
        if isinstance(inside, Tissue) and inside.is_background:
            continue
        name = material_text(inside)
        if name not in names:
            names.append(name)
            made = inside if isinstance(inside, Tissue) else Tissue(name, DENSITY_kg_m3, Constant(1.0, inside))
            tissues.append(made)
        of_shell[n] = names.index(name) + 1
    labels = of_shell[shell].reshape(grid.shape)  # -1, outside of all, is the last entry
    if not labels.any():
        raise InputError("no voxel has its centre in the body", field="spacing_m", found=h, expected="smaller voxels")
    return Phantom(grid, owned(labels), tuple(tissues), body.name), shell


@dataclass(frozen=True, eq=False)
class ReadAtVoxels:
    """Charges on the surfaces of a body, as a solver of the voxels of :func:`voxels_of`.

    Parameters
    ----------
    solver : Bem
        Finds the charges.
    body : SurfaceBody
        The surfaces.
    shell : (nx ny nz,) int ndarray
        Innermost shell around every voxel.
    """

    solver: Bem
    body: SurfaceBody
    shell: np.ndarray

    def plan(self, phantom: Phantom, sources: Sequence[InductionSource], frequency_Hz: float, device: Any) -> BemPlan:  # noqa: ARG002
        """What the charges will take."""
        return self.solver.plan(self.body, len(sources), device)

    def solve(
        self,
        phantom: Phantom,
        sources: Sequence[InductionSource],
        frequency_Hz: float,
        device: Any,
        progress: Progress,
    ) -> InducedField:
        """Fields at the centres of the voxels that conduct, per unit of drive of every source.

        ``balance`` is the net current through surfaces over the sum of its magnitudes: what discretisation left.

        Raises
        ------
        InputError, ResourceError, ConvergenceError
            As the solver.
        """
        found = self.solver.solve(self.body, sources, frequency_Hz, device, progress)
        started = clock.perf_counter()
        sigma = np.asarray(phantom.conductivity(frequency_Hz), float).reshape(-1)
        cells = np.flatnonzero((np.asarray(phantom.labels).reshape(-1) > 0) & (sigma > 0))
        grid = phantom.grid
        E = found.E(centres_of(grid, cells), device)
        kind = np.complex64 if np.iscomplexobj(E) else np.float32
        part = {name: n for n, names in enumerate(self.body.parts(frequency_Hz)) for name in names}
        shells = self.body.shells
        of_shell = np.array([part.get(self.body.interfaces[i].name, 0) for i in shells.interface], np.int32)
        read = {"read_at_m": float(grid.spacing_m[0]), "seconds_of_reading": clock.perf_counter() - started}
        return InducedField(
            phantom,
            tuple(sources),
            float(frequency_Hz),
            owned(cells.astype(np.int64)),
            owned(np.asarray(E, kind)),
            owned(sigma[cells].astype(np.float32)),
            owned(of_shell[self.shell[cells]]),
            found.residual,
            found.iterations,
            owned(np.abs(found.flux).max(axis=1)),
            {**found.about, **read},
        )
