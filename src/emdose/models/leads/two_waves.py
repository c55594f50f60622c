r"""The two-wave line: a transfer function as one wave from the tip and one that the far end reflects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from emdose.checks import not_negative
from emdose.errors import InputError
from emdose.models.leads.transfer_function import PLUS, TransferFunction
from emdose.values import read_only


@read_only
@dataclass(frozen=True)
class TwoWaves:
    r"""S(l) = forward (e^{-jkl} + reflection e^{-jk(2L - l)}), exp(+jwt).

    Parameters
    ----------
    k_per_m : complex
        Wavenumber of the lead [1/m].
    forward : complex
        Amplitude of the wave that leaves the tip.
    reflection : complex
        Of that wave at the far end, as a share of what arrives there.
    length_m : float
        L [m].
    misfit : float
        Rms of what is left over the rms of S, over the points that were fitted.
    """

    k_per_m: complex
    forward: complex
    reflection: complex
    length_m: float
    misfit: float

    def at(self, distance_m: np.ndarray) -> np.ndarray:
        """S at distances from the tip."""
        s, g = np.asarray(distance_m, float), 1j * self.k_per_m
        return np.asarray(self.forward * (np.exp(-g * s) + self.reflection * np.exp(-g * (2 * self.length_m - s))))


def fit_two_waves(transfer_function: TransferFunction, skip_m: float = 0.015) -> TwoWaves:
    """The two-wave line that is nearest to a transfer function (least squares of complex values).

    Parameters
    ----------
    transfer_function : TransferFunction
        At least six points beyond ``skip_m``.
    skip_m : float
        Length at the tip that the line does not describe, such as a bare electrode [m].

    Raises
    ------
    InputError
        When too few points are left.
    """
    not_negative("skip_m", skip_m)
    tf = transfer_function.in_convention(PLUS)
    kept = tf.distance_m > skip_m if skip_m else np.ones(len(tf.distance_m), bool)
    s, S, L = tf.distance_m[kept], tf.values[kept], tf.length_m
    if len(s) < 6:
        raise InputError("too few points for two waves", field="skip_m", found=len(s), expected="six or more beyond it")

    def waves(k: complex) -> tuple[np.ndarray, np.ndarray]:
        # The second one is written from the far end, so that neither grows along the lead.
        basis = np.stack([np.exp(-1j * k * s), np.exp(-1j * k * (L - s))], axis=1)
        found: np.ndarray = np.linalg.lstsq(basis, S, rcond=None)[0]
        return found, basis @ found - S

    def left(p: np.ndarray) -> np.ndarray:
        rest = waves(complex(p[0], p[1]))[1]
        return np.concatenate([rest.real, rest.imag])

    # Several beginnings: the misfit has one valley a half wave.
    starts = [(np.pi * m / (2 * L), -0.15 * np.pi * m / (2 * L)) for m in (0.5, 1, 2, 3, 4, 6, 9, 13)]
    fits = [least_squares(left, start, bounds=([0, -np.inf], [np.inf, 0])) for start in starts]
    best = min(fits, key=lambda fit: fit.cost).x
    k = complex(best[0], best[1])
    (forward, back), rest = waves(k)
    reflection = back / (forward * np.exp(-1j * k * L))
    return TwoWaves(k, complex(forward), complex(reflection), L, float(np.linalg.norm(rest) / np.linalg.norm(S)))
