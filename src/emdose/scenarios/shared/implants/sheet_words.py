"""From a surface, or the name of a built-in implant, to the tables of the scenario of its sheet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emdose.errors import InputError

BUILT_IN = ("hip", "knee", "shoulder")
SITES: Mapping[str, Mapping[str, Any]] = {
    "knee": {"site": "knee", "site_offset_m": (0.055, 0.0, 0.0)},
    "shoulder": {"site": "neck", "site_offset_m": (0.12, 0.0, -0.08)},
}
"""Where built-in implants lie in the stylised adult, if not beside the pelvis: in the leg, below the shoulder."""
SURFACES = (".stl", ".ply", ".obj", ".vtk", ".vtp")
EXPECTED = f"a surface ({', '.join(SURFACES)}), a scenario of kind label (.toml), or {', '.join(BUILT_IN)}"


def sheet_tables(
    words: Sequence[str], metal: str | None, unit: str, fields: Sequence[str], coarse: bool
) -> dict[str, Any] | Path:
    """The tables that a command line asks for, or the file of a scenario that it names.

    Parameters
    ----------
    words : sequence of str
        The implant; then perhaps numbers that belong to ``--fields``.
    metal : str or None
        Its metal; needed for a surface.
    unit : str
        Unit of the surface's coordinates.
    fields : sequence of str
        Fields of scanners [T]; each may hold several numbers.
    coarse : bool
        Voxels of 2 mm for metal and 5 mm for heat.

    Raises
    ------
    InputError
        When there is no implant, or something is no field.
    """
    if not words:
        raise InputError("no implant", field="IMPLANT", expected=EXPECTED)
    target, file = words[0], Path(words[0])
    told = [w for text in (*fields, *words[1:]) for w in re.split(r"[\s,]+", text) if w]
    if file.suffix == ".toml":
        if told or metal:
            raise InputError("a scenario says itself", field="--fields, --metal", found=target, expected="neither")
        return file
    implant: dict[str, Any]
    if target in BUILT_IN:
        implant = {"type": target, **({"metal": metal} if metal else {})}
    elif file.suffix.lower() in SURFACES:
        if metal is None:
            raise InputError("no metal", field="--metal", expected="the metal of this surface, such as CoCrMo")
        implant = {"type": "file", "file": str(file), "unit": unit, "metal": metal}
    else:
        raise InputError("not an implant", field="IMPLANT", found=target, expected=EXPECTED)
    tables: dict[str, Any] = {"scenario": {"kind": "label", "name": file.stem}, "implant": implant}
    sheet: dict[str, Any] = dict(SITES.get(target, {}))
    if told:
        sheet["fields_T"] = sorted({_field(w) for w in told})
    if sheet:
        tables["sheet"] = sheet
    if coarse:
        tables |= {"solver": {"spacing_m": 2e-3}, "thermal": {"spacing_m": 5e-3}}
    return tables


def _field(word: str) -> float:
    try:
        return float(word.removesuffix("T"))
    except ValueError:
        raise InputError("not a field", field="--fields", found=word, expected="tesla, such as 1.5 3") from None
