"""Gradient waveforms under one name: kinds, spectra, and named exposures."""

from __future__ import annotations

from emdose.models.gradients.presets import ExposurePreset, preset, preset_names
from emdose.models.gradients.sinusoid import Sinusoid
from emdose.models.gradients.spectrum import Spectrum
from emdose.models.gradients.trains import epi, from_corners, from_samples, trapezoid_train
from emdose.models.gradients.waveform import Waveform

__all__ = [
    "ExposurePreset",
    "Sinusoid",
    "Spectrum",
    "Waveform",
    "epi",
    "from_corners",
    "from_samples",
    "preset",
    "preset_names",
    "trapezoid_train",
]
