"""A number, or all headline numbers of a scenario, on several grids: how much of them the grid leaves uncertain."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emdose.checks import is_number, positives
from emdose.errors import InputError, NotValidError
from emdose.io.disk import atomic, run_files
from emdose.report import limit_words
from emdose.report.pages import refinement_page
from emdose.scenarios import kinds
from emdose.scenarios.loading import from_tables, load
from emdose.scenarios.results import write_report
from emdose.scenarios.run import RunOutcome, run
from emdose.scenarios.shared.scenario import LoadedScenario
from emdose.solvers.progress import watched
from emdose.solvers.running import Progress, callback
from emdose.uncertainty.discretisation import KIND, Refinement, refinement
from emdose.validity import NOT_VALID
from emdose.values import read_only

REFINE_FILE, PAGE_FILE = "refine.json", "refine.html"
FACTORS = (2.0, 1.5, 1.0)
"""Spacings over that of the scenario where none are given: only coarser grids, which cost little beside it."""

_GRID_FOLDER = re.compile(r"[0-9.e+-]+mm")


@read_only
@dataclass(frozen=True)
class RefinementStudy:
    """Numbers on several grids.

    Parameters
    ----------
    name : str
        Of the scenario or the function.
    numbers : mapping of str to Refinement
        Every number that all grids have, by its name.
    units : mapping of str to str
        Their units; empty where a function did not tell.
    folders : tuple of Path
        Result folders of the grids that count, the finest first; none for a function.
    notes : tuple of str
        What was left out, and why.
    """

    name: str
    numbers: Mapping[str, Refinement]
    units: Mapping[str, str]
    folders: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Refinement:
        return self.numbers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def spacings_m(self) -> tuple[float, ...]:
        """Spacings of the grids, the finest first [m]."""
        return next(iter(self.numbers.values())).spacings_m

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "name": self.name,
            "kind": KIND,
            "spacings_m": list(self.spacings_m),
            "folders": [folder.name for folder in self.folders],
            "notes": list(self.notes),
            "quantities": {k: {"unit": self.units.get(k, ""), **v.to_dict()} for k, v in self.numbers.items()},
        }


@watched
def refine(
    what: Callable[[float], Any] | LoadedScenario | Path | str,
    spacings_m: Sequence[float] | None = None,
    out: Path | str | None = None,
    *,
    device: str = "auto",
    force: bool = False,
    report: bool = True,
    progress: Progress = True,
) -> RefinementStudy:
    """Compute on two, three or more grids, and say what the grid leaves uncertain of the finest one's numbers.

    Parameters
    ----------
    what : callable, LoadedScenario, Path or str
        A function of the spacing [m] that gives a number or a mapping of numbers by name; or a scenario or its file,
        of a kind with a grid of its own. Each grid of a scenario is an ordinary run, in a folder of its own: finished
        ones are served, unfinished ones go on.
    spacings_m : sequence of float, optional
        Spacings of the grids [m]; for a scenario by default its own one and 1.5 and 2 times as much. Ratios of 1.3 and
        more tell the most.
    out : Path or str, optional
        Folder of a scenario's runs, refine.json and refine.html; by default named after its file.
    device : "auto", "cpu" or "cuda"
        Where a scenario is computed.
    force : bool
        Replace earlier results of emdose in the folders.
    report : bool
        Write the page and the report of the finest run.
    progress : bool or callable, optional
        True shows a bar where somebody watches; False is quiet. As of :func:`emdose.run_scenario`.

    Returns
    -------
    RefinementStudy
        Of a scenario, the finest run's summary.json has the same as uncertainty of kind "discretisation", where none
        was stated from elsewhere.

    Raises
    ------
    InputError
        Before anything is solved: for a kind without a grid, a grid that it refuses, fewer than two grids, a folder
        that holds other things.
    NotValidError
        When fewer than two of the runs are valid.
    ResourceError, DeviceError, OutputError
        As of :func:`emdose.run_scenario`; what does not fit the memory before anything is solved.
    """
    if callable(what):
        if spacings_m is None:
            raise InputError("no spacings", field="spacings_m", expected="two or more, for a function of the spacing")
        return _of_function(what, _spacings(spacings_m))
    scenario = what if isinstance(what, LoadedScenario) else load(what)
    kind = kinds.get(scenario.kind)
    own = kind.spacing_m(scenario)
    steps = _spacings([own * f for f in FACTORS] if spacings_m is None else spacings_m)
    folder = Path(out) if out is not None else Path(f"{scenario.file.stem.removesuffix('.lock')}-refined")
    _require_ours(folder)
    ready = []
    for h in steps:
        tables = kind.on_grid(scenario, h)
        tables["scenario"].pop("sha256", None)  # of the scenario on its own grid
        ready.append(from_tables(tables, scenario.file))
    for one, h in zip(ready, steps, strict=True):  # what does not fit is refused before the first of them is solved
        if force or not (folder / _name(h) / run_files.SUMMARY_FILE).exists():
            kind.job(one, device).plan()
    outcomes, tell = {}, callback(progress)
    for one, h in reversed(list(zip(ready, steps, strict=True))):
        outcomes[h] = run(
            one,
            folder / _name(h),
            device=device,
            resume=not force,
            force=force,
            progress=tell,
        )
    study = _of_runs(scenario.name, outcomes)
    _write(study, folder, report)
    return study


def _of_function(function: Callable[[float], Any], steps: Sequence[float]) -> RefinementStudy:
    found = {h: function(h) for h in reversed(steps)}
    name = getattr(function, "__name__", "function")
    if not any(isinstance(v, Mapping) for v in found.values()):
        found = {h: {name: v} for h, v in found.items()}
    return RefinementStudy(name, _refined(found), {})


def _of_runs(name: str, outcomes: Mapping[float, RunOutcome]) -> RefinementStudy:
    notes: list[str] = []
    folders: list[Path] = []
    units: dict[str, str] = {}
    found: dict[float, dict[str, Any]] = {}
    for h, outcome in sorted(outcomes.items()):
        judged = outcome.summary["validity"]
        if judged["state"] == NOT_VALID:
            reasons = " ".join(f["sentence"] for f in judged["findings"] if f["level"] == NOT_VALID)
            notes.append(f"The run on {_mm(h)} is not valid and does not count: {reasons}")
            continue
        folders.append(outcome.folder)
        found[h] = {k: entry["value"] for k, entry in outcome.summary["quantities"].items()}
        units = {k: entry.get("unit", "") for k, entry in outcome.summary["quantities"].items()} | units
    if len(found) < 2:
        raise NotValidError(notes or ["There are no two grids to compare."], ["refinement"], None)
    return RefinementStudy(name, _refined(found), units, tuple(folders), tuple(notes))


def _refined(found: Mapping[float, Mapping[str, Any]]) -> dict[str, Refinement]:
    """Every number that is one on all grids."""
    steps = sorted(found)
    names = [k for k in found[steps[0]] if all(is_number(found[h].get(k)) for h in steps)]
    if not names:
        raise InputError("no number on every grid", found=list(found[steps[0]]), expected="at least one")
    return {k: refinement(steps, [float(found[h][k]) for h in steps]) for k in names}


def _write(study: RefinementStudy, folder: Path, report: bool) -> None:
    """refine.json and refine.html, and the uncertainty into the summary and the report of the finest run."""
    finest = study.folders[0]
    summary = run_files.read_summary(finest)
    for name, entry in summary["quantities"].items():
        stated = entry.get("uncertainty")
        ours = stated is None or (isinstance(stated, Mapping) and stated.get("kind") == KIND)
        if name in study.numbers and ours and study[name].behaviour != "constant":
            entry["uncertainty"] = study[name].uncertainty()
    limit_words.refresh(summary)
    atomic.write_text(finest / run_files.SUMMARY_FILE, run_files.summary_text(summary))
    atomic.write_text(folder / REFINE_FILE, run_files.to_json(study.to_dict(), indent=1) + "\n")
    if report:
        write_report(finest)
        atomic.write_text(folder / PAGE_FILE, refinement_page.render(study.to_dict(), summary, finest))


def _spacings(spacings_m: Sequence[float]) -> list[float]:
    """Spacings in order, the finest first."""
    steps = sorted({round(h, 9) for h in positives("spacings_m", spacings_m).tolist()})
    if len(steps) < 2:
        raise InputError("a refinement needs two grids or more", field="spacings_m", found=steps)
    return steps


def _require_ours(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError("this is a file", file=folder, expected="a folder for the results")
    names = sorted(p.name for p in folder.iterdir()) if folder.exists() else []
    others = [n for n in names if n not in (REFINE_FILE, PAGE_FILE) and not _GRID_FOLDER.fullmatch(n)]
    if others:
        raise InputError(
            "not a folder of refinements",
            file=folder,
            found=others[0],
            expected="an empty or new folder: choose another --out",
        )


def _name(spacing_m: float) -> str:
    return f"{1e3 * spacing_m:.6g}mm"


def _mm(spacing_m: float) -> str:
    return f"{1e3 * spacing_m:.3g} mm"
