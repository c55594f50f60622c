"""Metals of implants: conductivity, density and thermal properties, each with its source."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from emdose import resources
from emdose.checks import is_number, positive, text, unknown
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.models.bodies.tissues import normalised
from emdose.values import read_only

PROPERTIES = (
    "conductivity_S_m",
    "density_kg_m3",
    "heat_capacity_J_kg_K",
    "thermal_conductivity_W_m_K",
    "relative_permeability",
)
LEAST_CONDUCTIVITY_S_M = 1e3
"""A "metal" that conducts less is a unit slip (MS/m for S/m) or no metal."""


@read_only
@dataclass(frozen=True)
class Metal:
    """One metal.

    Parameters
    ----------
    name : str
        What it is called.
    conductivity_S_m : float
        Electric conductivity [S/m], the same at all frequencies.
    density_kg_m3 : float
        Mass density [kg/m^3].
    heat_capacity_J_kg_K, thermal_conductivity_W_m_K : float
        Specific heat capacity [J/kg/K] and thermal conductivity [W/m/K].
    relative_permeability : float
        1 for all implant metals that may go near a magnet.
    sources : mapping
        Where each value comes from: keys are the names of the properties.

    Raises
    ------
    InputError
        When a value is not a finite number > 0, or the conductivity is below 1 kS/m.
    """

    name: str
    conductivity_S_m: float
    density_kg_m3: float
    heat_capacity_J_kg_K: float
    thermal_conductivity_W_m_K: float
    relative_permeability: float = 1.0
    sources: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)

    def __post_init__(self) -> None:
        text("name", self.name, problem="metal without a name")
        for key in PROPERTIES:
            object.__setattr__(self, key, self._checked(key, getattr(self, key)))

    def _checked(self, key: str, value: Any) -> float:
        where = f"{self.name}.{key}"
        number = positive(where, value, problem="value out of range" if is_number(value) else "not a number")
        if key == "conductivity_S_m" and number < LEAST_CONDUCTIVITY_S_M:
            raise InputError(
                "this does not conduct like a metal",
                field=where,
                found=number,
                expected="S/m, such as 1.16e6 for CoCrMo",
            )
        return number

    def skin_depth(self, frequency_Hz: float) -> float:
        """1 / sqrt(pi f mu sigma) at a frequency [Hz], in metres; infinite at 0 Hz."""
        if not frequency_Hz > 0:
            return math.inf
        return 1 / math.sqrt(math.pi * frequency_Hz * MU_0 * self.relative_permeability * self.conductivity_S_m)

    def replace(self, **changes: Any) -> Metal:
        """The same metal with some values changed; their sources then say so.

        Raises
        ------
        InputError
            For an unknown property or a bad value.
        """
        known = [f.name for f in fields(self)]
        for key in changes:
            if key not in known:
                raise unknown("unknown property of a metal", key, known, field=f"{self.name}.{key}", shown=False)
        changed = {key: "changed by the user" for key in changes if key in PROPERTIES}
        sources = changes.pop("sources", {**self.sources, **changed})
        return replace(self, sources=sources, **changes)


def get(name: str | Metal) -> Metal:
    """The metal of that name or synonym, such as "CoCrMo" or "Ti-6Al-4V"; a :class:`Metal` is given back as it is.

    Raises
    ------
    InputError
        When no metal of the table has that name; the text lists near ones.
    """
    if isinstance(name, Metal):
        return name
    table, spellings = _table()
    found = spellings.get(_plain(str(name)))
    if found is None:
        raise unknown("unknown metal", name, table, spellings=spellings, field="metal", also="a Metal")
    return table[found]


def names() -> tuple[str, ...]:
    """Names of the built-in metals."""
    return tuple(_table()[0])


def _plain(name: str) -> str:
    return normalised(name).replace("_", "")


@functools.cache
def _table() -> tuple[dict[str, Metal], dict[str, str]]:
    values: dict[str, dict[str, float]] = {}
    sources: dict[str, dict[str, str]] = {}
    spellings: dict[str, str] = {}
    for row in resources.csv_rows("metals.csv"):
        name, key = row["metal"], row["property"]
        if key == "synonyms":
            spellings |= {_plain(s): name for s in (name, *row["source"].split(";"))}
        else:
            values.setdefault(name, {})[key] = float(row["value"])
            sources.setdefault(name, {})[key] = row["source"]
    metals = {name: Metal(name, sources=sources[name], **properties) for name, properties in values.items()}
    return metals, spellings
