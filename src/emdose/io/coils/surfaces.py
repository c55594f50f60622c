"""Metal of coils from surface files: a closed surface becomes a solid conductor."""

from __future__ import annotations

from pathlib import Path

from emdose.errors import InputError
from emdose.io.coils.units import UNITS, unit_of
from emdose.io.meshes import read_triangles
from emdose.models.coils.conductors import SolidConductor
from emdose.models.coils.paths.solids import solid_of_surface
from emdose.models.implants.surface_repair import closed_surface


def read_conductor(path: Path | str, *, unit: str | None = None) -> SolidConductor:
    """Solid metal of a coil from a closed surface, for :class:`~emdose.models.coils.circuit.CircuitCoil`.

    Parameters
    ----------
    path : Path or str
        STL, PLY, OBJ, VTK (``.vtk``, ``.vtp``, ``.vtu``), Gmsh (``.msh``), XDMF or Abaqus (``.inp``); of a mesh of
        solid cells it is the surface.
    unit : "m", "cm", "mm", "um" or "in"
        Unit of the coordinates; none of these formats states one, so it is required.

    Returns
    -------
    SolidConductor
        Every edge of a lattice with both ends in it conducts, so it is a staircase on planes that it does not lie on.

    Raises
    ------
    InputError
        When the file is missing or damaged, the unit is not stated or implausible, or the surface is open: a thin sheet
        is a ``Plate`` or a ``Strip``.
    """
    path = Path(path)
    vertices, triangles, _ = read_triangles(path)
    unit = unit_of(vertices, unit, None, path)
    try:
        surface = closed_surface(vertices, triangles, path)
    except InputError as error:
        if "open" not in error.problem:
            raise
        expected = "a closed surface around the metal; a thin sheet is a Plate or a Strip"
        raise InputError(error.problem, file=path, field=error.field, found=error.found, expected=expected) from None
    try:
        return solid_of_surface(UNITS[unit] * surface.vertices, surface.triangles)
    except InputError as error:
        raise error.at(file=path) from None
