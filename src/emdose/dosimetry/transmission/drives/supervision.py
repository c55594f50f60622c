r"""Ways of keeping limits of SAR beside each other: how much each lets an array have, by what each of them knows.

A scanner that knows the forward power alone must take the worst drive of that power; one that knows the power of each
channel, or its amplitude, the worst phases; only one that knows amplitudes and phases can use the matrices. With
:math:`F_w = S_w / L_w`, matrices over their limits, and :math:`P` the power matrix

.. math::

    \text{forward power:} \quad & v^H P v \le 1 / \max_w \lambda_{\max}(P^{-1/2} F_w P^{-1/2}) \\
    \text{power of each channel:} \quad & |v_k|^2 \le 1 / \max_w \max_\varphi u^H F_w u, \quad |u_k| = 1 \\
    \text{amplitudes:} \quad & \max_w \max_\varphi u^H F_w u \le 1, \quad |u_k| = |v_k| \\
    \text{virtual observation points:} \quad & \max_k v^H V_k v / L_k \le 1 \\
    \text{all matrices:} \quad & \max_w v^H F_w v \le 1

Maxima over phases are upper bounds (:func:`~emdose.dosimetry.worst_drive`), so that a drive which any of them lets
through keeps the limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.checks import one_of
from emdose.dosimetry.transmission.drives.constraints import DriveConstraints
from emdose.dosimetry.transmission.drives.quadratic import hermitian, vector
from emdose.dosimetry.transmission.drives.worst import worst_drive, worst_drive_of_power
from emdose.errors import InputError
from emdose.values import owned, read_only

FORWARD, CHANNEL, AMPLITUDES = "forward power", "power of each channel", "amplitudes"
POINTS, ALL = "virtual observation points", "all matrices"
FORMS = (FORWARD, CHANNEL, POINTS, ALL)
"""Those that are limits of quadratic forms or amplitudes, as a shim takes them."""


@read_only
@dataclass(frozen=True, eq=False)
class PowerModes:
    """What each way of supervision allows of an array.

    Parameters
    ----------
    limits : DriveConstraints
        Matrices with their limits, all of them.
    bounds : DriveConstraints or None
        Virtual observation points with theirs.
    power : (port, port) complex128 ndarray
        Power matrix [W, or squared drive units, per squared drive unit].
    forward : float
        Largest forward power [W, or squared drive units].
    amplitude : float
        Largest amplitude of every channel where phases are not known [drive units].
    """

    limits: DriveConstraints
    bounds: DriveConstraints | None
    power: np.ndarray
    forward: float
    amplitude: float

    @property
    def names(self) -> tuple[str, ...]:
        """Ways of supervision, from the one that knows least to the one that knows all."""
        return (FORWARD, CHANNEL, AMPLITUDES, *(() if self.bounds is None else (POINTS,)), ALL)

    def scales(self, drive: Sequence[complex] | np.ndarray) -> dict[str, float]:
        """Largest factor on a drive that each allows, by name.

        Parameters
        ----------
        drive : (port,) complex
            The drive, not all 0 [drive units].

        Raises
        ------
        InputError
            When it does not fit the ports, or is 0.
        """
        v = self._drive(drive)
        found = {
            FORWARD: np.sqrt(self.forward / np.einsum("i,ij,j->", v.conj(), self.power, v).real),
            CHANNEL: self.amplitude / np.abs(v).max(),
            AMPLITUDES: 1 / np.sqrt(worst_drive(_over_limits(self.limits), np.abs(v)).upper),
            ALL: 1 / np.sqrt(self._largest(self.limits, v)),
        }
        if self.bounds is not None:
            found[POINTS] = 1 / np.sqrt(self._largest(self.bounds, v))
        return {name: float(found[name]) for name in self.names}

    def used(self, drive: Sequence[complex] | np.ndarray) -> float:
        """Part of the limits that a drive uses in truth, by all matrices; raises as :meth:`scales`."""
        return self._largest(self.limits, self._drive(drive))

    def constraints(self, name: str) -> DriveConstraints:
        """Limits of one way of supervision for :func:`emdose.shim`.

        Parameters
        ----------
        name : str
            One of :attr:`names`, but for "amplitudes", which no drive is chosen by: its limit is not convex.

        Raises
        ------
        InputError
            For another name.
        """
        one_of("name", name, [n for n in FORMS if n in self.names], problem="no limits of this kind of supervision")
        if name == FORWARD:
            return DriveConstraints.of(self.power, self.forward, FORWARD)
        if name == CHANNEL:
            return DriveConstraints.peak_amplitude(np.full(len(self.power), self.amplitude))
        if name == POINTS and self.bounds is not None:
            return self.bounds
        return self.limits

    def _drive(self, drive: Sequence[complex] | np.ndarray) -> np.ndarray:
        v = vector(drive, len(self.power), "drive")
        if not np.any(v):
            raise InputError("drive is 0", field="drive", expected="an amplitude above 0")
        return v

    @staticmethod
    def _largest(limits: DriveConstraints, v: np.ndarray) -> float:
        return float(limits.use(v)[: len(limits.limits)].max())


def power_modes(
    limits: DriveConstraints, power: np.ndarray | None = None, bounds: DriveConstraints | None = None
) -> PowerModes:
    """What limits of SAR leave an array when forward power, channel powers, amplitudes or all are supervised.

    Parameters
    ----------
    limits : DriveConstraints
        All matrices of local SAR, and others such as those of head and whole body, with their limits; largest
        amplitudes in it are of the hardware and play no part here.
    power : (port, port) complex ndarray, optional
        Power matrix of the forward power; by default the sum of the squared amplitudes, to which the forward power of
        channels of one impedance is proportional.
    bounds : DriveConstraints, optional
        Virtual observation points of the same, with the same limits.

    Raises
    ------
    InputError
        For matrices that do not fit each other, and a power that is not positive.

    Notes
    -----
    Source: E. F. Meliado et al., Magn. Reson. Med., doi 10.1002/mrm.28635 (worst phases of known amplitudes);
    G. Eichfelder and M. Gebhardt, Magn. Reson. Med. 66 (2011) 1468-1476 (virtual observation points).
    """
    n = len(limits.peak)
    if not len(limits.limits):
        raise InputError("no limits of SAR", field="limits", expected="matrices with their limits")
    P = np.eye(n, dtype=complex) if power is None else hermitian(power, "power")[0].astype(complex)
    if bounds is not None and (len(bounds.peak) != n or not len(bounds.limits)):
        raise InputError("bounds of other channels", field="bounds", found=len(bounds.peak), expected=str(n))
    F = _over_limits(limits)
    forward = 1 / worst_drive_of_power(F, P).upper
    amplitude = 1 / np.sqrt(worst_drive(F, 1.0).upper)
    return PowerModes(limits, bounds, owned(P.copy()), float(forward), float(amplitude))


def _over_limits(limits: DriveConstraints) -> np.ndarray:
    return np.asarray(limits.matrices / limits.limits[:, None, None])
