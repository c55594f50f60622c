r"""Response of nerves to gradient waveforms of any shape: the nerve impulse response.

.. math::

   R_k(t) = \frac{1}{S_\mathrm{min}} \int_{-\infty}^t S_k(\theta)\, \frac{c}{(c + t - \theta)^2}\, d\theta,
   \qquad S_\mathrm{min} = r / \alpha, \qquad R(t) = \sqrt{\textstyle\sum_k (w_k R_k(t))^2}

S is the slew rate of an axis, r the rheobase (dB/dt), alpha the effective length of the coil, c the chronaxie. Nerves
are stimulated where R reaches 1. A ramp of the slew rate S and the duration tau from rest gives
:math:`S/S_\mathrm{min} \cdot \tau/(c + \tau)`, which is 1 on the hyperbola :math:`S_\mathrm{min} (1 + c/\tau)`.

Short waveforms are summed up piece by piece in closed form, long ones by

.. math:: \frac{1}{(c + u)^2} = \int_0^\infty s\, e^{-s (c + u)}\, ds \approx \sum_j w_j e^{-s_j u}

with points s_j that are even in log s (accurate to 1e-11), every exponential by an exact recursion.

Source: form, weights and numbers as open sequence code states them after IEC 60601-2-33:2022, equation AA.21 and
section (12) (PulCeq of HarmonizedMRI, MIT licence); R. F. Schulte and R. Noeske, Magn. Reson. Med. 74 (2015) 518. The
text of the standard was not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from emdose.checks import array, number, one_of, positive, positives
from emdose.dosimetry.stimulation import memory
from emdose.errors import InputError
from emdose.models.gradients.waveform import AXES, Waveform
from emdose.values import read_only

Start = Literal["rest", "repeated", "worst"]
STEPS_PER_CHRONAXIE = 50
_DIRECT = 1500
"""Up to so many pieces every pair of a corner and a piece is summed up."""
_STEP = 0.32
_FAR = 1e-6
_SERIES = 0.05


@read_only
@dataclass(frozen=True)
class NerveModel:
    """Parameters of the nerve impulse response.

    Parameters
    ----------
    rheobase_T_s : float
        dB/dt that stimulates when it lasts for ever [T/s].
    length_m : float
        Effective length of the coil: dB/dt over slew rate [m].
    chronaxie_s : float
        Duration of a pulse at which twice the rheobase is needed [s].
    weights : (float, float, float)
        Weights of the axes x, y, z of the magnet.

    Raises
    ------
    InputError
        For numbers that are not positive, negative weights, or weights that are all zero.
    """

    rheobase_T_s: float = 20.0
    length_m: float = 0.333
    chronaxie_s: float = 360e-6
    weights: tuple[float, float, float] = (0.8, 1.0, 0.7)

    def __post_init__(self) -> None:
        for key in ("rheobase_T_s", "length_m", "chronaxie_s"):
            positive(key, getattr(self, key))
        if len(self.weights) != 3 or any(number("weights", w) < 0 for w in self.weights) or not any(self.weights):
            raise InputError("bad weights of the axes", field="weights", found=self.weights, expected="three >= 0")
        object.__setattr__(self, "weights", tuple(map(float, self.weights)))

    @property
    def smallest_slew_T_m_s(self) -> float:
        """Slew rate that stimulates when it lasts for ever, r / alpha [T/m/s]."""
        return self.rheobase_T_s / self.length_m

    def threshold_T_m_s(self, duration_s: float | np.ndarray) -> np.ndarray:
        """Slew rate of one ramp from rest that just stimulates on an axis of weight 1 [T/m/s]."""
        tau = np.reshape(positives("duration_s", duration_s), np.shape(duration_s))
        return self.smallest_slew_T_m_s * (1 + self.chronaxie_s / tau)

    def response(self, waveform: Waveform, *, axes: str = "xyz", start: Start = "worst") -> NerveResponse:
        """Response to a waveform, 1 where nerves are stimulated.

        Parameters
        ----------
        waveform : Waveform
            Gradients; or a flux density, whose components are then summed up in squares without weights.
        axes : str
            Axes of the magnet that the axes of a waveform of gradients are, such as "xyz" or "z".
        start : "rest", "repeated" or "worst"
            Nothing before the waveform, or the waveform without end; or the larger of both at any time.

        Returns
        -------
        NerveResponse
            At every corner of the waveform and every 1/50 of the chronaxie between them.

        Raises
        ------
        InputError
            For axes that do not fit the waveform.
        """
        one_of("start", start, ("rest", "repeated", "worst"), problem="unknown start of a waveform")
        least, weights = self._scale(waveform, axes)
        step = self.chronaxie_s / STEPS_PER_CHRONAXIE
        fine = memory.subdivided(waveform.times_s, waveform.starts, waveform.stops, step)
        courses = [
            self._course(waveform, fine, kind == "repeated") / least
            for kind in ("rest", "repeated")
            if start in (kind, "worst")
        ]
        per_axis = courses[0]
        if len(courses) == 2:
            rest, repeated = (np.sqrt(((weights * c) ** 2).sum(1)) for c in courses)
            per_axis = np.where((rest >= repeated)[:, None], *courses)
        return NerveResponse(self, waveform.name, fine[0], per_axis, weights)

    def _scale(self, waveform: Waveform, axes: str) -> tuple[float, np.ndarray]:
        if waveform.unit == "T":
            return self.rheobase_T_s, np.ones(waveform.axes)
        if len(axes) != waveform.axes or len(set(axes)) != len(axes) or not set(axes) <= set(AXES):
            raise InputError(
                "axes do not fit the waveform",
                field="axes",
                found=axes,
                expected=f"{waveform.axes} different letters of xyz, one per axis of {waveform.name!r}",
            )
        return self.smallest_slew_T_m_s, np.array([self.weights[AXES.index(a)] for a in axes])

    def _course(
        self, waveform: Waveform, fine: tuple[np.ndarray, np.ndarray, np.ndarray], repeated: bool
    ) -> np.ndarray:
        times, starts, stops = waveform.times_s, waveform.starts, waveform.stops
        if not repeated and len(starts) <= _DIRECT and len(starts) * len(fine[0]) <= 4 * _DIRECT**2:
            return impulse_response_sum(times, starts, stops, self.chronaxie_s, fine[0])
        rates, factors = _exponentials(self.chronaxie_s, waveform.duration_s)
        first = np.zeros((len(rates), waveform.axes))
        if repeated:
            first = memory.repeated_state(times, starts, stops, rates)
        out = [np.tensordot(factors, first, 1)[None]]
        out += [np.einsum("m,nma->na", factors, y) for _, y in memory.states(*fine, rates, first)]
        return np.concatenate(out)


@read_only
@dataclass(frozen=True, eq=False)
class NerveResponse:
    """Response of nerves over time, 1 at the threshold of stimulation.

    Parameters
    ----------
    model : NerveModel
        Its parameters.
    name : str
        Of the waveform.
    times_s : (n,) ndarray
        Times [s].
    per_axis : (n, axes) ndarray
        Response of every axis, without weights.
    weights : (axes,) ndarray
        Weights of the axes.

    Raises
    ------
    InputError
        For shapes that do not fit.
    """

    model: NerveModel
    name: str
    times_s: np.ndarray
    per_axis: np.ndarray
    weights: np.ndarray

    def __post_init__(self) -> None:
        array("per_axis", self.per_axis, (len(self.times_s), len(self.weights)))

    @property
    def combined(self) -> np.ndarray:
        """Root of the sum of the squares of the weighted responses, (n,)."""
        return np.sqrt(((self.weights * self.per_axis) ** 2).sum(1))

    @property
    def peak(self) -> float:
        """Largest combined response."""
        return float(self.combined.max())

    @property
    def peak_time_s(self) -> float:
        """When [s]."""
        return float(self.times_s[int(self.combined.argmax())])

    @property
    def axis_peaks(self) -> np.ndarray:
        """Largest weighted response of every axis alone, (axes,)."""
        return self.weights * np.abs(self.per_axis).max(0)

    @property
    def worst_combination(self) -> float:
        """Response if the axes reached their peaks at one time: of any delays and directions between them."""
        return float(np.sqrt((self.axis_peaks**2).sum()))


def impulse_response_sum(
    times_s: np.ndarray, starts: np.ndarray, stops: np.ndarray, chronaxie_s: float, at_s: np.ndarray
) -> np.ndarray:
    r"""Integral of a piecewise linear input against c / (c + t - theta)^2 from the first corner on, in closed form.

    With the middle of a piece D = c + (t - theta) away, half its length q, mean s and slope m it adds

    .. math:: c\left[\frac{2 q s}{D^2 - q^2}
       + m \left(\frac{2 D q}{D^2 - q^2} - 2\,\mathrm{artanh}\frac qD\right)\right]

    Parameters
    ----------
    times_s, starts, stops : (n + 1,), (n, axes), (n, axes) ndarray
        The input [s], [unit].
    chronaxie_s : float
        c [s].
    at_s : (k,) ndarray
        Times t [s].

    Returns
    -------
    (k, axes) ndarray
        The integral [unit].
    """
    at = np.asarray(at_s, float)
    out = np.zeros((len(at), starts.shape[1]))
    slope = (stops - starts) / np.diff(times_s)[:, None]
    block = max(1, 2**21 // len(starts))
    for low in range(0, len(at), block):
        t = at[low : low + block, None]
        # A piece that has only begun counts up to t.
        ends = np.clip(times_s[None, 1:], None, t)
        begins = np.clip(times_s[None, :-1], None, t)
        q, middle = 0.5 * (ends - begins), 0.5 * (ends + begins)
        D = chronaxie_s + t - middle
        x = q / D
        even = 2 * q / (D * D - q * q)
        odd = _odd(x)
        offset = middle - times_s[None, :-1]
        out[low : low + block] = even @ starts + (even * offset + odd) @ slope
    return chronaxie_s * out


def _odd(x: np.ndarray) -> np.ndarray:
    """2 x / (1 - x^2) - 2 artanh x, with its series where the difference would lose digits."""
    safe = np.where(x < _SERIES, 0.5, x)
    y = x * x
    series = np.zeros_like(x)
    for n in range(7, 0, -1):
        series = y * (2 * (1 - 1 / (2 * n + 1)) + series)
    return np.where(x < _SERIES, x * series, 2 * safe / (1 - safe * safe) - 2 * np.arctanh(safe))


def _exponentials(c: float, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Rates s_j and factors c w_j of the exponentials that c / (c + u)^2 is made of for u up to a duration."""
    low, high = np.log(_FAR / (c + duration_s)), np.log(45.0 / c)
    x = np.arange(low, high + _STEP, _STEP)
    s = np.exp(x)
    return s, c * _STEP * s * s * np.exp(-s * c)
