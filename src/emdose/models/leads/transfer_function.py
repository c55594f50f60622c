"""The transfer function of a lead: what a tangential field on each piece of it does at its tip."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from emdose.checks import array, growing, not_negative, one_of, positive, text
from emdose.errors import InputError
from emdose.models.leads.lead import LONGEST_M
from emdose.values import owned, read_only

PLUS, MINUS = "exp(+jwt)", "exp(-jwt)"
CONVENTIONS = (PLUS, MINUS)
SEEN = 0.05
"""Share of the largest magnitude below which a phase tells nothing."""
SAME_FREQUENCY, SAME_MEDIUM = 0.01, 0.1
"""Relative differences up to which two frequencies, and two media, count as the same."""


@read_only
@dataclass(frozen=True, eq=False)
class TransferFunction:
    r"""Transfer function S of a lead: a quantity at the tip is A abs(int S(l) E_tan(l) dl)^2.

    Parameters
    ----------
    distance_m : (n,) ndarray
        Distance from the tip along the lead, growing [m].
    values : (n,) complex ndarray
        S there.
    frequency_Hz : float
        Frequency [Hz].
    permittivity, conductivity_S_m : float
        Of the medium around the lead, relative and [S/m].
    time_convention : {"exp(+jwt)", "exp(-jwt)"}
        Sense of its phases. There is no default: the wrong one changes the power in fields whose phase varies.
    quantity : str
        What it gives, such as "tip current" or "temperature rise".
    normalisation : {"none", "max", "tip"}
        Whether the largest magnitude, or that at the tip, is 1.
    scale : float, optional
        A [``scale_unit``]; unknown unless given.
    scale_unit : str
        Its unit, such as "A^2/V^2" or "K/V^2".
    field_amplitude : {"peak", "rms"}
        Which amplitude of the field A goes with.
    calibration : str
        In which condition A was found.
    ends : str
        How the lead ends, in words.
    name : str
        Of the lead.

    Raises
    ------
    InputError
        For distances that do not grow or look like millimetres, values that are not finite or all zero, an unknown time
        convention or normalisation, or a scale without a unit.

    Source: S.-M. Park, R. Kamondetdacha, J. A. Nyenhuis, J. Magn. Reson. Imaging 26 (2007) 1278-1285.
    """

    distance_m: np.ndarray
    values: np.ndarray
    frequency_Hz: float
    permittivity: float
    conductivity_S_m: float
    time_convention: str
    quantity: str = "tip current"
    normalisation: str = "none"
    scale: float | None = None
    scale_unit: str = ""
    field_amplitude: str = "peak"
    calibration: str = ""
    ends: str = ""
    name: str = "lead"

    def __post_init__(self) -> None:
        s = array("distance_m", self.distance_m, (None,), least=0.0, problem="bad distances")
        if len(s) < 2:
            raise InputError("too few points", field="distance_m", found=len(s), expected="two or more")
        growing("distance_m", s, problem="distances from the tip do not grow", unit=" m")
        if s[-1] > LONGEST_M:
            raise InputError(
                "longer than any lead: millimetres taken for metres?",
                field="distance_m",
                found=f"{s[-1]:.4g} m",
                expected=f"at most {LONGEST_M:g} m",
            )
        S = np.asarray(self.values, complex)
        if S.shape != s.shape or not np.isfinite(S).all() or not np.any(S):
            raise InputError(
                "bad transfer function", field="values", found=S.shape, expected=f"{len(s)} finite values, not all zero"
            )
        object.__setattr__(self, "distance_m", owned(s))
        object.__setattr__(self, "values", owned(S.copy()))
        positive("frequency_Hz", self.frequency_Hz)
        positive("permittivity", self.permittivity)
        not_negative("conductivity_S_m", self.conductivity_S_m)
        one_of("time_convention", self.time_convention, CONVENTIONS, problem="unknown time convention")
        one_of("normalisation", self.normalisation, ("none", "max", "tip"), problem="unknown normalisation")
        one_of("field_amplitude", self.field_amplitude, ("peak", "rms"), problem="unknown amplitude")
        for key in ("quantity", "name"):
            text(key, getattr(self, key), problem="transfer function without it")
        if self.scale is not None:
            positive("scale", self.scale)
            text("scale_unit", self.scale_unit, problem="scale without a unit", expected="such as 'K/V^2'")

    @property
    def length_m(self) -> float:
        """Largest distance from the tip [m]."""
        return float(self.distance_m[-1])

    def in_convention(self, time_convention: str) -> TransferFunction:
        """The same in another time convention; its values are conjugated where that differs."""
        one_of("time_convention", time_convention, CONVENTIONS, problem="unknown time convention")
        if time_convention == self.time_convention:
            return self
        return replace(self, values=self.values.conj(), time_convention=time_convention)

    def normalised(self, normalisation: str = "max") -> TransferFunction:
        """The same with its largest magnitude ("max"), or that at the tip ("tip"), 1, and no phase at the tip."""
        one_of("normalisation", normalisation, ("max", "tip"), problem="unknown normalisation")
        size = np.abs(self.values)
        by = float(size.max() if normalisation == "max" else size[0])
        if by == 0:
            raise InputError("zero at the tip", field="normalisation", found=normalisation, expected="'max'")
        turned = self.values / by * np.exp(-1j * _tip_phase(self.values))
        scale = None if self.scale is None else self.scale * by**2
        return replace(self, values=turned, normalisation=normalisation, scale=scale)

    def at(self, distance_m: np.ndarray) -> np.ndarray:
        """S at distances from the tip, linear between its points; its last values beyond them."""
        s = np.asarray(distance_m, float)
        return np.asarray(
            np.interp(s, self.distance_m, self.values.real) + 1j * np.interp(s, self.distance_m, self.values.imag)
        )

    def require(
        self, frequency_Hz: float, permittivity: float | None = None, conductivity_S_m: float | None = None
    ) -> None:
        """Raise InputError unless it holds for a frequency, to 1 %, and for a medium, to 10 % where that is given."""
        asked = {
            "frequency_Hz": (frequency_Hz, SAME_FREQUENCY),
            "permittivity": (permittivity, SAME_MEDIUM),
            "conductivity_S_m": (conductivity_S_m, SAME_MEDIUM),
        }
        for key, (wanted, part) in asked.items():
            own = float(getattr(self, key))
            if wanted is not None and abs(own - wanted) > part * max(abs(wanted), abs(own)):
                raise InputError(
                    f"transfer function of another {'frequency' if key == 'frequency_Hz' else 'medium'}",
                    field=f"{self.name}.{key}",
                    found=own,
                    expected=f"{wanted:g}",
                )

    def nrmse(self, reference: TransferFunction) -> tuple[float, float]:
        """Differences of magnitude and of phase from a reference, each rms over the rms of the reference.

        Both are normalised to their largest magnitude and compared at the points of the reference; phases where both
        have 5 % of it, from no phase at the first such point, the tip of a measured lead.

        Raises
        ------
        InputError
            When the frequencies differ.
        """
        self.require(reference.frequency_Hz)
        own, other = self.in_convention(PLUS), reference.in_convention(PLUS)
        S, T = own.at(other.distance_m) / np.abs(own.values).max(), other.values / np.abs(other.values).max()
        told = np.minimum(np.abs(S), np.abs(T)) >= SEEN
        turn, known = (np.unwrap(np.angle(v[told] / v[told][0])) for v in (S, T))
        size = _rms(np.abs(S) - np.abs(T)) / _rms(np.abs(T))
        return size, _rms(turn - known) / max(_rms(known), np.finfo(float).tiny)


def _tip_phase(values: np.ndarray) -> float:
    """Phase at the tip; at an open end, of the first point with 5 % of the maximum."""
    size = np.abs(values)
    return float(np.angle(values[int(np.argmax(size >= SEEN * size.max()))]))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.abs(values) ** 2)))
