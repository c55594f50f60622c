r"""The magnetic moment that a changing field induces in metal, over frequency and at rest.

The same tensor that gives the power in metal gives its moment. With the phasor of a uniform rate b = dB/dt,

.. math:: \mathbf m = -K(\omega)\, \mathbf b, \qquad K = M - \frac{j}{\omega} N ,

where M is the power tensor (the part in phase with dB/dt) and N the reactive part, in phase with B itself. Both belong
to one causal response: where a power tensor was solved at several frequencies, N follows from M by the relations of
Kramers and Kronig, for which the fit of the tensor has a closed form.

For slow motion the frequency is zero and M(0) counts. The tensor of a frequency at which the skin depth is comparable
to the body is too small: 7.55e-3 at 270 Hz for an aluminium ball of 20 mm in place of 3.351e-2 W/(T/s)^2.

Source: L. D. Landau, E. M. Lifshitz, Electrodynamics of Continuous Media, section 59 (moment and loss of a conductor in
a field), section 82 (dispersion relations).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import array, positives
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.models.implants.implant import Implant
from emdose.solvers.eddy.solver import EddyCurrent
from emdose.solvers.results.power_errors import UNIFORM
from emdose.solvers.results.power_tensor import PowerTensor
from emdose.values import read_only

AT_REST = 1e-3
"""Largest relative change of the tensor down to zero frequency for which its lowest frequency counts as rest."""
SERIES = 105.0
"""M(w) = M(0) (1 - y^2 / 105) of a ball at small y = w mu0 sigma a^2."""


@read_only(units={"matrix": "W/(T/s)^2", "reactive": "A m^2/T", "at_rest": "W/(T/s)^2"})
@dataclass(frozen=True, eq=False)
class MomentTensor:
    """The induced moment of a metal body per rate of a uniform field.

    Parameters
    ----------
    frequencies_Hz : (f,) ndarray
        Frequencies, growing [Hz]; may be empty.
    matrix : (f, 3, 3) ndarray
        M, real and symmetric [W/(T/s)^2 = A m^2/(T/s)].
    reactive : (f, 3, 3) ndarray
        N, real and symmetric [A m^2/T].
    at_rest : (3, 3) ndarray, optional
        M at f -> 0, for motion [W/(T/s)^2]; None where it is not known.
    relative_error : float
        Estimated relative error of M.
    tensor : PowerTensor, optional
        Where M and N come from; its fit gives them at any frequency, and without it they are interpolated.

    Raises
    ------
    InputError
        When shapes do not fit, or a tensor is not finite, not symmetric or not positive semidefinite.
    """

    frequencies_Hz: np.ndarray
    matrix: np.ndarray
    reactive: np.ndarray
    at_rest: np.ndarray | None = None
    relative_error: float = 0.0
    tensor: PowerTensor | None = None

    def __post_init__(self) -> None:
        f = np.atleast_1d(np.asarray(self.frequencies_Hz, float))
        if np.any(~np.isfinite(f)) or np.any(f <= 0) or np.any(np.diff(f) <= 0):
            raise InputError("bad frequencies", field="frequencies_Hz", found=f.tolist(), expected="> 0 Hz, growing")
        object.__setattr__(self, "frequencies_Hz", f)
        for key in ("matrix", "reactive"):
            object.__setattr__(self, key, _tensors(key, getattr(self, key), len(f), definite=key == "matrix"))
        if self.at_rest is not None:
            object.__setattr__(self, "at_rest", _tensors("at_rest", np.asarray(self.at_rest)[None], 1)[0])

    @classmethod
    def of_motion(cls, at_rest: np.ndarray, relative_error: float = 0.0) -> MomentTensor:
        """The tensor of which M at f -> 0 alone is known, (3, 3) [W/(T/s)^2]."""
        none = np.zeros((0, 3, 3))
        return cls(np.zeros(0), none, none, at_rest, relative_error)

    def at(self, frequencies_Hz: Any) -> np.ndarray:
        """K = M - j N / w at some frequencies, (h, 3, 3) complex [A m^2/(T/s)]; m = -K dB/dt.

        Raises
        ------
        InputError
            Beyond the frequencies of the tensor, where it is not known.
        """
        f = positives("frequencies_Hz", frequencies_Hz, problem="bad frequencies")
        w = 2 * math.pi * f[:, None, None]
        if self.tensor is not None:
            M = self.tensor.at(f)[:, :3, :3].real
            return np.asarray(M - 1j * self.tensor.fit.reactive(f)[:, :3, :3] / w)
        if not len(self.frequencies_Hz) or f.max() > 1.001 * self.frequencies_Hz[-1]:
            top = self.frequencies_Hz[-1] if len(self.frequencies_Hz) else 0.0
            raise InputError(
                "frequency outside the moment tensor",
                field="frequencies_Hz",
                found=float(f.max()),
                expected=f"up to {top:g} Hz",
            )
        knots, x = np.log(self.frequencies_Hz), np.log(f)
        both = np.concatenate([self.matrix, self.reactive], axis=2).reshape(len(knots), -1)
        found = np.stack([np.interp(x, knots, column) for column in both.T], axis=1).reshape(len(f), 3, 6)
        return found[..., :3] - 1j * found[..., 3:] / w

    def for_motion(self) -> np.ndarray:
        """M at f -> 0, (3, 3) [W/(T/s)^2].

        Raises
        ------
        InputError
            When it is not known; :func:`tensor_at_rest` solves for it.
        """
        if self.at_rest is None:
            lowest = f"a tensor from {self.frequencies_Hz[0]:g} Hz on" if len(self.frequencies_Hz) else "no tensor"
            raise InputError(
                "motion needs the moment tensor at rest (f -> 0), and this one has none",
                field="at_rest",
                found=lowest,
                expected="a tensor solved at a frequency low enough; see tensor_at_rest",
            )
        return self.at_rest


def moment_tensor(tensor: PowerTensor, at_rest: Any = None) -> MomentTensor:
    """The moment tensor of a power tensor.

    Parameters
    ----------
    tensor : PowerTensor
        Of the three uniform sources; others are left out.
    at_rest : (3, 3) array, optional
        M at f -> 0 [W/(T/s)^2]; without it the lowest frequency of the tensor serves where it is low enough for its
        skin depth, by a bound that holds for the ball that encloses the metal.

    Returns
    -------
    MomentTensor
        M of the tensor, N from its fit by the relations of Kramers and Kronig.

    Raises
    ------
    InputError
        When the tensor has no uniform sources.
    """
    if tensor.sources[:3] != UNIFORM:
        raise InputError(
            "moments need the three uniform sources", field="sources", found=tensor.sources, expected=", ".join(UNIFORM)
        )
    M = tensor.matrix[:, :3, :3].real
    N = tensor.fit.reactive(tensor.frequencies_Hz)[:, :3, :3]
    if at_rest is None and _change_to_rest(tensor) <= AT_REST:
        at_rest = M[0]
    told = tensor.provenance.get("error_estimate") or {}
    error = max((float(np.max(part)) for part in told.values() if len(part)), default=0.0)
    definite = np.stack([_definite(one) for one in M])
    return MomentTensor(tensor.frequencies_Hz, definite, N, at_rest, error, tensor)


def tensor_at_rest(
    implant: Implant, solver: EddyCurrent | None = None, device: str = "auto", progress: Any = False
) -> np.ndarray:
    """M at f -> 0 of an implant, (3, 3) [W/(T/s)^2], solved at :func:`rest_frequency`.

    Parameters
    ----------
    implant : Implant
        The metal.
    solver : EddyCurrent, optional
        Its options; those by default without it.
    device, progress
        As of :meth:`~emdose.EddyCurrent.solve`.

    Raises
    ------
    InputError, ResourceError, ConvergenceError
        As the solver.
    """
    found = (solver or EddyCurrent()).solve(implant, rest_frequency(implant), device=device, progress=progress)
    return _definite(found.matrix[0].real)


def rest_frequency(implant: Implant) -> float:
    r"""A frequency at which the moment tensor of an implant is that of rest within 1e-4 [Hz].

    .. math:: y = \omega \mu_0 \sigma a^2 = 0.1, \qquad 1 - M(\omega)/M(0) \le y^2 / 105,

    a being half the diagonal of its box: no mode of currents inside decays more slowly than that of the ball around it.
    """
    a = 0.5 * float(np.linalg.norm(implant.size_m))
    return 0.1 / (
        2 * math.pi * MU_0 * max(m.conductivity_S_m * m.relative_permeability for m in implant.metals) * a * a
    )


def _change_to_rest(tensor: PowerTensor) -> float:
    """A bound of the relative change of M from the lowest frequency of a tensor to zero."""
    sigma = max((getattr(m, "conductivity_S_m", math.inf) for m in tensor.metals), default=math.inf)
    if not len(tensor.cells):
        return math.inf
    size = (np.ptp(tensor.cells, axis=0) + 1) * np.asarray(tensor.grid.spacing_m)
    y = 2 * math.pi * tensor.frequencies_Hz[0] * MU_0 * sigma * 0.25 * float((size**2).sum())
    return y * y / SERIES


def _tensors(name: str, value: Any, count: int, *, definite: bool = True) -> np.ndarray:
    found = array(name, value, (count, 3, 3), problem="bad tensor") if count else np.zeros((0, 3, 3))
    size = np.abs(found).max(initial=0.0)
    if np.abs(found - found.swapaxes(1, 2)).max(initial=0.0) > 1e-3 * size:
        raise InputError("tensor is not symmetric", field=name)
    found = 0.5 * (found + found.swapaxes(1, 2))
    if definite and count and float(np.linalg.eigvalsh(found).min()) < -1e-6 * size:
        raise InputError(
            "tensor has a negative eigenvalue: it would make energy", field=name, expected="a positive semidefinite one"
        )
    return found


def _definite(M: np.ndarray) -> np.ndarray:
    """The nearest symmetric matrix without negative eigenvalues; rounding of the solver leaves tiny ones."""
    values, vectors = np.linalg.eigh(0.5 * (M + M.T))
    return (vectors * np.maximum(values, 0.0)) @ vectors.T
