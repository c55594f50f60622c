"""Polynomial chaos of any number of outputs: bases, fits, Sobol indices."""

from __future__ import annotations

from emdose.uncertainty.chaos.basis import Basis, MultiIndices, multi_indices
from emdose.uncertainty.chaos.expansion import Chaos
from emdose.uncertainty.chaos.front import polynomial_chaos
from emdose.uncertainty.chaos.indices import SobolIndices
from emdose.uncertainty.chaos.modes import ModalChaos

fit = polynomial_chaos

__all__ = [
    "Basis",
    "Chaos",
    "ModalChaos",
    "MultiIndices",
    "SobolIndices",
    "fit",
    "multi_indices",
    "polynomial_chaos",
]
