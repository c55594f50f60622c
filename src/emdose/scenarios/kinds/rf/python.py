"""From fields that Python has solved to the same run that a scenario of kind ``rf`` makes."""

from __future__ import annotations

import cmath
import contextlib
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from emdose.compute import backend
from emdose.dosimetry.averaging.average import averaging_plan
from emdose.errors import InputError
from emdose.scenarios.kinds.rf import evaluation, schema
from emdose.scenarios.kinds.rf import thermal as heat_of_rf
from emdose.scenarios.kinds.rf.result.result import PYTHON
from emdose.scenarios.kinds.rf.thermal_table import RfThermalTable
from emdose.scenarios.shared import body_tables, circuit_tables, coil_tables, tables
from emdose.scenarios.shared.convergence import solver_convergence
from emdose.scenarios.shared.objects.solver_tables import vsie_values
from emdose.scenarios.shared.objects.source_tables import table_of
from emdose.solvers.results.fields import DRIVE, Fields, drive_told
from emdose.solvers.running import ProgressCallback, silent

if TYPE_CHECKING:
    from emdose.models.exposure import Exposure
    from emdose.scenarios.kinds.rf.result.result import RunResult

PHANTOM_FILE = "phantom.h5"
"""The body of a run that Python has made, in its folder."""
SOLVERS: dict[str, type[tables.Table]] = {
    "vie": coil_tables.VieTable,
    "fdtd": circuit_tables.FdtdTable,
    "vsie": circuit_tables.VsieTable,
}


def solved(
    exposure: Exposure,
    fields: Fields,
    header: tables.Header,
    *,
    rule: Literal["trapezium", "linear", "mid-ordinate"] = "trapezium",
    masses_kg: Sequence[float] = (1e-3, 1e-2),
    thermal: Mapping[str, Any] | None = None,
    device: str = "auto",
    progress: ProgressCallback | None = None,
    **checks: Any,
) -> RunResult:
    """Everything that follows from driven and scaled fields, as a run; arguments as of :func:`emdose.evaluate`.

    Parameters
    ----------
    header : Header
        The table [scenario] of the run.
    """
    timing: dict[str, float] = {}

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        timing[stage] = time.perf_counter() - begun

    exposure.refuse_metal("em.evaluate", leads=False)
    driven, body = _driven(exposure, fields), exposure.phantom
    table = tables.checked(schema.ChecksTable, checks, "checks")
    heat = None if thermal is None else tables.checked(RfThermalTable, thermal, "thermal")
    dosimetry = tables.checked(schema.DosimetryTable, {"rule": rule, "masses_kg": tuple(masses_kg)}, "dosimetry")
    masses = evaluation.averaging_masses(dosimetry.masses_kg)
    evaluation.require_heavy_enough(body, masses)
    if heat is not None:
        _require_heat(heat, table, body, device)
    chosen = backend.get(device).name
    accept = header.accept
    how = evaluation.Circumstances(rule=dosimetry.rule, checks=table, thermal=heat, accept=accept, device=chosen)
    with tables.blamed_on(None, ""):
        outcome = evaluation.evaluated(
            driven,
            body,
            exposure.coil,
            how,
            plans=lambda: {m: averaging_plan(body.density, body.spacing_m, m, device=chosen) for m in masses},
            convergence=solver_convergence(driven, float(driven.convergence.get("tolerance", 0.0))),
            tell=progress or silent,
            timed=timed,
            kept=lambda _name, make, *_: make(),
        )
    plain = {
        "scenario": header.model_dump(),
        **_of_the_exposure(exposure, driven),
        "dosimetry": dosimetry.model_dump(),
        "checks": table.model_dump(),
        "thermal": None if heat is None else heat.model_dump(),
        "output": schema.RfOutputTable().model_dump(),
    }
    summary = {**outcome.summary, "timing_s": timing, "scenario": plain, "warnings": list(outcome.warnings)}
    return evaluation.run_of(outcome, summary)


def _driven(exposure: Exposure, fields: Fields) -> Fields:
    """The fields, if they are driven, scaled, and those of the exposure."""
    body = exposure.phantom
    if not isinstance(fields, Fields):
        raise InputError("no fields", field="fields", found=type(fields).__name__, expected="what a solver gives")
    fields.require_driven()
    if "scale" not in fields.provenance:
        expected = ".scale(b1plus_rms_T=2e-6) or another target: SAR goes with the square of the field"
        raise InputError("fields per unit drive", field="fields", expected=expected)
    told = fields.provenance.get("phantom") or {}
    known = told.get("electric_sha256")
    other = known is not None and known != body.electric_hash(exposure.frequency_Hz)
    if fields.grid != body.grid or fields.frequency_Hz != exposure.frequency_Hz or other:
        raise InputError(
            "the fields are not those of this exposure",
            field="fields",
            found=f"{told.get('name', 'a body')} at {fields.frequency_Hz / 1e6:g} MHz",
            expected=f"{body.name} at {exposure.frequency_Hz / 1e6:g} MHz, as it was solved",
        )
    own, solved_with = ([lead.hash() for lead in exposure.leads], told_leads(fields))
    if [one["sha256"] for one in solved_with] != own:
        raise InputError(
            "the fields are not those of this exposure",
            field="leads",
            found=[one["name"] for one in solved_with],
            expected=str([lead.name for lead in exposure.leads]),
        )
    if DRIVE in fields.provenance:
        return fields
    return replace(fields, provenance={**fields.provenance, **drive_told(fields.ports[0], np.ones(1, complex))})


def told_leads(fields: Fields) -> list[dict[str, str]]:
    """Name and hash of the leads that fields were solved with."""
    return [dict(one) for one in fields.provenance.get("leads", ())]


def _require_heat(heat: Any, checks: Any, body: Any, device: str) -> None:
    with tables.blamed_on(None, "phantom.tissues"):
        heat_of_rf.require_data(body)
    with tables.blamed_on(None, "thermal"):
        heat_of_rf.require_possible(heat, checks, body, device)


# ---- the same as tables ----------------------------------------------------------------------------------------------
def _of_the_exposure(exposure: Exposure, driven: Fields) -> dict[str, Any]:
    """Tables that say what was solved, in the words of a scenario as far as it has words for it."""
    body = body_tables.PhantomFileTable(type="file", file=PHANTOM_FILE).model_dump()
    try:
        source = coil_table(exposure.coil, driven)
    except InputError:
        source = {"type": PYTHON, "name": exposure.coil.name}
    scale, drive = driven.provenance["scale"], driven.provenance[DRIVE]
    weights = [complex(*w) for w in drive["weights"]]
    by_name = drive["name"] in exposure.coil.drives
    driving = (
        {"name": drive["name"]}
        if by_name
        else {"amplitudes": [abs(w) for w in weights], "phases_deg": [_degrees(w) for w in weights]}
    )
    # No table makes leads: who runs this again is told so.
    leads = {"leads": told_leads(driven)} if exposure.leads else {}
    return {
        "phantom": body,
        "coil": source,
        **leads,
        "exposure": {"frequency_Hz": exposure.frequency_Hz},
        "drive": schema.DriveTable.model_validate(driving).model_dump(),
        "normalise": _normalise(scale),
        "solver": _solver(driven),
        "tuning": None,
    }


def coil_table(source: Any, driven: Fields) -> dict[str, Any]:
    """The table [coil] of the source of fields, with every default.

    Raises
    ------
    InputError
        When no table makes it, or its elements were changed after the fields of its gaps had been solved.
    """
    if "cosimulation" in driven.provenance:
        raise InputError("the elements of this coil are not those that it was built with", field="coil")
    adapter: TypeAdapter[Any] = TypeAdapter(coil_tables.Coil)
    plain: dict[str, Any] = adapter.validate_python(table_of(source)).model_dump()
    return plain


def _normalise(scale: Mapping[str, Any]) -> dict[str, Any]:
    """The table [normalise]; a mask of one's own goes by its name."""
    over = scale.get("over", "isocentre")
    point = re.fullmatch(r"point \((.*)\) m", str(over))
    if point:
        over = [float(x) for x in point[1].split(",")]
    told = {scale["target"]: scale["value"]}
    if over in schema.PLACES or point:
        return schema.NormaliseTable.model_validate({**told, "over": over}).model_dump()
    return {**schema.NormaliseTable.model_validate(told).model_dump(), "over": str(over)}


def _solver(driven: Fields) -> dict[str, Any]:
    """The table [solver] of what the fields say about their engine."""
    engine = str(driven.provenance.get("engine", "")).lower()
    table = SOLVERS.get(engine)
    options = driven.provenance.get("options") or {}
    if engine == "vsie":
        with contextlib.suppress(InputError):  # a mesh that no table holds is told as it is
            options = vsie_values(options, "solver")
    known = {k: v for k, v in options.items() if table is not None and k in table.model_fields}
    try:
        assert table is not None
        return dict(table.model_validate({"type": engine, **known}).model_dump())
    except (AssertionError, ValidationError):
        return {"type": engine or PYTHON, **known}


def _degrees(value: complex) -> float:
    return math.degrees(cmath.phase(value))
