"""Electric properties tomography (EPT): B1+ maps to conductivity and permittivity, with their uncertainty."""

from __future__ import annotations

from emdose.ept.b1map import B1Map, mean_of_repeats, relative_noise
from emdose.ept.property_map import Flag, NoisePropagation, PropertyMap, RegionMean, Uncertainty

__all__ = [
    "B1Map",
    "Flag",
    "NoisePropagation",
    "PropertyMap",
    "RegionMean",
    "Uncertainty",
    "mean_of_repeats",
    "relative_noise",
]
