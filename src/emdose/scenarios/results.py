"""Finished runs of any kind: read back, put on a page or on the terminal, and checked again.

Which kind it is says the summary, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose.errors import InputError
from emdose.io.disk import atomic
from emdose.io.disk.run_files import REPORT_FILE, SUMMARY_FILE, read_summary, require_intact
from emdose.report import terminal
from emdose.scenarios.gate import gated, kind_of, validity
from emdose.scenarios.shared.kind import Result
from emdose.scenarios.shared.results.run import Run
from emdose.validity import NOT_VALID

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.report.pages.methods import Methods


def read_result(folder: Path | str) -> Any:
    """Read what a run left in its folder.

    Parameters
    ----------
    folder : Path or str
        Result folder of a run of any kind.

    Returns
    -------
    Run
        It has ``quantities``, ``validity``, ``report()``, ``to_nifti()`` and whatever every run has, see
        :class:`~emdose.scenarios.Run`; the rest depends on the kind of scenario, such as
        :class:`~emdose.scenarios.kinds.rf.result.result.RunResult`,
        :class:`~emdose.scenarios.kinds.ept.result.EptResult` or
        :class:`~emdose.scenarios.kinds.implant_gradient.result.result.ImplantResult`.

    Raises
    ------
    InputError
        When the folder holds no finished result, its files are damaged, or its kind is not known; nothing of them is
        used then.
    """
    folder = Path(folder)
    summary = gated(read_summary(folder), folder / SUMMARY_FILE)
    require_intact(folder, summary)
    kind = kind_of(summary, folder / SUMMARY_FILE)
    result = kind.read(folder, summary)
    return replace(result, kind=kind) if isinstance(result, Run) else result


def render(result: Result) -> str:
    """The report of a result as HTML text; the reasons alone when it is not valid."""
    summary = gated(result.summary, result.folder)
    if summary["validity"]["state"] == NOT_VALID:
        from emdose.report.pages import withheld

        return withheld.render(summary, result.folder or "")
    if "validity" not in result.summary and is_dataclass(result) and not isinstance(result, type):
        result = replace(result, summary=summary)
    return kind_of(summary, result.folder).page(result)


def write_report(folder_or_result: Path | str | Result, path: Path | str | None = None) -> Path:
    """Write the report of a run as one self-contained HTML file.

    Parameters
    ----------
    folder_or_result : Path, str or Result
        Result folder of a run of any kind, or what :func:`read_result` made of it.
    path : Path or str, optional
        The file; by default ``report.html`` in the result's folder.

    Returns
    -------
    Path
        Where the report is.

    Raises
    ------
    InputError
        When the folder holds no readable result, or the object is no result.
    OutputError
        When the file cannot be written; an older report stays as it was.
    """
    result = read_result(folder_or_result) if isinstance(folder_or_result, Path | str) else folder_or_result
    if not (hasattr(result, "summary") and hasattr(result, "folder")):
        raise InputError(
            "no report of this",
            found=type(result).__name__,
            expected="a result folder, em.read_result(folder), or em.evaluate(exposure, fields) for fields",
        )
    if path is None and result.folder is None:
        raise InputError("this run has no folder yet", field="path", expected="a file name, or .save(folder) first")
    target = Path(path) if path is not None else Path(str(result.folder)) / REPORT_FILE
    atomic.write_text(target, render(result))
    return target


def methods(folder: Path | str) -> Methods:
    """The methods of a finished run as a paragraph ready for a paper, with references; ``str`` wraps it as text.

    Raises
    ------
    NotValidError
        When the result is not valid.
    InputError
        When the folder holds no readable result.
    """
    file = Path(folder) / SUMMARY_FILE
    summary = read_summary(Path(folder))
    validity(summary, file).require(Path(folder))
    return kind_of(summary, file).methods(summary)


def recheck(folder: Path | str, changes: Mapping[str, Any], device: str = "auto") -> dict[str, Any]:
    """The entries "checks" and "check_inputs" of a finished run under other circumstances, without solving again.

    Raises
    ------
    NotValidError
        When the result is not valid.
    InputError
        When the folder holds no readable result, its kind has no limits, or a change does not fit.
    """
    folder = Path(folder)
    summary = read_summary(folder)
    validity(summary, folder / SUMMARY_FILE).require(folder)
    result = read_result(folder)
    return kind_of(result.summary, result.folder).recheck(result, changes, device)


def tell(console: Console, summary: Mapping[str, Any]) -> None:
    """Print the headline numbers of a summary of any kind on the terminal; what makes them doubtful comes first."""
    judged = validity(summary)
    terminal.validity(console, judged)
    if judged.is_valid:
        kind_of(summary).tell(console, summary)
    else:
        terminal.warnings(console, summary)
