"""The report of a run: one HTML file that carries everything it shows."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose.errors import InputError
from emdose.io.disk import atomic, files
from emdose.io.disk.run_files import LOCK_FILE, REPORT_FILE
from emdose.report import common_rows
from emdose.scenarios.kinds.ept.result import EptResult
from emdose.scenarios.kinds.implant_gradient.result import ImplantResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emdose.scenarios.kinds.rf.result import RunResult

LARGEST_LOCK_BYTES = 1_000_000


def write_report(
    folder_or_result: Path | str | RunResult | EptResult | ImplantResult, path: Path | str | None = None
) -> Path:
    """Write the report of a run as one self-contained HTML file.

    Parameters
    ----------
    folder_or_result : Path, str, RunResult, EptResult or ImplantResult
        Result folder of a run of any kind, or what :func:`emdose.read_result` made of it.
    path : Path or str, optional
        The file; by default ``report.html`` in the result's folder.

    Returns
    -------
    Path
        Where the report is.

    Raises
    ------
    InputError
        When the folder holds no readable result.
    OutputError
        When the file cannot be written; an older report stays as it was.
    """
    result = folder_or_result
    if isinstance(result, Path | str):
        from emdose.scenarios.results import read_result

        result = read_result(result)
    target = Path(path) if path is not None else Path(result.folder) / REPORT_FILE
    if isinstance(result, EptResult):
        from emdose.scenarios.kinds.ept.page import render as render_ept

        atomic.write_text(target, render_ept(result))
    elif isinstance(result, ImplantResult):
        from emdose.scenarios.kinds.implant_gradient.page import render as render_implant

        atomic.write_text(target, render_implant(result))
    else:
        from emdose.scenarios.kinds.rf.page import render

        atomic.write_text(target, render(result))
    return target


def fill(package: str | None, name: str, scripts: Sequence[str], page: dict[str, Any]) -> str:
    """A page from its template, with style and scripts inside.

    Parameters
    ----------
    package : str
        The package that holds the template and the scripts that are not shared.
    name : str
        Template.
    scripts : sequence of str
        Files beside it, which follow ``shared.js``.
    page : dict
        What the template needs.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = ChoiceLoader([PackageLoader(str(__package__), "templates"), PackageLoader(str(package), ".")])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)

    def own(*files: str) -> Markup:
        # Style and script are our own files: they go in as they are, not as templates.
        return Markup("\n".join(loader.get_source(environment, file)[0] for file in files))

    parts = {"css": own("report.css"), "script": own("shared.js", *scripts)}
    return environment.get_template(name).render(**page, **parts)


def cite(version: str) -> str:
    """How to cite a run."""
    return (
        f"The emdose developers, emdose {version}: numerical dosimetry for MRI safety and electric properties "
        "tomography. Cite with the version, the hashes above and the sources of the tissue data."
    )


def lock_text(result: RunResult | EptResult | ImplantResult) -> str:
    """Text of the scenario's lock file when it lies in the result's folder, else what the summary says."""
    path = Path(result.folder) / LOCK_FILE
    try:
        return files.read_bytes(path, "the lock file of a scenario", LARGEST_LOCK_BYTES).decode("utf-8", "replace")
    except InputError:
        return "\n".join(f"{k} = {v}" for k, v in common_rows.flat(result.summary.get("scenario", {})))


def capital(text: str) -> str:
    """A text that begins with a capital."""
    return text[:1].upper() + text[1:]


def version_text() -> str:
    """Version of emdose."""
    try:
        return metadata.version("emdose")
    except metadata.PackageNotFoundError:
        return "(not installed)"
