"""Run a sweep into its folder: one task per implant, kept; one table, one page."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emdose import resources
from emdose.errors import EmdoseError
from emdose.io.disk import atomic
from emdose.io.disk.run_files import to_json
from emdose.report.pages import group_page
from emdose.scenarios.shared.results.rows import csv_text
from emdose.scenarios.study.executors import Executor, Failure, executor
from emdose.scenarios.sweep.cases import solve_cases
from emdose.scenarios.sweep.schema import SweepFile, read_sweep
from emdose.scenarios.sweep.sites import check_sites
from emdose.values import read_only

TABLE, JSON, PAGE, KEPT = "sweep.csv", "sweep.json", "group.html", "implants"
SHOWN = {
    "dB/dt rms": ("dbdt_rms_T_s", "T/s"),
    "power": ("power_W", "W"),
    "peak rise": ("rise_K", "K"),
    "peak rise, worst orientation": ("rise_worst_orientation_K", "K"),
    "gradient torque, rms": ("torque_rms_N_m", "N m"),
    "torque over weight times length": ("torque_over_weight_length", "1"),
}


SHOWN_RF = {
    "peak rise by RF": ("rf_rise_K", "K"),
    "10 g SAR": ("rf_psSAR10g_W_kg", "W/kg"),
    "whole-body SAR": ("rf_whole_body_sar_W_kg", "W/kg"),
}


@read_only
@dataclass(frozen=True, eq=False)
class SweepResult:
    """What a sweep found.

    Parameters
    ----------
    folder : Path
        sweep.csv, sweep.json, group.html, and what is kept of every implant.
    cases : sequence of mapping
        One each: implant, field, sequence, region, and their numbers.
    failed : sequence of mapping
        Implants without valid numbers, each with "name" and "reason".
    kept : int
        Implants that an earlier run had solved.
    """

    folder: Path
    cases: Sequence[Mapping[str, Any]]
    failed: Sequence[Mapping[str, str]]
    kept: int

    @property
    def classes(self) -> dict[str, int]:
        """How many cases of switched gradients lie in each class of rise; a scanner's field changes none."""
        return _gradient_classes(self.cases)

    @property
    def rf_classes(self) -> dict[str, int]:
        """The same of RF heating; empty without a table [rf]."""
        return dict(Counter(str(c["rf_class"]) for c in self.cases if "rf_class" in c))


def run_sweep(
    source: Path | str | Mapping[str, Any],
    out: Path | str | None = None,
    *,
    executor_name: str | Executor | None = None,
    device: str = "auto",
    force: bool = False,
    tell: Callable[[str], None] | None = None,
) -> SweepResult:
    """Run all cases of a sweep.

    Parameters
    ----------
    source : Path, str or mapping
        A TOML file, or its tables.
    out : Path or str, optional
        Folder; by default the name of the file with "-sweep".
    executor_name : str or Executor, optional
        Who computes, in the place of what the file says: "serial", "processes:4", "dask://host:port".
    device : str
        "auto", "cpu" or "cuda".
    force : bool
        Whether to compute again what is kept.
    tell : callable, optional
        Takes a sentence as each implant ends.

    Raises
    ------
    InputError
        For a file that is no sweep, or an implant outside the body that RF heats it in.
    EmdoseError
        When no implant has come through.
    """
    tables = read_sweep(source)
    check_sites(tables)
    folder = Path(out) if out is not None else Path(f"{_stem(source)}-sweep")
    (folder / KEPT).mkdir(parents=True, exist_ok=True)
    say = tell or (lambda _: None)
    plain = json.loads(to_json(tables.model_dump(exclude_none=True)))
    tasks, found, kept = [], {}, 0
    for number, name in enumerate(tables.implants):
        task = {"tables": plain, "implant": name, "device": device}
        file = folder / KEPT / f"{number:02d}.json"
        key = _key(tables, name, device)
        before = None if force else _read(file, key)
        if before is None:
            tasks.append((task, file, key))
            continue
        found[name], kept = before, kept + 1
        say(f"{name}: kept from before")
    by_name = {t["implant"]: (file, key) for t, file, key in tasks}
    failed: list[dict[str, str]] = []
    with executor(executor_name or tables.sweep.executor) as workers:
        for done, answer in workers.map(solve_cases, [t for t, _, _ in tasks]):
            name = str(done["implant"])
            if isinstance(answer, Failure):
                failed.append({"name": name, "reason": str(answer)})
                say(f"{name}: {answer}")
                continue
            file, key = by_name[name]
            atomic.write_text(file, to_json({"key": key, **answer}))
            found[name] = answer
            say(f"{name}: {len(answer['cases'])} cases")
    failed += [{"name": n, "reason": " ".join(a["reasons"])} for n, a in found.items() if a["state"] == "not valid"]
    cases = [c for n in tables.implants if n in found for c in found[n]["cases"]]
    if not cases:
        raise EmdoseError(f"no implant of this sweep has valid numbers: {failed[0]['reason'] if failed else 'none'}")
    notes = [f"{n} is questionable: {r}" for n, a in found.items() if a["cases"] for r in a["reasons"]]
    _write(folder, tables, cases, failed, notes)
    return SweepResult(folder, cases, failed, kept)


def _gradient_classes(cases: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    by_case = {(c["implant"], c["sequence"], c["region"]): str(c["class"]) for c in cases}
    return dict(Counter(by_case.values()))


def _counted(classes: Mapping[str, int]) -> str:
    total = sum(classes.values())
    return "; ".join(f"{n} of {total} {name}" for name, n in sorted(classes.items()))


def _write(folder: Path, tables: SweepFile, cases: list[Any], failed: list[dict[str, str]], notes: list[str]) -> None:
    atomic.write_text(folder / TABLE, csv_text(cases))
    classes = _gradient_classes(cases)
    rf = dict(Counter(str(c["rf_class"]) for c in cases if "rf_class" in c))
    shown = {**SHOWN, **(SHOWN_RF if rf else {})}
    told = {"name": tables.sweep.name, "cases": cases, "classes": classes, "rf_classes": rf, "failed": failed}
    atomic.write_text(folder / JSON, to_json({**told, "notes": notes}) + "\n")
    runs = [
        {
            "name": f"{c['implant']}, {c['field_T']:g} T, {c['sequence']}, {c['region']}",
            "values": {name: c[key] for name, (key, _) in shown.items()},
            "inputs": {k: c[k] for k in ("field_T", "sequence", "region", "class")},
            "stratum": c["implant"],
            "link": "",
        }
        for c in cases
    ]
    said = f"Switched gradients in gel, {sum(classes.values())} cases for any field: {_counted(classes)}."
    if rf:
        said += f" RF in the stylised adult, {sum(rf.values())} cases: {_counted(rf)}."
        why = sorted({f"{c['implant']}: {c['rf_reason']}" for c in cases if c.get("rf_reason")})
        notes = [*notes, *(f"no RF heating of {text}" for text in why)]
    else:
        notes = [*notes, "Switched gradients alone: RF heating is not in these numbers."]
    group = {
        "name": tables.sweep.name,
        "units": {name: unit for name, (_, unit) in shown.items()},
        "runs": runs,
        "failed": failed,
        "notes": notes,
        "sentence": f"After {tables.sweep.duration_s:g} s. {said}",
    }
    atomic.write_text(folder / PAGE, group_page.render(group))


def _key(tables: SweepFile, name: str, device: str) -> str:
    """Hash of all that the cases of an implant depend on."""
    told = tables.model_dump(exclude={"implants"}) | {"implant": tables.implants[name].model_dump()}
    told["sweep"] = {k: v for k, v in told["sweep"].items() if k not in ("name", "description", "executor")}
    code = resources.code_sha256("compute", "models", "solvers", "mechanics", "scenarios", "data")
    return hashlib.sha256(to_json([told, name, device, code]).encode()).hexdigest()[:32]


def _read(file: Path, key: str) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("key") == key and "cases" in told else None


def _stem(source: Path | str | Mapping[str, Any]) -> str:
    return "sweep" if isinstance(source, Mapping) else Path(source).stem
