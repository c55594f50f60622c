"""The SAR of a finished RF run as a source of heat beside the gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.models.implants.implanted_body import implants_hash

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.implants.implant import Implant
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
        What is missing in it; empty where the run held the metal.
    metal_W : float or None
        Power in the metal, where the run held it, duty cycle included [W].
    """

    name: str
    density: np.ndarray
    power_W: float
    note: str = NOTE
    metal_W: float | None = None

    def about(self) -> dict[str, Any]:
        """Name, power and note for the summary, and the power in the metal where the run held it."""
        plain: dict[str, Any] = {"name": self.name, "power_W": self.power_W, "note": self.note}
        return plain if self.metal_W is None else {**plain, "metal_W": self.metal_W}


def rf_heating(run: SarRun, metal: MetalBody, duty_cycle: float, implant: Implant) -> RfHeating:
    """Power density of an RF run on another grid of the same body: every voxel takes the value at its middle.

    Where the run held the same metal in the same place, all its power in tissue stays in tissue and that in the metal
    goes into the metal; else the run knew nothing of the metal, in which there is no SAR.

    Parameters
    ----------
    run : SarRun
        The run.
    metal : MetalBody
        Body on the voxels of the heat, with the metal.
    duty_cycle : float
        Part of the time that the RF is on.
    implant : Implant
        The metal.

    Raises
    ------
    InputError
        When the run held other metal, or the same in another place.
    """
    held, phantom = run.metal, metal.phantom
    if held is not None and held.sha256 != implants_hash([implant]):
        raise InputError(
            "the RF run held other metal, or the same in another place",
            field="rf.file",
            found=", ".join(held.names),
            expected=f"'{implant.name}' as this scenario places it",
        )
    value = np.where(run.phantom.body, run.sar.value * run.sar.density, 0.0)
    density = duty_cycle * np.where(phantom.body, _at_centres(value, run, phantom), 0.0)
    name = f"{run.source} at {run.frequency_Hz / 1e6:.6g} MHz, duty cycle {duty_cycle:g}"
    if held is None:
        spread = metal.spread(density)
        return RfHeating(name, spread, float(metal.cells.means(spread).sum() * phantom.grid.voxel_volume_m3))
    inside = duty_cycle * _at_centres(held.density, run, phantom)
    # Voxels of another size hold another number of voxels of metal: the power is that of the run.
    wanted = duty_cycle * float(held.density.sum(dtype=float)) * run.phantom.grid.voxel_volume_m3
    now = float(inside.sum()) * phantom.grid.voxel_volume_m3
    inside *= wanted / now if now > 0 else 0.0
    spread = metal.spread(density, "tissue") + metal.spread(inside, "metal")
    total = float(metal.cells.means(spread).sum() * phantom.grid.voxel_volume_m3)
    return RfHeating(name, spread, total, note="", metal_W=wanted)


def _at_centres(value: np.ndarray, run: SarRun, phantom: Phantom) -> np.ndarray:
    """A map of a run at the centres of the voxels of a phantom."""
    source, grid = run.phantom.grid, phantom.grid
    index = []
    for axis in range(3):
        at = np.floor((grid.centres(axis) - source.origin_m[axis]) / source.spacing_m[axis]).astype(int)
        index.append(np.clip(at, 0, source.shape[axis] - 1))
    return np.asarray(value)[np.ix_(*index)].astype(float)
