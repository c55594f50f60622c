"""Matrices of a solved array: of 10 g cubes, of parts of the body, their few bounds, and the limits made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.machine import require_memory
from emdose.dosimetry.transmission.blocks import q_matrix_blocks
from emdose.dosimetry.transmission.compression import compress, relative_overestimate
from emdose.dosimetry.transmission.drives.constraints import DriveConstraints
from emdose.dosimetry.transmission.global_forms import GlobalMatrices, forward_power, global_matrices, power_consistency
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.vops import VirtualObservationPoints
from emdose.scenarios.kinds.ptx.limits import SarLimit, constraints, hardware, regions_of, sar_limits
from emdose.scenarios.shared.metal_coils.network import NETWORK, network_of
from emdose.solvers.running import Plan

if TYPE_CHECKING:
    from emdose.dosimetry.averaging.cubic import AveragingPlan
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.ptx.schema import PtxScenario
    from emdose.solvers.results.fields import Fields

DRIVES = 2000
"""Random drives that the bound is compared with the truth of."""
ROWS = 1 << 14
"""Matrices that are compared at a time."""
BYTES, CELL_BYTES = 80, 1250
"""Memory of an entry of a matrix at the most (the cubes, limits by all of them, limits over limits, what an eigenvalue
problem takes) and of a cell of the body for maps, as measured."""
CUBES = 1.1
"""Matrices of a voxel of tissue: a voxel of a surface may have several cubes."""


@dataclass(frozen=True, kw_only=True)
class MatrixPlan(Plan):
    """What the matrices of all cubes will take.

    Parameters
    ----------
    channels : int
        Channels of the array.
    """

    channels: int

    @property
    def what(self) -> str:
        """What is made, in words."""
        return f"{self.size} matrices of {self.channels} channels"


def planned(body: Phantom, channels: int) -> MatrixPlan:
    """Memory and time of the matrices of a body.

    Parameters
    ----------
    body : Phantom
        The body.
    channels : int
        Channels of the array.

    Raises
    ------
    ResourceError
        When they do not fit the free memory.
    """
    count = math.ceil(CUBES * int(body.body.sum()))
    need = BYTES * count * channels**2 + CELL_BYTES * body.labels.size
    require_memory(need, f"SAR of {count} matrices of {channels} channels", float(body.spacing_m[0]))
    # 8 channels: 30 us a matrix of one core, most of it in the cover, worst cases and drives.
    return MatrixPlan(bytes=need, seconds=20 + 5e-7 * count * channels**2, size=count, device="cpu", channels=channels)


@dataclass(frozen=True, eq=False)
class ArrayMatrices:
    """A solved array and all that bounds its SAR.

    Parameters
    ----------
    fields : Fields
        Per unit of drive.
    cubes : QMatrices
        Of 10 g.
    points : VirtualObservationPoints
        Their bounds.
    parts : GlobalMatrices
        Body, heads, exposed part, powers.
    limits : tuple of SarLimit
        Limits of SAR.
    bounds, exact : DriveConstraints
        The same limits of SAR by virtual observation points, and by all matrices.
    of_hardware : DriveConstraints or None
        Limits of amplitudes and forward power.
    power : (port, port) complex ndarray
        Forward power of channels that are matched and decoupled [W per squared drive unit].
    b1 : (point, port) complex ndarray
        B1+ where it counts [T per drive unit].
    """

    fields: Fields
    cubes: QMatrices
    points: VirtualObservationPoints
    parts: GlobalMatrices
    limits: tuple[SarLimit, ...]
    bounds: DriveConstraints
    exact: DriveConstraints
    of_hardware: DriveConstraints | None
    power: np.ndarray
    b1: np.ndarray

    @cached_property
    def all_bounds(self) -> DriveConstraints:
        """Limits that drives are found under."""
        return self.bounds if self.of_hardware is None else self.bounds + self.of_hardware

    def with_local(self, factor: float) -> DriveConstraints:
        """The same with another limit of local SAR."""
        found = constraints(self.limits, self.points, self.parts, local_factor=factor)
        return found if self.of_hardware is None else found + self.of_hardware

    def sar_10g(self, v: np.ndarray) -> float:
        """Peak 10 g SAR of a drive by all matrices [W/kg]."""
        return float(self.cubes.sar(v).max())

    def forward_W(self, v: np.ndarray) -> float:
        """Forward power of a drive [W]."""
        return float(np.einsum("i,ij,j->", v.conj(), self.power, v).real)


def made(
    fields: Fields, body: Phantom, coil: Any, tables: PtxScenario, plan: AveragingPlan, mask: np.ndarray, device: str
) -> ArrayMatrices:
    """Matrices, bounds and limits of solved fields.

    Parameters
    ----------
    fields : Fields
        Of all ports.
    body, coil : Phantom, Coil
        What was solved.
    tables : PtxScenario
        The scenario.
    plan : AveragingPlan
        For 10 g.
    mask : (nx, ny, nz) bool ndarray
        Where B1+ counts.
    device : str
        Where the bounds are found.
    """
    how, checks = tables.matrices, tables.checks
    cubes = q_matrix_blocks(fields, body, plan, how.rule).whole()  # no point matrices beside them
    heads, exposed = regions_of(body, coil, checks)
    parts = global_matrices(fields, body, heads, exposed=exposed, rule=how.rule)
    points = compress(cubes, how.overestimate, method=how.method, added=how.added, relative=how.relative, device=device)
    limits = tuple(sar_limits(body, coil, checks, tables.limits, fields.discretisation()))
    power = channel_power(parts, fields)
    return ArrayMatrices(
        fields,
        cubes,
        points,
        parts,
        limits,
        constraints(limits, points, parts),
        constraints(limits, cubes, parts),
        hardware(tables.limits, power, checks.duty_cycle),
        power,
        np.ascontiguousarray(fields.b1plus()[:, mask].T.astype(complex)),
    )


def channel_power(parts: GlobalMatrices, fields: Fields) -> np.ndarray:
    """Forward power matrix of the channels, (port, port) [W per squared drive unit].

    Sources behind the impedance of their feeds send |v|^2 / (8 R) whatever the coil does. Given currents have no waves:
    of matched and decoupled channels without losses, the mean of what one delivers alone stands for each.
    """
    about = fields.provenance.get(NETWORK)
    if about is not None:
        return forward_power(network_of(about), fields)
    delivered = np.diag(parts.powers["delivered"]).real
    return np.asarray(delivered.mean() * np.eye(len(delivered)), complex)


def told(made_of: ArrayMatrices) -> dict[str, Any]:
    """What a page says of the matrices: how many, their certificate, and how they agree with the fields.

    Raises
    ------
    NotValidError
        When the certificate fails.
    """
    cubes, points = made_of.cubes, made_of.points
    rng = np.random.default_rng(1)
    n = len(cubes.ports)
    v = rng.normal(size=(DRIVES, n)) + 1j * rng.normal(size=(DRIVES, n))
    full = np.asarray(cubes.matrices).reshape(len(cubes.matrices), -1)
    ratio = np.concatenate([_ratio(points, full, block) for block in np.array_split(v, DRIVES // 250)])
    consistency = power_consistency(made_of.parts)
    return {
        "matrices": len(cubes.matrices),
        "points": len(points),
        "channels": n,
        "overestimate": points.overestimate,
        "method": points.method,
        "largest_W_kg": points.largest,
        "certificate": points.certify(cubes),
        "requires_global_limit": points.requires_global_limit,
        "relative_overestimate": relative_overestimate(points, cubes, DRIVES),
        "drives": DRIVES,
        "least_ratio": float(ratio.min()),
        "median_ratio": float(np.median(ratio)),
        "largest_ratio": float(ratio.max()),
        "power_misfit": consistency.difference,
        "power_misfit_transposed": consistency.transposed,
        "drive_unit": cubes.drive_unit,
        "channel_power_W": float(made_of.power[0, 0].real),
    }


def _ratio(points: VirtualObservationPoints, full: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bound over the largest SAR of some drives."""
    outer = np.einsum("di,dj->ijd", v.conj(), v).reshape(full.shape[1], -1).astype(full.dtype)
    some = (full[start : start + ROWS] for start in range(0, len(full), ROWS))
    return np.asarray(points.peak(v) / np.max([(part @ outer).real.max(axis=0) for part in some], axis=0))
