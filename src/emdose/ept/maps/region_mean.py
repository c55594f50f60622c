"""The mean of a property map over a region, and the parts of its uncertainty: noise, and the bias that is estimated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np

from emdose.checks import one_of

NOISE, TRUNCATION, SMOOTHING, GRID = "noise", "truncation", "smoothing", "grid"
INTERFACE, GRADIENT, PHASE_GRADIENT = "interface", "gradient of |B1|", "gradient of the phase"
COVERAGE_FACTOR, COVERAGE = 2.0, 0.95


class Shift(NamedTuple):
    """Standard uncertainty of one cause of bias, in conductivity [S/m] and permittivity; None where there is none."""

    conductivity: float | None
    permittivity: float | None


class BiasEstimate(Protocol):
    """What the method gets wrong in the mean over a region, as far as its data tell."""

    def terms(self, region: np.ndarray) -> tuple[Mapping[str, Shift], Sequence[str]]:
        """Standard uncertainties by cause for the mean over ``region`` (nx, ny, nz), and the causes left out."""
        ...


class RegionMean(NamedTuple):
    """Mean over a region; None where the method does not give the quantity or its uncertainty.

    ``u_conductivity``, ``u_permittivity`` and ``covariance`` are of noise alone; :meth:`combined` and :meth:`expanded`
    add what ``biases`` estimates. ``bias_conductivity`` and ``bias_permittivity`` are means of the maps of that name.
    ``not_estimated`` names causes of bias that the data do not tell.
    """

    conductivity: float | None
    u_conductivity: float | None
    permittivity: float | None
    u_permittivity: float | None
    covariance: float | None
    bias_conductivity: float | None
    bias_permittivity: float | None
    voxels: int
    biases: Mapping[str, Shift] = MappingProxyType({})
    not_estimated: tuple[str, ...] = ()

    def components(self, quantity: str) -> dict[str, float]:
        """Standard uncertainties (k = 1) by cause: "noise" where it is known, then every cause of bias.

        Parameters
        ----------
        quantity : {"conductivity", "permittivity"}
            In S/m and 1.

        Raises
        ------
        InputError
            For another quantity.
        """
        one_of("quantity", quantity, Shift._fields, problem="unknown quantity")
        noise = getattr(self, f"u_{quantity}")
        found = {} if noise is None else {NOISE: float(noise)}
        return found | {n: float(u) for n, s in self.biases.items() if (u := getattr(s, quantity)) is not None}

    def combined(self, quantity: str) -> float | None:
        """Combined standard uncertainty: the root of the sum of squares of :meth:`components`.

        None where the noise is not known: what remains would be too small.
        Source: JCGM 100:2008, 5.1; a bias that is not corrected counts with its estimate as standard uncertainty.
        """
        parts = self.components(quantity)
        return math.hypot(*parts.values()) if NOISE in parts else None

    def expanded(self, quantity: str, k: float = COVERAGE_FACTOR) -> float | None:
        """Expanded uncertainty: ``k`` times :meth:`combined`."""
        u = self.combined(quantity)
        return None if u is None else k * u

    def basis(self, quantity: str) -> str:
        """What :meth:`combined` holds and what it leaves out, in words."""
        parts = self.components(quantity)
        causes = [n for n in parts if n != NOISE]
        said = [n for n in (NOISE,) if n in parts]
        said += [f"estimated bias ({', '.join(causes)})"] if causes else []
        text = " and ".join(said) or "nothing"
        lacking = list(self.not_estimated)
        if not causes and not lacking:
            lacking = ["bias"]
        return f"{text}; not estimated: {', '.join(lacking)}" if lacking else text
