r"""All frequencies at once: eddy currents in the Krylov space of the time constants.

On currents without divergence, in the inner product that counts their loss, I^T R I', the inductance is a symmetric
operator W = P R^-1 L (P projects on those currents: one conduction problem), and

.. math:: (1 + j\omega W)\, I(\omega) = I_0 , \qquad I_0 = P R^{-1} e .

A block Lanczos process on real numbers, started with the currents I_0 of the low-frequency limit for all sources, finds
an orthonormal basis Q and the small matrix T = Q^T L Q; then I(w) = Q (1 + jwT)^-1 Q^T e for every frequency. The
process is done when the residual at the highest one is small; the power, y^H y = Re(y^H beta), has the square of it.

Source: Y. Saad, Iterative Methods for Sparse Linear Systems, 2nd ed., SIAM 2003, ch. 6 (Galerkin projection, block
Lanczos); P. Feldmann and R. Freund, IEEE Trans. CAD 14 (1995) 639 (reduced models over frequency by Lanczos).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import ConvergenceError, InputError
from emdose.solvers.running import Checkpoint, part_name

if TYPE_CHECKING:
    from emdose.solvers.eddy.voxels.operator import EddyOperator

RANK = 1e-5
"""Directions of a block with a smaller relative norm are dropped: the process has found their space."""


BLOCK = "J"
"""Name of the block of a step in a checkpoint."""


@dataclass(eq=False)
class Modes:
    """The reduced model.

    Parameters
    ----------
    basis : list of (vectors, branches) array
        Blocks of currents, orthonormal in the loss [A], on the device.
    T : (k, k) float64 ndarray
        Inductance in the basis [s].
    start : (k, sources) float64 ndarray
        The sources in the basis.
    coupling : (vectors, vectors) float64 ndarray
        What the last product left: its norm is the residual of an unfinished process.
    resumed : int
        Blocks taken from the checkpoint.
    """

    basis: list[Any]
    T: np.ndarray
    start: np.ndarray
    coupling: np.ndarray
    resumed: int = 0

    def amplitudes(self, frequency_Hz: float) -> np.ndarray:
        """y of (1 + jwT) y = start, (k, sources) complex."""
        w = 2 * math.pi * frequency_Hz
        return np.linalg.solve(np.eye(len(self.T)) + 1j * w * self.T, self.start.astype(complex))

    def residual(self, frequency_Hz: float) -> float:
        """Largest relative residual over the sources."""
        w = 2 * math.pi * frequency_Hz
        last = self.amplitudes(frequency_Hz)[-self.coupling.shape[1] :] if self.coupling.size else np.zeros((0, 1))
        left = w * np.linalg.norm(self.coupling @ last, axis=0) if self.coupling.size else np.zeros(1)
        size = np.linalg.norm(self.start, axis=0)
        return float(np.max(left / np.where(size > 0, size, 1.0)))

    def scaled(self, factor: float) -> Modes:
        """The modes of the same metal with all conductivities ``factor`` times as large: no product is needed.

        The loss that makes the basis orthonormal is 1 / factor of what it was, every time constant factor times.
        """
        root = math.sqrt(factor)
        basis = [(root * q).astype(q.dtype) for q in self.basis]
        return Modes(basis, factor * self.T, root * self.start, factor * self.coupling, self.resumed)


def find_modes(
    operator: EddyOperator,
    emf: Any,
    highest_Hz: float,
    *,
    tolerance: float,
    max_steps: int,
    report: Callable[[int, float], None],
    checkpoint: Checkpoint | None = None,
    first_step: int = 0,
) -> Modes:
    """The reduced model of some sources.

    Parameters
    ----------
    operator : EddyOperator
        The branches.
    emf : (sources, branches) array
        Voltages that the sources induce, per unit of their rate of change [V].
    highest_Hz : float
        Frequency at which the tolerance is met; lower ones are easier.
    tolerance : float
        Relative residual.
    max_steps : int
        Blocks at most.
    report : callable
        Called with the step and the residual.
    checkpoint : Checkpoint, optional
        Keeps the blocks.
    first_step : int
        Number of the first block in the checkpoint.

    Raises
    ------
    InputError
        When no source drives any current.
    ConvergenceError
        When the tolerance is missed; ``partial`` holds the modes so far.
    """
    voltage = operator.project(emf)
    first, start, _ = _orthonormal(operator, [], voltage)
    if not len(first):
        raise InputError(
            "the sources drive no current on these voxels",
            field="spacing_m",
            found=tuple(operator.network.grid.spacing_m),
            expected="at least two voxels across the metal, for currents to turn",
        )
    modes = Modes([first], np.zeros((0, 0)), start, np.zeros((0, 0)))
    for step in range(max_steps):
        size = sum(len(q) for q in modes.basis)
        name = part_name(first_step + step)
        saved = None if checkpoint is None else (checkpoint.load(name) or {}).get(BLOCK)
        block = operator.unpack(saved, size) if saved is not None else None
        if block is None:
            voltage = operator.project(operator.induced(modes.basis[-1]))
            new, coupling, overlaps = _orthonormal(operator, modes.basis, voltage)
            block = new, coupling, overlaps
            if checkpoint is not None:
                checkpoint.save(name, {BLOCK: operator.pack(block)})
        else:
            modes.resumed += 1
        new, coupling, overlaps = block
        width = len(modes.basis[-1])
        T = np.zeros((size, size))
        T[: size - width, : size - width] = modes.T
        T[:, size - width :] = overlaps
        T[size - width :, : size - width] = overlaps[: size - width].T
        tail = T[size - width :, size - width :]
        T[size - width :, size - width :] = 0.5 * (tail + tail.T)
        modes.T, modes.coupling = T, coupling
        modes.start = np.concatenate([start, np.zeros((size - len(start), start.shape[1]))])
        residual = modes.residual(highest_Hz)
        report(step + 1, residual)
        if residual <= tolerance or not len(new):
            return modes
        modes.basis.append(new)
    modes.basis.pop()
    raise ConvergenceError(
        f"eddy currents: residual {residual:.2g} at {highest_Hz:g} Hz after {max_steps} steps misses the tolerance "
        f"{tolerance:g}; raise max_steps or lower the highest frequency",
        partial=modes,
    )


def _orthonormal(operator: EddyOperator, basis: list[Any], voltage: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """New block from voltages that drive currents without divergence.

    Returns the block, the coefficients of the voltages in it (the coupling) and in the earlier blocks.
    """
    total = np.zeros((sum(len(q) for q in basis), len(voltage)))
    for _ in range(2 if basis else 0):
        h = np.concatenate([operator.inner(q, voltage) for q in basis])
        low = 0
        for q in basis:
            voltage = operator.subtract(voltage, q, h[low : low + len(q)])
            low += len(q)
        total += h
    current = operator.driven(voltage)
    gram = operator.inner(current, voltage)
    gram = 0.5 * (gram + gram.T)
    size = np.sqrt(np.maximum(np.diag(gram), 0.0))
    before = np.sqrt(size**2 + (total**2).sum(axis=0))
    scale = np.where(size > 0, size, 1.0)
    values, u = np.linalg.eigh(gram / (scale[:, None] * scale))
    # Columns that orthogonalisation has all but cancelled hold nothing but rounding.
    alive = bool(np.any(size > RANK * before))
    keep = values > RANK * max(values[-1], 1e-300) if alive else np.zeros(len(values), bool)
    mix = u[:, keep] / np.sqrt(values[keep]) / scale[:, None]
    coupling = (np.sqrt(values[keep])[:, None] * u[:, keep].T) * scale
    return operator.combine(current, mix), coupling, total
