r"""Response of nerves to gradient waveforms of any shape: the nerve impulse response.

.. math::

   R_k(t) = \frac{1}{S_\mathrm{min}} \int_{-\infty}^t S_k(\theta)\, \frac{c}{(c + t - \theta)^2}\, d\theta,
   \qquad S_\mathrm{min} = r / \alpha, \qquad R(t) = \sqrt{\textstyle\sum_k (w_k R_k(t))^2}

S is the slew rate of an axis, r the rheobase (dB/dt), alpha the effective length of the coil, c the chronaxie. Nerves
are stimulated where R reaches 1. A ramp of the slew rate S and the duration tau from rest gives
:math:`S/S_\mathrm{min} \cdot \tau/(c + \tau)`, which is 1 on the hyperbola :math:`S_\mathrm{min} (1 + c/\tau)`.

Short waveforms are summed up piece by piece in closed form, long ones by

.. math:: \frac{1}{(c + u)^2} = \int_0^\infty s\, e^{-s (c + u)}\, ds \approx \sum_j w_j e^{-s_j u}

with some 60 rates s_j (accurate to 2e-11), every exponential by an exact recursion. The largest response is looked for
between corners as well (:mod:`emdose.dosimetry.stimulation.extremes`), and its value is that of the closed form.

Source: form, weights and numbers as open sequence code states them after IEC 60601-2-33:2022, equation AA.21 and
section (12) (PulCeq of HarmonizedMRI, MIT licence); R. F. Schulte and R. Noeske, Magn. Reson. Med. 74 (2015) 518. The
text of the standard was not read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.checks import array, number, one_of, positive, positives, whole
from emdose.dosimetry.stimulation import memory
from emdose.dosimetry.stimulation.extremes import STARTS, Search, Start, StimulationPeaks
from emdose.dosimetry.stimulation.impulse import exponentials, impulse_response_sum, stretches
from emdose.dosimetry.stimulation.repeats import kinds_of, marked, repeated_stretches
from emdose.errors import InputError
from emdose.models.gradients.waveform import AXES, Waveform
from emdose.values import read_only

STEPS_PER_CHRONAXIE = 50
_DIRECT = 1500
"""Up to so many pieces every pair of a corner and a piece is summed up."""
_FORGOTTEN = 1e-13
"""Of the largest response: what was before is no longer seen."""


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

    def response(
        self,
        waveform: Waveform,
        *,
        axes: str = "xyz",
        start: Start = "worst",
        between_s: tuple[float, float] | None = None,
    ) -> NerveResponse:
        """Response to a waveform, 1 where nerves are stimulated.

        Parameters
        ----------
        waveform : Waveform
            Gradients; or a flux density, whose components are then summed up in squares without weights.
        axes : str
            Axes of the magnet that the axes of a waveform of gradients are, such as "xyz" or "z".
        start : "rest", "repeated" or "worst"
            Nothing before the waveform, or the waveform without end; or the larger of both at any time.
        between_s : (float, float), optional
            Which part of the waveform is told; all before it counts nevertheless [s].

        Returns
        -------
        NerveResponse
            At every corner of the waveform, where it is largest, and every 1/50 of the chronaxie between them; less
            densely in long pieces and in waveforms of many.

        Raises
        ------
        InputError
            For axes that do not fit the waveform, and times outside of it.
        """
        one_of("start", start, STARTS, problem="unknown start of a waveform")
        least, weights = self._scale(waveform, axes)
        times, a, b = waveform.times_s, waveform.starts / least, waveform.stops / least
        low, high = memory.inside(times, between_s)
        part = memory.between(times, a, b, low, high)
        kernel = exponentials(self.chronaxie_s, waveform.duration_s)
        memories = memory.histories(times, a, b, kernel[0], start, low)
        search = Search(part[0], waveform.axes, self.chronaxie_s)
        for first in memories:
            weighted = part[0], part[1] * weights, part[2] * weights
            search.over(s for s, _ in stretches(*weighted, self.chronaxie_s, kernel, first * weights))
        fine = memory.subdivided(*part, self.chronaxie_s / STEPS_PER_CHRONAXIE)
        fine = memory.parted(*fine, search.when)
        courses = [self._course(part, fine, kernel, first) for first in memories]
        per_axis = courses[0]
        if len(courses) == 2:
            rest, repeated = (np.sqrt(((weights * c) ** 2).sum(1)) for c in courses)
            per_axis = np.where((rest >= repeated)[:, None], *courses)
        return NerveResponse(self, waveform.name, fine[0], per_axis, weights)

    def peaks(
        self, waveform: Waveform, *, axes: str = "xyz", start: Start = "worst", parts: int = 1
    ) -> StimulationPeaks:
        """Largest responses to a waveform, between its corners as well: of every axis with its weight, and of all.

        Parameters
        ----------
        waveform : Waveform
            Gradients, or a flux density, of any length.
        axes : str
            As for :meth:`response`.
        start : "rest", "repeated" or "worst"
            As for :meth:`response`.
        parts : int
            In how many parts the course is told, each with its largest responses.

        Raises
        ------
        InputError
            For axes that do not fit the waveform.
        """
        one_of("start", start, STARTS, problem="unknown start of a waveform")
        least, weights = self._scale(waveform, axes)
        times, a, b, marks = marked(waveform.times_s, waveform.starts, waveform.stops, waveform.splits_s)
        a, b = a * weights / least, b * weights / least
        kernel = rates, factors = exponentials(self.chronaxie_s, waveform.duration_s)
        search = Search(times, waveform.axes, self.chronaxie_s, whole("parts", parts, least=1))
        before = end = np.zeros((len(rates), waveform.axes))
        played = marks, kinds_of(times, a, b, marks)
        for stretch, last in repeated_stretches(times, a, b, self.chronaxie_s, kernel, before, *played):
            end = last
            if start != "repeated":
                search.over([stretch])
        rested = search.top.copy()
        if start != "rest":
            before = end / -np.expm1(-rates * waveform.duration_s)[:, None]
            for stretch, _ in repeated_stretches(times, a, b, self.chronaxie_s, kernel, before, *played):
                left = factors @ (np.abs(before) * np.exp(-rates * (times[stretch.first] - times[0]))[:, None])
                if start == "worst" and np.linalg.norm(left) < _FORGOTTEN * search.top[-1]:
                    break
                search.over([stretch])
        owner = (search.top > rested) | (start == "repeated")
        exact = impulse_response_sum(times, a, b, self.chronaxie_s, search.when)
        past = np.exp(-np.outer(search.when - times[0], rates)) * factors @ before
        exact += np.where(owner[:, None], past, 0.0)
        return search.peaks(np.append(np.abs(np.diag(exact)), np.linalg.norm(exact[-1])))

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
        self,
        part: tuple[np.ndarray, np.ndarray, np.ndarray],
        fine: tuple[np.ndarray, np.ndarray, np.ndarray],
        kernel: tuple[np.ndarray, np.ndarray],
        first: np.ndarray,
    ) -> np.ndarray:
        if not first.any() and len(part[1]) <= _DIRECT and len(part[1]) * len(fine[0]) <= 4 * _DIRECT**2:
            return impulse_response_sum(*part, self.chronaxie_s, fine[0])
        rates, factors = kernel
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
