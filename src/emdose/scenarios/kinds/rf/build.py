"""From the tables of an ``rf`` scenario to phantom, coil, exposure and solver."""

from __future__ import annotations

import cmath
import contextlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.models import bodies, coils
from emdose.scenarios.kinds.rf import schema
from emdose.scenarios.kinds.rf.tuned import TunedFdtd
from emdose.scenarios.shared import circuit_tables

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.coils.circuit import CircuitCoil
    from emdose.models.coils.ideal import Coil
    from emdose.models.coils.plane_wave import PlaneWave
    from emdose.solvers.results.fields import Fields
    from emdose.solvers.vie.solver import Vie


@contextlib.contextmanager
def blamed_on(file: object, table: str) -> Iterator[None]:
    """Complete an InputError of a model with the scenario file and the table that it comes from."""
    try:
        yield
    except InputError as error:
        if error.file is not None:
            raise
        field = table if error.field in (None, table) else f"{table}.{error.field}".lstrip(".")
        raise error.at(file=file, field=field) from None


def phantom(table: Any, file: object = None) -> Phantom:
    """The phantom of a scenario.

    Raises
    ------
    InputError
        Naming scenario and key, when a model refuses a value or a file.
    """
    with blamed_on(file, "phantom"):
        body = _shape(table)
    for name, change in table.tissues.items():
        known = _present(body, name, file)
        with blamed_on(file, "phantom.tissues"):
            body = body.with_tissue(known, **change.model_dump(exclude_none=True))
    with blamed_on(file, "phantom"):
        if table.resample_spacing_m is not None:
            body = body.resample(table.resample_spacing_m)
        for axis, angle in zip("xyz", table.rotate_deg or (), strict=False):
            body = body.rotate(angle, axis) if angle else body
        if table.crop_margin_m is not None:
            body = body.crop_to_body(math.ceil(table.crop_margin_m / min(body.spacing_m) - 1e-9))
        if table.translate_m is not None:
            body = body.translate(table.translate_m)
    return body


def coil(table: Any, file: object = None) -> Coil | PlaneWave | CircuitCoil:
    """The coil or wave of a scenario; raises InputError naming scenario and key."""
    values = table.model_dump(exclude={"type"})
    with blamed_on(file, "coil"):
        if isinstance(table, schema.PlaneWave):
            phases = values.pop("polarisation_phase_deg")
            values["polarisation"] = tuple(
                a * cmath.exp(1j * math.radians(p)) for a, p in zip(table.polarisation, phases, strict=True)
            )
        return _SOURCES[table.type](**values)


_SOURCES = {
    "birdcage": coils.Birdcage,
    "loop": coils.Loop,
    "loop-array": coils.LoopArray,
    "plane-wave": coils.PlaneWave,
    "circuit-birdcage": coils.CircuitBirdcage,
    "capacitor-loop": coils.CapacitorLoop,
    "capacitor-loop-array": coils.CapacitorLoopArray,
    "dipole": coils.Dipole,
}


def solver(tables: schema.Scenario) -> Any:
    """The solver of a scenario: Vie, Fdtd, or Fdtd with the network of a circuit coil, tuned and matched if asked."""
    from emdose.solvers.fdtd.solver import Fdtd

    if isinstance(tables.solver, schema.VieTable):
        return vie(tables.solver)
    options = tables.solver.model_dump(exclude={"type"})
    if not isinstance(tables.coil, circuit_tables.CIRCUIT_COILS):
        return Fdtd(**options)
    as_given = circuit_tables.Tuning(tune=False, match=False)
    return TunedFdtd(Fdtd(**options), tables.tuning or as_given)


def vie(table: schema.VieTable) -> Vie:
    """The volume integral with the options of a table."""
    from emdose.solvers.vie.solver import Vie

    return Vie(**table.model_dump(exclude={"type"}))


def drive_of(table: schema.Drive, source: Coil | PlaneWave | CircuitCoil, file: object = None) -> str | np.ndarray:
    """Name or weights of the drive, checked against the ports of the source.

    Raises
    ------
    InputError
        For an unknown name, or amplitudes that do not fit the ports.
    """
    names, ports = list(source.drives), len(source.ports)
    if table.amplitudes is not None:
        if len(table.amplitudes) != ports:
            raise InputError(
                "amplitudes do not fit the ports",
                file=file,
                field="drive.amplitudes",
                found=f"{len(table.amplitudes)} values",
                expected=f"{ports}, one a port",
            )
        phases = np.radians(table.phases_deg or [0.0] * ports)
        return np.asarray(table.amplitudes) * np.exp(1j * phases)
    if table.name is None:
        return next(n for n in ("quadrature", "circular", names[0]) if n in names)
    if table.name not in names:
        raise unknown("unknown drive of this coil", table.name, names, file=file, field="drive.name")
    return table.name


def place_of(over: str | tuple[float, ...], body: Phantom, head: str | None, file: object = None) -> Any:
    """Region for B1+: a name or point that the fields know themselves, or the mask of a head region, with its name.

    Raises
    ------
    InputError
        When the phantom has no such region, or the point lies outside.
    """
    if over == "head":
        name = head or head_name(body)
        if name is None:
            raise InputError(
                "this phantom names no head",
                file=file,
                field="normalise.over",
                found="head",
                expected="isocentre, slice, body or a point",
            )
        return body.regions[name] & body.body, name
    if over == "isocentre" or not isinstance(over, str):
        with blamed_on(file, "normalise.over"):
            body.grid.index_of((0.0, 0.0, 0.0) if isinstance(over, str) else over)  # type: ignore[arg-type]
    return over, over


def head_name(body: Phantom) -> str | None:
    """The smallest head region of a phantom, or None."""
    heads = {n: int((m & body.body).sum()) for n, m in body.regions.items() if n.lower().startswith("head")}
    return min(heads, key=lambda n: heads[n], default=None)


def scaled(fields: Fields, drive: str | np.ndarray, target: dict[str, float], place: Any, name: Any) -> Fields:
    """Driven fields scaled to the target of the scenario."""
    from dataclasses import replace

    out = fields.drive(drive).scale(**target, over=place)
    if isinstance(place, np.ndarray) and "over" in out.provenance["scale"]:
        out = replace(out, provenance={**out.provenance, "scale": {**out.provenance["scale"], "over": name}})
    return out


def _shape(table: Any) -> Phantom:
    if isinstance(table, schema.PhantomFile):
        return _from_file(table)
    if isinstance(table, schema.LayeredHead):
        return bodies.layered_head(table.spacing_m, table.scale)
    if isinstance(table, schema.StylisedAdult):
        return bodies.stylised_adult(table.spacing_m, table.landmark, table.fat_m)
    if isinstance(table, schema.Sphere):
        return bodies.sphere(table.radius_m, table.spacing_m, table.tissue, samples=table.samples)
    if isinstance(table, schema.LayeredSphere):
        return bodies.layered_sphere(table.radii_m, table.layers, table.spacing_m, samples=table.samples)
    if isinstance(table, schema.Cylinder):
        return bodies.cylinder(table.radius_m, table.length_m, table.spacing_m, table.tissue, samples=table.samples)
    return bodies.gel_box(table.spacing_m, table.size_m, table.tissue, samples=table.samples)


def _from_file(table: schema.PhantomFile) -> Phantom:
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
