"""Gradient waveforms under one name: kinds, spectra, and named exposures."""

from __future__ import annotations

from emdose.models.gradients.presets import ExposurePreset, preset, preset_names
from emdose.models.gradients.sinusoid import Sinusoid
from emdose.models.gradients.spectrum import Spectrum
from emdose.models.gradients.trains import EPI, Sampled, TrapezoidTrain, from_corners
from emdose.models.gradients.waveform import Waveform

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
