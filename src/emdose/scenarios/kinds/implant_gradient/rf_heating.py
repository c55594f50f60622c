"""The SAR of a finished RF run as a source of heat beside the gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.scenarios.shared.sar_files import SarRun
    from emdose.solvers.heat.near_metal import MetalBody

NOTE = (
    "the SAR of the RF run was computed without the implant: RF heating where metal concentrates the field is not in it"
)


@dataclass(frozen=True, eq=False)
class RfHeating:
    """RF power density in a phantom.

    Parameters
    ----------
    name : str
        What it is, in words.
    density : (nx, ny, nz) ndarray
        Power density in the cells of the heat, duty cycle included [W/m^3].
    power_W : float
        Power in that phantom [W].
    note : str
        What is missing in it.
    """

    name: str
    density: np.ndarray
    power_W: float
    note: str = NOTE

    def about(self) -> dict[str, Any]:
        """Name, power and note for the summary."""
        return {"name": self.name, "power_W": self.power_W, "note": self.note}


def rf_heating(run: SarRun, metal: MetalBody, duty_cycle: float) -> RfHeating:
    """Power density of an RF run on another grid of the same body: every voxel takes the value at its middle.

    Parameters
    ----------
    run : SarRun
        The run.
    metal : MetalBody
        Body on the voxels of the heat, with the metal; there is no SAR in that.
    duty_cycle : float
        Part of the time that the RF is on.
    """
    phantom = metal.phantom
    source, grid = run.phantom.grid, phantom.grid
    index = []
    for axis in range(3):
        at = np.floor((grid.centres(axis) - source.origin_m[axis]) / source.spacing_m[axis]).astype(int)
        index.append(np.clip(at, 0, source.shape[axis] - 1))
    value = np.where(run.phantom.body, run.sar.value * run.sar.density, 0.0)[np.ix_(*index)]
    density = metal.spread(duty_cycle * np.where(phantom.body, value, 0.0))
    name = f"{run.source} at {run.frequency_Hz / 1e6:.6g} MHz, duty cycle {duty_cycle:g}"
    return RfHeating(name, density, float(metal.cells.means(density).sum() * grid.voxel_volume_m3))
