"""Tables of drives, and of what fields are scaled to."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from emdose.scenarios.shared.body_tables import Point, Power
from emdose.scenarios.shared.tables import Table, bad_value, number, numbers, text


class DriveTable(Table):
    """How the ports are driven: by the name of a drive of the coil, or by amplitudes and phases.

    Without any, "quadrature" for a birdcage, "circular" for an array, and unit drive for one port.
    """

    name: Annotated[str, text("the name of a drive of the coil, such as 'quadrature'")] | None = None
    amplitudes: Annotated[tuple[float, ...], numbers("amplitude of each port,", None, 0, 1e9)] | None = None
    phases_deg: Annotated[tuple[float, ...], numbers("phase of each port in degrees,", None, -3600, 3600)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> DriveTable:
        if self.name is not None and (self.amplitudes or self.phases_deg):
            raise bad_value("either name, or amplitudes and phases_deg")
        if self.phases_deg and (self.amplitudes is None or len(self.amplitudes) != len(self.phases_deg)):
            raise bad_value("as many amplitudes as phases_deg")
        if self.amplitudes is not None and not any(self.amplitudes):
            raise bad_value("at least one amplitude > 0")
        return self


PLACES = ("isocentre", "slice", "body", "head")


def place_of(*names: str) -> BeforeValidator:
    """A check that takes one of some names, or a point."""

    def check(value: Any) -> Any:
        if (isinstance(value, str) and value in names) or (isinstance(value, list | tuple) and len(value) == 3):
            return value
        raise bad_value(f"{', '.join(repr(p) for p in names)} or a point [x, y, z] in metres")

    return BeforeValidator(check)


class TargetTable(Table):
    """One quantity that fields are scaled to; key ``over`` says where B1+ is taken."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.target) != 1:
            targets = [k for k in type(self).model_fields if k != "over"]
            raise bad_value(f"exactly one of {', '.join(targets)}; there are {len(self.target)}")
        return self

    @property
    def target(self) -> dict[str, float]:
        """The target by its key."""
        return {k: v for k in type(self).model_fields if k != "over" and (v := getattr(self, k)) is not None}


class NormaliseTable(TargetTable):
    """The one quantity that the fields are scaled to."""

    b1plus_rms_T: Annotated[float, number("a B1+rms in tesla (2 uT is 2e-6)", 0, 1, above=True)] | None = None
    whole_body_sar_W_kg: Annotated[float, number("a whole-body SAR in W/kg", 0, 1e6, above=True)] | None = None
    absorbed_power_W: Power | None = None
    input_power_W: Power | None = None
    over: Annotated[Literal["isocentre", "slice", "body", "head"] | Point, place_of(*PLACES)] = "isocentre"
