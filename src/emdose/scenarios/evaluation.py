"""From values that Python has solved to the same run that a scenario makes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emdose.errors import InputError
from emdose.scenarios import kinds
from emdose.scenarios.gate import gated
from emdose.scenarios.run import environment, heard
from emdose.scenarios.shared import tables
from emdose.scenarios.shared.results.run import Run
from emdose.solvers.progress import watched
from emdose.solvers.running import Done, Progress, callback

if TYPE_CHECKING:
    from emdose.models.exposure import Exposure
    from emdose.solvers.results.fields import Fields


@watched
def evaluate(
    exposure: Exposure,
    fields: Fields,
    *,
    name: str = "python",
    accept: Sequence[str] = (),
    device: str = "auto",
    progress: Progress = True,
    **options: Any,
) -> Run:
    """Everything that follows from solved fields, as a run: SAR, averages, limits, numbers with U, temperatures.

    It is what a scenario of kind ``rf`` does with the fields of its solver, by the same code.

    Parameters
    ----------
    exposure : Exposure
        Body, source and frequency.
    fields : Fields
        What a solver made of it, driven and scaled.
    name : str
        What the run is called.
    accept : sequence of str
        Names of thresholds of validity that may be passed.
    device : "auto", "cpu" or "cuda"
        Where to average and to heat.
    progress : bool or callable, optional
        True shows a bar where somebody watches; False is quiet; a function gets events of
        :mod:`emdose.solvers.running`.
    **options
        Keys of the table [checks]: ``patient_mass_kg=75``, ``coil_type="local"``, ``duty_cycle=0.5``, ...; those of
        [dosimetry], ``rule`` and ``masses_kg``; and ``thermal={"duration_s": 900.0}``, keys of the table [thermal],
        where temperatures are asked for.

    Returns
    -------
    Run
        As :func:`emdose.read_result` gives one, with fields, SAR, averages and checks. It lies in no folder
        yet; its ``save`` writes one. A run that is not valid has no numbers, and its ``validity`` says why.

    Raises
    ------
    InputError
        When the fields are not driven and scaled, belong to another exposure, or a key or a value is not possible.
    """
    start = time.perf_counter()
    tell = callback(progress)
    told = {"name": name, "accept": tuple(accept)}
    with heard() as words:
        for known in kinds.names():
            kind = kinds.get(known)
            header = tables.checked(tables.Header, {"kind": known, **told}, "scenario")
            run = kind.solved(exposure, fields, header, device=device, progress=tell, **options)
            if run is not None:
                break
        else:
            raise InputError("no kind of scenario makes a run of this", found=type(exposure).__name__)
    summary = {
        **run.summary,
        "timing_s": {**run.summary["timing_s"], "total": time.perf_counter() - start},
        "warnings": [*run.summary["warnings"], *words],
        "provenance": {**environment(), **run.summary["provenance"]},
    }
    tell(Done())
    made: Run = replace(run, summary=gated(summary), kind=kind)
    return made
