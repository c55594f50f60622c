"""Poses of the implant of an ``implant-rf`` scenario, all of them in the field of one solution of the body."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from emdose.models.exposure import Exposure
from emdose.scenarios.kinds.implant_rf.build import beside_wall
from emdose.scenarios.kinds.implant_rf.heat import site_of
from emdose.scenarios.shared.implants import building
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.heat.near_metal import metal_body

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.kinds.implant_rf.schema import ImplantRfScenario
    from emdose.solvers.heat.near_metal import MetalBody

GIVEN = "as given"
"""Name of the pose of the table [implant]."""


@dataclass(frozen=True, eq=False)
class PosedImplant:
    """An implant in one pose.

    Parameters
    ----------
    name : str
        Of the pose.
    implant : Implant
        In the body.
    rotate_deg, position_m : tuple of float
        As the table of its pose says.
    """

    name: str
    implant: Implant
    rotate_deg: tuple[float, ...]
    position_m: tuple[float, ...]

    def in_body(self, alone: Exposure) -> Exposure:
        """The exposure of a body without metal, with the metal in this pose."""
        return replace(alone, implants=[self.implant])

    def site(self, body: Phantom, table: Any) -> tuple[Phantom, MetalBody]:
        """The body around it on the voxels of the heat, and the metal in them."""
        part = site_of(body, self.implant, table)
        return part, metal_body(part, self.implant, table.cells_across)

    def told(self) -> dict[str, Any]:
        """Its pose, for a summary."""
        return {"name": self.name, "rotate_deg": list(self.rotate_deg), "position_m": list(self.position_m)}


def posed_implants(tables: ImplantRfScenario, file: object) -> Iterator[PosedImplant]:
    """The implant as its table says, then in every pose of the tables [poses.NAME].

    Raises
    ------
    InputError
        As :func:`emdose.scenarios.shared.implants.building.implant`.
    """
    one = tables.implant
    made = beside_wall(building.implant(tables, file), tables.phantom, tables.test)
    yield PosedImplant(GIVEN, made, tuple(one.rotate_deg), tuple(one.position_m))
    for name, pose in tables.poses.items():
        turned = one.rotate_deg if pose.rotate_deg is None else pose.rotate_deg
        where = one.position_m if pose.position_m is None else pose.position_m
        moved = one.model_copy(update={"rotate_deg": turned, "position_m": where})
        with blamed_on(file, f"poses.{name}"):
            made = building.implant(tables.model_copy(update={"implant": moved}), file)
        yield PosedImplant(name, made, tuple(turned), tuple(where))
