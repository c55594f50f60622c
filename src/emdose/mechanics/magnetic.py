r"""Force and torque of the static field on metal that it magnetises.

.. math:: M_i = \frac{\chi}{1 + \chi N_i} \frac{B_i}{\mu_0} \le M_s, \qquad
          F = V M\, |\nabla B|, \qquad
          T = \frac{V \chi^2 (N_\perp - N_\parallel) B^2 \sin 2\theta}
                   {2 \mu_0 (1 + N_\parallel\chi)(1 + N_\perp\chi)} .

The torque of the shape is of second order in chi and, for weakly magnetic metal, a lower estimate: a difference dchi
of the susceptibility along two axes of the material (by rolling, drawing or crystals) adds V dchi B^2 sin(2 theta) /
(2 mu_0), and for titanium rods this has been seen to be over a hundred times more.

Source: J. F. Schenck, Med. Phys. 23 (1996) 815; ASTM F2052 (F = m g tan alpha) and F2213 (torque beside weight times
length) by public summaries; Tang et al., Proc. ISMRM 26 (2018) 4063 (anisotropy of drawn rods).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose import resources
from emdose.checks import is_number, not_negative, number, positive, text, unknown
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.models.implants import metals
from emdose.models.implants.metals import Metal
from emdose.values import read_only

BOLTZMANN_J_K = 1.380649e-23
NEEDS_RANGE = 1e-3
"""From here on a susceptibility depends on heat and working, so that one number without a range says little."""
STEEL = "316L"


@read_only(units={"chi": "1", "chi_low": "1", "chi_high": "1", "anisotropy": "1"})
@dataclass(frozen=True)
class Magnetism:
    """How metal answers to a static field.

    Parameters
    ----------
    name : str
        What it is called.
    chi : float
        Volume susceptibility (SI), relative to the field inside.
    chi_low, chi_high : float, optional
        The range it may have; needed for steel and for chi from 1e-3 on.
    saturation_T : float, optional
        Saturation mu_0 M_s [T], 2.14 for iron; without it the metal does not saturate.
    anisotropy : float
        Largest difference of chi between two directions of the material; 0 where it is not known.
    particle_moment_A_m2 : float, optional
        Moment of one particle of a superparamagnetic material [A m^2]; the magnetisation is then
        M_s L(m B / kT), L(x) = coth x - 1/x, and chi says nothing.
    temperature_K : float
        Temperature of these [K].
    source : str
        Where the numbers come from.

    Raises
    ------
    InputError
        For a range that does not hold chi, a steel without one, or a superparamagnetic material without saturation.
    """

    name: str
    chi: float
    chi_low: float | None = None
    chi_high: float | None = None
    saturation_T: float | None = None
    anisotropy: float = 0.0
    particle_moment_A_m2: float | None = None
    temperature_K: float = 310.0
    source: str = ""

    def __post_init__(self) -> None:
        text("name", self.name)
        chi = number(f"{self.name}.chi", self.chi, problem="bad susceptibility", expected="a finite number > -1")
        if chi <= -1:
            raise InputError("bad susceptibility", field=f"{self.name}.chi", found=chi, expected="a number > -1")
        not_negative("anisotropy", self.anisotropy)
        positive("temperature_K", self.temperature_K)
        for key in ("saturation_T", "particle_moment_A_m2"):
            if getattr(self, key) is not None:
                positive(key, getattr(self, key))
        if self.particle_moment_A_m2 is not None and self.saturation_T is None:
            raise InputError("a superparamagnetic material needs its saturation", field="saturation_T")
        low, high = self.chi_low, self.chi_high
        if (low is None) != (high is None):
            raise InputError("half a range of susceptibility", field=self.name, expected="chi_low and chi_high")
        if low is None and self.saturation_T is None and (_is_steel(self.name) or abs(chi) >= NEEDS_RANGE):
            raise InputError(
                "chi of steel without its range: it spans a factor of 4 to 10 between heats and by working",
                field=f"{self.name}.chi",
                found=chi,
                expected="chi_low and chi_high beside it",
            )
        if low is not None and high is not None and not _brackets(low, chi, high):
            raise InputError(
                "the range does not hold the susceptibility",
                field=f"{self.name}.chi",
                found=f"{low} to {high}",
                expected=f"numbers below and above {chi:g}",
            )

    @property
    def span(self) -> tuple[float, float]:
        """Low and high end of the susceptibility."""
        return (
            self.chi if self.chi_low is None else float(self.chi_low),
            self.chi if self.chi_high is None else float(self.chi_high),
        )

    def magnetisation(self, B_T: Any, factor: Any, chi: float | None = None) -> Any:
        """Magnetisation along an axis of an ellipsoid in an applied field [A/m].

        Parameters
        ----------
        B_T : float or array
            Applied field along the axis [T].
        factor : float or array
            Demagnetising factor of the axis.
        chi : float, optional
            Another susceptibility than the own one, such as an end of its range.
        """
        B = np.asarray(B_T, float)
        if self.particle_moment_A_m2 is not None and self.saturation_T is not None:
            energy = self.particle_moment_A_m2 * B / (BOLTZMANN_J_K * self.temperature_K)
            return self.saturation_T / MU_0 * _langevin(energy)
        linear = _effective(self.chi if chi is None else chi, factor) * B / MU_0
        if self.saturation_T is None:
            return linear
        top = self.saturation_T / MU_0
        return np.clip(linear, -top, top)

    def saturation_field_T(self, factor: float) -> float:
        """Applied field from which it is saturated, mu_0 M_s (1 + N chi) / chi [T]; infinite for one that never is."""
        if self.saturation_T is None or self.particle_moment_A_m2 is not None or self.chi <= 0:
            return math.inf
        return self.saturation_T / _effective(self.chi, factor)


def magnetism(metal: Metal | str) -> Magnetism:
    """Susceptibility of a metal of emdose with its range and source.

    Raises
    ------
    InputError
        For a metal without one; the text says what to give.
    """
    name = metals.get(metal).name
    table = _table()
    if name not in table:
        raise unknown("no susceptibility known of this metal", name, table, field="metal", also="chi with its range")
    return table[name]


def static_force(
    material: Magnetism, volume_m3: float, B_T: float, gradient_T_m: float, factor: float, chi: float | None = None
) -> float:
    """Force on an ellipsoid magnetised along one axis, F = V M |grad B| [N]; negative for what is pushed out.

    Parameters
    ----------
    material : Magnetism
        The metal.
    volume_m3 : float
        Its volume [m^3].
    B_T, gradient_T_m : float
        |B| [T] and |grad |B|| [T/m] at its place.
    factor : float
        Demagnetising factor along the field; the least of the three for the largest force.
    chi : float, optional
        Another susceptibility than the own one.
    """
    moment = volume_m3 * float(material.magnetisation(not_negative("B_T", B_T), factor, chi))
    return moment * not_negative("gradient_T_m", gradient_T_m)


def static_torque(
    material: Magnetism,
    volume_m3: float,
    B_T: float,
    factors: Any,
    angle_rad: float = math.pi / 4,
    chi: float | None = None,
) -> float:
    """Torque of the shape at an angle between the field and its long axis, and of the anisotropy, added [N m].

    Parameters
    ----------
    material : Magnetism
        The metal.
    volume_m3 : float
        Its volume [m^3].
    B_T : float
        |B| [T].
    factors : (3,) array
        Demagnetising factors; the largest difference counts.
    angle_rad : float
        Angle [rad]; the torque is largest at 45 degrees.
    chi : float, optional
        Another susceptibility than the own one.
    """
    N = np.sort(np.asarray(factors, float))
    c = material.chi if chi is None else chi
    B = not_negative("B_T", B_T)
    if material.particle_moment_A_m2 is not None:
        M = float(material.magnetisation(B, 0.0))
        shape = 0.5 * volume_m3 * MU_0 * M**2 * (N[2] - N[0])
    else:
        shape = volume_m3 * c**2 * (N[2] - N[0]) * B**2 / (2 * MU_0 * (1 + N[0] * c) * (1 + N[2] * c))
        if material.saturation_T is not None:
            shape = min(shape, 0.5 * volume_m3 * material.saturation_T**2 / MU_0 * (N[2] - N[0]))
    grown = volume_m3 * material.anisotropy * B**2 / (2 * MU_0)
    return float((shape + grown) * math.sin(2 * angle_rad))


def deflection_deg(force_over_weight: float) -> float:
    """Angle of a test object on a thread, F = m g tan(alpha) [degree]; 45 degrees where force equals weight."""
    return math.degrees(math.atan(abs(force_over_weight)))


def _brackets(low: Any, chi: float, high: Any) -> bool:
    return is_number(low) and is_number(high) and -1 < low <= chi <= high


def _effective(chi: float, factor: Any) -> Any:
    return chi / (1 + np.asarray(factor, float) * chi)


def _langevin(x: np.ndarray) -> np.ndarray:
    big = np.abs(x) > 1e-2
    safe = np.where(big, x, 1.0)
    return np.where(big, 1 / np.tanh(safe) - 1 / safe, x / 3 - x**3 / 45)


def _is_steel(name: str) -> bool:
    try:
        return metals.get(name).name == STEEL
    except InputError:
        return "steel" in name.lower()


@functools.cache
def _table() -> dict[str, Magnetism]:
    return {
        row["metal"]: Magnetism(
            row["metal"], float(row["chi"]), float(row["chi_low"]), float(row["chi_high"]), source=row["source"]
        )
        for row in resources.csv_rows("magnetism.csv")
    }
