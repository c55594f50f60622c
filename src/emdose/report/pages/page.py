"""The frame of every page: template, style and scripts in one HTML file that carries everything it shows."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose.errors import InputError
from emdose.io.disk import files
from emdose.io.disk.run_files import LOCK_FILE
from emdose.report.pages import budgets, common_rows
from emdose.report.wording import flat, without_folders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LARGEST_LOCK_BYTES = 1_000_000


def fill(
    package: str | None,
    name: str,
    scripts: Sequence[str],
    page: Mapping[str, Any],
    *,
    folder: Path | str | None,
    summary: Mapping[str, Any],
) -> str:
    """A page from its template, with style and scripts inside.

    What every page has of a summary is there without being asked for: what its entry "validity" finds as first
    banners, ``quantities`` and ``provenance`` as rows, the budgets of its entry "uncertainty", the lock file as
    ``lock``, ``version`` and ``cite``.

    Parameters
    ----------
    package : str or None
        The package that holds the template and the scripts that are not shared; None where all are shared.
    name : str
        Template.
    scripts : sequence of str
        Files beside it, which follow ``shared.js``.
    page : dict
        What the template needs: ``title``, ``sentence``, ``banners``, ``decisive`` and ``tiles`` of
        :mod:`~emdose.report.pages.decisive`, and what is its own; the JSON that scripts read goes into ``volume``.
    folder, summary : Path, mapping
        Of the result.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    own_folder = [] if package is None else [PackageLoader(str(package), ".")]
    loader = ChoiceLoader([PackageLoader(str(__package__), "templates"), *own_folder])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)

    def own(*files: str) -> Markup:
        # Style and script are our own files: they go in as they are, not as templates.
        return Markup("\n".join(loader.get_source(environment, file)[0] for file in files))

    version = version_text()
    common = {
        "quantities": common_rows.quantity_rows(summary),
        "provenance": common_rows.provenance(summary),
        "lock": lock_text(folder, summary),
        "lock_name": lock_name(summary),
        "version": version,
        "cite": cite(version),
        "volume": {},
        "uncertainty": budgets.section(summary),
        "methods_text": None,
        "decisive": [],
        "tiles": [],
    }
    page = {**page, "banners": [*common_rows.validity_banners(summary), *page.get("banners", [])]}
    parts = {"css": own("report.css"), "script": own("shared.js", "copy.js", *scripts, "downloads.js")}
    told = {k: v if k == "volume" else without_folders(v) for k, v in {**common, **page}.items()}
    return environment.get_template(name).render(**told, **parts)


def cite(version: str) -> str:
    """How to cite a run."""
    return (
        f"The emdose developers, emdose {version}: numerical dosimetry for MRI safety and electric properties "
        "tomography. Cite with the version, the hashes above and the sources of the tissue data."
    )


def lock_text(folder: Path | str | None, summary: Mapping[str, Any]) -> str:
    """Text of the scenario's lock file when it lies in the result folder, else what the summary says."""
    try:
        if folder is None:
            raise InputError("not saved")
        path = Path(folder) / LOCK_FILE
        return files.read_bytes(path, "the lock file of a scenario", LARGEST_LOCK_BYTES).decode("utf-8", "replace")
    except InputError:
        return "\n".join(f"{k} = {v}" for k, v in flat(summary.get("scenario", {})))


def lock_name(summary: Mapping[str, Any]) -> str:
    """File name under which a page offers the scenario with its defaults."""
    header = (summary.get("scenario") or {}).get("scenario") or {}
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in str(header.get("name") or "scenario"))
    return f"{name}.lock.toml"


def capital(text: str) -> str:
    """A text that begins with a capital, unless it begins with a symbol such as dB/dt."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]


def version_text() -> str:
    """Version of emdose."""
    try:
        return metadata.version("emdose")
    except metadata.PackageNotFoundError:
        return "(not installed)"
