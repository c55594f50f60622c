"""One page for all samples of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk import atomic
from emdose.report.pages import group_page
from emdose.scenarios.study.result import StudyResult, read_study

GROUP_PAGE = "runs.html"


def group_table(
    result: StudyResult,
    outputs: Sequence[str] | None = None,
    limits: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> dict[str, Any]:
    """The samples of a study as a group of runs, a stratum for each of its cases, in the form that their page takes.

    Parameters
    ----------
    result : StudyResult
        The study.
    outputs : sequence of str, optional
        Columns; all by default.
    limits : mapping, optional
        By output, each "limit", "label" and "doubtful".
    """
    names = list(result.names if outputs is None else outputs)
    at = [result.names.index(n) for n in names]
    runs = []
    for case in result.cases:
        given = case.inputs.names if case.inputs is not None else ()
        rows = case.Y if len(case.Y) else np.asarray(case.value)[None]
        for n, values in enumerate(np.asarray(rows, float)):
            inputs = dict(zip(given, np.asarray(case.X[n], float).tolist(), strict=True)) if len(case.X) else {}
            told = {name: float(values[k]) for name, k in zip(names, at, strict=True)}
            label = f"{case.name} {n + 1}".strip() if len(result.cases) > 1 else f"sample {n + 1}"
            runs.append({"name": label, "values": told, "inputs": inputs, "stratum": case.name, "link": ""})
    return {
        "name": result.name,
        "units": {n: result.units.get(n, "") for n in names},
        "runs": runs,
        "failed": [{"name": _inputs(o.inputs), "reason": o.error} for o in result.failed],
        "notes": list(result.notes),
        "limits": {n: [dict(x) for x in rows] for n, rows in (limits or {}).items()},
    }


def write_group_page(
    study: StudyResult | Path | str,
    path: Path | str | None = None,
    outputs: Sequence[str] | None = None,
    limits: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> Path:
    """Write one page for all samples of a study.

    Parameters
    ----------
    study : StudyResult, Path or str
        The study or its folder.
    path : Path or str, optional
        The file; runs.html in its folder by default.
    outputs, limits
        As of :func:`group_table`.

    Raises
    ------
    InputError
        When there is no study, or no place for its page.
    OutputError
        When the page cannot be written.
    """
    result = study if isinstance(study, StudyResult) else read_study(study)
    if path is None and result.folder is None:
        raise InputError("this study is in no folder", field="path", expected="a file for its page")
    target = Path(path) if path is not None else Path(result.folder or "") / GROUP_PAGE
    atomic.write_text(target, group_page.render(group_table(result, outputs, limits)))
    return target


def _inputs(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} = {v:.4g}" if isinstance(v, float) else f"{k} = {v}" for k, v in given.items())
