"""From the tables of implants and gradients to metal in its pose and gradient coils."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.models.gradients.coils import GradientSet
from emdose.models.implants import metals
from emdose.models.implants.implant import assembly
from emdose.scenarios.shared.implants import gradient_tables, implant_tables
from emdose.scenarios.shared.tables import blamed_on

if TYPE_CHECKING:
    from emdose.models.implants.implant import Implant
    from emdose.models.implants.metals import Metal


def metal(name: str, tables: Any, file: object, field: str) -> Metal:
    """A metal by name: one of the scenario's own, or a built-in one; raises InputError naming scenario and key."""
    if name in tables.metals:
        table = tables.metals[name]
        with blamed_on(file, f"metals.{name}.like"):
            base = metals.get(table.like)
        with blamed_on(file, f"metals.{name}"):
            return base.replace(name=name, **table.model_dump(exclude={"like"}, exclude_none=True))
    try:
        return metals.get(name)
    except InputError as error:
        also = f"a table [metals.{name}]" if tables.metals else ""
        raise unknown(
            error.problem, name, [*metals.names(), *tables.metals], file=file, field=field, also=also
        ) from None


def implant(tables: Any, file: object = None) -> Implant:
    """The implant of a scenario in its pose.

    Raises
    ------
    InputError
        Naming scenario and key (or the surface file), when a shape, a file or a metal cannot be used.
    """
    table: Any = tables.implant
    with blamed_on(file, "implant"):
        made = _shape(table, tables, file)
        for axis, angle in zip("xyz", table.rotate_deg, strict=True):
            low, high = made.bounds_m
            middle: Any = [0.5 * (a + b) for a, b in zip(low, high, strict=True)]
            made = made.rotated(angle, axis, about_m=middle) if angle else made
        return made.placed(table.position_m)


def _shape(table: Any, tables: Any, file: object) -> Implant:
    from emdose.models.implants import shapes

    if isinstance(table, implant_tables.SurfaceFileTable):
        from emdose.io.meshes import read_implant

        return read_implant(table.file, metal=metal(table.metal, tables, file, "implant.metal"), unit=table.unit)
    if isinstance(table, implant_tables.SurfaceFilesTable):
        from emdose.io.meshes import read_implant

        pieces = []
        for name, part in table.parts.items():
            made = metal(part.metal, tables, file, f"implant.parts.{name}.metal")
            pieces.append(read_implant(part.file, metal=made, unit=part.unit))
        return assembly("assembly", *pieces)
    of = metal(table.metal, tables, file, "implant.metal")
    if isinstance(table, implant_tables.MetalSphereTable):
        return shapes.sphere(table.radius_m, of)
    if isinstance(table, implant_tables.MetalCylinderTable):
        return shapes.cylinder(table.radius_m, table.length_m, of)
    if isinstance(table, implant_tables.MetalRingTable):
        return shapes.ring(table.radius_m, table.wire_radius_m, of)
    return getattr(shapes, table.type)(metal=of)


def gradients(table: Any, file: object = None) -> GradientSet | None:
    """The gradient coils of a scenario; raises InputError naming scenario and key, or the file of the wires."""
    if table is None:
        return None
    with blamed_on(file, "gradients"):
        if isinstance(table, gradient_tables.IdealGradientsTable):
            return GradientSet()
        if isinstance(table, gradient_tables.WholeBodyGradientsTable):
            from emdose.models.gradients.windings import whole_body_gradients

            return whole_body_gradients(table.radius_m, table.length_m, turns=table.turns)
        from emdose.io.gradients.wire_paths import read_gradient_coil

        coils = (read_gradient_coil(getattr(table, f"{a}_file"), a, unit=table.unit) for a in "xyz")
        return GradientSet(tuple(coils))


def completed_metals(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parsed tables whose tables of built-in metals are like these metals, unless they say otherwise."""
    own, known = raw.get("metals"), metals.names()
    if not isinstance(own, Mapping):
        return raw
    filled = {
        name: {"like": name, **table} if name in known and isinstance(table, Mapping) else table
        for name, table in own.items()
    }
    return {**raw, "metals": filled}
