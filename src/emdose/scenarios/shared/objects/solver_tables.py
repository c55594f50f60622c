"""Options of solvers as the values of a table [solver], where they are not the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emdose.errors import InputError
from emdose.scenarios.shared.circuit_tables import MESH_KEYS, VSIE_KEYS


def vsie_values(options: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Values of a table of type "vsie" for the options of :class:`emdose.Vsie`, its mesh as a mapping.

    Raises
    ------
    InputError
        For a mesh that no keys of the table make; ``path`` names it.
    """
    from emdose.solvers.mom.meshing.options import MeshOptions

    mesh = dict(options.get("mesh") or {})
    given = {k: mesh[k] for k in MESH_KEYS if k in mesh}
    if mesh and MeshOptions(**mesh) != MeshOptions(**given):
        expected = f"other values than {', '.join(MESH_KEYS)} as they are by default; refine in a table says the rest"
        raise InputError("no table holds this mesh", field=f"{path}.mesh", found=str(mesh), expected=expected)
    found = {k: options[k] for k in VSIE_KEYS if options.get(k) is not None} | given
    conductivity = options.get("conductivity_S_m")
    return {**found, **({"lossless": True} if conductivity is None else {"conductivity_S_m": conductivity})}
