r"""The static field of a scanner: at one place, or over a map of |B| and its gradient beside the axis.

What magnetises in proportion to the field is drawn most where B |grad B| is largest, what is saturated where |grad B|
is; reports of force tests name both places and values.

Source: ASTM F2052 by public summaries (place and values of the test are reported).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.checks import array, not_negative, positive, text
from emdose.errors import InputError
from emdose.values import read_only


@read_only
@dataclass(frozen=True)
class StaticFieldPoint:
    """The static field at one place.

    Parameters
    ----------
    B_T : float
        |B| [T].
    gradient_T_m : float
        |grad |B|| [T/m].
    r_m, z_m : float, optional
        Distance from the axis and along it from the isocentre [m]; None for a place that is not stated.
    """

    B_T: float
    gradient_T_m: float
    r_m: float | None = None
    z_m: float | None = None

    def __post_init__(self) -> None:
        positive("B_T", self.B_T)
        not_negative("gradient_T_m", self.gradient_T_m)

    @property
    def product_T2_m(self) -> float:
        """B |grad B| [T^2/m]."""
        return self.B_T * self.gradient_T_m

    def __str__(self) -> str:
        place = "" if self.r_m is None or self.z_m is None else f" at r {self.r_m:.3g} m, z {self.z_m:.3g} m"
        return f"{self.B_T:.3g} T, {self.gradient_T_m:.3g} T/m, product {self.product_T2_m:.3g} T2/m{place}"


@read_only
@dataclass(frozen=True, eq=False)
class StaticFieldMap:
    """|B| and |grad B| of a scanner at places (r, z).

    Parameters
    ----------
    name : str
        What it is called.
    r_m, z_m : (n,) ndarray
        Places [m].
    B_T, gradient_T_m : (n,) ndarray
        |B| [T] and |grad |B|| [T/m] there.

    Raises
    ------
    InputError
        When the columns do not fit, or a value is negative or not finite.
    """

    name: str
    r_m: np.ndarray
    z_m: np.ndarray
    B_T: np.ndarray
    gradient_T_m: np.ndarray

    def __post_init__(self) -> None:
        text("name", self.name)
        n = np.size(self.r_m)
        if not n:
            raise InputError("no place in this field map", field=self.name, expected="at least one row")
        for key in ("r_m", "z_m", "B_T", "gradient_T_m"):
            least = -np.inf if key == "z_m" else 0.0
            object.__setattr__(self, key, array(key, getattr(self, key), (n,), least=least, problem="bad field map"))

    def point(self, index: int) -> StaticFieldPoint:
        """One of the places."""
        B, slope, r, z = (float(v[index]) for v in (self.B_T, self.gradient_T_m, self.r_m, self.z_m))
        return StaticFieldPoint(B, slope, r, z)

    @property
    def largest_product(self) -> StaticFieldPoint:
        """Where B |grad B| is largest."""
        return self.point(int(np.argmax(self.B_T * self.gradient_T_m)))

    @property
    def largest_gradient(self) -> StaticFieldPoint:
        """Where |grad B| is largest."""
        return self.point(int(np.argmax(self.gradient_T_m)))

    @property
    def largest_field(self) -> StaticFieldPoint:
        """Where |B| is largest."""
        return self.point(int(np.argmax(self.B_T)))
