r"""Weights of limits that depend on frequency, as spectra with exact phases and as filters with exact corners.

A limit :math:`EL(f) = a_i f^{n_i}` between corners weights a course by W = 1/EL. As a spectrum, with the phases of
ICNIRP, :math:`\varphi = -90° n`, so that a limit that falls as 1/f differentiates,

.. math:: \left|\sum_i \frac{A_i}{EL(f_i)} \cos(2\pi f_i t + \theta_i + \varphi_i)\right| \le 1

As a filter of first-order sections with the same corners, :math:`H(s) = K s^m \prod (1 + s/\omega_z) / \prod
(1 + s/\omega_p)`, which departs from the straight pieces by up to 3 dB and 45° beside a corner. Where printed pieces do
not join (up to 4 %), K is the largest that one of them asks for. EL are peak values: rms ones times sqrt(2).

Source: ICNIRP, Health Phys. 99 (2010) 818, appendix (weighted peak, in spectrum and by filters of first order);
K. Jokela, Health Phys. 79 (2000) 373.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from emdose.checks import array, one_of, unknown
from emdose.compliance.limits import STATES, Limit, limits
from emdose.dosimetry.stimulation import memory
from emdose.errors import InputError
from emdose.models.gradients.spectrum import Spectrum
from emdose.values import read_only

Start = Literal["rest", "settled", "moving", "repeated"]
STEPS = 4
"""Values between corners per time constant of the fastest section."""
MOST = 32
_OVERSAMPLED = 16
_HARMONIC = 1e-6
_NEAR = 1e-6


@read_only
@dataclass(frozen=True)
class Weighting:
    """Weights of a limit that depends on frequency.

    Parameters
    ----------
    name : str
        Quantity and group.
    rows : tuple of Limit
        Its pieces, from the lowest frequency on, each a power of f.
    rate : bool
        Whether it weighs dB/dt while its rows limit B.

    Raises
    ------
    InputError
        For pieces that are no powers of f, or whose ranges do not follow on each other.
    """

    name: str
    rows: tuple[Limit, ...]
    rate: bool = False

    def __post_init__(self) -> None:
        for row, following in zip(self.rows, self.rows[1:], strict=False):
            if row.f_max_Hz != following.f_min_Hz:
                raise InputError(
                    "pieces of a limit do not follow on each other",
                    field=self.name,
                    found=f"{row.f_max_Hz} and {following.f_min_Hz} Hz",
                )
        assert self.pieces

    @cached_property
    def pieces(self) -> tuple[tuple[float, int], ...]:
        """Factor a and power n of the peak limit a f^n of every piece [unit, Hz]."""
        out = []
        for row in self.rows:
            low, high = row.f_min_Hz or 0.0, row.f_max_Hz or math.inf
            f = (0.75 * low + 0.25 * high, 0.25 * low + 0.75 * high)
            values = [row.value(f=v) for v in f]
            power = round(math.log(values[1] / values[0]) / math.log(f[1] / f[0]))
            factor = values[0] / f[0] ** power
            if not math.isclose(factor * f[1] ** power, values[1], rel_tol=1e-9):
                raise InputError("limit is no power of the frequency", field=row.name, found=row.limit)
            factor *= math.sqrt(2) if row.statistic.startswith("rms") else 1.0
            if self.rate and row.unit == "T":
                factor, power = 2 * math.pi * factor, power + 1
            out.append((factor, power))
        return tuple(out)

    @property
    def corners_Hz(self) -> tuple[float, ...]:
        """Frequencies between the pieces [Hz]."""
        return tuple(float(row.f_min_Hz or 0.0) for row in self.rows[1:])

    @property
    def state(self) -> str:
        """The least certain state of its rows."""
        order = list(STATES)
        return max((row.state for row in self.rows), key=order.index)

    def limit(self, frequencies_Hz: float | np.ndarray) -> np.ndarray:
        """Peak limit at frequencies [unit]; outside of its range the first and the last piece go on."""
        f = np.asarray(frequencies_Hz, float)
        which = np.searchsorted(self.corners_Hz, f, side="right")
        a, n = np.array(self.pieces).T
        return np.asarray(a[which] * f ** n[which])

    def weights(self, frequencies_Hz: float | np.ndarray) -> np.ndarray:
        """Complex weights at frequencies, 1 / limit with the phases of the straight pieces [1/unit]."""
        f = np.asarray(frequencies_Hz, float)
        n = np.array(self.pieces)[:, 1][np.searchsorted(self.corners_Hz, f, side="right")]
        return np.asarray(np.exp(-0.5j * np.pi * n) / self.limit(f))

    @cached_property
    def _sections(self) -> tuple[float, int, tuple[float, ...], tuple[float, ...]]:
        """K, power of s, zeros and poles [rad/s]."""
        powers = [-n for _, n in self.pieces]
        zeros: list[float] = []
        poles: list[float] = []
        for corner, before, after in zip(self.corners_Hz, powers, powers[1:], strict=False):
            (zeros if after > before else poles).extend([2 * math.pi * corner] * abs(after - before))
        if powers[0] < 0 or powers[0] + len(zeros) > len(poles) or len(set(poles)) < len(poles):
            raise InputError("limit has no filter of first-order sections", field=self.name)
        needed = []
        for k, (a, n) in enumerate(self.pieces):
            # Gain of the sections on their asymptotes at 1 rad/s of this piece's line, over the weight asked for.
            gain = 1.0
            for corner, before, after in zip(self.corners_Hz[:k], powers, powers[1:], strict=False):
                gain *= (2 * math.pi * corner) ** (before - after)
            needed.append((2 * math.pi) ** n / a / gain)
        return max(needed), powers[0], tuple(zeros), tuple(poles)

    @cached_property
    def _fractions(self) -> tuple[float, np.ndarray, np.ndarray]:
        """Direct part, residues and poles [1/s] of the filter as a sum of first-order memories."""
        K, m, zeros, poles = self._sections
        scale = K * math.prod(poles) / math.prod(zeros)
        p = np.asarray(poles)
        residues = np.array(
            [
                scale * (-s) ** m * math.prod(z - s for z in zeros) / math.prod(q - s for q in poles if q != s)
                for s in poles
            ]
        )
        direct = scale if m + len(zeros) == len(poles) else 0.0
        return direct, residues, p

    def filter(self, frequencies_Hz: float | np.ndarray) -> np.ndarray:
        """Complex response of the filter at frequencies [1/unit]."""
        K, m, zeros, poles = self._sections
        s = 2j * np.pi * np.asarray(frequencies_Hz, float)
        out = K * s**m
        for z in zeros:
            out = out * (1 + s / z)
        for p in poles:
            out = out / (1 + s / p)
        return np.asarray(out)

    def filtered(
        self, times_s: np.ndarray, starts: np.ndarray, stops: np.ndarray, start: Start = "rest", *, fine: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A piecewise linear course through the filter, exact at every time returned.

        Parameters
        ----------
        times_s : (n + 1,) ndarray
            Growing corners [s].
        starts, stops : (n, axes) ndarray
            Values behind the start and before the stop of every piece [unit].
        start : "rest", "settled", "moving" or "repeated"
            Zero before; the first value for ever before; the slope of the first piece for ever before; or the course
            repeated without end.
        fine : bool
            Whether there are values between the corners as well.

        Returns
        -------
        times_s : (k + 1,) ndarray
            Times [s].
        starts, stops : (k, axes) ndarray
            Weighted course; both differ where the course jumps.
        """
        one_of("start", start, ("rest", "settled", "moving", "repeated"), problem="unknown start of a course")
        d, r, p = self._fractions
        t, a, b = times_s, starts, stops
        if not len(p):
            return t, d * a, d * b
        first = np.zeros((len(p), a.shape[1]))
        if start == "repeated":
            first = memory.repeated_state(t, a, b, p)
        elif start == "settled":
            first = a[0] / p[:, None]
        elif start == "moving":
            first = a[0] / p[:, None] - (b[0] - a[0]) / (t[1] - t[0]) / p[:, None] ** 2
        if fine:
            t, a, b = memory.subdivided(t, a, b, 1 / (STEPS * p.max()), MOST)
        kept = [np.tensordot(r, first, 1)[None]]
        kept += [np.einsum("m,nma->na", r, y) for _, y in memory.states(t, a, b, p, first)]
        y = np.concatenate(kept)
        return t, y[:-1] + d * a, y[1:] + d * b

    def index(self, times_s: np.ndarray, values: np.ndarray, start: Start = "rest") -> float:
        """Weighted peak in time of samples that are straight in between: the largest length of the weighted vector.

        Parameters
        ----------
        times_s : (n,) ndarray
            Growing times [s].
        values : (n, axes) ndarray
            Samples [unit].
        start : "rest", "settled", "moving" or "repeated"
            See :meth:`filtered`.
        """
        t, v = np.asarray(times_s, float), array("values", values, (len(times_s), None))
        _, first, last = self.filtered(t, v[:-1], v[1:], start)
        return float(max(np.linalg.norm(first, axis=1).max(), np.linalg.norm(last, axis=1).max()))

    def spectral_course(self, spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
        """A periodic course weighted by its harmonics, with the phases of the straight pieces.

        Parameters
        ----------
        spectrum : Spectrum
            Peak phasors [unit].

        Returns
        -------
        times_s : (k,) ndarray
            One period in steps of 1/32 of that of the highest harmonic, or less [s].
        values : (k, axes) ndarray
            Weighted course.

        Raises
        ------
        InputError
            For frequencies that are no multiples of the lowest one or of the least distance between them: the peak of
            such a course comes near to :meth:`sum_index` some day.
        """
        f = spectrum.frequencies_Hz
        base = float(min(f.min(), np.diff(np.sort(f)).min(initial=np.inf)))
        order = f / base
        if np.any(np.abs(order - np.rint(order)) > _HARMONIC * order):
            raise InputError("spectrum is not periodic", field="frequencies_Hz", expected="multiples of one frequency")
        n = np.rint(order).astype(int)
        weighted = spectrum.amplitudes * self.weights(f)[:, None]
        count = 2 ** math.ceil(math.log2(2 * _OVERSAMPLED * (int(n.max()) + 1)))
        half = np.zeros((count // 2 + 1, weighted.shape[1]), complex)
        np.add.at(half, n, 0.5 * count * weighted)
        return np.arange(count) / (count * base), np.fft.irfft(half, count, axis=0)

    def spectral_index(self, spectrum: Spectrum) -> float:
        """Weighted peak of a periodic course by its harmonics, see :meth:`spectral_course`."""
        times, values = self.spectral_course(spectrum)
        best = float(times[int(np.linalg.norm(values, axis=1).argmax())])
        near = best + np.linspace(-1, 1, 201) * times[1]
        weighted = spectrum.amplitudes * self.weights(spectrum.frequencies_Hz)[:, None]
        turning = np.exp(2j * np.pi * np.outer(near, spectrum.frequencies_Hz))
        return float(np.linalg.norm((turning @ weighted).real, axis=1).max())

    def sum_index(self, spectrum: Spectrum) -> float:
        """Sum of amplitudes over limits, whatever the phases: an upper bound of the weighted peak."""
        size = np.linalg.norm(spectrum.amplitudes, axis=1)
        return float((size / self.limit(spectrum.frequencies_Hz)).sum())

    def as_limit(self) -> Limit:
        """The row of the index: 1 is the limit, with the sources of the pieces."""
        first = self.rows[0]
        origins = tuple(dict.fromkeys(row.source for row in self.rows))
        reasons = tuple(dict.fromkeys(row.reason for row in self.rows if row.reason))
        return replace(
            first,
            quantity=f"{first.quantity}, weighted peak",
            f_min_Hz=None,
            f_max_Hz=None,
            limit="1",
            unit="1",
            statistic="weighted peak in time",
            state=self.state,
            reason="; ".join(reasons),
            source="; ".join(origins),
        )


ICNIRP, ICNIRP_2014, DIRECTIVE = "ICNIRP 2010", "ICNIRP 2014", "Directive 2013/35/EU"
QUANTITIES = {
    ICNIRP: ("E", "B reference"),
    ICNIRP_2014: ("E uncontrolled", "E controlled", "dB/dt reference uncontrolled", "dB/dt reference controlled"),
    DIRECTIVE: ("E sensory ELV", "E health ELV", "B low action level", "B high action level", "B limb action level"),
}


def weighting(
    standard: str, quantity: str, mode: str | None = None, region: str | None = None, *, rate: bool = False
) -> Weighting:
    """The weights of one quantity of a document, from the lowest frequency to 10 MHz.

    Pieces of another quantity or document follow where a document leaves its range to them: above 400 Hz the sensory
    limits of the Directive go on as those for health, above 3 kHz the limits of ICNIRP for the central nervous system
    as those for all tissues, and above 1 Hz those of ICNIRP 2014 as those of 2010 for workers.

    Parameters
    ----------
    standard : "ICNIRP 2010", "ICNIRP 2014" or "Directive 2013/35/EU"
        Document.
    quantity : str
        Such as "E", "E sensory ELV" or "B low action level".
    mode : str, optional
        "occupational" or "public" of ICNIRP 2010.
    region : str, optional
        "CNS head" or "all tissues" of ICNIRP 2010.
    rate : bool
        Whether a limit of B is to weigh dB/dt.

    Raises
    ------
    InputError
        For names that the document does not have.
    """
    one_of("standard", standard, QUANTITIES, problem="no weighting of this document")
    if quantity not in QUANTITIES[standard]:
        raise unknown("no weighting of this quantity", quantity, list(QUANTITIES[standard]), field="quantity")
    rows = list(limits(standard, quantity=quantity, mode=mode, region=region))
    if standard == ICNIRP:
        if len({(row.mode, row.region) for row in rows}) != 1:
            raise InputError("a weighting needs one group and region", field="mode, region", found=(mode, region))
        if quantity == "E" and region == "CNS head":
            rows = _continued(rows, limits(ICNIRP, quantity="E", mode=mode, region="all tissues"))
    elif quantity == "E sensory ELV":
        rows = _continued(rows, limits(DIRECTIVE, quantity="E health ELV"))
    elif quantity == "E uncontrolled":
        rows = _continued(rows, weighting(ICNIRP, "E", "occupational", "CNS head").rows)
    elif quantity == "E controlled":
        rows = _continued(rows, limits(ICNIRP, quantity="E", mode="occupational", region="all tissues"))
    elif quantity == "dB/dt reference uncontrolled":
        rows, rate = _continued(rows, limits(ICNIRP, quantity="B reference", mode="occupational")), True
    words = (standard, quantity, mode or "", region or "")
    return Weighting(", ".join(filter(None, words)), tuple(rows), rate)


def _continued(rows: Sequence[Limit], others: Sequence[Limit]) -> list[Limit]:
    """Pieces and what of others lies above them."""
    end = float(rows[-1].f_max_Hz or 0.0)
    above = [row for row in others if (row.f_max_Hz or 0.0) > end * (1 + _NEAR)]
    return [*rows, *(replace(row, f_min_Hz=max(end, row.f_min_Hz or 0.0)) for row in above)]
