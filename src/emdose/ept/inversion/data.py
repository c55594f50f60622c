r"""What a contrast-source inversion compares with the measurement, with exact derivatives.

With b+ = (Bx + j By) / 2 of the transmit drive and m = (Bx - j By) / 2 of the receive drive, the data are

* "complex": q = b+, magnitude and transmit phase;
* "transceive": q = b+ m / abs(m), magnitude and transceive phase arg(b+) + arg(m);
* "phaseless": q = abs(b+).

m is the conjugate of B1-: a signal is proportional to it, so that its phase is the receive phase. The misfit is

.. math:: F_D = \frac{\sum W^2 |s q - d|^2}{\sum W^2 |d|^2}

where the factor s (complex, or positive for phaseless data) may be fitted. Derivatives are those of real functions of
complex fields: adjoint with respect to the inner product Re(a^H b).

Source: D. Hoult, Concepts Magn. Reson. 12 (2000) 173 (receive sensitivity); G. Golub and V. Pereyra, SIAM J. Numer.
Anal. 10 (1973) 413 (elimination of the linear factor).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emdose.compute import backend
from emdose.ept.judging.second_look import SecondLooks
from emdose.ept.maps.region_mean import GRID, SMOOTHING

KINDS = ("complex", "transceive", "phaseless")
NOT_KNOWN = SecondLooks((), (SMOOTHING, GRID, "field of the coil"))
"""Causes of bias that nothing here estimates."""


@dataclass(frozen=True, eq=False)
class DataTerm:
    """Misfit of B1+ data for given fields of the excitations.

    Parameters
    ----------
    kind : {"complex", "transceive", "phaseless"}
        What was measured.
    transmit, receive : (channel, excitation) complex array
        Drives of every channel.
    data : (channel, nx, ny, nz) complex array
        Measured q [T], 0 where there is none.
    weight : (channel, nx, ny, nz) real array
        W, one over the standard uncertainty; 0 where there are no data.
    fit_scale : bool
        Whether the factor s is fitted; otherwise it is 1.
    """

    kind: str
    transmit: Any
    receive: Any
    data: Any
    weight: Any
    fit_scale: bool

    @property
    def size(self) -> float:
        """Sum of W^2 abs(d)^2."""
        return float((self.weight**2 * abs(self.data) ** 2).sum())

    def model(self, b: Any) -> Any:
        """q (channel, nx, ny, nz) for b (excitation, 2, nx, ny, nz)."""
        plus, minus = self._mixed(b)
        if self.kind == "complex":
            return plus
        return plus * _direction(minus) if self.kind == "transceive" else abs(plus) + 0j

    def derivative(self, b: Any, change: Any) -> Any:
        """Change of q for a change of b."""
        plus, minus = self._mixed(b)
        d_plus, d_minus = self._mixed(change)
        if self.kind == "complex":
            return d_plus
        if self.kind == "transceive":
            return _direction(minus) * (d_plus + 1j * plus * (d_minus * _inverse(minus)).imag)
        return (_direction(plus).conj() * d_plus).real + 0j

    def adjoint(self, b: Any, change: Any) -> Any:
        """Adjoint of :meth:`derivative`: (channel, nx, ny, nz) to (excitation, 2, nx, ny, nz)."""
        xp = backend.of(b).xp
        plus, minus = self._mixed(b)
        to_minus = None
        if self.kind == "complex":
            to_plus = change
        elif self.kind == "transceive":
            turn = _direction(minus)
            to_plus = turn.conj() * change
            to_minus = 1j * (1j * change.conj() * plus * turn).real * _inverse(minus).conj()
        else:
            to_plus = _direction(plus) * change.real
        out = xp.zeros(b.shape, xp.result_type(b, change))
        out[:, 0] = xp.einsum("ce,cxyz->exyz", self.transmit.conj(), to_plus)
        if to_minus is not None:
            out[:, 1] = xp.einsum("ce,cxyz->exyz", self.receive.conj(), to_minus)
        return out

    def scale(self, b: Any) -> complex:
        """The factor s."""
        if not self.fit_scale:
            return 1.0
        q, W2 = self.model(b), self.weight**2
        return complex((W2 * q.conj() * self.data).sum() / (W2 * abs(q) ** 2).sum())

    def misfit(self, b: Any) -> float:
        """F_D."""
        r = self.scale(b) * self.model(b) - self.data
        return float((self.weight**2 * abs(r) ** 2).sum()) / self.size

    def gradient(self, b: Any) -> Any:
        """Gradient of F_D / 2 with respect to b; the fitted factor does not enter, as it is optimal."""
        s = self.scale(b)
        r = s * self.model(b) - self.data
        return self.adjoint(b, s.conjugate() * self.weight**2 * r / self.size)

    def normal(self, b: Any, change: Any) -> Any:
        """Gauss-Newton Hessian of F_D / 2 times a change of b."""
        s, W2 = self.scale(b), self.weight**2
        z = s * self.derivative(b, change)
        if self.fit_scale:
            q = self.model(b)
            z -= q * ((W2 * q.conj() * z).sum() / (W2 * abs(q) ** 2).sum())
        return self.adjoint(b, s.conjugate() * W2 * z / self.size)

    def _mixed(self, b: Any) -> tuple[Any, Any]:
        xp = backend.of(b).xp
        return xp.einsum("ce,exyz->cxyz", self.transmit, b[:, 0]), xp.einsum("ce,exyz->cxyz", self.receive, b[:, 1])


def _direction(a: Any) -> Any:
    return a * _inverse(abs(a))


def _inverse(a: Any) -> Any:
    xp = backend.of(a).xp
    return xp.where(a == 0, 0, 1 / xp.where(a == 0, 1, a))
