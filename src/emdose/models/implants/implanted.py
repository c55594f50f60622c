"""Metal put into a voxel body: which voxels are metal, and what is left of the tissue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from emdose.models.bodies.phantom import Phantom
from emdose.models.implants.implant import Implant
from emdose.models.implants.voxels import embed
from emdose.values import owned, read_only

METAL_SHARE = 0.5
"""Voxels with a larger share of metal are metal."""


@read_only
@dataclass(frozen=True, eq=False)
class ImplantedBody:
    """A body with metal in it, on the voxels of the body.

    Parameters
    ----------
    phantom : Phantom
        What is left of the tissue: voxels of metal are background, so that neither their mass nor their power enters an
        average.
    metal : (nx, ny, nz) bool ndarray
        Voxels of metal.
    part : (nx, ny, nz) uint8 ndarray
        0 in tissue; n where the n-th part, counted over all implants, has the largest share of a voxel of metal.
    implants : tuple of Implant
        Surfaces and metals.
    replaced_kg : mapping of str to float
        Mass of each tissue that made room [kg].
    """

    phantom: Phantom
    metal: np.ndarray
    part: np.ndarray
    implants: tuple[Implant, ...]
    replaced_kg: Mapping[str, float] = field(default_factory=dict)

    @property
    def metal_volume_m3(self) -> float:
        """Volume of the voxels of metal [m^3]; that of the surfaces is ``implant.volume_m3``."""
        return float(np.count_nonzero(self.metal)) * self.phantom.grid.voxel_volume_m3


def implanted(phantom: Phantom, implants: Sequence[Implant]) -> ImplantedBody:
    """Put metal into a body.

    Parameters
    ----------
    phantom : Phantom
        The body.
    implants : sequence of Implant
        In the coordinates of the body.

    Raises
    ------
    InputError
        When an implant leaves the body.
    """
    metal = np.zeros(phantom.grid.shape, bool)
    part = np.zeros(phantom.grid.shape, np.uint8)
    count = 0
    for implant in implants:
        voxels = embed(implant, phantom)
        mine = np.asarray(voxels.fraction) > METAL_SHARE
        part[mine] = np.asarray(voxels.part)[mine] + count
        metal |= mine
        count += len(implant.parts)
    before = phantom.tissue_mass()
    left = replace(phantom, labels=owned(np.where(metal, 0, phantom.labels).astype(phantom.labels.dtype)))
    after = left.tissue_mass()
    replaced = {name: before[name] - after.get(name, 0.0) for name in before if before[name] != after.get(name, 0.0)}
    return ImplantedBody(left, owned(metal), owned(part), tuple(implants), replaced)
