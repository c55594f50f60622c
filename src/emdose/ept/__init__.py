"""Electric properties tomography (EPT): B1+ maps to conductivity and permittivity, with their uncertainty."""

from __future__ import annotations

from emdose.ept import filters
from emdose.ept.automatic import AutomaticHelmholtz
from emdose.ept.b1map import B1Map, mean_of_repeats, relative_noise
from emdose.ept.helmholtz import Helmholtz
from emdose.ept.metrics import Metric, metrics
from emdose.ept.property_map import Flag, NoisePropagation, PropertyMap, RegionMean, Uncertainty

__all__ = [
    "AutomaticHelmholtz",
    "B1Map",
    "Flag",
    "Helmholtz",
    "Metric",
    "NoisePropagation",
    "PropertyMap",
    "RegionMean",
    "Uncertainty",
    "filters",
    "mean_of_repeats",
    "metrics",
    "relative_noise",
]
