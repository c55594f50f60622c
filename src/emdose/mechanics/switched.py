r"""Torque and force of switched gradients on metal in the static field: loads that make it vibrate.

.. math:: \mathbf T(t) = \mathbf m \times \mathbf B_0, \qquad F_j(t) = \sum_i m_i\, \partial_j B_{0,i}, \qquad
          \mathbf m = -K \dot{\mathbf B}

Their waveform is that of dB/dt (where the skin is not thin), with zero mean. A free rigid body answers to a harmonic of
torque with the angle T / (I w^2); bone and cement hold it, so that this is the most that a support far from resonance
leaves.

Source: L. Zilberti et al., Magn. Reson. Med. (2025), doi 10.1002/mrm.30263 (torque and vibration of prostheses in
switched gradients); L. D. Landau, E. M. Lifshitz, Mechanics, sections 32 to 35 (rigid bodies).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import array, vector
from emdose.errors import InputError
from emdose.mechanics.moments import MomentTensor
from emdose.mechanics.rigid import RigidBody
from emdose.models.gradients.spectrum import Spectrum
from emdose.values import read_only

OVERSAMPLED, LEAST = 8, 512
"""Samples of the waveform per period of its highest harmonic, for peaks; and at least so many per period of all."""
LONGEST = 2**22


@read_only(units={"amplitudes": "{unit}"})
@dataclass(frozen=True, eq=False)
class SwitchedLoad:
    """A torque or a force that gradients make, as harmonics.

    Parameters
    ----------
    frequencies_Hz : (h,) ndarray
        Harmonics [Hz].
    amplitudes : (h, 3) complex ndarray
        Peak phasors per axis, in ``unit``.
    unit : str
        "N m" or "N".
    """

    frequencies_Hz: np.ndarray
    amplitudes: np.ndarray
    unit: str

    @property
    def rms(self) -> float:
        """Root mean square over time of the magnitude."""
        return float(np.sqrt(0.5 * (np.abs(self.amplitudes) ** 2).sum()))

    @property
    def rms_axes(self) -> np.ndarray:
        """Root mean square over time per axis, (3,)."""
        return np.sqrt(0.5 * (np.abs(self.amplitudes) ** 2).sum(axis=0))

    @property
    def peak(self) -> float:
        """Largest magnitude over time.

        Exact for one harmonic (the half axis of an ellipse); from samples of the sum of all otherwise, eight per period
        of the highest, which may miss 1 % of the highest harmonic's part.
        """
        a = self.amplitudes
        if len(a) == 1:
            square = 0.5 * (float((np.abs(a[0]) ** 2).sum()) + abs(complex((a[0] ** 2).sum())))
            return math.sqrt(square)
        return float(np.sqrt((self.course()[1] ** 2).sum(axis=1)).max())

    def course(self) -> tuple[np.ndarray, np.ndarray]:
        """Times over one period (t,) [s] and the load at them (t, 3), by the sum of the harmonics.

        Raises
        ------
        InputError
            When the harmonics are not multiples of one frequency.
        """
        f = self.frequencies_Hz
        base = float(np.diff(np.concatenate([[0.0], f])).min())
        order = f / base
        n = np.rint(order).astype(np.int64)
        count = 2 ** math.ceil(math.log2(max(LEAST, OVERSAMPLED * int(n.max()))))
        if np.abs(order - n).max() > 1e-3 or count > LONGEST:
            raise InputError("harmonics have no common period", field="frequencies_Hz", found=f[:4].tolist())
        half = np.zeros((count // 2 + 1, 3), complex)
        half[n] = 0.5 * self.amplitudes * count
        return np.arange(count) / (count * base), np.fft.irfft(half, count, axis=0)


def gradient_torque(moments: MomentTensor, rate: Spectrum, B0_T: Any) -> SwitchedLoad:
    """Torque of switched gradients on metal in a static field, T = m x B0.

    Parameters
    ----------
    moments : MomentTensor
        Of the metal in its pose.
    rate : Spectrum
        dB/dt at the metal, three axes [T/s].
    B0_T : (float, float, float)
        Static field there [T].

    Raises
    ------
    InputError
        When the spectrum has no three axes in T/s, or the tensor does not reach its harmonics.
    """
    m = induced_moment(moments, rate)
    return SwitchedLoad(rate.frequencies_Hz, np.cross(m, vector("B0_T", B0_T)), "N m")


def gradient_force(moments: MomentTensor, rate: Spectrum, B0_gradient_T_m: Any) -> SwitchedLoad:
    """Net force of switched gradients on metal in the gradient of the static field, F = grad(m . B0).

    Parameters
    ----------
    moments, rate
        As of :func:`gradient_torque`.
    B0_gradient_T_m : (3, 3) array
        dB_i/dx_j of the static field [T/m].
    """
    J = array("B0_gradient_T_m", B0_gradient_T_m, (3, 3), problem="bad gradient of the field")
    return SwitchedLoad(rate.frequencies_Hz, induced_moment(moments, rate) @ J, "N")


def induced_moment(moments: MomentTensor, rate: Spectrum) -> np.ndarray:
    """Peak phasors of the induced moment, (h, 3) complex [A m^2]."""
    if rate.amplitudes.shape[1] < 3 or rate.unit != "T/s":
        raise InputError(
            "the torque needs dB/dt along three axes",
            field="rate",
            found=f"{rate.amplitudes.shape[1]} axes in {rate.unit}",
            expected="a spectrum in T/s, such as waveform.harmonics().through(matrix)",
        )
    return -np.einsum("hij,hj->hi", moments.at(rate.frequencies_Hz), rate.amplitudes[:, :3])


def worst_torque(moments: MomentTensor, frequency_Hz: float, dbdt_rms_T_s: float, B0_T: float) -> float:
    """Largest rms torque over all directions of a linearly polarised dB/dt and of B0 [N m].

    The largest singular value of K times both magnitudes: B0 across the moment of the worst direction.
    """
    largest = np.linalg.svd(moments.at(frequency_Hz)[0], compute_uv=False)[0]
    return float(largest * dbdt_rms_T_s * B0_T)


@read_only(units={"angle_rad": "rad", "edge_m": "m"})
@dataclass(frozen=True, eq=False)
class Vibration:
    """How a free rigid body swings under a load of gradients.

    Parameters
    ----------
    frequencies_Hz : (h,) ndarray
        Harmonics [Hz].
    angle_rad : (h, 3) complex ndarray
        Peak phasors of the rotation about the principal axes of inertia [rad].
    shift_m : (h, 3) complex ndarray
        Peak phasors of the displacement of the centre of mass [m].
    edge_m : (3,) ndarray
        Largest amplitude of a point of the surface by the rotation about each principal axis, sum of all harmonics [m].
    """

    frequencies_Hz: np.ndarray
    angle_rad: np.ndarray
    shift_m: np.ndarray
    edge_m: np.ndarray

    @property
    def amplitude_m(self) -> float:
        """An upper bound of the amplitude of any point: the parts about all axes and the displacement added [m]."""
        return float(np.linalg.norm(self.edge_m) + np.abs(self.shift_m).sum(axis=0).max())


def rigid_vibration(body: RigidBody, torque: SwitchedLoad, force: SwitchedLoad | None = None) -> Vibration:
    r"""Vibration of a free rigid body, without any support.

    .. math:: \theta_a = \frac{T_a}{I_a \omega^2}, \qquad x = \frac{F}{m \omega^2}

    Parameters
    ----------
    body : RigidBody
        Mass, inertia and extent.
    torque : SwitchedLoad
        From :func:`gradient_torque`.
    force : SwitchedLoad, optional
        From :func:`gradient_force`, of the same harmonics.
    """
    w2 = (2 * math.pi * torque.frequencies_Hz[:, None]) ** 2
    inertia, axes = body.principal
    angle = torque.amplitudes @ axes / (inertia * w2)
    shift = np.zeros_like(angle) if force is None else force.amplitudes / (body.mass_kg * w2)
    reach = body.reach(axes)
    return Vibration(torque.frequencies_Hz, angle, shift, np.abs(angle).sum(axis=0) * reach)
