"""What jobs have in common that solve for the eddy currents of an implant: one power tensor, kept and judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.scenarios.shared.implants.kept_tensor import kept_tensor, tensor_key
from emdose.scenarios.shared.implants.tensor_files import tensor_arrays, tensor_of_arrays
from emdose.scenarios.shared.job import BaseJob
from emdose.solvers.eddy.solver import EddyCurrent

if TYPE_CHECKING:
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.shared.implants.eddy_table import EddyCurrentTable
    from emdose.solvers.results.power_tensor import PowerTensor
    from emdose.solvers.running import Checkpoint, ProgressCallback

OPTIONS = {"engine", "tolerance", "max_steps", "dtype", "richardson"}


def eddy_solver(table: EddyCurrentTable, spacing_m: Any = None) -> EddyCurrent:
    """The eddy-current solver of a table.

    Parameters
    ----------
    table : EddyCurrentTable
        Its options.
    spacing_m : float, optional
        Voxels in the place of the table's [m].
    """
    return EddyCurrent(spacing_m=spacing_m or table.spacing_m, **table.model_dump(include=OPTIONS))


class EddyJob(BaseJob):
    """A job whose solution is the power tensor of its ``implant`` at its ``frequencies``, by its ``solver``.

    See :class:`~emdose.scenarios.shared.job.BaseJob`; ``sources`` are the fields that the tensor is for.
    """

    implant: Implant
    solver: EddyCurrent
    frequencies: tuple[float, ...]
    sources: str = "uniform"

    def solution_key(self) -> str:
        """Hash of all that the power tensor depends on."""
        return tensor_key(self.implant, self.solver, self.frequencies, self.sources, self.device)

    def solution_arrays(self, solution: PowerTensor) -> dict[str, np.ndarray]:
        """The power tensor."""
        return tensor_arrays(solution)

    def solution_of(self, arrays: Mapping[str, np.ndarray]) -> PowerTensor:
        """The power tensor."""
        return tensor_of_arrays(arrays)

    def solve(self, checkpoint: Checkpoint | None = None, progress: ProgressCallback | None = None) -> PowerTensor:
        """The power tensor of the eddy currents.

        Raises
        ------
        ConvergenceError, ResourceError, DeviceError
            As the solvers; the ``partial`` power tensor of the first can still be given to ``evaluate``.
        """
        with self.timed("eddy currents"):
            return kept_tensor(
                self.implant,
                self.solver,
                self.frequencies,
                self.sources,
                self.device,
                cache=self.tables.solver.cache,
                progress=progress,
                checkpoint=checkpoint,
                shared=self.shared,
            )

    def convergence(self, tensor: PowerTensor, digits: str = ".4g", **more: Any) -> dict[str, Any]:
        """Entry "convergence" of the summary.

        Parameters
        ----------
        tensor : PowerTensor
            The solution.
        digits : str
            How frequencies are written.
        more
            Further words, such as the meaning of the residual.
        """
        ports = [
            {"name": f"{f:{digits}} Hz", "residual": float(r), "iterations": tensor.provenance.get("steps")}
            for f, r in zip(tensor.frequencies_Hz, tensor.residual, strict=True)
        ]
        voxel = [r for r, e in zip(tensor.residual, tensor.engine, strict=True) if e == "voxel"]
        converged = all(r <= self.solver.tolerance for r in voxel)
        return {"converged": converged, "tolerance": self.solver.tolerance, **more, "ports": ports}


def solved_frequencies(tensor: PowerTensor) -> list[dict[str, Any]]:
    """Every frequency that a tensor was solved at, with its engine and quality, for a summary."""
    return [
        {
            "frequency_Hz": float(f),
            "engine": tensor.engine[n],
            "residual": float(tensor.residual[n]),
            "identity": float(tensor.identity[n]),
        }
        for n, f in enumerate(tensor.frequencies_Hz)
    ]
