"""From the table [phantom] of any scenario to a phantom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emdose.checks import unknown
from emdose.compute.shared import Shared, from_shared, key_of
from emdose.models import bodies
from emdose.scenarios.shared import body_tables, toml
from emdose.scenarios.shared.tables import blamed_on

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom


def phantom(
    table: Any, file: object = None, shared: Shared | None = None, files: Mapping[str, str] | None = None
) -> Phantom:
    """The phantom of a scenario.

    Parameters
    ----------
    table : Table
        The table [phantom].
    file : Path or str, optional
        The scenario.
    shared : Shared, optional
        Hands on its voxels: properties of tissue do not change them.
    files : mapping of str to str, optional
        Hash of every file that the scenario names, by the key that names it.

    Raises
    ------
    InputError
        Naming scenario and key, when a model refuses a value or a file.
    """

    def key() -> str:
        of_it = {k: v for k, v in (files or {}).items() if k.partition(".")[0] == "phantom"}
        return key_of("phantom", table.model_dump(mode="json", exclude={"tissues", "translate_m"}), of_it)

    with blamed_on(file, "phantom"):
        shape = from_shared(shared, lambda: f"shape of {key()}", lambda: _shape(table))
    body = _changed(shape, table, file)
    with blamed_on(file, "phantom"):
        if shared is not None and len(body.tissues) == len(shape.tissues):
            # The voxels depend on the labels alone, as long as no tissue has become background.
            placed = shared.get(key(), lambda: _placed(shape, table))
            body = replace(placed, tissues=body.tissues)
        else:
            body = _placed(body, table)
        if table.translate_m is not None:
            body = body.translate(table.translate_m)
    return body


def _changed(body: Phantom, table: Any, file: object) -> Phantom:
    """The body with the tissues that the table changes."""
    for name, change in table.tissues.items():
        known = _present(body, name, file)
        with blamed_on(file, "phantom.tissues"):
            body = body.with_tissue(known, **change.model_dump(exclude_none=True))
    return body


def _placed(body: Phantom, table: Any) -> Phantom:
    """The body resampled, turned and cropped."""
    if table.resample_spacing_m is not None:
        body = body.resample(table.resample_spacing_m)
    for axis, angle in zip("xyz", table.rotate_deg or (), strict=False):
        body = body.rotate(angle, axis) if angle else body
    if table.crop_margin_m is not None:
        body = body.crop_to_body(math.ceil(table.crop_margin_m / min(body.spacing_m) - 1e-9))
    return body


def body_spacing_m(table: Any, file: object = None) -> float:
    """Smallest edge of the voxels of the table [phantom] [m]; a phantom from a file is read for it."""
    if table.resample_spacing_m is not None:
        return float(min(table.resample_spacing_m))
    if isinstance(table, body_tables.PhantomFileTable):
        return float(min(phantom(table, file).spacing_m))
    return float(table.spacing_m)


def scaled_body(plain: dict[str, Any], table: Any, factor: float, file: object = None) -> None:
    """Make the voxels of a plain table [phantom] larger by a factor, in place.

    Parameters
    ----------
    plain : dict
        The table as plain values.
    table : Table
        The table itself.
    factor : float
        New spacing over the old one.
    """
    if table.resample_spacing_m is not None:
        plain["resample_spacing_m"] = scaled(table.resample_spacing_m, factor)
    elif isinstance(table, body_tables.PhantomFileTable):
        plain["resample_spacing_m"] = scaled(phantom(table, file).spacing_m, factor)
    else:
        plain["spacing_m"] = scaled(table.spacing_m, factor)


def body_inputs(table: Any, frequency_Hz: float | None = None, file: object = None) -> dict[str, float]:
    """What a study can vary of the table [phantom] without a key for it: its tissues, and where it lies, by path.

    Parameters
    ----------
    table : Table
        The table [phantom].
    frequency_Hz : float, optional
        Frequency of the dielectric properties; without it these are left out.
    file : Path or str, optional
        The scenario.
    """
    body = phantom(table, file)
    zeros = {"translate_m": table.translate_m, "rotate_deg": table.rotate_deg}
    found = {f"phantom.{key}[{n}]": 0.0 for key, value in zeros.items() if value is None for n in range(3)}
    for tissue in body.compact().tissues[1:]:
        values = {k: getattr(tissue, k, None) for k in body_tables.TissueChangeTable.model_fields}
        if frequency_Hz is not None:
            values["relative_permittivity"] = tissue.permittivity(frequency_Hz)
            values["conductivity_S_m"] = tissue.conductivity(frequency_Hz)
        path = ("phantom", "tissues", tissue.name)
        found |= {toml.dotted((*path, key)): float(value) for key, value in values.items() if value is not None}
    return found


def scaled(length_m: float | Sequence[float], factor: float) -> Any:
    """One length or several, larger by a factor, to a nanometre: 5 mm times 0.6 are 3 mm."""
    if isinstance(length_m, int | float):
        return round(length_m * factor, 9)
    return [round(x * factor, 9) for x in length_m]


def _shape(table: Any) -> Phantom:
    if isinstance(table, body_tables.PhantomFileTable):
        return _from_file(table)
    if isinstance(table, body_tables.LayeredHeadTable):
        return bodies.layered_head(table.spacing_m, table.scale)
    if isinstance(table, body_tables.StylisedAdultTable):
        return bodies.stylised_adult(
            table.spacing_m, table.landmark, table.fat_m, mass_kg=table.mass_kg, stature_m=table.stature_m
        )
    if isinstance(table, body_tables.KneeBodyTable):
        return bodies.knee(table.spacing_m, side=table.side, scale=table.scale)
    if isinstance(table, body_tables.SphereTable):
        return bodies.sphere(table.radius_m, table.spacing_m, table.tissue, samples=table.samples)
    if isinstance(table, body_tables.LayeredSphereTable):
        return bodies.layered_sphere(table.radii_m, table.layers, table.spacing_m, samples=table.samples)
    if isinstance(table, body_tables.CylinderTable):
        return bodies.cylinder(table.radius_m, table.length_m, table.spacing_m, table.tissue, samples=table.samples)
    return bodies.gel_box(table.spacing_m, table.size_m, table.tissue, samples=table.samples)


def _from_file(table: body_tables.PhantomFileTable) -> Phantom:
    from emdose.io.bodies.phantoms import read_phantom

    spacing: Any = table.spacing_m
    return read_phantom(table.file, table.labels, tissue_table=table.tissue_table, spacing_m=spacing, axes=table.axes)


def _present(body: Phantom, name: str, file: object) -> str:
    """A tissue by the name it has in the phantom: synonyms of the built-in table are understood."""
    from emdose.models.bodies.tissues import TissueTable

    names = [t.name for t in body.tissues[1:]]
    found = name if name in names else TissueTable.default().resolve(name)
    if found not in names:
        field = f"phantom.tissues.{name}"
        raise unknown("this phantom has no such tissue", name, names, file=file, field=field, shown=False)
    return str(found)
