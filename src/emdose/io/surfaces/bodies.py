"""Bodies between closed surfaces from surface files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emdose.checks import one_of
from emdose.errors import InputError
from emdose.io.disk.files import sha256
from emdose.io.meshes import UNITS, read_triangles
from emdose.models.implants.surface_repair import closed_surface
from emdose.models.surfaces.body import Interface, SurfaceBody

SMALLEST_M, LARGEST_M = 1e-3, 3.0
"""A body has a largest side between these; anything else is a wrong unit."""


def read_surface_body(
    files: Mapping[Path | str, Any], *, unit: str, name: str | None = None, triangles: int | None = None
) -> SurfaceBody:
    """A body from one surface file for every tissue.

    Parameters
    ----------
    files : mapping of Path or str to Tissue, str or float
        What every surface encloses: a tissue, the name of a built-in one, or a conductivity [S/m]. STL, PLY, OBJ, VTK
        (``.vtk``, ``.vtp``, ``.vtu``), Gmsh (``.msh``), XDMF or Abaqus (``.inp``); of solid cells it is their surface.
        Surfaces are called by their file's name without ending.
    unit : {"mm", "m", "cm", "um", "in"}
        Unit of the coordinates in the files.
    name : str, optional
        What the body is called; by default the name of the first file.
    triangles : int, optional
        About so many per surface, evenly spread; by default those of the files.

    Returns
    -------
    SurfaceBody
        Its ``report`` has file, hash, and what was repaired, such as equal corners, tiny holes or normals.

    Raises
    ------
    InputError
        One line for a file that is missing, damaged or holds no closed surface, a size that points to another unit, an
        unknown tissue, or surfaces that cross or touch.
    """
    one_of("unit", unit, UNITS, problem="unknown unit")
    if not files:
        raise InputError("no file given", field="files", expected="at least one surface file and its tissue")
    interfaces, report = [], {}
    for file, inside in files.items():
        path = Path(file)
        vertices, raw, findings = read_triangles(path)
        surface = closed_surface(vertices, raw, path)
        size = surface.size * UNITS[unit]
        if not SMALLEST_M <= size <= LARGEST_M:
            fits = [u for u in ("mm", "m", "cm", "in") if 0.05 <= surface.size * UNITS[u] <= 2.5]
            raise InputError(
                f"a body of {size:.3g} m",
                file=path,
                field="unit",
                found=unit,
                expected=f"perhaps unit='{fits[0]}'" if fits else "another unit",
            )
        interface = Interface(path.stem, surface.vertices * UNITS[unit], surface.triangles, inside)
        interfaces.append(interface if triangles is None else interface.remeshed(triangles))
        report[path.stem] = {
            "file": path.name,
            "sha256": sha256(path),
            "unit": unit,
            "repairs": tuple(surface.repairs),
            **surface.findings,
            **findings,
        }
    return SurfaceBody(tuple(interfaces), name or Path(next(iter(files))).stem, report)
