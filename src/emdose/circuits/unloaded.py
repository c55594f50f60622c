r"""Modes and capacitances of an unloaded coil by partial elements.

Over the gaps of the elements the metal with its charges and its shield is a matrix S (see
:mod:`emdose.circuits.partial_network`), and the source-free currents obey

.. math:: D\,\mathbf i = (S + \omega^2 L_e)\,\mathbf i

with the elastances D = 1/C and inductances L_e of the elements. Tuning scales the elastances of the chosen elements by
x: (S + w^2 L_e - D_fixed) i = x D_tuned i at the wanted frequency. The body and what is radiated are left out; tuning
inside a full-wave network corrects for the body.

Source: A. Ruehli, IEEE Trans. MTT 22 (1974) 216 (partial elements); J. Jin, Electromagnetic Analysis and Design in
Magnetic Resonance Imaging, CRC Press 1998, ch. 4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.checks import positive
from emdose.circuits.filaments import filaments_of
from emdose.circuits.partial_network import GapMatrix, PartialNetwork
from emdose.constants import C_0
from emdose.errors import InputError
from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.models.coils.conductors import LumpedElement
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.coils.circuit import CircuitCoil

PARTNER = 1e-3
"""Modes closer in frequency than this are taken as one degenerate mode."""
SMALL = 0.02
"""Size of a coil in wavelengths over 2 pi for a first look at its modes."""
SETTLED = 0.01
"""Change of the useful mode's frequency from which the modes are looked at again."""
LOOKS = 5
ALIKE = 0.5
"""Share of a mode's currents that another one must have to be the same at another frequency."""


@read_only
@dataclass(frozen=True, eq=False)
class CoilMode:
    """A mode of the unloaded coil.

    Parameters
    ----------
    frequency_Hz : float
        Its frequency [Hz].
    quality : float
        Quality factor from the resistances of the elements alone; infinite without.
    currents_A : mapping of str to float
        Current of every element, of unit magnetic energy (L I^2 / 2 = 1 J).
    field_T : (3,) ndarray
        Magnetic flux density at the centre of the coil for these currents [T].
    """

    frequency_Hz: float
    quality: float
    currents_A: Mapping[str, float]
    field_T: np.ndarray


@read_only
@dataclass(frozen=True, eq=False)
class CoilTuning:
    """A tuned coil.

    Parameters
    ----------
    coil : CircuitCoil
        The coil with its new values.
    frequency_Hz : float
        Frequency of the chosen mode [Hz].
    capacitances_F : mapping of str to float
        New values of the tuned elements.
    modes : tuple of CoilMode
        Modes of the tuned coil, in growing order.
    chosen : tuple of int
        Numbers of the chosen mode and of those degenerate with it.
    """

    coil: CircuitCoil
    frequency_Hz: float
    capacitances_F: Mapping[str, float]
    modes: tuple[CoilMode, ...]
    chosen: tuple[int, ...]

    def pattern(self, names: Sequence[str] | None = None) -> np.ndarray:
        """Currents of the chosen modes in some elements, (name, mode): which mode it is, for networks of the coil.

        Without names, in the elements that were tuned.
        """
        names = list(self.capacitances_F) if names is None else names
        return np.array([[self.modes[m].currents_A[n] for m in self.chosen] for n in names])


def coil_modes(coil: CircuitCoil) -> tuple[CoilMode, ...]:
    """Modes of an unloaded coil, in growing order of frequency.

    As many as there are independent loops through capacitors. They are exact to second order around the one with the
    strongest field, others the less so the further from it they are.

    Raises
    ------
    InputError
        When the coil has plates, solids or parallel circuits, or no closed loop with a capacitor.
    """
    unloaded = _Unloaded(coil)
    frequency_Hz = unloaded.low_Hz
    modes: tuple[CoilMode, ...] = ()
    for _ in range(LOOKS):
        modes = unloaded.modes(coil, unloaded.network.near(frequency_Hz))
        before, frequency_Hz = frequency_Hz, modes[_useful(modes)].frequency_Hz
        if abs(frequency_Hz / before - 1) < SETTLED:
            break
    return modes


def tune(
    coil: CircuitCoil, frequency_Hz: float, *, elements: Sequence[str] | None = None, mode: int | None = None
) -> CoilTuning:
    """Capacitances that put a mode of the unloaded coil at a frequency.

    Parameters
    ----------
    coil : CircuitCoil
        The coil; its capacitances are the start and keep their ratios.
    frequency_Hz : float
        Wanted frequency [Hz].
    elements : sequence of str, optional
        Elements whose capacitance is changed; all capacitors by default.
    mode : int, optional
        Number of the mode among those of the coil as it is; by default the one with the strongest field across z at
        the centre of the coil for its energy (or along z, when there is none across).

    Returns
    -------
    CoilTuning
        The tuned coil, its capacitances and modes.

    Raises
    ------
    InputError
        For elements that are not there or hold no capacitor, a mode that does not exist, or a frequency that no
        capacitance reaches.
    """
    positive("frequency_Hz", frequency_Hz, problem="bad frequency", expected="hertz > 0")
    names = [e.name for e in coil.elements if e.capacitance_F is not None] if elements is None else list(elements)
    for name in names:
        if coil.element(name).capacitance_F is None:
            raise InputError(
                "element without a capacitor cannot be tuned", field="elements", found=name, expected="capacitors"
            )
    if not names:
        raise InputError("nothing to tune", field="elements", found=[], expected="at least one capacitor")
    unloaded = _Unloaded(coil)
    start = unloaded.modes(coil, unloaded.network.near(unloaded.low_Hz))
    chosen = _useful(start) if mode is None else mode
    if not 0 <= chosen < len(start):
        raise InputError("no such mode", field="mode", found=mode, expected=f"0 to {len(start) - 1}")
    gaps = unloaded.network.near(frequency_Hz)
    x = unloaded.scale(coil, names, gaps, start[chosen])
    values = {n: float(coil.element(n).capacitance_F / x) for n in names}  # type: ignore[operator]
    tuned = coil.with_values(values)
    modes = unloaded.modes(tuned, gaps)
    near = int(np.argmin([abs(m.frequency_Hz - frequency_Hz) for m in modes]))
    if abs(modes[near].frequency_Hz / frequency_Hz - 1) > PARTNER:
        raise _unreachable(gaps.w)
    partners = tuple(i for i, m in enumerate(modes) if abs(m.frequency_Hz / modes[near].frequency_Hz - 1) < PARTNER)
    return CoilTuning(tuned, float(modes[near].frequency_Hz), values, modes, partners)


def birdcage_order(coil: CircuitCoil, currents_A: Mapping[str, complex]) -> int | None:
    """Order of a birdcage's mode: the number of periods of its currents around the axis, 1 for the homogeneous one.

    Parameters
    ----------
    coil : CircuitCoil
        A birdcage.
    currents_A : mapping of str to complex
        Currents of its elements by name, as in :class:`CoilMode`.

    Returns
    -------
    int or None
        0 to N/2; None when the coil is no birdcage, or for the mode with equal currents in both rings.
    """
    if not isinstance(coil, CircuitBirdcage):
        return None
    top, bottom, rung = (
        np.array([complex(currents_A.get(f"{site} {n + 1}", 0.0)) for n in range(coil.rungs)])
        for site in ("top", "bottom", "rung")
    )
    if np.linalg.norm(top + bottom) > np.linalg.norm(top - bottom) and np.linalg.norm(top) > 0:
        return None
    power = np.sum([np.abs(np.fft.fft(currents)) ** 2 for currents in (top, bottom, rung)], axis=0)
    return int(np.argmax(power[: coil.rungs // 2 + 1]))


class _Unloaded:
    """The partial elements of a coil and how many modes it has."""

    def __init__(self, coil: CircuitCoil) -> None:
        filaments = filaments_of(coil)
        low, high = (np.array(v) for v in coil.extent_m)
        self.low_Hz = SMALL * C_0 / (2 * math.pi * float((high - low).max()))
        self.names = filaments.names
        if not filaments.loops():
            raise InputError(
                "the coil has no closed loop", field="conductors, elements", expected="metal and elements that close"
            )
        metal = np.arange(len(filaments.nodes)) < filaments.metal
        closed = metal.copy()
        closed[filaments.metal :] = [_series(coil.element(n))[2] == 0 for n in self.names]
        # Elements without capacitance close loops that do not oscillate.
        self.silent = int(filaments.loops(metal) - filaments.loops(closed))
        self.count = filaments.loops(closed)
        if not self.count:
            raise InputError("the coil has no loop with a capacitor", field="elements", expected="capacitors")
        self.network = PartialNetwork(filaments, 0.5 * (low + high), coil.shield)

    def elements(self, coil: CircuitCoil) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inductance, elastance and resistance of every element."""
        r, inductance, elastance = (
            np.array(v) for v in zip(*(_series(coil.element(n)) for n in self.names), strict=True)
        )
        return inductance, elastance, r

    def modes(self, coil: CircuitCoil, gaps: GapMatrix) -> tuple[CoilMode, ...]:
        """The lowest modes, as many as there are loops; the others charge the metal between the elements alone."""
        from scipy import linalg

        inductance, elastance, r = self.elements(coil)
        D, L = gaps.elastance + np.diag(elastance), gaps.inductance + np.diag(inductance)
        try:
            squared, v = linalg.eigh(D, L)
        except linalg.LinAlgError:
            squared, v = _above_resonance(D, L)
        out = []
        for i in range(self.silent, min(self.silent + self.count, len(squared))):
            w = math.sqrt(max(squared[i], 0.0))
            currents = v[:, i] * math.sqrt(2)
            loss = float((r * currents**2).sum())
            out.append(
                CoilMode(
                    w / (2 * math.pi),
                    2 * w / loss if loss else math.inf,
                    dict(zip(self.names, currents.tolist(), strict=True)),
                    gaps.field @ currents,
                )
            )
        return tuple(out)

    def scale(self, coil: CircuitCoil, names: Sequence[str], gaps: GapMatrix, like: CoilMode) -> float:
        """Factor for the elastances of some elements that puts the mode most like one given at the frequency."""
        from scipy import linalg

        inductance, elastance, _ = self.elements(coil)
        tuned = np.array([n in names for n in self.names])
        fixed = gaps.at(gaps.w) + np.diag(gaps.w**2 * inductance - np.where(tuned, 0.0, elastance))
        x, v = linalg.eig(fixed, np.diag(np.where(tuned, elastance, 0.0)))
        currents = v.T
        wanted = np.array([like.currents_A[n] for n in self.names])
        norm = np.linalg.norm(currents, axis=1)
        good = np.flatnonzero(np.isfinite(x) & (x.real > 1e-12) & (np.abs(x.imag) < 1e-6 * np.abs(x.real)) & (norm > 0))
        if not len(good):
            raise _unreachable(gaps.w)
        # Degenerate modes come out in any combination: compare with all that share the factor.
        best, most = good[0], -1.0
        for i in good:
            same = [j for j in good if abs(x[j] / x[i] - 1) < PARTNER]
            shapes = np.linalg.qr(np.column_stack([currents[j] for j in same]))[0]
            overlap = float(np.linalg.norm(shapes.conj().T @ wanted) / np.linalg.norm(wanted))
            if overlap > most:
                best, most = i, overlap
        if most < ALIKE:
            raise _unreachable(gaps.w)
        return float(x[best].real)


def _unreachable(w: float) -> InputError:
    return InputError(
        "no capacitance puts the mode there",
        field="frequency_Hz",
        found=w / (2 * math.pi),
        expected="another frequency or more elements to tune",
    )


def _above_resonance(D: np.ndarray, L: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squares of the frequencies, in growing order, and currents of the modes that store energy.

    Near a resonance of the bare metal the slope of the gaps' matrix is no inductance for all currents.
    """
    from scipy import linalg

    squared, v = linalg.eig(D, L)
    real = np.isfinite(squared) & (np.abs(squared.imag) <= 1e-6 * np.abs(squared.real)) & (squared.real > 0)
    squared, v = squared.real[real], v.real[:, real]
    energy = np.einsum("ik,ij,jk->k", v, L, v)
    order = np.flatnonzero(energy > 0)[np.argsort(squared[energy > 0])]
    return squared[order], v[:, order] / np.sqrt(energy[order])


def _useful(modes: Sequence[CoilMode]) -> int:
    across = np.array([np.hypot(m.field_T[0], m.field_T[1]) for m in modes])
    along = np.array([abs(m.field_T[2]) for m in modes])
    return int(np.argmax(across)) if across.max() > 1e-6 * along.max() else int(np.argmax(along))


def _series(element: LumpedElement) -> tuple[float, float, float]:
    """Series R, L and 1/C of an element."""
    values = (element.resistance_ohm, element.inductance_H, element.capacitance_F)
    if element.topology == "parallel" and sum(v is not None for v in values) > 1:
        raise InputError(
            "quasi-static tuning knows series elements only", field=element.name, found="parallel", expected="series"
        )
    r, inductance, c = values
    return r or 0.0, inductance or 0.0, 0.0 if c is None else 1 / c
