"""Bodies of voxels: the Phantom and the ones that come with emdose."""

from __future__ import annotations

from emdose.models.adult import stylised_adult
from emdose.models.head import layered_head
from emdose.models.maps_head import from_probability_maps
from emdose.models.shapes import (
    Solid,
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
from emdose.models.voxel_body import Phantom

__all__ = [
    "Phantom",
    "Solid",
    "box",
    "cylinder",
    "ellipsoid",
    "elliptic_cylinder",
    "from_probability_maps",
    "gel_box",
    "grid_around",
    "layered_head",
    "layered_sphere",
    "rasterise",
    "sphere",
    "stylised_adult",
]
