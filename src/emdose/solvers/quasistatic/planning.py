"""What a quasi-static solution will take, before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from emdose.compute.backend import Backend
from emdose.errors import ResourceError
from emdose.solvers.running import Plan, plural
from emdose.values import read_only

KEPT = 0.9
"""Part of the free memory that a job may plan with."""
SYSTEM, PER_SOURCE, EDGES = 100, 48, 48
"""Bytes for every corner of the box: conductances of all levels, the field of a source on its branches and the body's
own arrays; those that a source takes while it is solved for; and those of voltages where they are kept. Measured."""
ANY = 520
"""Bytes for every corner where the medium is complex or has tensors, whose sources are solved for one by one."""
OVERHEAD = 32 * 2**20
"""What any solution takes."""
RATE = {"cpu": 4e-7, "cuda": 1e-8}
"""Seconds for every corner of the box and source."""
TOGETHER = 4
"""Sources that are solved for at once, where memory allows."""


@read_only
@dataclass(frozen=True, kw_only=True)
class QuasistaticPlan(Plan):
    """What induced fields on voxels will take; see :class:`~emdose.solvers.running.Plan`.

    Parameters
    ----------
    shape : (int, int, int)
        Voxels of the box around what conducts.
    sources : int
        Right-hand sides.
    together : int
        How many of them are solved for at once.
    """

    shape: tuple[int, int, int]
    sources: int
    together: int

    @property
    def what(self) -> str:
        """Voxels and sources."""
        box = " x ".join(map(str, self.shape))
        return f"{plural(self.size, 'voxel')} that conduct in a box of {box}, {plural(self.sources, 'source')}"


def plan(
    shape: tuple[int, int, int],
    held: int,
    sources: int,
    spacing_m: float,
    be: Backend,
    edges: bool = False,
    plain: bool = True,
    metal: bool = False,
) -> QuasistaticPlan:
    """What a solution will take.

    Parameters
    ----------
    shape : (int, int, int)
        Voxels of the box.
    held : int
        Those that conduct.
    sources : int
        Right-hand sides.
    spacing_m : float
        Largest edge of a voxel [m].
    be : Backend
        Device.
    edges : bool
        Whether fields along edges are kept.
    plain : bool
        Whether the medium is real and without tensors.
    metal : bool
        Whether there is metal, beside which the iteration keeps one more array.

    Raises
    ------
    ResourceError
        When it does not fit the memory; the text names what is needed and a spacing that would fit.
    """
    corners = math.prod(n + 1 for n in shape)
    kept = held * (8 + 4 + 4 + 12 * sources * (2 if edges else 1))
    free, together = be.memory_free_bytes(), min(sources, TOGETHER if plain else 1)
    while True:
        each = SYSTEM + (PER_SOURCE + 4 * metal) * together + (EDGES if edges else 0) if plain else ANY
        need = OVERHEAD + each * corners + kept
        if need <= KEPT * free or together == 1:
            break
        together -= 1
    if need > KEPT * free:
        fits = spacing_m * (need / (0.8 * free)) ** (1 / 3)
        elsewhere = ', or device="cpu", which is slower' if be.name == "cuda" else ""
        raise ResourceError(
            f"induced fields in {held} voxels with {plural(sources, 'source')} need {need / 2**30:.3g} GiB but "
            f"{free / 2**30:.3g} GiB are free on {be.name}, of which a tenth is kept back; a spacing of "
            f"{1e3 * fits:.2g} mm would fit{elsewhere}"
        )
    return QuasistaticPlan(
        bytes=need,
        seconds=1.0 + RATE[be.name] * corners * sources,
        size=held,
        device=be.name,
        shape=shape,
        sources=sources,
        together=together,
    )
