"""Drives that follow from where the ports of a coil are: "circular" in the sense of B1+, and others."""

from __future__ import annotations

import numpy as np

ACROSS = 0.3
"""Least share of a moment that lies across z, for a port that takes part in a circular drive."""
PARALLEL = 0.6
"""Moments that are this much alike, 1 for parallel ones and 0 for those spread evenly, turn no field."""


def moments(segments: np.ndarray, currents: np.ndarray) -> np.ndarray:
    r"""Magnetic moments of closed currents, (port, 3) complex [A m^2].

    .. math:: \mathbf m = \tfrac12 \sum_n I_n\,\mathbf a_n \times \mathbf b_n

    Parameters
    ----------
    segments : (n, 2, 3) ndarray
        Straight pieces from a to b [m].
    currents : (port, n) complex ndarray
        Their currents [A].
    """
    return np.asarray(0.5 * currents @ np.cross(segments[:, 0], segments[:, 1]))


def named_drives(moment: np.ndarray) -> dict[str, np.ndarray]:
    """Named drives of ports with these magnetic moments (port, 3).

    "unit" of one port; otherwise "uniform" and, before it where the moments point around z, "circular" and
    "anti-circular": amplitudes of one, with the phases at which the ports add in B1+ = (Bx + j By) / 2, or in the other
    sense. Of loops around a cylinder whose normals point outward they are exp(-j phi) and exp(j phi) of their angle;
    a loop that is wound the other way gets its half turn.
    """
    count = len(moment)
    if count == 1:
        return {"unit": np.ones(1, complex)}
    out = {"uniform": np.ones(count, complex)}
    plus, minus = moment[:, 0] + 1j * moment[:, 1], moment[:, 0] - 1j * moment[:, 1]
    across = np.linalg.norm(moment[:, :2], axis=1)
    if np.all(across > ACROSS * np.linalg.norm(moment, axis=1)) and np.abs(plus).min() > 0 < np.abs(minus).min():
        axes = (plus / np.abs(plus)) * (minus / np.abs(minus)).conj()  # twice the angle of a real moment
        if abs(axes.mean()) < PARALLEL:
            circular = {"circular": np.conj(plus) / np.abs(plus), "anti-circular": np.conj(minus) / np.abs(minus)}
            return circular | out
    return out
