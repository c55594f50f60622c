"""Head and exposed mass: definitions that move limits by a factor, so always named and never alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.sar import SarMap, as_mask
from emdose.errors import InputError
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

DEPOSITION_FRACTION = 0.95
"""Share of the absorbed power that an exposed part holds by definition."""


@read_only
@dataclass(frozen=True, eq=False)
class Region:
    """A part of the body with the definition that made it.

    Parameters
    ----------
    name : str
        Short name, stands in tables.
    definition : str
        What belongs to it, in one sentence.
    mask : (nx, ny, nz) bool ndarray
        Its tissue voxels.
    mass_kg : float
        Mass of these voxels [kg].
    """

    name: str
    definition: str
    mask: np.ndarray
    mass_kg: float

    def to_dict(self) -> dict[str, Any]:
        """Name, definition and mass for a JSON file."""
        return {"name": self.name, "definition": self.definition, "mass_kg": self.mass_kg}


def region(phantom: Phantom, name: str, mask: np.ndarray, definition: str = "mask given by the user") -> Region:
    """The tissue inside a mask as a named region.

    Raises
    ------
    InputError
        When the mask does not fit the grid or holds no tissue.
    """
    inside = as_mask(mask, phantom.grid) & phantom.body
    if not inside.any():
        raise InputError("region holds no tissue", field=name, found="0 voxels", expected="at least one tissue voxel")
    mass = float(np.sum(phantom.density[inside], dtype=float)) * phantom.grid.voxel_volume_m3
    return Region(name, definition, inside, mass)


def head_regions(phantom: Phantom) -> tuple[Region, ...]:
    """Every region of the phantom whose name starts with "head", smallest mass first.

    The head of a standard is not unique: that of IEC 60601-2-33:2022 is smaller than that of ISO/TS 10974:2018, and
    the choice moves the permitted exposure by up to 2.4 dB.

    Source: T. Goren et al., Magn. Reson. Med. (2023), abstract.
    """
    found = [
        region(phantom, name, mask, "region of the phantom")
        for name, mask in phantom.regions.items()
        if name.lower().startswith("head") and bool((mask & phantom.body).any())
    ]
    return tuple(sorted(found, key=lambda r: r.mass_kg))


def within_coil(phantom: Phantom, z_low_m: float, z_high_m: float) -> Region:
    """The body between two heights, such as the ends of the coil's conductors.

    Parameters
    ----------
    phantom : Phantom
        The body.
    z_low_m, z_high_m : float
        Heights [m]; voxels whose centres lie between them belong to the region.

    Raises
    ------
    InputError
        When there is no tissue between them.
    """
    z = phantom.grid.centres(2)
    mask = np.broadcast_to((z >= z_low_m) & (z <= z_high_m), phantom.grid.shape)
    text = f"body between the ends of the coil's conductors, z = {z_low_m:.4g} to {z_high_m:.4g} m"
    return region(phantom, "inside the coil", mask, text)


def deposition_slab(sar: SarMap, phantom: Phantom, fraction: float = DEPOSITION_FRACTION) -> Region:
    """The thinnest slab across z that holds a share of the absorbed power.

    A stand-in for the mass in the effective volume of the transmit coil, which the standard defines with a
    homogeneous load that fills the bore rather than with the patient.

    Parameters
    ----------
    sar : SarMap
        Point SAR of driven fields.
    phantom : Phantom
        The body of the map.
    fraction : float
        Share of the absorbed power, in (0, 1].

    Raises
    ------
    InputError
        When the share is out of range or nothing is absorbed.

    Notes
    -----
    Of all slabs of that thickness the one with most power is taken.
    """
    if not 0 < fraction <= 1:
        raise InputError("share of the power out of range", field="fraction", found=fraction, expected="0 < f <= 1")
    density, value = sar.density.astype(float), sar.value
    power = np.einsum("ijk,ijk->k", density, value)
    total = power.sum()
    if not total > 0:
        raise InputError("nothing is absorbed", field="sar", found="0 W", expected="a power > 0")
    summed = np.concatenate([[0.0], np.cumsum(power)])
    for thickness in range(1, power.size + 1):
        inside = summed[thickness:] - summed[:-thickness]
        # The full slab must pass although its cumulated sum is rounded.
        if inside.max() >= fraction * total * (1 - 1e-12):
            break
    low = int(np.argmax(inside))
    mask = np.zeros(sar.grid.shape, bool)
    mask[:, :, low : low + thickness] = True
    z = sar.grid.nodes(2)
    text = (
        f"thinnest slab across z with {100 * fraction:g} % of the absorbed power, z = {z[low]:.4g} to "
        f"{z[low + thickness]:.4g} m (stand-in for the coil's effective volume)"
    )
    return region(phantom, f"{100 * fraction:g} % power slab", mask, text)
