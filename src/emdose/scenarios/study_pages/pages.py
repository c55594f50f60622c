"""The pages of a study: what is uncertain of every output, and one page for all of its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk import atomic
from emdose.report.pages import group_page, study_page
from emdose.scenarios.study.result import BETWEEN, StudyCase, StudyResult, read_study
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.report.maps.map_set import MapSet

STUDY_PAGE, GROUP_PAGE = "study.html", "runs.html"
QUANTILES = (0.025, 0.05, 0.5, 0.95, 0.975, 0.99)
DRAWS = 20_000
BINS, POINTS = 48, 160
KERNEL = 2_000
"""Draws that the curve of the density is made of."""


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
        By output, what the grid leaves among the rows.
    limits : mapping of str to sequence of mappings, optional
        By output, each "limit", "label", "standing" and "doubtful".
    p_exceed : mapping of str to mapping of str to float, optional
        By output and label of a limit, the probability that it is exceeded.
    """
    mean, std, value, sobol = result.mean, result.std, result.value, result.sobol
    loo = result.loo if result.method == "chaos" else {}
    quantiles = {q: result.quantile(q) for q in QUANTILES}
    draws, weights = _draws(result)
    outputs: dict[str, Any] = {}
    for k, name in enumerate(result.names):
        budget = (budgets or {}).get(name)
        outputs[name] = {
            "unit": result.units.get(name, ""),
            "value": value[name],
            "mean": mean[name],
            "sd": std[name],
            "budget": None if budget is None else budget.to_dict(),
            "first": _told(sobol[name]["first"]),
            "total": None if result.method == "budget" else _told(sobol[name]["total"]),
            "indices": "Shares of a linear model" if result.method == "budget" else "Sobol indices",
            "words": result.words(name),
            "loo": loo.get(name),
            "quantiles": {f"{q:g}": quantiles[q][name] for q in QUANTILES},
            "limits": [dict(x) for x in (limits or {}).get(name, ())],
            "p_exceed": dict((p_exceed or {}).get(name, {})),
            **_density(draws[:, k], weights, mean[name], std[name], normal=result.method == "budget"),
        }
    found = {i.name: i.to_dict() | {"law": str(i.law)} for c in result.cases if c.inputs for i in c.inputs.inputs}
    return {
        "name": result.name,
        "method": result.method,
        "samples": result.samples,
        "cached": result.cached,
        "seconds": result.seconds,
        "coverage": result.coverage,
        "notes": list(result.notes),
        "failed": [{"inputs": dict(o.inputs), "error": o.error, "tries": o.tries} for o in result.failed],
        "inputs": list(found.values()),
        "strata": [_stratum(case, result.names) for case in result.cases],
        "outputs": outputs,
    }


def write_study_page(
    study: StudyResult | Path | str,
    path: Path | str | None = None,
    *,
    budgets: Mapping[str, Any] | None = None,
    limits: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    p_exceed: Mapping[str, Mapping[str, float]] | None = None,
    summary: Mapping[str, Any] | None = None,
    maps: MapSet | None = None,
) -> Path:
    """Write the page of a study as one self-contained HTML file.

    Parameters
    ----------
    study : StudyResult, Path or str
        The study or its folder.
    path : Path or str, optional
        The file; study.html in its folder by default.
    budgets, limits, p_exceed
        As of :func:`study_table`.
    summary : mapping, optional
        Of the run at the nominal values, for its provenance.
    maps : MapSet, optional
        Maps of the standard deviation, relative to the mean.

    Raises
    ------
    InputError
        When there is no study, or no place for its page.
    OutputError
        When the page cannot be written.
    """
    result = study if isinstance(study, StudyResult) else read_study(study)
    page = study_page.render(study_table(result, budgets, limits, p_exceed), summary, result.folder or "", maps)
    return _written(result, path, STUDY_PAGE, page)


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
        As of :func:`study_table`.
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
    """Write one page for all samples of a study; parameters and errors as of :func:`write_study_page`."""
    result = study if isinstance(study, StudyResult) else read_study(study)
    return _written(result, path, GROUP_PAGE, group_page.render(group_table(result, outputs, limits)))


def _written(result: StudyResult, path: Path | str | None, name: str, page: str) -> Path:
    if path is None and result.folder is None:
        raise InputError("this study is in no folder", field="path", expected="a file for its page")
    target = Path(path) if path is not None else Path(result.folder or "") / name
    atomic.write_text(target, page)
    return target


def _told(shares: Mapping[str, float]) -> dict[str, float]:
    """Shares with words for what differs between the strata."""
    return {("between strata" if name == BETWEEN else name): float(v) for name, v in shares.items()}


def _inputs(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} = {v:.4g}" if isinstance(v, float) else f"{k} = {v}" for k, v in given.items())


def _draws(result: StudyResult) -> tuple[np.ndarray, np.ndarray]:
    """Values (n, m) of the mixture of all cases, and their weights (n,)."""
    values, weights = [], []
    for n, case in enumerate(result.cases):
        if case.inputs is None or not len(case.X) or result.method == "budget":
            found = np.asarray(case.value, float)[None]
        elif result.method == "chaos":
            found = np.asarray(case.chaos.sample(max(200, DRAWS // len(result.cases)), seed=n), float)
        else:
            found = np.asarray(case.Y, float)
        values.append(found)
        weights.append(np.full(len(found), case.weight / len(found)))
    return owned(np.concatenate(values)), owned(np.concatenate(weights))


def _density(values: np.ndarray, weights: np.ndarray, mean: float, sd: float, *, normal: bool) -> dict[str, Any]:
    """Histogram of draws and a curve through them; of a budget the normal law that it stands for."""
    if not sd > 0:
        return {}
    if normal:
        x = np.linspace(mean - 3.5 * sd, mean + 3.5 * sd, POINTS)
        density = np.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
        return {"pdf": {"x": x.tolist(), "density": density.tolist()}}
    good = np.isfinite(values)
    values, weights = values[good], weights[good] / weights[good].sum()
    bins = min(BINS, max(8, int(np.sqrt(len(values)))))
    density, edges = np.histogram(values, bins, weights=weights, density=True)
    histogram = {"edges": edges.tolist(), "density": density.tolist()}
    step = max(1, len(values) // KERNEL)
    some, share = values[::step], weights[::step] / weights[::step].sum()
    width = sd * len(some) ** -0.2  # Scott's rule
    x = np.linspace(some.min() - 2 * width, some.max() + 2 * width, POINTS)
    curve = np.exp(-0.5 * ((x[:, None] - some) / width) ** 2) @ share / (width * np.sqrt(2 * np.pi))
    return {"histogram": histogram, "pdf": {"x": x.tolist(), "density": curve.tolist()}}


def _stratum(case: StudyCase, names: Sequence[str]) -> dict[str, Any]:
    told = {n: {"mean": float(case.mean[k]), "sd": float(case.sd[k])} for k, n in enumerate(names)}
    return {"name": case.name, "weight": case.weight, "outputs": told}
