"""The current element, a short straight current with charge at its ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from emdose.checks import positive, unit_vector, vector
from emdose.errors import InputError
from emdose.models.coils.ideal import Coil

if TYPE_CHECKING:
    from emdose.models.coils.cylinder import Shield


class CurrentElement(Coil):
    r"""A straight filament with a uniform current; the charge that the current leaves sits at its ends.

    Short against the wavelength and the distance it is a Hertzian dipole of the moment p = I l / (j w). The field is
    exact for any length: that of the filament's vector potential and of two point charges,

    .. math:: \mathbf E = -j\omega\mathbf A - \nabla\phi, \qquad
              \phi = \sum_\pm \frac{\pm I}{j\omega} \frac{e^{-jkR_\pm}}{4\pi\varepsilon_0 R_\pm}

    with plus at the end that the current flows to.

    Parameters
    ----------
    length_m : float
        Length [m].
    centre_m : (float, float, float)
        Middle [m].
    direction : (float, float, float)
        Direction of the current (normalised).
    current_A : complex
        Peak current per unit drive [A].
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For a length that is not positive, vectors that cannot be used, or a current that is zero or not finite.

    Source: R. Harrington, Time-Harmonic Electromagnetic Fields, McGraw-Hill 1961, ch. 2-9 (current element).
    """

    length_m: float

    def __init__(
        self,
        length_m: float,
        *,
        centre_m: Sequence[float] = (0.0, 0.0, 0.0),
        direction: Sequence[float] = (0.0, 0.0, 1.0),
        current_A: complex = 1.0,
        name: str = "current element",
    ) -> None:
        positive("length_m", length_m)
        centre, d = vector("centre_m", centre_m), unit_vector("direction", direction)
        given = np.asarray(current_A)
        if given.shape != () or given.dtype.kind not in "iufc" or not np.isfinite(given) or given == 0:
            raise InputError("bad current", field="current_A", found=current_A, expected="a finite amperage, not zero")
        current = complex(given)
        super().__init__(
            name,
            np.stack([centre - 0.5 * length_m * d, centre + 0.5 * length_m * d])[None],
            np.array([[current]]),
            ("element",),
            {"unit": [1]},
            parameters={
                "kind": "current element",
                "length_m": length_m,
                "centre_m": centre.tolist(),
                "direction": d.tolist(),
                "current_A": [current.real, current.imag],
            },
        )
        vars(self).update(length_m=length_m)

    @property
    def open_ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Both ends, and the current that flows into them."""
        return self.segments[0], np.concatenate([-self.currents, self.currents], axis=1)

    def with_shield(self, shield: Shield) -> Self:  # noqa: ARG002
        """Raise InputError: charges are not among what the model of a shield cancels."""
        raise InputError("a current element has no shield", field="shield", expected="a Coil of closed currents")

    def _require_kirchhoff(self) -> None:
        """Nothing: the ends hold what they collect."""
