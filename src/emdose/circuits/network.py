r"""Linear networks over ports at a list of frequencies.

A network is kept as scattering matrix, which exists for every passive structure:

.. math:: \mathbf b = S\,\mathbf a, \qquad a_p = \frac{V_p + R_p I_p}{2\sqrt{R_p}}, \quad
          b_p = \frac{V_p - R_p I_p}{2\sqrt{R_p}}

with peak phasors, currents into the network, and real reference impedances R, so that the power into it is
(|a|^2 - |b|^2) / 2.

Source: K. Kurokawa, IEEE Trans. MTT 13 (1965) 194 (power waves); D. Pozar, Microwave Engineering, Wiley, ch. 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import array, growing, one_of, positives
from emdose.errors import InputError
from emdose.values import read_only


@read_only
@dataclass(frozen=True, eq=False)
class Network:
    """A linear network.

    Parameters
    ----------
    frequencies_Hz : (f,) float ndarray
        Growing frequencies [Hz].
    s : (f, n, n) complex ndarray
        Scattering matrices; entry [:, i, j] is the wave out of port i per wave into port j.
    names : sequence of str
        Port names.
    reference_ohm : float or (n,) float ndarray
        Reference impedances, real and positive [ohm].

    Raises
    ------
    InputError
        For an empty frequency list, frequencies that do not grow, matrices that do not fit, values that are not finite,
        names that occur twice, or a reference impedance that is not positive.
    """

    frequencies_Hz: np.ndarray
    s: np.ndarray
    names: Sequence[str]
    reference_ohm: Any = 50.0

    def __post_init__(self) -> None:
        f = frequency_list(self.frequencies_Hz)
        s, names = np.array(self.s, complex), tuple(str(n) for n in self.names)
        if s.shape != (len(f), len(names), len(names)) or not names:
            raise InputError(
                "matrices do not fit frequencies and ports",
                field="s",
                found=s.shape,
                expected=str((len(f), len(names), len(names))),
            )
        if not np.all(np.isfinite(s)):
            raise InputError("network holds a value that is not finite", field="s")
        if len(set(names)) != len(names):
            raise InputError("two ports share a name", field="names", found=names)
        r = _impedances(self.reference_ohm, len(names))
        for own in (f, s, r):
            own.flags.writeable = False
        for key, value in (("frequencies_Hz", f), ("s", s), ("names", names), ("reference_ohm", r)):
            object.__setattr__(self, key, value)

    @classmethod
    def from_z(cls, frequencies_Hz: Any, z: Any, names: Sequence[str], reference_ohm: Any = 50.0) -> Network:
        """From impedance matrices (f, n, n) [ohm]."""
        z, r = np.asarray(z, complex), _root(reference_ohm, np.shape(z)[-1])
        zn = z / r[:, None] / r
        eye = np.eye(len(r))
        return cls(
            frequencies_Hz,
            np.linalg.solve(np.swapaxes(zn + eye, -1, -2), np.swapaxes(zn - eye, -1, -2)).swapaxes(-1, -2),
            names,
            reference_ohm,
        )

    @classmethod
    def from_y(cls, frequencies_Hz: Any, y: Any, names: Sequence[str], reference_ohm: Any = 50.0) -> Network:
        """From admittance matrices (f, n, n) [S]."""
        y, r = np.asarray(y, complex), _root(reference_ohm, np.shape(y)[-1])
        yn = y * r[:, None] * r
        eye = np.eye(len(r))
        return cls(frequencies_Hz, np.linalg.solve(eye + yn, eye - yn), names, reference_ohm)

    @classmethod
    def from_runs(
        cls, frequencies_Hz: Any, voltages_V: Any, currents_A: Any, names: Sequence[str], reference_ohm: Any = 50.0
    ) -> Network:
        """From port voltages and currents into the network of n independent runs.

        Parameters
        ----------
        frequencies_Hz : (f,) array
            Frequencies [Hz].
        voltages_V, currents_A : (f, n, run) complex array
            Peak phasors at every port in every run, in the same units for both but of any scale.
        names, reference_ohm
            As for the class.

        Raises
        ------
        InputError
            When there are fewer runs than ports, or the runs are not independent.
        """
        v, i = np.asarray(voltages_V, complex), np.asarray(currents_A, complex)
        r = _root(reference_ohm, len(names))
        if v.shape != i.shape or v.ndim != 3 or v.shape[1] != len(names) or v.shape[2] != len(names):
            raise InputError(
                "runs do not fit the ports",
                field="voltages_V",
                found=v.shape,
                expected=f"(frequency, {len(names)}, {len(names)})",
            )
        a = (v / r[:, None] + r[:, None] * i) / 2
        b = (v / r[:, None] - r[:, None] * i) / 2
        try:
            s = np.linalg.solve(a.swapaxes(-1, -2), b.swapaxes(-1, -2)).swapaxes(-1, -2)
        except np.linalg.LinAlgError:
            raise InputError("runs are not independent", field="voltages_V", expected="one run per port") from None
        return cls(frequencies_Hz, s, names, reference_ohm)

    @property
    def z(self) -> np.ndarray:
        """Impedance matrices (f, n, n) [ohm]."""
        r, eye = np.sqrt(self.reference_ohm), np.eye(len(self.names))
        return np.linalg.solve(eye - self.s, eye + self.s) * r[:, None] * r

    @property
    def y(self) -> np.ndarray:
        """Admittance matrices (f, n, n) [S]."""
        r, eye = np.sqrt(self.reference_ohm), np.eye(len(self.names))
        return np.linalg.solve(eye + self.s, eye - self.s) / r[:, None] / r

    @property
    def size(self) -> int:
        """Number of ports."""
        return len(self.names)

    def index(self, name: str) -> int:
        """Number of a port; raises InputError when there is none of that name."""
        one_of("port", name, self.names, problem="no such port")
        return self.names.index(name)

    def at(self, frequency_Hz: float) -> Network:
        """The network at one of its frequencies.

        Raises
        ------
        InputError
            When it was not computed there.
        """
        n = int(np.abs(self.frequencies_Hz - frequency_Hz).argmin())
        if abs(self.frequencies_Hz[n] - frequency_Hz) > 1e-9 * frequency_Hz:
            raise InputError(
                "the network is not known at this frequency",
                field="frequency_Hz",
                found=frequency_Hz,
                expected=f"one of {len(self.frequencies_Hz)} from {self.frequencies_Hz[0]:.6g} to "
                f"{self.frequencies_Hz[-1]:.6g} Hz",
            )
        return Network(self.frequencies_Hz[n : n + 1], self.s[n : n + 1], self.names, self.reference_ohm)

    def renormalised(self, reference_ohm: Any) -> Network:
        """The same network with other reference impedances."""
        old = np.sqrt(self.reference_ohm)
        new = _root(reference_ohm, self.size)
        plus, minus = 0.5 * (old / new + new / old), 0.5 * (old / new - new / old)
        # With V and I unchanged, a' = plus a + minus b and b' = minus a + plus b.
        a = np.eye(self.size) * plus + minus[:, None] * self.s
        b = np.eye(self.size) * minus + plus[:, None] * self.s
        s = np.linalg.solve(a.swapaxes(-1, -2), b.swapaxes(-1, -2)).swapaxes(-1, -2)
        return Network(self.frequencies_Hz, s, self.names, reference_ohm)

    def asymmetry(self) -> float:
        """Largest |S - S^T| over all frequencies: zero when reciprocal."""
        return float(np.abs(self.s - self.s.swapaxes(-1, -2)).max())

    def gain(self) -> float:
        """Largest power that comes out per power put in, over all frequencies: at most 1 when passive."""
        return float(np.linalg.norm(self.s, 2, axis=(-2, -1)).max() ** 2)

    def symmetrised(self) -> Network:
        """The network with S replaced by (S + S^T) / 2."""
        return Network(self.frequencies_Hz, 0.5 * (self.s + self.s.swapaxes(-1, -2)), self.names, self.reference_ohm)

    def to_skrf(self) -> Any:
        """The same as ``skrf.Network``."""
        import skrf

        z0 = np.broadcast_to(self.reference_ohm, self.s.shape[:2])
        network = skrf.Network(f=self.frequencies_Hz, f_unit="Hz", s=self.s, z0=z0)
        network.port_names = list(self.names)
        return network

    @classmethod
    def from_skrf(cls, network: Any) -> Network:
        """From ``skrf.Network``; its reference impedances must be real and the same at all frequencies.

        Raises
        ------
        InputError
            When they are not.
        """
        z0 = np.asarray(network.z0, complex)
        if np.abs(z0.imag).max() > 1e-9 * np.abs(z0).max() or np.ptp(z0.real, axis=0).max() > 1e-9 * np.abs(z0).max():
            raise InputError(
                "reference impedances are complex or change with frequency", field="z0", expected="real constants"
            )
        names = network.port_names or [f"port {i + 1}" for i in range(network.nports)]
        return cls(network.f, network.s, names, z0[0].real)


def frequency_list(frequencies_Hz: Any) -> np.ndarray:
    """A list of growing positive frequencies [Hz]; raises InputError for an empty or bad one."""
    problem = "bad frequencies"
    f = array("frequencies_Hz", frequencies_Hz, (None,), above=0, single=True, problem=problem)
    if not f.size:
        raise InputError("empty frequency list", field="frequencies_Hz", found=[], expected="at least one frequency")
    return growing("frequencies_Hz", f, problem=problem, unit=" Hz")


def _root(reference_ohm: Any, count: int) -> np.ndarray:
    return np.sqrt(_impedances(reference_ohm, count))


def _impedances(reference_ohm: Any, count: int) -> np.ndarray:
    """One positive impedance for each of a number of ports, from one for all or one each [ohm]."""
    words = {"problem": "bad reference impedance", "expected": f"one or {count} numbers > 0"}
    r = positives("reference_ohm", reference_ohm, **words)
    if r.shape not in ((1,), (count,)):
        raise InputError(words["problem"], field="reference_ohm", found=reference_ohm, expected=words["expected"])
    return np.broadcast_to(r, (count,)).copy()
