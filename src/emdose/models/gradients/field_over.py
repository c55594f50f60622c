r"""The field of gradient coils over an implant, as the terms that fit it best in every orientation of the implant.

About the middle of the implant the field of each axis is a polynomial of the place. In an orientation R the metal at p
lies at R p and sees, in its own axes, R^T B(R p); the uniform and linear terms that come nearest to this over the
metal, in the mean square, are a linear map of it. For the hip of the demo they give the power within 0.4 %, where the
terms of the field about the middle alone are 4 to 5 % off.

Source: E. W. Hobson, The Theory of Spherical and Ellipsoidal Harmonics, Cambridge 1931, ch. 4 (a field without sources
is a sum of solid harmonics, which are polynomials).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emdose.models.gradients.expansion import slopes

if TYPE_CHECKING:
    from emdose.models.gradients.coils import GradientSet

DEGREE = 4
"""Of the polynomials."""
SAMPLES = 160
"""Points at which the coils' own field is taken."""
_BLOCK = 256
_SEED = 20261


class FieldOver:
    """The terms of the field of gradient coils over a body, for every orientation of it.

    Parameters
    ----------
    coils : GradientSet
        The coils.
    position_m : (3,) ndarray
        Middle of the body in the scanner [m].
    points_m : (n, 3) ndarray
        Points spread evenly over the metal, from that middle [m].
    terms : int
        8, or 3 for the uniform ones alone.
    """

    def __init__(self, coils: GradientSet, position_m: np.ndarray, points_m: np.ndarray, terms: int) -> None:
        self.points = np.asarray(points_m, float)
        self._size = float(np.linalg.norm(self.points, axis=1).max())
        # A ball with all places that metal can turn to; its rim, where polynomials err most, is not left out.
        rng = np.random.default_rng(_SEED)
        along = rng.normal(size=(SAMPLES, 3))
        radius = np.cbrt(rng.uniform(0, 1, SAMPLES))
        radius[::3] = 1.0
        sampled = self._size * radius[:, None] * along / np.linalg.norm(along, axis=1, keepdims=True)
        fields = coils.fields(sampled + np.asarray(position_m, float))
        self._coefficients = np.linalg.lstsq(self._powers(sampled).T, fields.reshape(SAMPLES, -1), rcond=None)[0]
        design = np.zeros((len(self.points), 3, 8))
        design[:, [0, 1, 2], [0, 1, 2]] = 1.0
        design[:, :, 3:] = np.einsum("kij,nj->nik", slopes(), self.points)
        self._fit = np.linalg.pinv(design[..., :terms].reshape(-1, terms))
        self._design = design[..., :terms]

    def matrices(self, rotations: np.ndarray) -> np.ndarray:
        """The terms in the axes of the turned body per gradient axis, for rotations (t, 3, 3), (t, terms, axes)."""
        out = []
        for low in range(0, len(rotations), _BLOCK):
            seen = self._seen(rotations[low : low + _BLOCK])
            out.append(self._fit @ seen.reshape(len(seen), -1, seen.shape[-1]))
        return np.concatenate(out)

    def left_out(self, rotation: np.ndarray, rms: np.ndarray) -> float:
        """Rms over the metal of what the terms leave out, over that of the field, for rms drives of the axes."""
        seen = self._seen(rotation[None])[0]
        taken = self._design @ self.matrices(rotation[None])[0]
        weights = np.asarray(rms, float) ** 2
        left, whole = (float((weights * (v**2).sum(axis=(0, 1))).sum()) for v in (seen - taken, seen))
        return float(np.sqrt(left / whole)) if whole > 0 else 0.0

    def _seen(self, rotations: np.ndarray) -> np.ndarray:
        """The field at the points in the axes of the body, (t, n, 3, axes)."""
        places = self.points @ np.swapaxes(rotations, -1, -2)
        powers = self._powers(places)
        fields = self._coefficients.T @ powers.reshape(len(powers), -1)
        return np.einsum("tji,jatn->tnia", rotations, fields.reshape(3, -1, *places.shape[:2]))

    def _powers(self, points: np.ndarray) -> np.ndarray:
        """All monomials up to the degree, of places (..., 3) over the size of the body, (monomials, ...)."""
        x, y, z = (_to_degree(np.ascontiguousarray(c)) for c in np.moveaxis(points / self._size, -1, 0))
        n = DEGREE + 1
        both = [(x[i] * y[j], n - i - j) for i in range(n) for j in range(n - i)]
        return np.stack([xy * z[k] for xy, left in both for k in range(left)])


def _to_degree(values: np.ndarray) -> list[np.ndarray]:
    out = [np.ones_like(values)]
    for _ in range(DEGREE):
        out.append(out[-1] * values)
    return out
