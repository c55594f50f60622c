"""Gradient waveforms by the name that scripts use: ``em.waveforms.epi(...)``, ``em.waveforms.preset(...)``."""

from emdose.models.gradients import *  # noqa: F403
from emdose.models.gradients import __all__ as __all__
