r"""Modes of birdcage ladder networks.

N equal meshes close to a ring. Mesh n carries J_n along one end ring and back along the other; its rungs carry the
differences to the neighbours. With J_n ~ exp(2 pi j m n / N) the mesh equation

.. math:: 2 Z_r + 4 \sin^2(\pi m / N)\, Z_l = 0

holds for the impedances of a ring segment Z_r and of a rung Z_l, and gives the frequency of mode m = 0 ... N/2, twofold
except for m = 0 and N/2.

Source: J. Jin, Electromagnetic Analysis and Design in Magnetic Resonance Imaging, CRC Press 1998, ch. 4; M. Leifer, J.
Magn. Reson. 124 (1997) 51 (circulant inductances, discrete Fourier transform).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def ladder_modes(
    rungs: int,
    rung_inductance_H: Any,
    ring_inductance_H: Any,
    *,
    ring_capacitance_F: float = math.inf,
    rung_capacitance_F: float = math.inf,
    opposite_inductance_H: Any = 0.0,
) -> np.ndarray:
    r"""Frequencies of the modes of a birdcage.

    .. math:: \omega_m^2 = \frac{1/C_r + 2 \sin^2(\pi m/N)/C_l}{\hat L_r - \hat M + 2 \sin^2(\pi m/N)\,\hat L_l}

    Parameters
    ----------
    rungs : int
        Number of rungs N.
    rung_inductance_H, ring_inductance_H : float or (N,) array
        Self-inductance of a rung and of a ring segment, or those followed by the mutual inductances with the others of
        their kind (rungs; segments of the same ring), in the order around the ring [H].
    ring_capacitance_F, rung_capacitance_F : float
        Capacitor in every ring segment (high-pass), in every rung (low-pass), or both [F]; infinite: none.
    opposite_inductance_H : float or (N,) array
        Mutual inductances of a ring segment with those of the other ring, the one across first, both taken in the same
        direction around the axis [H].

    Returns
    -------
    (N // 2 + 1,) ndarray
        Frequencies of the modes 0 to N/2 [Hz].
    """
    m = np.arange(rungs // 2 + 1)
    sine = 2 * np.sin(math.pi * m / rungs) ** 2
    rung, ring, opposite = (
        _transform(v, rungs)[m] for v in (rung_inductance_H, ring_inductance_H, opposite_inductance_H)
    )
    squared = (1 / ring_capacitance_F + sine / rung_capacitance_F) / (ring - opposite + sine * rung)
    return np.asarray(np.sqrt(squared) / (2 * math.pi))


def end_ring_mode(ring_inductance_H: Any, ring_capacitance_F: float, opposite_inductance_H: Any, rungs: int) -> float:
    """Frequency of the mode with equal currents in the same direction in both rings and none in the rungs [Hz]."""
    total = _transform(ring_inductance_H, rungs)[0] + _transform(opposite_inductance_H, rungs)[0]
    return float(1 / (2 * math.pi * math.sqrt(total * ring_capacitance_F)))


def capacitance_for(
    mode: int,
    frequency_Hz: float,
    rungs: int,
    rung_inductance_H: Any,
    ring_inductance_H: Any,
    *,
    kind: str = "high-pass",
) -> float:
    """Capacitance of a high-pass (ring) or low-pass (rung) birdcage whose mode is at a frequency [F]."""
    one = {"ring_capacitance_F" if kind == "high-pass" else "rung_capacitance_F": 1.0}
    return float((ladder_modes(rungs, rung_inductance_H, ring_inductance_H, **one)[mode] / frequency_Hz) ** 2)


def _transform(values: Any, count: int) -> np.ndarray:
    v = np.asarray(values, float)
    row = np.concatenate([np.atleast_1d(v), np.zeros(count - v.size)]) if v.size < count else v
    return np.asarray(np.fft.fft(row).real)
