r"""Temperature rises for every orientation of an implant in the field of a sequence, from a few solutions.

The power density is a polynomial of the rotation, and its dimension is small: those of a few orientations span those
of all others to a part of a percent,

.. math:: q(R) \approx \sum_k a_k(R)\, q(R_k) ,

and heat is linear in it, so the rises of the chosen orientations give the rise for all. They are chosen one after the
other, each the one that the others span worst (pivoted Cholesky factors of their inner products), beginning with the
pose of the scenario, whose rise is therefore exact.

Source: H. Harbrecht, M. Peters, R. Schneider, Appl. Numer. Math. 62 (2012) 428 (pivoted Cholesky decomposition and its
error); A. Arduino et al., Magn. Reson. Med. 85 (2021) 3447 (superposition of heat sources of implants).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.results.orientations import power_form, rotations, worst_turn

if TYPE_CHECKING:
    from emdose.models.gradients.spectrum import Spectrum
    from emdose.solvers.results.power_tensor import PowerTensor

Terms = Callable[[np.ndarray], np.ndarray]
SPANNED = 0.02
"""Largest part of the strongest density that the chosen orientations may leave out of any."""
MOST = 40
"""Orientations at most."""
SAMPLED = 6
"""Every which rotation of the grid is a candidate."""
WARM = 0.85
"""Voxels that reach this part of the highest peak for some orientation are searched between the candidates."""
_AT_ONCE = 1 << 21
"""Rises of orientations times voxels that are laid out at once."""


def _cuts(voxels: int, turns: int) -> list[slice]:
    step = max(1, _AT_ONCE // max(1, turns))
    return [slice(low, low + step) for low in range(0, voxels, step)]


class TurnedLoss:
    """Power densities of a sequence for all orientations.

    Parameters
    ----------
    tensor : PowerTensor
        Power densities per source.
    terms : callable
        Rotations (t, 3, 3) -> terms of the field in the axes of the turned implant per gradient axis (t, n, axes).
    drive : Spectrum
        Harmonics of the axes.
    blur_m : float
        Edge of the cubes over which densities are compared [m]; heat knows nothing finer than its voxels.

    Attributes
    ----------
    chosen : (k, 3, 3) ndarray
        Rotations whose densities span the others; the first is none.
    densities : (k, m) ndarray
        Their densities [W/m^3].
    """

    def __init__(self, tensor: PowerTensor, terms: Terms, drive: Spectrum, blur_m: float) -> None:
        self.terms, self.form = terms, power_form(tensor, drive)
        a = drive.amplitudes / np.sqrt(2)
        share = tensor._shares(drive.frequencies_Hz)
        self._A = np.einsum("hs,ha,hb->sab", share, a.conj(), a)
        n = len(tensor.sources)
        self._i, self._j = np.triu_indices(n)
        self._k, self._l = np.triu_indices(n, 1)
        blurred = self._blurred(tensor, blur_m)
        self._gram = blurred @ blurred.T
        totals = [(2.0 - (i == j)) * tensor.matrix[:, i, j] for i, j in zip(self._i, self._j, strict=True)]
        loose = [2.0 * tensor.matrix[:, k, m] for k, m in zip(self._k, self._l, strict=True)]
        self._power = np.concatenate([np.real(totals), -np.imag(loose)]).T.ravel()
        tried = rotations()[::SAMPLED]
        matrices = terms(tried)
        chosen = self._span(self._features(matrices))
        self.chosen, matrices = tried[chosen], matrices[chosen]
        basis = self._features(matrices)
        inner = basis @ self._gram @ basis.T
        self._solve = self._gram @ basis.T @ np.linalg.pinv(inner, rcond=1e-10, hermitian=True)
        self._factor = self._scale(matrices, basis)
        self.densities = np.stack([tensor.loss_density(drive.through(m)) for m in matrices])

    def amounts(self, turns: np.ndarray) -> np.ndarray:
        """How much of each chosen density that of other rotations (t, 3, 3) holds, (t, k)."""
        X = self.terms(turns)
        features = self._features(X)
        return np.asarray(self._scale(X, features)[:, None] * (features @ self._solve) / self._factor)

    def density(self, tensor: PowerTensor, drive: Spectrum, turn: np.ndarray) -> np.ndarray:
        """Density of one rotation itself, (m,) [W/m^3]."""
        return np.asarray(tensor.loss_density(drive.through(self.terms(turn[None])[0])))

    def _features(self, X: np.ndarray) -> np.ndarray:
        """Weights of the real and imaginary parts of the densities of all pairs of sources, (t, f * n * n)."""
        W = np.einsum("tia,sab,tjb->tsij", X, self._A, X, optimize=True)
        parts = [W[..., self._i, self._j].real, W[..., self._k, self._l].imag]
        return np.concatenate(parts, axis=-1).reshape(len(X), -1)

    def _blurred(self, tensor: PowerTensor, blur_m: float) -> np.ndarray:
        """Real and imaginary parts of the density of all pairs over cubes, (f * n * n, cubes)."""
        step = np.array(tensor.grid.spacing_m)
        places = np.floor((tensor.cells + 0.5) * step / max(blur_m, float(step.max()))).astype(np.int64)
        shape = places.max(0) + 1
        cube = np.unique(np.ravel_multi_index(tuple(places.T), tuple(shape)), return_inverse=True)[1].ravel()
        rows = []
        for loss in tensor.loss:
            for i, j in zip(self._i, self._j, strict=True):
                rows.append((1 if i == j else 2) * np.bincount(cube, loss[i, j].real))
            rows += [-2 * np.bincount(cube, loss[k, m].imag) for k, m in zip(self._k, self._l, strict=True)]
        return np.stack(rows)

    def _scale(self, X: np.ndarray, features: np.ndarray) -> np.ndarray:
        """What densities are multiplied with so that they sum to the power of the fit, (t,)."""
        found = features @ self._power
        wanted = self.form(X)
        return np.divide(wanted, found, out=np.ones_like(wanted), where=found > 0)

    def _span(self, features: np.ndarray) -> list[int]:
        """Candidates that span all of them: the first, then always the one that is left out most."""
        inner = features @ self._gram @ features.T
        left = np.diag(inner).copy()
        enough = SPANNED**2 * float(left.max())
        columns = np.zeros((0, len(left)))
        chosen: list[int] = []
        n = 0
        while len(chosen) < MOST and left[n] > max(enough, 1e-14 * float(inner[n, n])):
            column = (inner[n] - columns.T @ columns[:, n]) / np.sqrt(left[n])
            columns = np.concatenate([columns, column[None]])
            left = left - column**2
            chosen.append(n)
            n = int(np.argmax(left))
        return chosen or [0]


class TurnedRises:
    """Peak rises over all orientations.

    Parameters
    ----------
    amounts : callable
        Rotations (t, 3, 3) -> how much of each rise (t, k).
    rises : (k, nx, ny, nz) ndarray
        Rises of the chosen orientations [K].
    base : (nx, ny, nz) ndarray or None
        Rise that does not depend on the orientation [K].
    where : (nx, ny, nz) bool ndarray
        Where a peak is looked for.
    """

    def __init__(
        self,
        amounts: Callable[[np.ndarray], np.ndarray],
        rises: np.ndarray,
        base: np.ndarray | None,
        where: np.ndarray,
    ) -> None:
        self.amounts, self.shape = amounts, where.shape
        inside = np.flatnonzero(where.ravel())
        flat = rises.reshape(len(rises), -1)[:, inside]
        offset = np.zeros(len(inside)) if base is None else base.ravel()[inside]
        some = amounts(rotations()[::SAMPLED]).astype(np.float32)
        highest, first = np.full(len(inside), -np.inf), np.zeros(0, int)
        peaks = np.full(len(some), -np.inf)
        place = np.zeros(len(some), int)
        for cut in _cuts(len(inside), len(some)):
            values = some @ flat[:, cut].astype(np.float32) + offset[cut].astype(np.float32)
            highest[cut] = values.max(axis=0)
            here = values.argmax(axis=1)
            top = values[np.arange(len(some)), here]
            better = top > peaks
            peaks[better], place[better] = top[better], here[better] + cut.start
        first = np.unique(place)
        kept = np.union1d(np.flatnonzero(highest >= WARM * float(peaks.max())), first) if len(inside) else first
        self.kept, self.flat, self.offset = inside[kept], flat[:, kept].astype(float), offset[kept]

    def __call__(self, turns: np.ndarray) -> np.ndarray:
        """Peak rise for rotations (t, 3, 3), (t,) [K]."""
        a, out = self.amounts(turns), np.full(len(turns), -np.inf)
        for cut in _cuts(len(self.kept), len(turns)):
            out = np.maximum(out, (a @ self.flat[:, cut] + self.offset[cut]).max(axis=1))
        return out

    def place(self, turn: np.ndarray) -> tuple[int, ...]:
        """Voxel of the peak for one rotation."""
        at = int(np.argmax(self.amounts(turn[None])[0] @ self.flat + self.offset))
        return tuple(int(i) for i in np.unravel_index(self.kept[at], self.shape))

    def extremes(self) -> dict[str, Any]:
        """Largest and smallest peak of all orientations with their rotations, and the peaks over the grid of them."""
        grid = self(rotations())
        worst, turn = worst_turn(self, grid)
        best, across = worst_turn(self, grid, least=True)
        return {"worst": worst, "turn": turn, "best": best, "across": across, "grid": grid}
