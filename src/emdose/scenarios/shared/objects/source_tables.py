"""Sources as the table [coil] that makes the same again."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel

from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.models.coils.circuit_loops import CapacitorLoop, CapacitorLoopArray
from emdose.models.coils.current_element import CurrentElement
from emdose.models.coils.dipole import Dipole
from emdose.models.coils.ideal import Birdcage, Coil, Loop, LoopArray
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.coils.strips.microstrip_array import MicrostripArray
from emdose.models.coils.strips.strip_array import StripArray
from emdose.scenarios.shared import circuit_tables, coil_tables
from emdose.scenarios.shared.coils import coil

TABLES: dict[type, tuple[str, type[BaseModel]]] = {
    Birdcage: ("birdcage", coil_tables.BirdcageTable),
    Loop: ("loop", coil_tables.LoopTable),
    LoopArray: ("loop-array", coil_tables.LoopArrayTable),
    PlaneWave: ("plane-wave", coil_tables.PlaneWaveTable),
    CurrentElement: ("current-element", coil_tables.CurrentElementTable),
    CircuitBirdcage: ("circuit-birdcage", circuit_tables.CircuitBirdcageTable),
    CapacitorLoop: ("capacitor-loop", circuit_tables.CapacitorLoopTable),
    CapacitorLoopArray: ("capacitor-loop-array", circuit_tables.CapacitorLoopArrayTable),
    StripArray: ("strip-array", circuit_tables.StripArrayTable),
    MicrostripArray: ("microstrip-array", circuit_tables.MicrostripArrayTable),
    Dipole: ("dipole", circuit_tables.DipoleTable),
}
"""Name of the type and table of every class of source that parameters describe."""


def table_of(source: Any) -> dict[str, Any]:
    """The table [coil] of a source, tried out: it makes the same conductors and currents.

    Raises
    ------
    InputError
        When no table makes this source, such as a coil of one's own filaments, or a field given by a function.
    """
    kind, table = TABLES.get(type(source), (None, None))
    if kind is None or table is None:
        raise _unwritable(source)
    given: Mapping[str, Any] = source.parameters
    known = {*table.model_fields} - {"kind"}
    plain: dict[str, Any] = {k: v for k, v in given.items() if k in known and v is not None}
    if isinstance(source, PlaneWave):
        plain["polarisation"] = [abs(p) for p in source.polarisation]
        plain["polarisation_phase_deg"] = [math.degrees(cmath.phase(p)) for p in source.polarisation]
    if isinstance(source, CircuitBirdcage):
        plain["kind"] = str(given["kind"]).removesuffix(" birdcage")
    plain = {"type": kind, **{k: _plain(v) for k, v in plain.items()}}
    try:
        again = coil(table.model_validate(plain))
    except (InputError, ValueError):
        raise _unwritable(source) from None
    if not _same(source, again):
        raise _unwritable(source)
    return plain


def _same(a: Any, b: Any) -> bool:
    """Whether two sources have the same conductors, currents and shield."""
    if isinstance(a, PlaneWave):
        vectors = (("direction", 1.0), ("polarisation", 1.0), ("position_m", 1.0), ("amplitude_V_m", a.amplitude_V_m))
        return all(np.allclose(getattr(a, n), getattr(b, n), rtol=1e-12, atol=1e-12 * size) for n, size in vectors)
    if isinstance(a, Coil):
        pairs = ((a.segments, b.segments), (a.currents, b.currents))
        close = all(x.shape == y.shape and np.allclose(x, y, rtol=1e-12, atol=1e-12) for x, y in pairs)
        return close and a.ports == b.ports and repr(a.shield) == repr(b.shield)
    return isinstance(a, CircuitCoil) and repr(_comparable(a)) == repr(_comparable(b))


def _comparable(coil: CircuitCoil) -> list[Any]:
    known = {k: v for k, v in sorted(coil.parameters.items()) if v is not None and k != "position_m"}
    about = {k: v if isinstance(v, str) else np.asarray(v, float).tolist() for k, v in known.items()}
    return [about, list(coil.elements), list(coil.ports), coil.shield]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _unwritable(source: Any) -> InputError:
    return InputError(
        "no table of a scenario makes this source",
        field="coil",
        found=f"{type(source).__name__} '{getattr(source, 'name', '')}'",
        expected="a coil or wave that parameters describe, or a file",
    )
