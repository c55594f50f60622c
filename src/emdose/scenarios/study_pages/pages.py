"""The pages of a study: what is uncertain of every output, and one page for all of its samples."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk import atomic
from emdose.io.disk.run_files import LOCK_FILE, SUMMARY_FILE
from emdose.report.maps.map_set import MapSet
from emdose.report.maps.volumes import Layer
from emdose.report.pages import group_page, study_page
from emdose.report.wording import heading, quantity_name
from emdose.scenarios import kinds
from emdose.scenarios.gate import kind_of
from emdose.scenarios.loading import load
from emdose.scenarios.results import read_result
from emdose.scenarios.study.findings.budgets import DISCRETISATION
from emdose.scenarios.study.result import StudyResult, read_study
from emdose.scenarios.study.samples import sample_name, scenario_path

STUDY_PAGE, GROUP_PAGE = "study.html", "runs.html"
BINS = 48
ROUNDING = 1e-10
"""Spread over size below which values are the same."""
FAINT = 1e-3
"""Share of its largest mean below which the relative deviation of a map says nothing."""


def study_table(
    result: StudyResult,
    budgets: Mapping[str, Any] | None = None,
    limits: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    p_exceed: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """A study in the form that its page takes.

    Parameters
    ----------
    result : StudyResult
        The study.
    budgets : mapping of str to Budget, optional
        By output; those of the study itself by default.
    limits : mapping of str to sequence of mappings, optional
        By output, each "limit", "label", "standing" and "doubtful".
    p_exceed : mapping of str to mapping of str to float, optional
        By output and label of a limit, the probability that it is exceeded.
    """
    told = result.to_dict()
    draws, weights = (None, None) if result.method == "budget" else result.draws
    for k, name in enumerate(result.names):
        one = told["outputs"][name]
        if budgets is not None and name in budgets:
            one["budget"] = budgets[name].to_dict()
        if draws is not None and weights is not None and one["sd"] > 0:
            one["histogram"] = _histogram(draws[:, k], weights)
        one["limits"] = [dict(x) for x in (limits or {}).get(name, ())]
        one["p_exceed"] = dict((p_exceed or {}).get(name, {}))
    return told


def write_study_page(
    study: StudyResult | Path | str,
    path: Path | str | None = None,
    *,
    budgets: Mapping[str, Any] | None = None,
    limits: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    p_exceed: Mapping[str, Mapping[str, float]] | None = None,
    group: str = "",
) -> Path:
    """Write the page of a study as one self-contained HTML file.

    Parameters
    ----------
    study : StudyResult, Path or str
        The study or its folder. Its maps, where it kept any, are shown on the body of the run that it belongs to, or of
        its scenario.
    path : Path or str, optional
        The file; study.html in its folder by default.
    budgets, limits, p_exceed
        As of :func:`study_table`.
    group : str
        Address of the page of all its samples, where there is one.

    Raises
    ------
    InputError
        When there is no study, or no place for its page.
    OutputError
        When the page cannot be written.
    """
    result = study if isinstance(study, StudyResult) else read_study(study)
    target = _target(result, path, STUDY_PAGE)
    table = study_table(result, budgets, limits, p_exceed)
    summary, maps = _of_the_run(result)
    atomic.write_text(target, study_page.render(table, summary, result.folder or "", maps, group))
    return target


def write_study_pages(study: StudyResult | Path | str) -> tuple[Path, Path | None]:
    """Write the page of a study into its folder, and for one with strata that of all its samples, led by stratum.

    Parameters
    ----------
    study : StudyResult, Path or str
        The study or its folder.

    Returns
    -------
    tuple of Path
        The page, and the other one or None.
    """
    result = study if isinstance(study, StudyResult) else read_study(study)
    group = write_group_page(result) if len(result.cases) > 1 and result.method != "budget" else None
    return write_study_page(result, group="" if group is None else group.name), group


def group_table(
    result: StudyResult,
    outputs: Sequence[str] | None = None,
    limits: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    links: Mapping[str, str] | None = None,
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
    links : mapping of str to str, optional
        Where the name of a sample leads.
    """
    names = list(result.names if outputs is None else outputs)
    at = [result.names.index(n) for n in names]
    runs, links = [], {} if links is None else links
    for case in result.cases:
        given = case.inputs.names if case.inputs is not None else ()
        rows = case.Y if len(case.Y) else np.asarray(case.value)[None]
        for n, values in enumerate(np.asarray(rows, float)):
            inputs = dict(zip(given, np.asarray(case.X[n], float).tolist(), strict=True)) if len(case.X) else {}
            told = {name: float(values[k]) for name, k in zip(names, at, strict=True)}
            label = _label(result, case.name, n)
            link = links.get(label, "")
            runs.append({"name": label, "values": told, "inputs": inputs, "stratum": case.name, "link": link})
    return {
        "name": result.name,
        "units": {n: result.units.get(n, "") for n in names},
        "sampled": result.coverage if result.method == "monte-carlo" else None,
        "runs": runs,
        "failed": [{"name": _inputs(o.inputs), "reason": o.error} for o in result.failed],
        "notes": [*_voxels(result, names), *result.notes],
        "limits": {n: [dict(x) for x in rows] for n, rows in (limits or {}).items()},
    }


def write_group_page(
    study: StudyResult | Path | str,
    path: Path | str | None = None,
    outputs: Sequence[str] | None = None,
    limits: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> Path:
    """Write one page for all samples of a study; each leads to its scenario, which ``emdose run`` takes.

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
    target = _target(result, path, GROUP_PAGE)
    table = group_table(result, outputs, limits, _links(result, target.parent))
    atomic.write_text(target, group_page.render(table))
    return target


def _voxels(result: StudyResult, names: Sequence[str]) -> list[str]:
    """What voxels leave of the numbers of the nominal samples, which no spread of samples shows."""
    found: dict[str, float] = {}
    for case in result.cases:
        of_it = case.about.get("uncertainty") or {}
        for name in names:
            told, value = of_it.get(name) or {}, abs(float(case.value[result.names.index(name)]))
            if told.get("kind") == DISCRETISATION and told.get("expanded") and value:
                found[name] = max(found.get(name, 0.0), float(told["expanded"]) / value)
    if not found:
        return []
    told_of = ", ".join(f"{100 * u:.0f} % of {quantity_name(name)}" for name, u in found.items())
    return [
        f"Percentiles are those of the samples. What voxels leave of every one of them is not in them: U = {told_of}."
    ]


def _links(result: StudyResult, beside: Path) -> dict[str, str]:
    """Address of the scenario of every sample by its name, where the study has left them in its folder."""
    links = {}
    for case in result.cases if result.folder is not None else ():
        for n in range(len(case.X)):
            label = _label(result, case.name, n)
            path = scenario_path(Path(result.folder or ""), label)
            if path.exists():
                links[label] = Path(os.path.relpath(path, beside)).as_posix()
    return links


def _label(result: StudyResult, case: str, n: int) -> str:
    """Name of a sample of a case."""
    return sample_name(case, n) if len(result.cases) > 1 else f"sample {n + 1}"


def _inputs(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} = {v:.4g}" if isinstance(v, float) else f"{k} = {v}" for k, v in given.items())


def _target(result: StudyResult, path: Path | str | None, name: str) -> Path:
    if path is None and result.folder is None:
        raise InputError("this study is in no folder", field="path", expected="a file for its page")
    return Path(path) if path is not None else Path(result.folder or "") / name


def _of_the_run(result: StudyResult) -> tuple[dict[str, Any] | None, MapSet | None]:
    """Summary of the run that a study belongs to, and relative standard deviations of its maps on that run's body.

    A study in no folder of a run has the body of its scenario, and no summary.
    """
    if result.folder is None or not result.maps:
        return None, None
    home, lock = Path(result.folder).resolve().parent, Path(result.folder) / LOCK_FILE
    if (home / SUMMARY_FILE).exists():
        run = read_result(home)
        summary, base = dict(run.summary), kind_of(run.summary, home).maps(run)
    else:
        scenario = load(lock) if lock.exists() else None
        summary, base = None, None if scenario is None else kinds.get(scenario.kind).canvas(scenario)
    if base is None:
        return summary, None
    layers = []
    for name, told in result.maps.items():
        mean, sd = (np.asarray(told[key], float) for key in ("mean", "sd"))
        if mean.shape == base.grid.shape:
            least = FAINT * float(np.nanmax(np.abs(mean)))
            relative = np.divide(sd, np.abs(mean), out=np.full_like(sd, np.nan), where=np.abs(mean) > least)
            note = "Standard deviation by the laws of the inputs over the mean, of every voxel."
            layers.append(Layer(f"sd {name}", f"{map_title(name)}: sd / mean", "%", relative, 100.0, note=note))
    return summary, MapSet(base.grid, base.labels, base.names, layers, layers[0].key) if layers else None


def map_title(name: str) -> str:
    """The name of a map without its unit: "SAR_10g_W_kg" becomes "SAR 10g", "abs_B1plus_uT" "|B1+|"."""
    return heading(name).partition(" [")[0].replace("abs B1plus", "|B1+|")


def _histogram(values: np.ndarray, weights: np.ndarray) -> dict[str, Any] | None:
    """Edges and density; None of values that differ by rounding alone, as of what every sample is scaled to."""
    good = np.isfinite(values)
    if not good.any() or np.ptp(values[good]) <= ROUNDING * np.abs(values[good]).max():
        return None
    bins = min(BINS, max(8, int(np.sqrt(good.sum()))))
    density, edges = np.histogram(values[good], bins, weights=weights[good], density=True)
    return {"edges": edges.tolist(), "density": density.tolist()}
