"""Polynomial chaos of any number of outputs: bases, fits, Sobol indices."""

from __future__ import annotations

from emdose.uncertainty.chaos.basis import Basis, MultiIndices, multi_indices
from emdose.uncertainty.chaos.expansion import Chaos
from emdose.uncertainty.chaos.fit import fit
from emdose.uncertainty.chaos.indices import SobolIndices

__all__ = ["Basis", "Chaos", "MultiIndices", "SobolIndices", "fit", "multi_indices"]
