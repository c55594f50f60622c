"""What metal and a body will take, before they are solved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emdose.errors import ResourceError
from emdose.solvers.cosimulation import require_gaps
from emdose.solvers.mom.factors import planned_bytes
from emdose.solvers.mom.meshing.build import mesh_of
from emdose.solvers.running import Plan, plural
from emdose.solvers.vie.problem import plan_body
from emdose.solvers.vsie.potentials.coupling import BLOCK_BYTES
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.exposure import Exposure
    from emdose.solvers.vsie.options import VsieOptions

FILL_S = {"cpu": 2e-7, "cuda": 2e-9}
"""Seconds per pair of triangles, as measured."""
PRODUCTS_PER_GAP, PRODUCTS_PER_FEED = 4, 40
"""Products with the body's matrix that a plan reckons with."""


@read_only
@dataclass(frozen=True, kw_only=True)
class VsiePlan(Plan):
    """What metal and body will take; see :class:`~emdose.solvers.running.Plan`.

    Parameters
    ----------
    metal_unknowns : int
        Unknowns on the metal, about.
    rotations : int
        Equal sectors of the coil, of which one is filled.
    gaps, feeds : int
        Ports of the network, and of the coil.
    """

    metal_unknowns: int
    rotations: int
    gaps: int
    feeds: int

    @property
    def what(self) -> str:
        """Unknowns on the metal and in the body, and gaps."""
        turned = f" in {self.rotations} equal sectors" if self.rotations > 1 else ""
        return f"{self.metal_unknowns} unknowns on metal{turned}, {self.size} in the body, {plural(self.gaps, 'gap')}"


def plan(options: VsieOptions, exposure: Exposure, be: Backend) -> VsiePlan:
    """What a solution will take.

    Raises
    ------
    InputError
        When the coil makes no mesh or the grid cannot be used.
    ResourceError
        When it does not fit the memory; the text says what would.
    """
    coil = require_gaps(exposure)
    exposure.refuse_metal("Vsie")
    coil.check_clear_of(exposure.phantom)
    mesh = mesh_of(coil, exposure.frequency_Hz, options.mesh)
    unknowns, sectors = int(1.5 * len(mesh.triangles)) + len(mesh.wires), mesh.rotations
    metal = planned_bytes(unknowns // sectors, sectors)
    gaps, feeds = len(coil.gaps), len(coil.feeds)
    body = plan_body(options, exposure.phantom, exposure.frequency_Hz, feeds, be)
    trial = 3 * (gaps + 4 * feeds) * 8 * body.size
    of_body = body.bytes + trial + BLOCK_BYTES[be.name]
    seconds = body.seconds / (80 * feeds) * (PRODUCTS_PER_GAP * gaps + PRODUCTS_PER_FEED * feeds)
    seconds += FILL_S[be.name] * len(mesh.triangles) ** 2 / sectors
    need, free = metal + of_body, be.memory_free_bytes()
    if need > 0.9 * free:
        raise ResourceError(
            f"metal of {unknowns} unknowns in {plural(sectors, 'equal sector')} and a body of {body.size} need "
            f"{need / 2**30:.3g} GiB but {free / 2**30:.3g} GiB are free on {be.name}, of which a tenth is kept back; "
            "a coarser mesh of the coil or a larger spacing would fit"
        )
    return VsiePlan(
        bytes=int(need),
        seconds=float(seconds),
        size=body.size,
        device=be.name,
        metal_unknowns=unknowns,
        rotations=sectors,
        gaps=gaps,
        feeds=feeds,
    )
