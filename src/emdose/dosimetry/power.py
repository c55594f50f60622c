"""Where the power goes: per tissue, and the balance of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute import backend
from emdose.dosimetry.sar import SarMap, as_mask, body_properties
from emdose.errors import InputError
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.fields import Fields


@read_only
@dataclass(frozen=True)
class TissueRow:
    """Mass, power and SAR of one tissue.

    Parameters
    ----------
    tissue : str
        Name.
    mass_kg, volume_m3 : float
        Mass [kg] and volume [m^3] of the voxels counted.
    power_W : float
        Absorbed power [W].
    sar_W_kg, peak_sar_W_kg : float
        Power over mass and the largest point SAR [W/kg].
    """

    tissue: str
    mass_kg: float
    volume_m3: float
    power_W: float
    sar_W_kg: float
    peak_sar_W_kg: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return dict(self.__dict__)


@read_only
@dataclass(frozen=True)
class PowerReport:
    """Power balance of driven fields, with the power of every tissue.

    Parameters
    ----------
    absorbed_W, extinction_W, scattered_W : float
        Dissipated in the body, taken from the incident field, and radiated by the body's currents [W].
    closure : float
        abs(extinction - absorbed - scattered) over the larger of absorbed and extinction.
    input_W : float
        Absorbed, scattered and lost: what a source delivers that has no losses but those in ``lost_W`` [W].
    edge_absorbed_W : float
        Absorbed power summed anew over the edges from the fields and the phantom [W].
    map_W : float
        Sum of the SAR map over the voxels [W]; equals ``edge_absorbed_W`` with the trapezium rule.
    tissues : tuple of TissueRow
        In the phantom's order of tissues.
    lost_W : float
        Dissipated in the coil, where the solver knows it [W].
    losses_W : mapping of str to float
        Of that, what is lost in each part of the metal and in the elements, where these are told apart [W].
    metal_W : mapping of str to float
        Power in each part of the metal of implants, by perturbation, see
        :func:`~emdose.dosimetry.in_metal.metal_power`; it is not in the closure of a solution with perfect
        conductors [W].
    """

    absorbed_W: float
    extinction_W: float
    scattered_W: float
    closure: float
    input_W: float
    edge_absorbed_W: float
    map_W: float
    tissues: tuple[TissueRow, ...]
    lost_W: float = 0.0
    losses_W: Mapping[str, float] = field(default_factory=dict)
    metal_W: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        plain = {**self.__dict__, "losses_W": dict(self.losses_W), "tissues": [row.to_dict() for row in self.tissues]}
        metal = plain.pop("metal_W")
        return {**plain, "metal_W": dict(metal)} if metal else plain


def absorbed_power(fields: Fields, phantom: Phantom) -> float:
    """Power dissipated on the edges, and at leads closer than the cells resolve [W].

    Parameters
    ----------
    fields : Fields
        Fields of one drive.
    phantom : Phantom
        Its conductivity, averaged over the four voxels that share an edge (background counts as 0 S/m).

    Raises
    ------
    InputError
        As :func:`emdose.dosimetry.sar.point_sar`.

    Notes
    -----
    P = 1/2 sum over edges of sigma_e abs(E_e)^2 dV, in double precision.
    """
    fields.require_driven()
    sigma = body_properties(fields, phantom)[1].astype(float)
    total = 0.0
    for c in range(3):
        edge = _edge_mean(sigma, c)
        e = fields.E[0, c]
        total += float((edge * np.abs(_host(e)) ** 2).sum(dtype=float))
    near = sum(float(lead.near_W[0, 0].real) for lead in fields.lead_currents.values())
    return 0.5 * total * fields.grid.voxel_volume_m3 + near


def tissue_sar(sar: SarMap, phantom: Phantom, mask: np.ndarray | None = None) -> tuple[TissueRow, ...]:
    """Mass, power and SAR of every tissue of the body.

    Parameters
    ----------
    sar : SarMap
        SAR per voxel.
    phantom : Phantom
        The body of the map.
    mask : (nx, ny, nz) bool ndarray, optional
        Count only these voxels.

    Raises
    ------
    InputError
        When map and phantom do not fit.
    """
    if sar.grid.shape != phantom.grid.shape:
        raise InputError("map does not fit the phantom", found=sar.grid.shape, expected=str(phantom.grid.shape))
    counted = sar.body if mask is None else sar.body & as_mask(mask, sar.grid)
    labels = phantom.labels[counted]
    value, density = sar.value[counted].astype(float), sar.density[counted].astype(float)
    n = len(phantom.tissues)
    dV = sar.grid.voxel_volume_m3
    count = np.bincount(labels, minlength=n)
    mass = np.bincount(labels, density, n) * dV
    power = np.bincount(labels, density * value, n) * dV
    highest = np.zeros(n)
    np.maximum.at(highest, labels, value)
    return tuple(
        TissueRow(
            tissue.name,
            float(mass[i]),
            float(count[i] * dV),
            float(power[i]),
            float(power[i] / mass[i]),
            float(highest[i]),
        )
        for i, tissue in enumerate(phantom.tissues)
        if mass[i] > 0
    )


def power_report(fields: Fields, phantom: Phantom, sar: SarMap) -> PowerReport:
    """Balance of the solver, the same absorbed power from the edges and from the map, and its share per tissue.

    Parameters
    ----------
    fields : Fields
        Fields of one drive.
    phantom : Phantom
        The body.
    sar : SarMap
        Point SAR of these fields.

    Raises
    ------
    InputError
        As :func:`absorbed_power` and :func:`tissue_sar`.
    """
    balance = fields.power.power()
    return PowerReport(
        absorbed_W=balance["absorbed_W"],
        extinction_W=balance["extinction_W"],
        scattered_W=balance["scattered_W"],
        closure=balance["closure"],
        input_W=balance["absorbed_W"] + balance["scattered_W"] + balance.get("lost_W", 0.0),
        edge_absorbed_W=absorbed_power(fields, phantom),
        map_W=sar.power_W(),
        tissues=tissue_sar(sar, phantom),
        lost_W=balance.get("lost_W", 0.0),
        losses_W=fields.power.losses(),
        metal_W=_in_metal(fields),
    )


def _in_metal(fields: Fields) -> dict[str, float]:
    from emdose.dosimetry.in_metal import metal_power

    if fields.metal is None or not np.asarray(fields.metal.metal).any():
        return {}
    return {part.name: part.power_W for part in metal_power(fields).parts}


def _edge_mean(sigma: np.ndarray, component: int) -> np.ndarray:
    """Mean over the four voxels that share an edge, on the node grid, with nothing outside the grid."""
    padded = np.pad(sigma, [(0, 1) if ax == component else (1, 1) for ax in range(3)])
    for ax in range(3):
        if ax != component:
            low = tuple(slice(0, -1) if a == ax else slice(None) for a in range(3))
            high = tuple(slice(1, None) if a == ax else slice(None) for a in range(3))
            padded = 0.5 * (padded[low] + padded[high])
    return padded


def _host(a: np.ndarray) -> np.ndarray:
    return backend.of(a).to_numpy(a)
