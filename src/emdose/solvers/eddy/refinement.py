r"""Several runs for one power tensor: smaller voxels where the chosen ones were coarse, and extrapolation over voxels.

The power on voxels of edge h is M(h) = M + C h^p with p = 2 (midpoint rule and linear variation). On spacings h, 2 h
and 4 h the order that the powers show is

.. math:: p = \log_2 \frac{|M_3 - M_2|}{|M_2 - M_1|} ,

and where it is near two, (4 M_1 - M_2) / 3 takes the place of M_1. How far it lies from (4 M_2 - M_3) / 3 is its
estimated error. Where walls leave room for two spacings only, the order is taken for granted and the whole step counts.
Spacings twice as large keep planes of the grid on the faces of a body.

Source: L. F. Richardson, Phil. Trans. R. Soc. A 210 (1911) 307; P. Roache, J. Fluids Eng. 116 (1994) 405 (reports of
grid refinement).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import ConvergenceError, EmdoseWarning
from emdose.models.implants.implant import Implant
from emdose.solvers.eddy.engines import GOOD
from emdose.solvers.eddy.options import AUTO
from emdose.solvers.eddy.run import EddyRun, middle
from emdose.solvers.eddy.spacing import finer, fits, least_cells, resolved
from emdose.solvers.eddy.voxels.sources import sources_of
from emdose.solvers.results.congruence import congruence
from emdose.solvers.results.power_errors import absolute, worst_shares
from emdose.solvers.running import Done
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.compute.shared import Shared
    from emdose.models.implants.voxels import VoxelImplant
    from emdose.solvers.eddy.options import EddyOptions
    from emdose.solvers.results.power_tensor import PowerTensor
    from emdose.solvers.running import Checkpoint, ProgressCallback

REFINEMENTS = 2
"""Times that a run may take smaller voxels than it chose first."""
RATIO = 2.0
"""Ratio of the spacings of an extrapolation."""
ORDERS = (1.0, 3.0)
"""Observed orders with which the theoretical one is taken for the extrapolation."""
REST = 0.1
"""Part of its step that an extrapolation at least leaves."""
STEPS = 100_000
"""Numbers of the steps of every further run in the checkpoint."""


def power_tensor(
    solver: EddyOptions,
    implant: Implant | VoxelImplant,
    frequencies_Hz: np.ndarray,
    sources: Any,
    be: Backend,
    report: ProgressCallback,
    checkpoint: Checkpoint | None,
    shared: Shared | None = None,
) -> PowerTensor:
    """Power tensor of a metal body, by as many runs as the options ask for.

    Parameters
    ----------
    solver, implant, frequencies_Hz, sources, be, report, checkpoint, shared
        As in :class:`~emdose.solvers.eddy.run.EddyRun`; the spacing may be "auto".
    """
    count = len(sources_of(sources, middle(implant)))
    step = resolved(solver, implant, frequencies_Hz, count, be)
    runs: list[dict[str, Any]] = []

    def run(options: EddyOptions, f: np.ndarray) -> tuple[PowerTensor, list[str]]:
        one = EddyRun(options, implant, f, sources, be, report, checkpoint, STEPS * len(runs), shared)
        try:
            made = one.tensor()
        except ConvergenceError as error:
            error.partial = _told(error.partial, solver, runs)
            raise
        runs.append({"spacing_m": list(made.grid.spacing_m), "voxels": len(made.cells)})
        return made, one.names

    tensor, names = run(step, frequencies_Hz)
    if solver.spacing_m == AUTO and isinstance(implant, Implant):
        within = fits(step, implant, frequencies_Hz, count, be)
        for _ in range(REFINEMENTS):
            lacking = max(tensor.provenance["error_estimate"]["discretisation"])
            smaller = finer(np.array(step.edges_m), lacking, within) if lacking > 2 * GOOD else None
            if smaller is None:
                break
            step = replace(step, spacing_m=tuple(smaller.tolist()))
            tensor, names = run(step, frequencies_Hz)
    if solver.richardson:
        these = np.flatnonzero([name == "voxel" for name in names])
        if len(these):
            edges = [RATIO**n * np.array(tensor.grid.spacing_m) for n in (1, 2)]
            if isinstance(implant, Implant) and least_cells(implant, edges[1]) < 1:
                edges.pop()
            coarse = [replace(step, spacing_m=tuple(e.tolist()), engine="voxel", richardson=False) for e in edges]
            others = [run(options, frequencies_Hz[these])[0] for options in coarse]
            tensor = extrapolated(tensor, these, *others)
    report(Done(residual=float(tensor.residual.max()), tolerance=solver.tolerance))
    return _told(tensor, solver, runs)


def extrapolated(
    fine: PowerTensor, these: np.ndarray, middle: PowerTensor, coarse: PowerTensor | None = None
) -> PowerTensor:
    """The tensor of the finest voxels with powers extrapolated to voxels of no size, where their order allows it.

    Parameters
    ----------
    fine : PowerTensor
        All frequencies.
    these : (k,) ndarray
        Which of them the others have.
    middle, coarse : PowerTensor
        On voxels larger by the ratio and, where there is one, by its square.
    """
    matrix, left_out, loss = np.array(fine.matrix), np.array(fine.left_out), np.array(fine.loss)
    told: dict[str, list[Any]] = {"frequencies_Hz": [], "order": [], "extrapolated": [], "change": []}
    for k, i in enumerate(these):
        first, second = fine.matrix[i].real, middle.matrix[k].real
        wanted = _limit(first, second)
        order, rest = None, absolute(wanted - first) + REST * absolute(left_out[i])
        if coarse is not None:
            third = coarse.matrix[k].real
            order = _order(first, second, third)
            rest = absolute(wanted - _limit(second, third)) + REST * rest
        near = order is None or ORDERS[0] <= order <= ORDERS[1]
        if near:
            T = congruence(first, wanted)
            matrix[i] = T.T @ matrix[i] @ T
            loss[i] = np.einsum("ai,abm,bj->ijm", T, loss[i], T, optimize=True)
            left_out[i] = rest
        else:
            # Not yet in the range of the order: what the last step changed counts, if it is more than the estimate.
            found = absolute(second - first)
            left_out[i] = found if np.trace(found) > np.trace(left_out[i]) else left_out[i]
        change = float(np.trace(matrix[i].real) / max(np.trace(first), 1e-300) - 1)
        for key, value in zip(told, (float(fine.frequencies_Hz[i]), order, near, change), strict=True):
            told[key].append(value)
    spacings = [list(t.grid.spacing_m) for t in (fine, middle, coarse) if t is not None]
    parts = dict(fine.provenance["error_estimate"])
    parts["discretisation"] = [float(e) for e in worst_shares(matrix, left_out, fine.sources)]
    return replace(
        fine,
        matrix=owned(matrix),
        left_out=owned(left_out),
        loss=owned(loss),
        provenance={
            **fine.provenance,
            "error_estimate": parts,
            "richardson": {"spacing_m": spacings, **told},
        },
    )


def _limit(fine: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """Extrapolation of two matrices with order two, kept positive semidefinite."""
    values, u = np.linalg.eigh(fine + (fine - coarse) / (RATIO**2 - 1))
    return np.asarray((u * np.maximum(values, 0)) @ u.T)


def _order(first: np.ndarray, second: np.ndarray, third: np.ndarray) -> float:
    """Order that the traces of three matrices show; not a number where they do not go one way."""
    steps = [float(np.trace(b - a)) for a, b in ((first, second), (second, third))]
    return math.log(steps[1] / steps[0], RATIO) if steps[0] * steps[1] > 0 else math.nan


def _told(tensor: PowerTensor, solver: EddyOptions, runs: list[dict[str, Any]]) -> PowerTensor:
    """The tensor with the options that were asked for, and its warnings said."""
    for note in tensor.warnings:
        warnings.warn(note, EmdoseWarning, stacklevel=5)
    return replace(tensor, provenance={**tensor.provenance, "options": asdict(solver), "runs": list(runs)})
