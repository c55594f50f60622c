"""The public names of models, loaded when they are first used."""

from . import bodies as bodies
from . import coils as coils
from . import exposure as exposure
from . import gradients as gradients
from . import grids as grids
from . import implants as implants
from . import phantoms as phantoms
from . import waveforms as waveforms
