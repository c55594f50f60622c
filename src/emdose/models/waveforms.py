"""Gradient waveforms under one name: kinds, spectra, and named exposures."""

from __future__ import annotations

from emdose.models.gradient_exposures import ExposurePreset, preset, preset_names
from emdose.models.periodic import Sinusoid, Spectrum, Waveform
from emdose.models.trains import EPI, Sampled, TrapezoidTrain, from_corners

__all__ = [
    "EPI",
    "ExposurePreset",
    "Sampled",
    "Sinusoid",
    "Spectrum",
    "TrapezoidTrain",
    "Waveform",
    "from_corners",
    "preset",
    "preset_names",
]
