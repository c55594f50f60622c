r"""Modes and capacitances of an unloaded coil by quasi-static inductances.

The metal becomes straight filaments with partial inductances L, the elements branches between them. In a basis B of the
closed loops of that graph the source-free currents obey

.. math:: B^T D B\,\mathbf v = \omega^2 B^T (L + L_e) B\,\mathbf v

with the elastances D = 1/C and inductances L_e of the elements. Tuning scales the elastances of the chosen elements by
x: (w^2 L - D_fixed) v = x D_tuned v at the wanted frequency. Retardation, charge outside of capacitors and the body are
left out; tuning inside a full-wave network corrects for them.

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
from emdose.circuits.partial_inductance import field_of_filaments, partial_inductances, shield_images
from emdose.errors import InputError
from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.models.coils.conductors import LumpedElement, Plate, SolidConductor
from emdose.models.coils.gaps import gap_span
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.coils.circuit import CircuitCoil

LINE_RADIUS = 1e-3
"""Radius of wires that have none given [m]."""
SAGITTA = 1e-3
"""Corners of a chain are left out while it stays this close to its pieces, in units of its size."""
PARTNER = 1e-3
"""Modes closer in frequency than this are taken as one degenerate mode."""


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

    Raises
    ------
    InputError
        When the coil has plates, solids or parallel circuits, or no closed loop with a capacitor.
    """
    return _Loops(coil).modes(coil)


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
    loops = _Loops(coil)
    start = loops.modes(coil)
    chosen = _useful(start) if mode is None else mode
    if not 0 <= chosen < len(start):
        raise InputError("no such mode", field="mode", found=mode, expected=f"0 to {len(start) - 1}")
    x = loops.scale(coil, names, frequency_Hz, start[chosen])
    values = {n: float(coil.element(n).capacitance_F / x) for n in names}  # type: ignore[operator]
    tuned = coil.with_values(values)
    modes = loops.modes(tuned)
    near = int(np.argmin([abs(m.frequency_Hz - frequency_Hz) for m in modes]))
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


class _Loops:
    """Filaments, elements and closed loops of a coil."""

    def __init__(self, coil: CircuitCoil) -> None:
        for c in coil.conductors:
            if isinstance(c, Plate | SolidConductor):
                raise InputError(
                    "quasi-static tuning knows wires and strips only",
                    field="conductors",
                    found=type(c).__name__,
                    expected="Wire, Strip or Sheet",
                )
        self.segments, radii, terminals = _filaments(coil)
        self.names = [e.name for e in coil.elements]
        count = len(self.segments)
        gaps = {g.element.name: terminals[g.name] for g in coil.gaps if g.element is not None}
        ends = np.concatenate([self.segments, np.array([gaps[n] for n in self.names]).reshape(-1, 2, 3)])
        size = float(np.ptp(ends.reshape(-1, 3), axis=0).max())
        keys = np.round(ends.reshape(-1, 3) / (1e-6 * size) + 0.2137).astype(np.int64)
        _, node = np.unique(keys, axis=0, return_inverse=True)
        node = node.reshape(-1, 2)
        basis = _cycles(node, int(node.max()) + 1)
        if not basis.shape[1]:
            raise InputError(
                "the coil has no closed loop", field="conductors, elements", expected="metal and elements that close"
            )
        self.metal, self.lumped = basis[:count], basis[count:]
        shield = coil.shield.radius_m if coil.shield is not None else None
        axis = np.zeros(3) if coil.shield is None else np.asarray(coil.shield.centre_m)
        inner = self.segments - axis  # images are those of a shield around z
        self.inductance = self.metal.T @ partial_inductances(inner, radii, shield) @ self.metal
        low, high = coil.extent_m
        centre = 0.5 * (np.array(low) + np.array(high))
        self.field = field_of_filaments(self.segments, self.metal, centre)
        if shield is not None:
            self.field -= field_of_filaments(shield_images(inner, shield)[0], self.metal, centre - axis)

    def matrices(self, coil: CircuitCoil) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inductance and elastance of the loops, and the resistance of every element."""
        parts = [_series(coil.element(n)) for n in self.names]
        r, inductance, elastance = (np.array(v) for v in zip(*parts, strict=True))
        L = self.inductance + self.lumped.T @ (inductance[:, None] * self.lumped)
        return 0.5 * (L + L.T), self.lumped.T @ (elastance[:, None] * self.lumped), r

    def modes(self, coil: CircuitCoil) -> tuple[CoilMode, ...]:
        """All modes."""
        from scipy import linalg

        L, D, r = self.matrices(coil)
        squared, v = linalg.eigh(D, L)
        out = []
        for i in np.flatnonzero(squared > 1e-9 * squared.max()):
            w = math.sqrt(squared[i])
            currents = self.lumped @ v[:, i] * math.sqrt(2)
            loss = float((r * currents**2).sum())
            out.append(
                CoilMode(
                    w / (2 * math.pi),
                    2 * w / loss if loss else math.inf,
                    dict(zip(self.names, currents.tolist(), strict=True)),
                    v[:, i] @ self.field * math.sqrt(2),
                )
            )
        if not out:
            raise InputError("the coil has no loop with a capacitor", field="elements", expected="capacitors")
        return tuple(out)

    def scale(self, coil: CircuitCoil, names: Sequence[str], frequency_Hz: float, like: CoilMode) -> float:
        """Factor for the elastances of some elements that puts the mode most like one given at a frequency."""
        from scipy import linalg

        L, D, _ = self.matrices(coil)
        elastance = np.array([_series(coil.element(n))[2] if n in names else 0.0 for n in self.names])
        tuned = self.lumped.T @ (elastance[:, None] * self.lumped)
        x, v = linalg.eig((2 * math.pi * frequency_Hz) ** 2 * L - (D - tuned), tuned)
        currents = (self.lumped @ v).T
        wanted = np.array([like.currents_A[n] for n in self.names])
        norm = np.linalg.norm(currents, axis=1)
        good = np.flatnonzero(np.isfinite(x) & (x.real > 1e-12) & (np.abs(x.imag) < 1e-6 * np.abs(x.real)) & (norm > 0))
        if not len(good):
            raise InputError(
                "no capacitance puts the mode there",
                field="frequency_Hz",
                found=frequency_Hz,
                expected="another frequency or more elements to tune",
            )
        # Degenerate modes come out in any combination: compare with all that share the factor.
        best, most = good[0], -1.0
        for i in good:
            same = [j for j in good if abs(x[j] / x[i] - 1) < PARTNER]
            shapes = np.linalg.qr(np.column_stack([currents[j] for j in same]))[0]
            overlap = float(np.linalg.norm(shapes.conj().T @ wanted))
            if overlap > most:
                best, most = i, overlap
        return float(x[best].real)


def _cycles(node: np.ndarray, count: int) -> np.ndarray:
    """Independent closed loops of a graph of branches (n, 2), (n, loop): 1 or -1 where a loop runs along a branch."""
    around: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for n, (a, b) in enumerate(node.tolist()):
        around[a].append((n, b))
        around[b].append((n, a))
    # Potentials of a tree: the branches, with signs, from each node to the root of its tree.
    way: dict[int, np.ndarray] = {}
    tree = np.zeros(len(node), bool)
    for root in range(count):
        if root in way:
            continue
        way[root] = np.zeros(len(node))
        queue = [root]
        while queue:
            here = queue.pop()
            for n, other in around[here]:
                if other not in way:
                    tree[n] = True
                    way[other] = way[here].copy()
                    way[other][n] = 1.0 if node[n, 0] == other else -1.0
                    queue.append(other)
    loops = []
    for n in np.flatnonzero(~tree).tolist():
        a, b = node[n].tolist()
        loop = way[b] - way[a]  # from the end of the branch to the root and from there to its start
        loop[n] += 1
        loops.append(loop)
    return np.array(loops).reshape(-1, len(node)).T


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


def _filaments(coil: CircuitCoil) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Straight pieces (n, 2, 3), their radii (n,), and the terminals (2, 3) of every gap [m].

    Chains are split where gaps end and where other chains end on them; pieces in gaps are left out.
    """
    spines = [c.points_m for c in coil.conductors]  # type: ignore[union-attr]
    tips = np.concatenate([p[[0, -1]] for p in spines])
    terminals: dict[str, np.ndarray] = {}
    segments, radii = [], []
    for conductor, spine in zip(coil.conductors, spines, strict=True):
        v = np.diff(spine, axis=0)
        piece = np.linalg.norm(v, axis=1)
        s = np.concatenate([[0.0], np.cumsum(piece)])
        size = s[-1]
        cuts = [s[[0, -1]]]
        for tip in tips:
            t = np.clip(((tip - spine[:-1]) * v).sum(1) / piece**2, 0, 1)
            d = np.linalg.norm(spine[:-1] + t[:, None] * v - tip, axis=1)
            n = int(d.argmin())
            if d[n] < 1e-6 * size:
                cuts.append(np.array([s[n] + t[n] * piece[n]]))
        spans = []
        for gap in coil.gaps:
            span = gap_span(spine, gap)
            if span is not None:
                spans.append((min(span), max(span)))
                cuts.append(np.array(span))
                terminals[gap.name] = _at(spine, s, np.array(span))
        where = _thinned(spine, s, np.concatenate(cuts), 1e-6 * size)
        points = _at(spine, s, where)
        middle = 0.5 * (where[1:] + where[:-1])
        keep = np.ones(len(middle), bool)
        for low, high in spans:
            keep &= ~((middle > low) & (middle < high))
        segments.append(np.stack([points[:-1], points[1:]], axis=1)[keep])
        radius = getattr(conductor, "round_radius_m", None) or LINE_RADIUS
        radii.append(np.full(int(keep.sum()), radius))
    for gap in coil.gaps:
        terminals.setdefault(gap.name, np.array([gap.start_m, gap.end_m]))
    return np.concatenate(segments), np.concatenate(radii), terminals


def _thinned(spine: np.ndarray, s: np.ndarray, kept: np.ndarray, tie: float) -> np.ndarray:
    """Lengths along a chain at which to place corners: all that are kept, and what the chain's shape needs."""
    where = np.sort(np.concatenate([kept, s]))
    where = where[np.concatenate([[True], np.diff(where) > tie])]
    must = np.abs(where[:, None] - kept).min(axis=1) <= tie
    points = _at(spine, s, where)
    sag = SAGITTA * float(np.ptp(spine, axis=0).max())
    out = [0]
    for j in range(2, len(where)):
        a = points[out[-1]]
        chord = points[j] - a
        between = points[out[-1] + 1 : j] - a
        along = between @ chord / (chord @ chord) if chord.any() else np.zeros(len(between))
        off = np.linalg.norm(between - along[:, None] * chord, axis=1)
        if must[j - 1] or off.max() > sag or not chord.any():
            out.append(j - 1)
    return where[[*out, len(where) - 1]]


def _at(spine: np.ndarray, s: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(where, s, spine[:, c]) for c in range(3)], axis=1)
