r"""Matrices of whole parts of a body and of the powers of a coil, for every drive.

.. math:: Q_G = \frac{\sum_i m_i Q_i}{\sum_i m_i}, \qquad v^H Q_G v = \text{SAR of the part}, \qquad
          \sum_i m_i Q_i = P_\text{absorbed} .

The last one ties matrices to the power balance of the fields, or to :math:`(I - S^H S) / (2 z_0)` of a network; since
such a matrix is Hermitian and not symmetric, it also tells Q from its transpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import fits, positive, unknown
from emdose.dosimetry.regions import Region, head_regions
from emdose.dosimetry.sar import Rule, as_mask
from emdose.dosimetry.transmission.tissue_voxels import TissueVoxels
from emdose.errors import InputError
from emdose.values import owned, read_only

if TYPE_CHECKING:
    from emdose.circuits.network import Network
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.fields import Fields

WHOLE = "whole body"
TOLD = 2.0
"""A power matrix tells Q from Q^T where the misfit of one is at least so many times that of the other."""
LARGEST_MISFIT = 0.5
"""And itself no larger: a network's power also holds what the coil loses and radiates."""


@read_only(units={"matrices": "W/kg per ({drive_unit})^2", "powers": "W per ({drive_unit})^2"})
@dataclass(frozen=True, eq=False)
class GlobalMatrices:
    """Matrices of the whole body and of parts of it, and power matrices of the coil: v^H M v of a drive v.

    Parameters
    ----------
    names : tuple of str
        Parts of the body; the first is "whole body".
    matrices : (part, port, port) complex128 ndarray
        SAR of each part, Hermitian and positive semidefinite [W/kg per squared drive unit].
    masses_kg : (part,) ndarray
        Their masses [kg].
    definitions : tuple of str
        What belongs to each.
    powers : mapping of str to (port, port) complex128 ndarray
        "absorbed", "radiated", "coil loss", "delivered" and "forward", as far as they are known [W per squared drive
        unit].
    ports : tuple of str
        Names of the ports.
    drive_unit : str
        What one unit of a drive is: peak amplitude.
    rule : str
        SAR rule of the matrices.
    frequency_Hz : float or None
        Frequency [Hz]; None where nobody said it.

    Raises
    ------
    InputError
        When the shapes do not fit together.
    """

    names: tuple[str, ...]
    matrices: np.ndarray
    masses_kg: np.ndarray
    definitions: tuple[str, ...]
    powers: Mapping[str, np.ndarray]
    ports: tuple[str, ...]
    drive_unit: str
    rule: str = ""
    frequency_Hz: float | None = None

    def __post_init__(self) -> None:
        n, parts = len(self.ports), len(self.names)
        fits("matrices", self.matrices, (parts, n, n), problem="matrices do not fit parts and ports")
        fits("masses_kg", self.masses_kg, (parts,), problem="masses do not fit the parts")
        for name, power in self.powers.items():
            fits(name, power, (n, n), problem="power matrix does not fit the ports")

    def matrix(self, name: str = WHOLE) -> np.ndarray:
        """Matrix of a part, (port, port) complex [W/kg per squared drive unit]; InputError for an unknown one."""
        return np.asarray(self.matrices[self._index(name)])

    def mass_ratio(self, name: str) -> float:
        """Mass of a part over that of the body, on which limits of partial-body SAR depend; as :meth:`matrix`."""
        return float(self.masses_kg[self._index(name)] / self.masses_kg[self._index(WHOLE)])

    def require_of(self, one: Any, field: str = "global_matrices") -> None:
        """Raise InputError unless these are of the same ports, unit of drives, rule and frequency as other matrices."""
        for name in ("ports", "drive_unit", "rule", "frequency_Hz"):
            wanted, found = getattr(one, name), getattr(self, name)
            if wanted != found:
                raise InputError(
                    "global matrices of other fields", field=f"{field}.{name}", found=found, expected=str(wanted)
                )

    def scaled(self, ratios: Mapping[str, float]) -> np.ndarray:
        """Matrices times the limit of local SAR over that of each part, (part, port, port); InputError without one."""
        missing = [name for name in self.names if name not in ratios]
        if missing:
            raise InputError(
                "a part without a ratio of limits", field="global_ratios", found=", ".join(ratios), expected=missing[0]
            )
        factors = np.array([positive(f"global_ratios[{name!r}]", ratios[name]) for name in self.names], float)
        return np.asarray(self.matrices * factors[:, None, None])

    def sar(self, weights: Sequence[complex] | np.ndarray) -> dict[str, Any]:
        """SAR of every part in drives (..., port) or for averages of them over time (..., port, port), by name [W/kg].

        Raises
        ------
        InputError
            When they do not fit the ports.
        """
        return {name: self._form(m, weights) for name, m in zip(self.names, self.matrices, strict=True)}

    def power(self, weights: Sequence[complex] | np.ndarray) -> dict[str, Any]:
        """Powers of drives, by name [W]; parameters and errors as of :meth:`sar`."""
        return {name: self._form(m, weights) for name, m in self.powers.items()}

    def _form(self, matrix: np.ndarray, weights: Any) -> Any:
        n = len(self.ports)
        v = np.asarray(weights, complex)
        if v.ndim >= 2 and v.shape[-2:] == (n, n):
            return np.einsum("ij,...ji->...", matrix, v).real
        if v.shape[-1:] != (n,):
            raise InputError("drive does not fit the ports", field="weights", found=v.shape, expected=f"(..., {n})")
        return np.einsum("...i,ij,...j->...", v.conj(), matrix, v).real

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise unknown("unknown part of the body", name, self.names, field="name")
        return self.names.index(name)


def global_matrices(
    fields: Fields,
    phantom: Phantom,
    regions: Sequence[Region] | None = None,
    *,
    exposed: Region | None = None,
    network: Network | None = None,
    rule: Rule = "trapezium",
) -> GlobalMatrices:
    """Matrices of the whole body, the head, the exposed part and other regions, and of the powers of the coil.

    Parameters
    ----------
    fields : Fields
        Fields of all ports, peak phasors per unit drive.
    phantom : Phantom
        Conductivity and density per voxel.
    regions : sequence of Region, optional
        Parts of the body, see :func:`emdose.dosimetry.region`; by default those whose name starts with "head".
    exposed : Region, optional
        What the coil exposes, such as :func:`emdose.dosimetry.within_coil`; it is called "exposed", for partial-body
        SAR, whose limit depends on its share of the mass.
    network : Network, optional
        The network seen at the ports, for "forward", the power of the waves into its reference impedances.
    rule : str
        SAR rule, see :func:`emdose.dosimetry.sar.point_sar`; only "trapezium" conserves energy.

    Raises
    ------
    InputError
        As :func:`emdose.dosimetry.sar.point_sar`; for regions of another grid or two of one name, and a network without
        the ports or the frequency.

    Notes
    -----
    "delivered" is absorbed + radiated + coil loss. Drives in A are currents of the ports: with Z of the network and
    reference impedances R the forward power is :math:`v^H A^H A v / 2`, :math:`A = R^{-1/2} (Z + R) / 2`. Drives in V
    are of sources behind R, whose forward power is :math:`|v|^2 / (8 R)`.
    """
    voxels = TissueVoxels.of(fields, phantom, rule)
    parts = list(head_regions(phantom) if regions is None else regions)
    rows = [(r.name, r.definition, as_mask(r.mask, phantom.grid).reshape(-1)[voxels.at]) for r in parts]
    if exposed is not None:
        rows.append(("exposed", exposed.definition, as_mask(exposed.mask, phantom.grid).reshape(-1)[voxels.at]))
    names = [WHOLE, *(name for name, _, _ in rows)]
    if len(set(names)) < len(names):
        raise InputError("two parts share a name", field="regions", found=names, expected="names that differ")
    total = voxels.power_W()
    powers = [total, *(voxels.power_W(inside) for _, _, inside in rows)]
    masses = [voxels.mass_kg.sum(), *(voxels.mass_kg[inside].sum() for _, _, inside in rows)]
    for name, mass in zip(names, masses, strict=True):
        if not mass > 0:
            raise InputError("region holds no tissue", field=name, found="0 kg", expected="at least one tissue voxel")
    return GlobalMatrices(
        tuple(names),
        owned(np.array([p / m for p, m in zip(powers, masses, strict=True)])),
        owned(np.array(masses)),
        ("all tissue", *(definition for _, definition, _ in rows)),
        owned(_powers(fields, network)),
        tuple(fields.ports),
        fields.drive_unit,
        rule,
        fields.frequency_Hz,
    )


def _powers(fields: Fields, network: Network | None) -> dict[str, np.ndarray]:
    """Power matrices that the fields and a network know."""
    balance = fields.power
    known = {"absorbed": balance.absorbed_W, "radiated": balance.scattered_W, "coil loss": balance.lost_W}
    out = {name: _hermitian(m) for name, m in known.items() if m is not None}
    out["delivered"] = sum(out.values(), np.zeros_like(out["absorbed"]))
    return out if network is None else {**out, "forward": forward_power(network, fields)}


def forward_power(network: Network, fields: Fields) -> np.ndarray:
    """Power matrix of the waves into the reference impedances of a network, (port, port); see :func:`global_matrices`.

    Parameters
    ----------
    network : Network
        What is seen at the ports.
    fields : Fields
        Whose drives are meant: port currents in A, or sources in V behind the reference impedances.

    Raises
    ------
    InputError
        For ports and frequencies that the network does not have, and other units of drives.
    """
    if not set(fields.ports) <= set(network.names):
        raise InputError(
            "network of other ports", field="network", found=network.names, expected=", ".join(fields.ports)
        )
    where = [network.index(name) for name in fields.ports]
    r = np.asarray(network.reference_ohm, float)[where]
    if fields.drive_unit == "V":
        return np.diag(1 / (8 * r)).astype(complex)
    if fields.drive_unit != "A":
        raise InputError(
            "no forward power of such drives", field="drive_unit", found=fields.drive_unit, expected="A, V"
        )
    if len(where) < network.size:
        raise InputError("network has ports without a drive", field="network", found=network.names)
    Z = network.at(fields.frequency_Hz).z[0][np.ix_(where, where)]
    A = (Z + np.diag(r)) / (2 * np.sqrt(r)[:, None])
    return _hermitian(0.5 * A.conj().T @ A)


@read_only
@dataclass(frozen=True)
class PowerConsistency:
    """How well matrices agree with a power matrix, as they are and transposed.

    Parameters
    ----------
    difference, transposed : float
        Norm of what differs, over that of the power matrix, for the matrices as they are and for their transposes.
    factor : float
        What the matrices were multiplied with to fit best; 1 where no factor was asked for.
    """

    difference: float
    transposed: float
    factor: float = 1.0

    @property
    def convention(self) -> str:
        """ "vHQv" where only the matrices as they are fit, "vTQv*" where only their transposes do, else "unknown"."""
        for own, other, name in (
            (self.difference, self.transposed, "vHQv"),
            (self.transposed, self.difference, "vTQv*"),
        ):
            if own * TOLD < other and own <= LARGEST_MISFIT:
                return name
        return "unknown"


def power_consistency(
    matrices: GlobalMatrices | np.ndarray, power_W: np.ndarray | None = None, *, fit: bool = False
) -> PowerConsistency:
    """How far the mass-weighted sum of Q-matrices is from the power matrix of a solver or a network.

    Parameters
    ----------
    matrices : GlobalMatrices or (port, port) complex ndarray
        The matrices of the body, or the sum of mass times Q itself [W per squared drive unit].
    power_W : (port, port) complex ndarray, optional
        Power matrix: v^H P v is what a drive deposits [W per squared drive unit]; by default "absorbed" of the
        matrices. Of a network without losses and radiation: (I - S^H S) / (2 z0) per peak volt of incident wave.
    fit : bool
        Whether any factor between both is allowed, for matrices of unknown mass or unit.

    Raises
    ------
    InputError
        For matrices that do not fit each other, or a power matrix that is zero.
    """
    if isinstance(matrices, GlobalMatrices):
        found = matrices.matrix() * matrices.masses_kg[matrices.names.index(WHOLE)]
        if power_W is None:
            if "absorbed" not in matrices.powers:
                raise InputError("no power matrix to compare with", field="power_W", expected="a matrix")
            power_W = matrices.powers["absorbed"]
    else:
        found = np.asarray(matrices, complex)
    power = np.asarray(power_W, complex)
    if found.ndim != 2 or found.shape != power.shape or found.shape[0] != found.shape[1]:
        raise InputError("power matrix does not fit", field="power_W", found=power.shape, expected=str(found.shape))
    size = np.linalg.norm(power)
    if not np.isfinite(size) or size == 0 or not np.all(np.isfinite(found)):
        raise InputError("bad power matrix", field="power_W", found=float(size), expected="finite and not zero")
    scale = float(np.linalg.norm(found)) ** 2 or 1.0
    factors = [max(0.0, float(np.vdot(m, power).real) / scale) if fit else 1.0 for m in (found, found.T)]
    misfits = [float(np.linalg.norm(f * m - power) / size) for f, m in zip(factors, (found, found.T), strict=True)]
    return PowerConsistency(misfits[0], misfits[1], factors[0])


def _hermitian(matrix: Any) -> np.ndarray:
    M = np.asarray(matrix, complex)
    return 0.5 * (M + M.conj().T)
