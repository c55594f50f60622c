"""Susceptibilities of metals in scenarios, and what they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from emdose.checks import unknown
from emdose.mechanics.magnetic import Magnetism, magnetism
from emdose.scenarios.shared.tables import Table, blamed_on, number

if TYPE_CHECKING:
    from emdose.models.implants.implant import Implant

Chi = Annotated[float, number("a volume susceptibility (SI), such as 1.8e-4 for titanium", -1, 1e7, above=True)]


class MagnetismTable(Table):
    """How a metal answers to the static field, in the place of the table of emdose."""

    chi: Chi
    chi_low: Chi | None = None
    chi_high: Chi | None = None
    saturation_T: Annotated[float, number("a saturation mu_0 M_s in tesla", 0, 10, above=True)] | None = None
    anisotropy: Annotated[float, number("a difference of susceptibilities", 0, 1e3)] = 0.0
    particle_moment_A_m2: Annotated[float, number("a moment in A m2", 0, 1e-9, above=True)] | None = None


def materials(tables: Any, implant: Implant, file: object = None) -> dict[str, Magnetism]:
    """Susceptibility of every metal of an implant, by its name.

    Raises
    ------
    InputError
        For a metal without one, a steel without a range, and a table of a metal that the implant does not have.
    """
    names = list(dict.fromkeys(m.name for m in implant.metals))
    for name in tables.magnetism:
        if name not in names:
            raise unknown("no such metal in this implant", name, names, file=file, field=f"magnetism.{name}")
    found = {}
    for name in names:
        if name in tables.magnetism:
            with blamed_on(file, f"magnetism.{name}"):
                like = tables.metals[name].like if name in tables.metals else name
                steel = like if like != name else ""
                table = tables.magnetism[name].model_dump()
                # A metal that is like steel is steel, whatever it is called.
                made = Magnetism(steel or name, source="scenario", **table)
                found[name] = Magnetism(name, source="scenario", **table) if made.chi_low is None else made
            continue
        base = tables.metals[name].like if name in tables.metals else name
        with blamed_on(file, f"magnetism.{name}"):
            found[name] = magnetism(base)
    return found
