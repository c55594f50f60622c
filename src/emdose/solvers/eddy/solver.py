r"""Eddy currents in metal: A-phi volume integral on voxels, and the thin-skin limit where voxels are too coarse.

.. math:: \frac{\mathbf J}{\sigma}
          + \frac{j\omega\mu_0}{4\pi} \int \frac{\mathbf J(\mathbf r')}{|\mathbf r - \mathbf r'|} dV'
          + \nabla\varphi = -j\omega \mathbf A_0, \qquad \nabla\cdot\mathbf J = 0, \quad \mathbf n\cdot\mathbf J = 0

Unknown are the currents through the open parts of the faces between voxels; see docs/theory/eddy.md.

Source: A. Ruehli, IEEE Trans. MTT 22 (1974) 216 (partial elements); R. Torchio, F. Lucchini et al., IEEE Trans. Power
Electron. 37 (2022) 700 (partial elements on voxels with FFT); A. Arduino et al., Magn. Reson. Med. 85 (2021) 3447
(gradient heating of prostheses).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import positives
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.compute.shared import Shared
from emdose.models.implants.implant import Implant
from emdose.models.implants.voxels import VoxelImplant
from emdose.solvers.eddy.options import EddyOptions
from emdose.solvers.eddy.plan import EddyPlan, plan
from emdose.solvers.eddy.refinement import power_tensor
from emdose.solvers.eddy.run import middle, solve_network, voxels_of
from emdose.solvers.eddy.spacing import resolved
from emdose.solvers.eddy.voxels.branches import branch_network
from emdose.solvers.eddy.voxels.solution import EddySolution
from emdose.solvers.eddy.voxels.sources import sources_of
from emdose.solvers.progress import watched
from emdose.solvers.results.power_tensor import PowerTensor
from emdose.solvers.running import Checkpoint, Done, Progress, callback
from emdose.values import read_only


@read_only
@dataclass(frozen=True)
class EddyCurrent(EddyOptions):
    """Eddy currents that switched gradient fields drive in metal, and the heat they leave.

    Parameters
    ----------
    spacing_m : float or (float, float, float) or "auto"
        Voxel edge lengths [m]; they need not be equal. "auto" takes cubes that are fine enough for the walls that carry
        the power, as far as memory allows, and smaller ones where they turn out to be coarse.
    engine : {"auto", "voxel", "thin-skin"}
        "voxel" resolves the currents inside the metal; "thin-skin" takes them as a sheet on the surface; "auto" chooses
        per frequency: voxels where about three lie in a skin depth, the sheet where the skin is thin against the metal,
        and between the two smaller voxels as far as memory allows.
    tolerance : float
        Relative residual at the highest frequency; the error of the power is about its square.
    max_steps : int
        Steps of the Lanczos process, each of which takes one product for every source.
    dtype : {"float32", "float64"}
        Precision of the fields.
    richardson : bool
        Solve on spacings sqrt(2) and 2 times as large as well, state the order that the powers show, and extrapolate.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    def resolved(
        self,
        implant: Implant | VoxelImplant,
        frequencies_Hz: Any,
        sources: Any = "uniform",
        device: str | Backend = "auto",
    ) -> EddyCurrent:
        """The same solver with the spacing in metres that it begins with.

        Parameters
        ----------
        implant, frequencies_Hz, sources, device
            As in :meth:`solve`.

        Raises
        ------
        InputError
            When fewer than two voxels lie across a wall; the text names a spacing that would do.
        ResourceError
            When voxels that are fine enough do not fit.
        """
        count = len(sources_of(sources, (0.0, 0.0, 0.0)))
        return resolved(self, implant, _frequencies(frequencies_Hz), count, backend.get(device))  # type: ignore[return-value]

    def plan(
        self,
        implant: Implant | VoxelImplant,
        frequencies_Hz: Any,
        sources: Any = "uniform",
        device: str | Backend = "auto",
    ) -> EddyPlan:
        """What a solution on voxels will take.

        Parameters
        ----------
        implant, frequencies_Hz, sources, device
            As in :meth:`solve`.

        Returns
        -------
        EddyPlan
            Memory, time, voxels and steps.

        Raises
        ------
        ResourceError
            When it does not fit the memory; the text names what is needed and a spacing that would fit.
        """
        f = _frequencies(frequencies_Hz)
        be, count = backend.get(device), len(sources_of(sources, (0.0, 0.0, 0.0)))
        return plan(resolved(self, implant, f, count, be), implant, f, count, be)

    @watched
    @backend.within_memory("a larger spacing_m")
    def solve(
        self,
        implant: Implant | VoxelImplant,
        frequencies_Hz: Any,
        sources: Any = "uniform",
        device: str | Backend = "auto",
        progress: Progress = True,
        checkpoint: Checkpoint | None = None,
        shared: Shared | None = None,
    ) -> PowerTensor:
        """Power tensor of a metal body.

        Parameters
        ----------
        implant : Implant or VoxelImplant
            Closed surfaces with metals, or the same cut into voxels already (then ``spacing_m`` is not used).
        frequencies_Hz : float or sequence of float
            Frequencies [Hz].
        sources : "uniform", "uniform+linear", callable, object with vector_potential(points), or sequence of these
            Three uniform fields; with the five linear ones about the middle of the body's box; or vector potentials per
            unit of drive, (n, 3) [m] -> (n, 3) [T m per unit].
        device : {"auto", "cpu", "cuda"} or Backend
            Where to compute.
        progress : bool or callable, optional
            True shows a bar where somebody watches; False is quiet; a function is called with events of
            :mod:`emdose.solvers.running`: set-up, a step of stage "modes" for every block of the
            Lanczos process, a stage "frequency" for every frequency, and done.
        checkpoint : Checkpoint, optional
            Keeps the finished steps.
        shared : Shared, optional
            Hands on the modes of the same metal with another conductivity, which need no product then.

        Raises
        ------
        InputError
            For frequencies, sources or bodies that cannot be used, and for a spacing that puts fewer than two voxels
            across a wall.
        ResourceError
            When it does not fit the memory.
        ConvergenceError
            When the tolerance is missed; ``partial`` holds the power tensor as far as it came.

        Warns
        -----
        EmdoseWarning
            Where fewer than three voxels lie in a skin depth, or so few across the metal that a tenth of the power may
            be missing.
        """
        be, f = backend.get(device), _frequencies(frequencies_Hz)
        return power_tensor(self, implant, f, sources, be, callback(progress), checkpoint, shared)

    @watched
    @backend.within_memory("a larger spacing_m")
    def currents(
        self,
        implant: Implant | VoxelImplant,
        highest_Hz: float,
        sources: Any = "uniform",
        device: str | Backend = "auto",
        progress: Progress = True,
        checkpoint: Checkpoint | None = None,
    ) -> EddySolution:
        """Currents on voxels at every frequency up to one, for their density and magnetic field.

        Parameters
        ----------
        implant, sources, device, progress, checkpoint
            As in :meth:`solve`.
        highest_Hz : float
            Frequency up to which the residual meets the tolerance [Hz].

        Raises
        ------
        InputError, ResourceError, ConvergenceError
            As :meth:`solve`.
        """
        be, top = backend.get(device), float(_frequencies(highest_Hz)[-1])
        wanted = sources_of(sources, middle(implant))
        solver = resolved(self, implant, np.array([top]), len(wanted), be)
        plan(solver, implant, np.array([top]), len(wanted), be)
        net = branch_network(voxels_of(solver, implant))
        tell = callback(progress)
        solution = solve_network(solver, net, wanted, top, be, tell, checkpoint)
        tell(Done(residual=solution.modes.residual(top), tolerance=self.tolerance))
        return solution


def _frequencies(frequencies_Hz: Any) -> np.ndarray:
    return np.unique(positives("frequencies_Hz", frequencies_Hz, problem="bad frequencies", expected="finite, > 0 Hz"))
