"""Bodies of voxels: the Phantom and the ones that come with emdose."""

from __future__ import annotations

from emdose.models.bodies.knee import knee
from emdose.models.bodies.layered_head import layered_head
from emdose.models.bodies.phantom import Phantom
from emdose.models.bodies.probability_head import from_probability_maps
from emdose.models.bodies.solids import (
    TissueSolid,
    box,
    cylinder,
    ellipsoid,
    elliptic_cylinder,
    gel_box,
    grid_around,
    layered_sphere,
    rasterise,
    sphere,
)
from emdose.models.bodies.stylised_adult import stylised_adult

__all__ = [
    "Phantom",
    "TissueSolid",
    "box",
    "cylinder",
    "ellipsoid",
    "elliptic_cylinder",
    "from_probability_maps",
    "gel_box",
    "grid_around",
    "knee",
    "layered_head",
    "layered_sphere",
    "rasterise",
    "sphere",
    "stylised_adult",
]
