"""An implant in the HDF5 file of a result."""

from __future__ import annotations

import json
from typing import Any

from emdose.io.disk.run_files import put_map, to_json
from emdose.models.implants.implant import Implant, Part
from emdose.models.implants.metals import PROPERTIES, Metal


def write_implant_group(group: Any, implant: Implant) -> None:
    """Write surfaces and metals into a group of an HDF5 file."""
    group.attrs["name"], group.attrs["report"] = implant.name, to_json(implant.report)
    for number, part in enumerate(implant.parts):
        one = group.create_group(f"{number:03d}")
        one.attrs["name"] = part.name
        about = {"name": part.metal.name, "sources": dict(part.metal.sources)}
        one.attrs["metal"] = to_json(about | {k: getattr(part.metal, k) for k in PROPERTIES})
        put_map(one, "vertices", part.vertices, "m")
        put_map(one, "triangles", part.triangles, "1")


def read_implant_group(group: Any) -> Implant:
    """Inverse of :func:`write_implant_group`."""
    parts = []
    for key in sorted(group):
        one = group[key]
        metal = Metal(**json.loads(one.attrs["metal"]))
        parts.append(Part(str(one.attrs["name"]), one["vertices"][()], one["triangles"][()], metal))
    return Implant(str(group.attrs["name"]), tuple(parts), json.loads(group.attrs["report"]))
