"""What the evaluation of an ``implant-gradient`` run would refuse, found before the eddy currents are solved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emdose.scenarios.shared.tables import blamed_on

if TYPE_CHECKING:
    from emdose.models.implants.voxels import VoxelImplant
    from emdose.scenarios.kinds.implant_gradient.schema import ImplantThermalTable
    from emdose.scenarios.shared.implants.exposures import BuiltExposure
    from emdose.solvers.heat.near_metal import MetalBody


def require_harmonics(exposures: Sequence[BuiltExposure], highest_Hz: float, file: object = None) -> None:
    """Raise InputError for an exposure that has nothing at the frequencies up to the highest one that is solved."""
    for one in exposures:
        with blamed_on(file, f"exposures.{one.name}"):
            one.harmonics(highest_Hz)


def require_heat(table: ImplantThermalTable, metal: MetalBody, voxels: VoxelImplant, file: object = None) -> None:
    """Look at the heat of an implant.

    Parameters
    ----------
    table : ImplantThermalTable
        Its options.
    metal : MetalBody
        The metal in what surrounds it.
    voxels : VoxelImplant
        The metal on the grid of the eddy currents.
    file : object
        The scenario, for errors.

    Raises
    ------
    InputError
        When a tissue has no thermal data, or the metal lies in no voxel of the heat.
    """
    with blamed_on(file, "thermal"):
        metal.maps(table.surface_W_m2_K, table.edges)
        # The losses lie in these voxels; an even density stands for them.
        cells = np.argwhere(voxels.fraction > 0)
        metal.deposit(cells, np.ones((1, len(cells))), voxels.grid)
