"""Bodies of voxels by the name that scripts use: ``em.phantoms.layered_head(spacing_m=5e-3)``."""

from emdose.models.bodies import *  # noqa: F403
from emdose.models.bodies import __all__ as __all__
