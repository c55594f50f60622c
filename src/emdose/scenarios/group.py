"""Many finished runs of one kind on one page, with links to the pages of each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.io.disk import atomic
from emdose.io.disk.run_files import REPORT_FILE, SUMMARY_FILE, read_summary
from emdose.report.pages import group_page
from emdose.report.wording import is_finite
from emdose.scenarios.comparison import NAMES, flat
from emdose.scenarios.gate import kind_of, validity

GROUP_FILE = "group.html"
MOST_COLUMNS = 8


def group_of_runs(
    folders: Sequence[Path | str] | Path | str,
    quantities: Sequence[str] | None = None,
    stratum: str | None = None,
    name: str = "",
    beside: Path | None = None,
) -> dict[str, Any]:
    """Finished runs as a group, in the form that their page takes.

    Parameters
    ----------
    folders : Path, or sequence of Path
        Result folders; or one folder that holds them.
    quantities : sequence of str, optional
        Columns; by default the first ones that all runs have.
    stratum : str, optional
        Key of the scenario, such as "phantom.landmark", that splits the runs.
    name : str
        Of the group.
    beside : Path, optional
        Folder of the page, from which links to the pages of the runs lead.

    Raises
    ------
    InputError
        For no result at all, results of different kinds, an unknown quantity or key.
    """
    found = list(_folders(folders))
    summaries = {folder: read_summary(folder) for folder in found}
    kinds = {kind_of(s, f / SUMMARY_FILE).name: f for f, s in summaries.items()}
    if len(kinds) > 1:
        (first, _), (other, file) = list(kinds.items())[:2]
        raise InputError("results of different kinds are no group", file=file, found=f"kind {other}", expected=first)
    judged = {f: validity(s, f / SUMMARY_FILE) for f, s in summaries.items()}
    good = {f: s for f, s in summaries.items() if judged[f].is_valid}
    failed = [{"name": f.name, "reason": " ".join(judged[f].reasons)} for f in found if f not in good]
    if not good:
        raise InputError("none of these results is valid", file=found[0].parent, found=len(found))
    keys = {f: flat(s["scenario"]) for f, s in good.items()}
    if stratum is not None and not any(stratum in k for k in keys.values()):
        raise unknown("no such key in these scenarios", stratum, list(next(iter(keys.values()))), field="stratum")
    varied = [k for k in dict.fromkeys(k for table in keys.values() for k in table) if k not in (*NAMES, stratum)]
    varied = [k for k in varied if len({str(table.get(k)) for table in keys.values()}) > 1]
    columns = _columns(good, quantities)
    runs = [
        {
            "name": f.name,
            "values": {n: (s["quantities"].get(n) or {}).get("value") for n in columns},
            "inputs": {k: keys[f].get(k) for k in varied},
            "stratum": "" if stratum is None else str(keys[f].get(stratum)),
            "link": _link(f / REPORT_FILE, beside),
        }
        for f, s in good.items()
    ]
    notes = [f"{f.name} is questionable: {r}" for f in good for r in judged[f].reasons]
    told = {"units": columns, "runs": runs, "failed": failed, "notes": notes}
    return {"name": name or found[0].resolve().parent.name or "group", **told}


def write_group(
    folders: Sequence[Path | str] | Path | str,
    path: Path | str | None = None,
    quantities: Sequence[str] | None = None,
    stratum: str | None = None,
    name: str = "",
) -> Path:
    """Write one page for many finished runs of one kind.

    Parameters
    ----------
    folders, quantities, stratum, name
        As of :func:`group_of_runs`.
    path : Path or str, optional
        The file; by default group.html in the folder that holds the results, or in the current one.

    Raises
    ------
    InputError
        As of :func:`group_of_runs`.
    OutputError
        When the page cannot be written.
    """
    if path is None:
        path = Path(folders) / GROUP_FILE if isinstance(folders, Path | str) else Path(GROUP_FILE)
    target = Path(path)
    atomic.write_text(target, group_page.render(group_of_runs(folders, quantities, stratum, name, target.parent)))
    return target


def _folders(given: Sequence[Path | str] | Path | str) -> Iterator[Path]:
    if isinstance(given, Path | str):
        root = Path(given)
        found = sorted(f.parent for f in root.glob(f"*/{SUMMARY_FILE}")) if root.is_dir() else []
        if not found:
            raise InputError("no finished results here", file=root, expected="a folder that holds result folders")
        yield from found
        return
    if not given:
        raise InputError("no results", field="folders", expected="one or more")
    yield from map(Path, given)


def _columns(summaries: Mapping[Path, Mapping[str, Any]], asked: Sequence[str] | None) -> dict[str, str]:
    """Quantities and their units."""
    units: dict[str, str] = {}
    for summary in summaries.values():
        units = {n: str(e.get("unit") or "") for n, e in summary["quantities"].items()} | units
    if asked is not None:
        for name in asked:
            if name not in units:
                raise unknown("no such quantity in these results", name, list(units), field="quantities")
        return {n: units[n] for n in asked}
    tables = [s["quantities"] for s in summaries.values()]
    everywhere = [n for n in units if all(is_finite((table.get(n) or {}).get("value")) for table in tables)]
    return {n: units[n] for n in everywhere[:MOST_COLUMNS]}


def _link(page: Path, beside: Path | None) -> str:
    if not page.exists():
        return ""
    return Path(os.path.relpath(page, beside or Path())).as_posix()
