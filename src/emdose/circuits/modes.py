r"""Natural frequencies of a network in its circuit, and the element values that put a mode at a frequency.

The impedance matrix is fitted over the frequencies of the network by what quasi-static structures have, a capacitance,
a resistance and an inductance, and their next terms,

.. math:: Z(s) = D s^{-1} + R + L s + A_2 s^2 + A_3 s^3 ,

as many terms as there are frequencies, in the order L, D, R, s^2, s^3. Source-free currents obey
(Z(s) + Z_c(s)) I = 0 with the circuit's impedance Z_c = R_c + s L_c + 1 / (s C_c): a polynomial eigenvalue problem,
solved by its companion matrix. Circuits that are not of this form are replaced by one with the same impedance and slope
at one or several frequencies, and each mode is then refined by Newton's method on the true circuit. Where the network
has no impedance matrix (islands of metal without stray capacitance) the same is done with admittances.

Source: F. Tisseur and K. Meerbergen, SIAM Review 43 (2001) 235 (polynomial eigenvalue problems); A. Neumaier, SIAM J.
Numer. Anal. 22 (1985) 914 (residual inverse iteration).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emdose.circuits.circuit import Circuit
from emdose.circuits.network import Network
from emdose.errors import InputError
from emdose.values import read_only

POWERS = (1, -1, 0, 2, 3)
"""Powers of s in the fit, in the order in which they are taken."""
PIECES = 12
"""Pieces into which the frequencies are taken when the circuit is not a plain series circuit."""
SINGULAR = 1e-9
"""Below this singular value of 1 - S a network has no impedance matrix."""
Matrix = Callable[[complex], np.ndarray]


@read_only
@dataclass(frozen=True, eq=False)
class Fit:
    """The impedance or admittance matrix of a network as sum of terms[m] (s / scale)^powers[m].

    Parameters
    ----------
    terms : (m, n, n) complex ndarray
        Coefficients [ohm] or [S].
    powers : tuple of int
        Powers of s.
    scale : float
        Angular frequency of normalisation [rad/s].
    residual : float
        Largest misfit over the frequencies, relative to the norm of the matrix.
    impedance : bool
        Whether it is the impedance.
    """

    terms: np.ndarray
    powers: tuple[int, ...]
    scale: float
    residual: float
    impedance: bool

    @classmethod
    def of(cls, network: Network, terms: int | None = None) -> Fit:
        """Fit a network.

        Parameters
        ----------
        network : Network
            The network, at one or more frequencies.
        terms : int, optional
            Number of terms; by default as many as frequencies, at most five.

        Raises
        ------
        InputError
            For more terms than frequencies.
        """
        most = min(len(network.frequencies_Hz), len(POWERS))
        count = most if terms is None else terms
        if not 1 <= count <= most:
            raise InputError("more terms than frequencies", field="terms", found=count, expected=f"1 to {most}")
        impedance, values = immittance(network)
        # An inductive admittance starts with 1/s: the same terms, with s and 1/s exchanged.
        powers = tuple(p if impedance or abs(p) != 1 else -p for p in POWERS[:count])
        w = 2 * math.pi * network.frequencies_Hz
        scale = math.sqrt(float(w[0] * w[-1]))
        values = 0.5 * (values + values.swapaxes(-1, -2))
        basis = np.stack([(1j * w / scale) ** p for p in powers], axis=1)
        weight = 1 / np.linalg.norm(values, axis=(-2, -1))
        flat = values.reshape(len(w), -1)
        solution = np.linalg.lstsq(basis * weight[:, None], flat * weight[:, None], rcond=None)[0]
        misfit = np.linalg.norm(basis @ solution - flat, axis=1) * weight
        return cls(solution.reshape(count, *values.shape[1:]), powers, scale, float(misfit.max()), impedance)

    def __call__(self, s: complex) -> np.ndarray:
        """The matrix at a complex frequency [rad/s], (n, n)."""
        return np.asarray(sum(t * (s / self.scale) ** p for t, p in zip(self.terms, self.powers, strict=True)))


@read_only
@dataclass(frozen=True, eq=False)
class Mode:
    """A source-free oscillation.

    Parameters
    ----------
    frequency_Hz : float
        Frequency of the oscillation [Hz].
    quality : float
        Quality factor |s| / (2 |decay rate|).
    currents_A : (n,) complex ndarray
        Currents into the network at its ports, of norm one.
    within : bool
        Whether it lies within the frequencies of the network; others are extrapolated.
    """

    frequency_Hz: float
    quality: float
    currents_A: np.ndarray
    within: bool


def immittance(network: Network) -> tuple[bool, np.ndarray]:
    """Whether the network has an impedance matrix, and that (f, n, n) [ohm]; else its admittance matrix [S]."""
    least = np.linalg.svd(np.eye(network.size) - network.s, compute_uv=False).min()
    return (True, network.z) if least > SINGULAR else (False, network.y)


def natural_modes(
    network: Network,
    circuit: Circuit,
    *,
    low_Hz: float | None = None,
    high_Hz: float | None = None,
    terms: int | None = None,
) -> list[Mode]:
    """Natural frequencies of a network in its circuit, the sources switched off, in growing order.

    Parameters
    ----------
    network : Network
        The network at a few frequencies around those of interest.
    circuit : Circuit
        Its terminations. Feeds count with the impedances of their sources, which damp the modes; take
        ``circuit.without_sources()`` to see the coil alone.
    low_Hz, high_Hz : float, optional
        Range; by default from a third of the lowest to three times the highest frequency of the network.
    terms : int, optional
        Terms of the fit of the network.

    Raises
    ------
    InputError
        When the circuit does not fit the network, or has couplings.
    """
    f = network.frequencies_Hz
    low = f[0] / 3 if low_Hz is None else low_Hz
    high = 3 * f[-1] if high_Hz is None else high_Hz
    fit = Fit.of(network, terms)
    middle = np.array([1j * fit.scale])
    z = np.array([circuit.impedance(n, middle)[0] for n in network.names])
    # Ports without current (or, with admittances, without voltage) take no part.
    active = np.flatnonzero(np.isfinite(z) if fit.impedance else z != 0)
    if not len(active):
        return []
    names = [network.names[int(i)] for i in active]
    part = Fit(fit.terms[:, active[:, None], active], fit.powers, fit.scale, fit.residual, fit.impedance)
    load = _load(circuit, names, fit.impedance)
    out: list[Mode] = []
    for s, vector in _candidates(part, load, low, high):
        frequency = s.imag / (2 * math.pi)
        quality = abs(s) / (2 * abs(s.real)) if s.real else math.inf
        if not low <= frequency <= high or quality < 0.6:
            continue
        currents = np.zeros(network.size, complex)
        currents[active] = vector if fit.impedance else part(s) @ vector
        out.append(
            Mode(
                float(frequency), float(quality), currents / np.linalg.norm(currents), bool(f[0] <= frequency <= f[-1])
            )
        )
    return sorted(out, key=lambda m: m.frequency_Hz)


def tuning_factor(
    network: Network,
    circuit: Circuit,
    tunable: Sequence[str],
    frequency_Hz: float,
    *,
    pattern: np.ndarray | None = None,
    mode: int | None = None,
) -> float:
    """Factor for the impedances of some terminations that puts a mode at a frequency.

    With tunable impedances x Z_t the condition (Z + Z_fixed) I = -x Z_t I is an eigenvalue problem for x at one
    frequency; the fixed ports are eliminated first. Losses make x slightly complex; the real part is taken.

    Parameters
    ----------
    network : Network
        The network; the frequency must be one of its own.
    circuit : Circuit
        Its terminations with starting values.
    tunable : sequence of str
        Ports whose terminations are scaled together, purely capacitive ones.
    frequency_Hz : float
        Where the mode shall be [Hz].
    pattern : (tunable,) or (tunable, k) ndarray, optional
        The mode is the one whose currents overlap most with these. With k patterns, such as the two of a pair that
        a load splits, the geometric mean for the k modes most like them.
    mode : int, optional
        Otherwise its number, 0 being the one that needs the largest capacitance.

    Returns
    -------
    float
        Factor x: the new capacitances are the old ones divided by x.

    Raises
    ------
    InputError
        When neither or both of pattern and mode are given, or no capacitance does it.
    """
    if (pattern is None) == (mode is None):
        raise InputError("which mode?", field="pattern, mode", expected="one of them")
    at = network.at(frequency_Hz)
    impedance, values = immittance(at)
    load = _load(circuit, at.names, impedance)(complex(2j * math.pi * at.frequencies_Hz[0]))
    t = np.array([at.index(n) for n in tunable])
    usable = np.isfinite(load)
    if not usable[t].all():
        raise InputError("a tunable port is open or short", field="tunable", expected="capacitors")
    rest = np.setdiff1d(np.flatnonzero(usable), t)
    m = values[0] + np.diag(np.where(usable, load, 0))
    outer = values[0][t[:, None], t]
    if len(rest):
        outer = outer - m[t[:, None], rest] @ np.linalg.solve(m[rest[:, None], rest], m[rest[:, None], t])
    from scipy import linalg

    x, vectors = linalg.eig(-outer, np.diag(load[t]))
    currents = vectors
    if not impedance:
        with np.errstate(divide="ignore"):
            x = 1 / x
        currents = load[t][:, None] * vectors
    # Islands of metal and losses bring factors that are zero, infinite or imaginary.
    within = np.isfinite(x) & (x.real > 1e-6) & (x.real < 1e6)
    good = np.flatnonzero(within & (np.abs(x.imag) < 0.5 * np.abs(x.real)))
    if not len(good):
        raise InputError(
            "no capacitance puts a mode there",
            field="frequency_Hz",
            found=frequency_Hz,
            expected="a lower frequency or another coil",
        )
    if mode is not None:
        order = good[np.argsort(x.real[good])]
        if not 0 <= mode < len(order):
            raise InputError("no such mode", field="mode", found=mode, expected=f"0 to {len(order) - 1}")
        return float(x.real[order[mode]])
    shapes = np.linalg.qr(np.asarray(pattern, complex).reshape(len(t), -1))[0]
    shown = currents[:, good]
    overlap = np.linalg.norm(shapes.conj().T @ shown, axis=0) / np.linalg.norm(shown, axis=0)
    best = np.argsort(-overlap)[: shapes.shape[1]]
    best = best[overlap[best] > 0.5 * overlap[best[0]]]
    return float(np.exp(np.log(x.real[good[best]]).mean()))


def _load(circuit: Circuit, names: Sequence[str], impedance: bool) -> Matrix:
    """Impedances or admittances (n,) of the circuit at internal ports as a function of s."""
    if circuit.couplings:
        raise InputError(
            "modes of circuits with couplings are not found this way",
            field="couplings",
            found=len(circuit.couplings),
            expected="none",
        )

    def load(s: complex) -> np.ndarray:
        z = np.array([circuit.impedance(n, np.array([s]))[0] for n in names])
        if impedance:
            return z
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(np.isinf(z), 0, 1 / z)

    return load


def _candidates(fit: Fit, load: Matrix, low: float, high: float) -> list[tuple[complex, np.ndarray]]:
    """Refined eigenvalues and vectors between two frequencies [Hz], every one once."""
    centres = [fit.scale]
    model = _series(load, fit.scale, fit.scale)
    for w in 2 * math.pi * np.array([low, high]):
        p = 1j * w / fit.scale
        true = load(1j * w)
        if np.abs(model[0] + p * model[1] + model[2] / p - true).max() > 0.05 * np.abs(true).max():
            # The circuit is not of this form: take it to pieces, each with its own tangent.
            centres = list(2 * math.pi * np.geomspace(low, high, PIECES))
    found: list[tuple[complex, np.ndarray]] = []
    for centre in centres:
        for s, vector in _eigen(fit, _series(load, fit.scale, centre)):
            if not 0.5 * low <= s.imag / (2 * math.pi) <= 2 * high:
                continue
            s, vector = _refine(lambda x: fit(x) + np.diag(load(x)), s, vector)
            same = [v for t, v in found if abs(t - s) < 1e-6 * abs(s)]
            if same:
                basis = np.linalg.qr(np.array(same).T)[0]
                if np.linalg.norm(vector - basis @ (basis.conj().T @ vector)) < 1e-3:
                    continue
            found.append((s, vector))
    return found


def _series(load: Matrix, scale: float, centre: float) -> tuple[np.ndarray, ...]:
    """(R, L, G): R + p L + G / p with p = s / scale agrees with the load at s = j centre, and so does its slope."""
    s, h, p = 1j * centre, 1e-3, centre / scale
    below, here, above = (load(s * q) for q in (1 - h, 1.0, 1 + h))
    slope = ((above - below) / (2j * h * p)).real
    # At s = j centre: R + j (p L - G / p); d/d(jp): L + G / p^2.
    return here.real, 0.5 * (slope + here.imag / p), 0.5 * (slope * p * p - here.imag * p)


def _eigen(fit: Fit, load: tuple[np.ndarray, ...]) -> list[tuple[complex, np.ndarray]]:
    """Eigenvalues s with positive imaginary part, and vectors, of the polynomial problem."""
    from scipy import linalg

    n = fit.terms.shape[-1]
    degree = max(2, 1 + max(fit.powers))
    A = np.zeros((degree + 1, n, n), complex)
    for term, power in zip(fit.terms, fit.powers, strict=True):
        A[1 + power] += term
    for values, power in zip(load, (1, 2, 0), strict=True):
        A[power] += np.diag(values)
    size = degree * n
    left, right = np.zeros((size, size), complex), np.eye(size, dtype=complex)
    left[: size - n, n:] = np.eye(size - n)
    for d in range(degree):
        left[size - n :, d * n : (d + 1) * n] = -A[d]
    right[size - n :, size - n :] = A[degree]
    p, vectors = linalg.eig(left, right)
    good = np.isfinite(p) & (p.imag > 1e-3) & (np.abs(p) < 1e3)
    return [(complex(v * fit.scale), vectors[:n, i]) for i, v in enumerate(p) if good[i]]


def _refine(matrix: Matrix, s: complex, vector: np.ndarray) -> tuple[complex, np.ndarray]:
    """Newton's method on matrix(s) vector = 0, by inverse iteration; degenerate modes keep their own vectors."""
    vector = vector / np.linalg.norm(vector)
    for _ in range(8):
        h = 1e-5 * abs(s)
        slope = (matrix(s + h) - matrix(s - h)) / (2 * h)
        try:
            step = np.linalg.solve(matrix(s), slope @ vector)
        except np.linalg.LinAlgError:
            break
        turn = vector.conj() @ step
        if not np.isfinite(turn) or turn == 0 or abs(turn) * abs(s) > 1e14:
            break
        s = complex(s - 1 / turn)
        vector = step / np.linalg.norm(step)
        if abs(turn) * abs(s) > 1e12:
            break
    return s, vector
