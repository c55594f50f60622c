"""Whether the cells of a grid resolve the waves in a body."""

from __future__ import annotations

import warnings

import numpy as np

from emdose.constants import C_0
from emdose.errors import EmdoseWarning
from emdose.validity import THRESHOLDS


def cells_per_wavelength(permittivity: np.ndarray, frequency_Hz: float, step_m: float) -> float:
    """Cells per wavelength in the densest tissue.

    Parameters
    ----------
    permittivity : (...) complex ndarray
        Relative permittivities of the tissues.
    frequency_Hz, step_m : float
        Frequency [Hz] and largest step of the cells [m].

    Warns
    -----
    EmdoseWarning
        When there are so few that the fields are not valid.

    Notes
    -----
    c / (f Re sqrt(eps) h).
    """
    cells = float(C_0 / frequency_Hz / np.sqrt(permittivity).real.max() / step_m)
    row = THRESHOLDS["cells_per_wavelength"]
    if row.beyond(cells, row.not_valid):
        warnings.warn(
            f"{cells:.1f} cells per wavelength in the densest tissue at {frequency_Hz / 1e6:g} MHz: fewer than "
            f"{row.not_valid:g} make the fields unreliable; use a spacing below "
            f"{1e3 * step_m * cells / row.not_valid:.2g} mm",
            EmdoseWarning,
            stacklevel=6,
        )
    return cells
