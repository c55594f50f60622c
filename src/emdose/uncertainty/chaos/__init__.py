"""Polynomial chaos of any number of outputs: bases, fits, Sobol indices."""

from __future__ import annotations

from emdose.uncertainty.chaos.bases.basis import Basis, MultiIndices, multi_indices
from emdose.uncertainty.chaos.expansion import Chaos
from emdose.uncertainty.chaos.front import polynomial_chaos
from emdose.uncertainty.chaos.indices import SobolIndices
from emdose.uncertainty.chaos.intervals import ChaosUncertainty, chaos_uncertainty
from emdose.uncertainty.chaos.modes import ModalChaos
from emdose.uncertainty.chaos.peaks import PeakSamples, peak_samples
from emdose.uncertainty.chaos.strata import Strata, stratified_chaos

fit = polynomial_chaos

__all__ = [
    "Basis",
    "Chaos",
    "ChaosUncertainty",
    "ModalChaos",
    "MultiIndices",
    "PeakSamples",
    "SobolIndices",
    "Strata",
    "chaos_uncertainty",
    "fit",
    "multi_indices",
    "peak_samples",
    "polynomial_chaos",
    "stratified_chaos",
]
