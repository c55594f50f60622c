r"""What ties the pulses of a sequence, nominal B1+ in Hz, to drives of a coil.

A pulse of amplitude a [Hz] with the shim s is the drive

.. math:: v = a \, k \, s, \qquad k = \frac{1}{\bar\gamma \, \langle |B_1^+ m| \rangle}

with the mode m of the coil, its largest amplitude 1, and the mean of its :math:`|B_1^+|` over a region per unit of
drive. Without a shim s = m, so that the mean of B1+ there is the nominal one. Shims of a file are amplitudes of the
channels relative to that calibration, as a scanner plays them: their own B1+ follows from the coil.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import positive
from emdose.errors import InputError
from emdose.solvers.results.fields import named_drive, require_plausible
from emdose.values import owned, read_only

if TYPE_CHECKING:
    from emdose.solvers.results.fields import Fields

USUAL = ("quadrature", "circular")


@read_only(units={"b1plus": "T per {drive_unit}"})
@dataclass(frozen=True, eq=False)
class DriveReference:
    """B1+ of every channel in a region, and the mode of the coil that pulses are calibrated with there.

    Parameters
    ----------
    b1plus : (point, port) complex128 ndarray
        Peak phasors of B1+ in the region [T per drive unit].
    mode : (port,) complex128 ndarray
        Relative amplitudes of the channels; what a pulse without a shim is played with.
    region : str
        Where B1+ was taken.
    ports : tuple of str
        Names of the ports.
    drive_unit : str
        What one unit of a drive is: peak amplitude.
    frequency_Hz : float or None
        Frequency [Hz]; None where nobody said it.

    Raises
    ------
    InputError
        For arrays that do not fit each other, values that are not finite, and a mode without B1+ in the region.
    """

    b1plus: np.ndarray
    mode: np.ndarray
    region: str
    ports: tuple[str, ...]
    drive_unit: str
    frequency_Hz: float | None = None

    def __post_init__(self) -> None:
        n = len(self.ports)
        b1, mode = np.asarray(self.b1plus, complex), np.asarray(self.mode, complex)
        if b1.ndim != 2 or b1.shape[1] != n or not len(b1) or mode.shape != (n,):
            raise InputError(
                "B1+ and mode do not fit the ports",
                field="b1plus",
                found=(b1.shape, mode.shape),
                expected=f"(point, {n}) and ({n},)",
            )
        if not (np.all(np.isfinite(b1)) and np.all(np.isfinite(mode))):
            raise InputError("B1+ or mode holds a value that is not finite", field="b1plus")
        object.__setattr__(self, "b1plus", owned(b1.copy()))
        object.__setattr__(self, "mode", owned(mode.copy()))
        if not self.per_unit_T > 0:
            raise InputError("mode without B1+", field="mode", found=f"0 T over {self.region}", expected="B1+ > 0")

    @property
    def unit_mode(self) -> np.ndarray:
        """The mode with its largest amplitude 1, (port,) complex."""
        return np.asarray(self.mode / (np.abs(self.mode).max() or 1.0))

    @property
    def per_unit_T(self) -> float:
        """Mean of abs(B1+) over the region by the unit mode [T per drive unit]."""
        return float(self.mean_T(self.unit_mode))

    def mean_T(self, drives: Sequence[complex] | np.ndarray) -> Any:
        """Mean of abs(B1+) over the region by drives (..., port), (...) [T]."""
        return np.abs(np.asarray(drives, complex) @ self.b1plus.T).mean(axis=-1)

    def drive_per_Hz(self, gamma_Hz_T: float) -> float:
        """Amplitude of the largest channel of the mode per amplitude of a pulse [drive unit/Hz].

        Parameters
        ----------
        gamma_Hz_T : float
            Gyromagnetic ratio over 2 pi [Hz/T].

        Raises
        ------
        InputError
            For a ratio that is not positive.
        """
        return 1.0 / (positive("gamma_Hz_T", gamma_Hz_T) * self.per_unit_T)


def drive_reference(
    fields: Fields,
    over: str | Sequence[float] | np.ndarray = "isocentre",
    mode: str | Sequence[complex] | np.ndarray | None = None,
    *,
    region: str = "",
    accept: Sequence[str] = (),
) -> DriveReference:
    """What pulses are calibrated with: B1+ of all channels in a region, and a mode of the coil.

    Parameters
    ----------
    fields : Fields
        Fields of all ports, or of one drive, per unit of drive.
    over : "isocentre", "slice", "body", point or mask
        Where nominal B1+ holds, see :meth:`emdose.solvers.Fields.scale`.
    mode : str or (port,) complex, optional
        Name of a drive of the coil or relative amplitudes of its channels; by default "quadrature" or "circular",
        else its first one.
    region : str
        What the place is called in reports; by default its name or the point.
    accept : sequence of str
        Names of thresholds of validity that may be passed: "b1plus_share", "b1plus_air".

    Raises
    ------
    InputError
        For an unknown region or mode, a region that is empty, and a mode without B1+ there, or whose field turns the
        other way, or a region that is mostly air.
    """
    inside = fields.region(over)  # type: ignore[arg-type]
    if mode is None:
        names = list(fields.drives)
        if not names and len(fields.ports) > 1:
            raise InputError("a coil without named drives", field="mode", expected="amplitudes of its channels")
        mode = next((n for n in USUAL if n in names), names[0]) if names else np.ones(1)
    _, v = named_drive(mode, fields.drives, len(fields.ports))
    if not region:
        region = over if isinstance(over, str) else "mask"
        if not isinstance(over, str) and np.asarray(over).dtype != bool:
            region = "point ({}) m".format(", ".join(f"{float(p):g}" for p in over))
    b1 = np.ascontiguousarray(fields.b1plus()[:, inside].T).astype(complex)
    plus, minus = np.abs(b1 @ v) ** 2, np.abs(fields.b1minus()[:, inside].T.conj() @ v) ** 2
    share = float(plus.mean() / (plus + minus).mean()) if (plus + minus).any() else np.nan
    told = {"b1plus_share": share, "b1plus_air": 1.0 - float(np.mean(fields.body[inside]))}
    require_plausible(told, accept, "over")
    return DriveReference(b1, v, region, tuple(fields.ports), fields.drive_unit, fields.frequency_Hz)
