"""Heat of a switched gradient field in the metal of an ``implant-rf`` run, beside that of the RF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.eddy.solver import EddyCurrent
from emdose.solvers.heat.directions import PAIRS, weights
from emdose.solvers.results import power_errors
from emdose.solvers.results.power_tensor import UNIFORM

if TYPE_CHECKING:
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.kinds.implant_rf.schema import SwitchedFieldTable
    from emdose.solvers.heat.near_metal import MetalBody
    from emdose.solvers.results.power_tensor import PowerTensor
    from emdose.solvers.running import ProgressCallback


@dataclass(frozen=True, eq=False)
class SwitchedHeat:
    """Losses of a uniform sinusoid in the metal.

    Parameters
    ----------
    tensor : PowerTensor
        Solved at its frequency.
    table : SwitchedFieldTable
        Strength and direction.
    """

    tensor: PowerTensor
    table: SwitchedFieldTable

    @property
    def direction(self) -> np.ndarray:
        """Unit vector along dB/dt."""
        if self.table.direction == "worst":
            matrix = self.tensor.select(UNIFORM).at(np.array([self.table.frequency_Hz]))[0].real
            return np.asarray(np.linalg.eigh(matrix)[1][:, -1])
        u = np.asarray(self.table.direction, float)
        return u / np.linalg.norm(u)

    @property
    def power_W(self) -> float:
        """Mean power in the metal [W]."""
        matrix = self.tensor.select(UNIFORM).at(np.array([self.table.frequency_Hz]))[0].real
        u = self.direction
        return float(u @ matrix @ u) * self.table.dbdt_rms_T_s**2 * self.table.duty_cycle

    @property
    def error(self) -> float:
        """Estimated relative error of that power."""
        told = self.tensor.provenance.get("error_estimate") or {}
        return float(np.max(power_errors.total(told))) if told else 0.0

    def density(self, metal: MetalBody) -> np.ndarray:
        """Power density in the cells of the heat (nx, ny, nz) [W/m^3]."""
        uniform = self.tensor.select(UNIFORM)
        pairs = uniform.basis(np.array([self.table.frequency_Hz]), np.array([self.table.dbdt_rms_T_s]))
        six = np.stack([pairs[i, j] for i, j in PAIRS])
        along = weights(self.direction) @ six * self.table.duty_cycle
        return metal.deposit(self.tensor.cells, along[None], self.tensor.grid)[0]

    def about(self) -> dict[str, Any]:
        """What the summary says of it."""
        return {
            "frequency_Hz": self.table.frequency_Hz,
            "dbdt_rms_T_s": self.table.dbdt_rms_T_s,
            "direction": self.direction.tolist(),
            "duty_cycle": self.table.duty_cycle,
            "power_W": self.power_W,
            "error": self.error,
            "residual": float(np.max(self.tensor.residual)),
            "identity": float(np.max(np.abs(self.tensor.identity))),
        }


def switched_heat(
    implant: Implant, table: SwitchedFieldTable | None, device: str, progress: ProgressCallback
) -> SwitchedHeat | None:
    """Solve for the losses of the implant in a uniform sinusoid; None without one."""
    if table is None:
        return None
    solver = EddyCurrent(spacing_m=table.spacing_m)
    return SwitchedHeat(solver.solve(implant, [table.frequency_Hz], device=device, progress=progress), table)
