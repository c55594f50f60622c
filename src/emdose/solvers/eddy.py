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

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emdose import backend
from emdose.backend import Backend
from emdose.constants import MU_0
from emdose.errors import ConvergenceError, EmdoseWarning, InputError
from emdose.models.implant_voxels import VoxelImplant, voxelise
from emdose.models.implants import Implant
from emdose.solvers.eddy_cells import Network, Voxels, network
from emdose.solvers.eddy_modes import Checkpoint, find_modes
from emdose.solvers.eddy_operator import EddyOperator
from emdose.solvers.eddy_plan import plan
from emdose.solvers.eddy_solution import EddySolution
from emdose.solvers.eddy_sources import sources_of
from emdose.solvers.power_tensor import PowerTensor

Progress = Callable[[dict[str, Any]], None]

RESOLVED = 3.0
"""Skin depths over step below which a voxel result carries a warning."""


@dataclass(frozen=True)
class EddyCurrent:
    """Eddy currents that switched gradient fields drive in metal, and the heat they leave.

    Parameters
    ----------
    spacing_m : float or (float, float, float)
        Voxel edge lengths [m]; they need not be equal.
    engine : {"auto", "voxel", "thin-skin"}
        "voxel" resolves the currents inside the metal; "thin-skin" takes them as a sheet on the surface; "auto" chooses
        per frequency.
    tolerance : float
        Relative residual at the highest frequency; the error of the power is about its square.
    max_steps : int
        Steps of the Lanczos process, each of which takes one product for every source.
    dtype : {"float32", "float64"}
        Precision of the fields.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    spacing_m: float | tuple[float, float, float] = 1e-3
    engine: str = "auto"
    tolerance: float = 1e-4
    max_steps: int = 80
    dtype: str = "float32"

    def __post_init__(self) -> None:
        spacing = np.atleast_1d(np.asarray(self.spacing_m, float))
        if spacing.size not in (1, 3) or not np.all(np.isfinite(spacing)) or np.any(spacing <= 0):
            raise InputError("bad voxel size", field="spacing_m", found=self.spacing_m,
                             expected="one or three lengths > 0 in metres")  # fmt: skip
        if not (isinstance(self.tolerance, int | float) and 0 < self.tolerance < 1):
            raise InputError("bad tolerance", field="tolerance", found=self.tolerance, expected="between 0 and 1")
        if not isinstance(self.max_steps, int) or isinstance(self.max_steps, bool) or self.max_steps < 1:
            raise InputError("bad count", field="max_steps", found=self.max_steps, expected="a whole number >= 1")
        for name, allowed in (("engine", ("auto", "voxel", "thin-skin")), ("dtype", ("float32", "float64"))):
            if getattr(self, name) not in allowed:
                raise InputError("unknown choice", field=name, found=getattr(self, name),
                                 expected=" or ".join(allowed))  # fmt: skip
        if self.dtype == "float32" and self.tolerance < 3e-6:
            raise InputError("tolerance beyond single precision", field="tolerance", found=self.tolerance,
                             expected='>= 3e-6, or dtype="float64"')  # fmt: skip

    def plan(
        self,
        implant: Implant | VoxelImplant,
        frequencies_Hz: Any,
        sources: Any = "uniform",
        device: str | Backend = "auto",
    ) -> dict[str, Any]:
        """What a solution on voxels will take.

        Parameters
        ----------
        implant, frequencies_Hz, sources, device
            As in :meth:`solve`.

        Returns
        -------
        dict
            bytes, seconds (a rough estimate), voxels, branches, fft_shape, steps, device.

        Raises
        ------
        ResourceError
            When it does not fit the memory; the text names what is needed and a spacing that would fit.
        """
        f = _frequencies(frequencies_Hz)
        count = len(sources_of(sources, (0.0, 0.0, 0.0)))
        return plan(self, implant, f, count, backend.get(device))

    def solve(
        self,
        implant: Implant | VoxelImplant,
        frequencies_Hz: Any,
        sources: Any = "uniform",
        device: str | Backend = "auto",
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
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
        progress : callable, optional
            Called with a dict: stage ("setup", "modes", "frequency", "done"), step, steps, residual, tolerance,
            frequency_Hz, index, count.
        checkpoint : object with load(step) and save(step, array), optional
            Keeps the finished steps.

        Raises
        ------
        InputError
            For frequencies, sources or bodies that cannot be used.
        ResourceError
            When it does not fit the memory.
        ConvergenceError
            When the tolerance is missed; ``partial`` holds the power tensor as far as it came.

        Warns
        -----
        EmdoseWarning
            Where fewer than three voxels lie in a skin depth.
        """
        be, f = backend.get(device), _frequencies(frequencies_Hz)
        report = progress or (lambda event: None)
        clock = {"start": time.perf_counter()}
        failure: ConvergenceError | None = None
        try:
            solution = self.currents(implant, f[-1], sources, be, progress, checkpoint)
        except ConvergenceError as error:
            failure, solution = error, error.partial
            if not isinstance(solution, EddySolution):
                raise
        clock["modes"] = time.perf_counter()
        tensor = self._tensor(implant, solution, f, report, clock)
        if failure is not None:
            raise ConvergenceError(str(failure), partial=tensor)
        return tensor

    def currents(
        self,
        implant: Implant | VoxelImplant,
        highest_Hz: float,
        sources: Any = "uniform",
        device: str | Backend = "auto",
        progress: Progress | None = None,
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
        report = progress or (lambda event: None)
        middle = _middle(implant)
        wanted = sources_of(sources, middle)
        planned = plan(self, implant, np.array([top]), len(wanted), be)
        report({"stage": "setup", "step": 0, "steps": planned["steps"], "residual": 1.0, "tolerance": self.tolerance,
                **{k: planned[k] for k in ("bytes", "seconds", "voxels")}})  # fmt: skip
        operator = EddyOperator(self._network(implant), be, self.dtype, 0.1 * self.tolerance)
        emf = operator.emf(wanted)

        def tell(step: int, residual: float) -> None:
            report({"stage": "modes", "step": step, "steps": planned["steps"], "residual": residual,
                    "tolerance": self.tolerance})  # fmt: skip

        try:
            modes = find_modes(operator, emf, top, self.tolerance, self.max_steps, tell, checkpoint)
        except ConvergenceError as error:
            if hasattr(error.partial, "basis"):
                error.partial = EddySolution(operator, error.partial, wanted, emf, top)
            raise
        return EddySolution(operator, modes, wanted, emf, top)

    def _network(self, implant: Implant | VoxelImplant) -> Network:
        return network(_voxels(self, implant))

    def _tensor(
        self,
        implant: Implant | VoxelImplant,
        solution: EddySolution,
        frequencies_Hz: np.ndarray,
        report: Progress,
        clock: dict[str, float],
    ) -> PowerTensor:
        op, count = solution.operator, len(frequencies_Hz)
        net, be, n = op.network, op.be, len(solution.sources)
        cells = np.argwhere(net.cells).astype(np.int32)
        matrix = np.zeros((count, n, n), complex)
        loss = np.zeros((count, n, n, len(cells)), np.complex64)
        identity, residual = np.zeros(count), np.zeros(count)
        for i, f in enumerate(frequencies_Hz):
            report({"stage": "frequency", "index": i, "count": count, "frequency_Hz": float(f)})
            currents = solution.currents(float(f))
            matrix[i], work = solution.power(currents)
            scale = np.abs(matrix[i]).max()
            identity[i] = np.abs(matrix[i] - work).max() / (scale if scale > 0 else 1.0)
            residual[i] = solution.modes.residual(float(f))
            loss[i] = be.to_numpy(solution.density(currents))
        # The reduced model judges itself at every frequency; at the highest one the equations do.
        residual[-1] = max(residual[-1], solution.true_residual(currents, float(frequencies_Hz[-1])))
        be.synchronize()
        end = time.perf_counter()
        sigma = float(net.conductivity.max())
        depth = skin_depth(frequencies_Hz, sigma)
        ratio = depth / max(net.grid.spacing_m)
        notes = _notes(frequencies_Hz, ratio)
        for note in notes:
            warnings.warn(note, EmdoseWarning, stacklevel=3)
        report({"stage": "done", "index": count, "count": count, "residual": float(residual.max()),
                "tolerance": self.tolerance})  # fmt: skip
        return PowerTensor(
            frequencies_Hz=frequencies_Hz, sources=tuple(s.name for s in solution.sources), matrix=matrix,
            grid=net.grid, cells=cells, loss=loss, engine=("voxel",) * count, residual=residual, identity=identity,
            skin_depth_over_step=ratio, metals=tuple(getattr(implant, "metals", ())),
            source_units=tuple(s.unit for s in solution.sources), warnings=notes,
            provenance={
                "solver": "EddyCurrent", "options": asdict(self), "implant": str(getattr(implant, "name", "voxels")),
                "voxels": len(cells), "branches": len(op.branches), "steps": len(solution.modes.basis),
                "products": op.products, "resumed_steps": solution.modes.resumed,
                "reference_point_m": _middle(implant), "device": be.describe(),
                "timing_s": {"modes": clock["modes"] - clock["start"], "frequencies": end - clock["modes"]},
            },
        )  # fmt: skip


def skin_depth(frequencies_Hz: Any, conductivity_S_m: Any) -> Any:
    """Skin depth of a metal without magnetisation [m]."""
    return np.sqrt(1 / (math.pi * np.asarray(frequencies_Hz, float) * MU_0 * np.asarray(conductivity_S_m, float)))


def _voxels(solver: EddyCurrent, implant: Implant | VoxelImplant) -> Voxels:
    if isinstance(implant, Implant):
        return voxelise(implant, solver.spacing_m)
    return implant


def _middle(implant: Implant | VoxelImplant) -> tuple[float, float, float]:
    low, high = implant.bounds_m if isinstance(implant, Implant) else implant.grid.bounds_m
    return tuple(0.5 * (a + b) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]


def _frequencies(frequencies_Hz: Any) -> np.ndarray:
    f = np.unique(np.atleast_1d(np.asarray(frequencies_Hz, float)))
    if not f.size or not np.all(np.isfinite(f)) or np.any(f <= 0):
        raise InputError("bad frequencies", field="frequencies_Hz", found=frequencies_Hz, expected="finite, > 0 Hz")
    return f


def _notes(frequencies_Hz: np.ndarray, ratio: np.ndarray) -> tuple[str, ...]:
    low = ratio < RESOLVED
    if not low.any():
        return ()
    text = (f"skin depth is {ratio.min():.2g} voxels at {frequencies_Hz[np.argmin(ratio)]:g} Hz: below {RESOLVED:g} "
            "the power of the voxel engine is off by one to a few per cent; use a smaller spacing_m")  # fmt: skip
    return (text,)
