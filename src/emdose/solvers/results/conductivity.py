r"""The power tensor of a metal of another conductivity, from one that is known.

With the current density over the conductivity as the unknown, conductivity and frequency enter the equations of eddy
currents by their product alone, and the power at a given rate dB/dt is

.. math:: M(f, s\sigma) = s\, M(s f, \sigma), \qquad q(\mathbf r, f, s\sigma) = s\, q(\mathbf r, s f, \sigma) .

What was solved at some frequencies is therefore known at frequencies s times lower for a metal that conducts s times
better, and between them the tensor interpolates as always.

Source: L. D. Landau, E. M. Lifshitz, Electrodynamics of Continuous Media, section 59 (the skin depth is the only length
beside those of the body).
"""

from __future__ import annotations

from dataclasses import replace

from emdose.checks import positive
from emdose.solvers.results.power_tensor import PowerTensor
from emdose.values import owned


def of_conductivity(tensor: PowerTensor, factor: float) -> PowerTensor:
    """The power tensor of the same body with the conductivity of all its metal multiplied by a factor.

    Parameters
    ----------
    tensor : PowerTensor
        Power at the frequencies that were solved.
    factor : float
        New conductivity over the old one, > 0.

    Raises
    ------
    InputError
        For a factor that is not positive.
    """
    s = positive("factor", factor)
    return replace(
        tensor,
        frequencies_Hz=tensor.frequencies_Hz / s,
        matrix=s * tensor.matrix,
        loss=owned((s * tensor.loss).astype(tensor.loss.dtype)),
        left_out=s * tensor.left_out,
    )
