"""Electric properties tomography (EPT): B1+ maps to conductivity and permittivity, with their uncertainty."""

from __future__ import annotations

from emdose.ept import filters
from emdose.ept.inversion.csi import Csi, EdgeField
from emdose.ept.judging.metrics import Metric, metrics
from emdose.ept.judging.monte_carlo import monte_carlo
from emdose.ept.local.automatic import AutomaticHelmholtz
from emdose.ept.local.helmholtz import Helmholtz
from emdose.ept.local_sar import LocalSar, local_sar
from emdose.ept.maps.b1map import B1Map, mean_of_repeats, relative_noise
from emdose.ept.maps.echoes import EchoFit, phase_at_echo_zero
from emdose.ept.maps.property_map import Flag, NoisePropagation, PropertyMap, Uncertainty
from emdose.ept.maps.receivers import Combination, combine_receivers
from emdose.ept.maps.region_mean import BiasEstimate, RegionMean, Shift
from emdose.ept.transport.convection_reaction import ConvectionReaction
from emdose.ept.transport.gradient import Gradient, Seed
from emdose.ept.water_content import WaterContent

__all__ = [
    "AutomaticHelmholtz",
    "B1Map",
    "BiasEstimate",
    "Combination",
    "ConvectionReaction",
    "Csi",
    "EchoFit",
    "EdgeField",
    "Flag",
    "Gradient",
    "Helmholtz",
    "LocalSar",
    "Metric",
    "NoisePropagation",
    "PropertyMap",
    "RegionMean",
    "Seed",
    "Shift",
    "Uncertainty",
    "WaterContent",
    "combine_receivers",
    "filters",
    "local_sar",
    "mean_of_repeats",
    "metrics",
    "monte_carlo",
    "phase_at_echo_zero",
    "relative_noise",
]
