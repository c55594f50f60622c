"""The report of a run: one HTML file that carries everything it shows."""

from __future__ import annotations

import base64
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.io import atomic, files
from emdose.io.ept_results import EptResult
from emdose.io.implant_results import ImplantResult
from emdose.io.results import LOCK_FILE, REPORT_FILE
from emdose.report import content, limit_table, thermal_content
from emdose.report.network_content import network
from emdose.report.scene import GLOW, Renderer, Scene, shield_lines
from emdose.report.volumes import colour_table, find_peak, pack
from emdose.report.wording import number, parameter, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emdose.io.results import RunResult

LARGEST_LOCK_BYTES = 1_000_000


def write_report(
    folder_or_result: Path | str | RunResult | EptResult | ImplantResult, path: Path | str | None = None
) -> Path:
    """Write the report of a run as one self-contained HTML file.

    Parameters
    ----------
    folder_or_result : Path, str, RunResult, EptResult or ImplantResult
        Result folder of a run of any kind, or what :func:`emdose.io.folders.read_result` made of it.
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
        from emdose.io.folders import read_result

        result = read_result(result)
    target = Path(path) if path is not None else Path(result.folder) / REPORT_FILE
    if isinstance(result, EptResult):
        from emdose.report.ept_html import render as render_ept

        atomic.write_text(target, render_ept(result))
    elif isinstance(result, ImplantResult):
        from emdose.report.implant_html import render as render_implant

        atomic.write_text(target, render_implant(result))
    else:
        atomic.write_text(target, render(result))
    return target


def render(result: RunResult) -> str:
    """The report as HTML text.

    Parameters
    ----------
    result : RunResult
        What a run left in its folder.
    """
    phantom, summary = result.phantom, result.summary
    maps = content.layers(result)
    hot = [m for m in maps if m.key.startswith("sar")][-1]
    peak = find_peak(hot.value, phantom.body, phantom.grid)
    scene = Scene(
        phantom.body,
        phantom.grid.spacing_m,
        phantom.grid.origin_m,
        np.asarray(result.coil.segments, float).reshape(-1, 2, 3),
        np.where(phantom.body & np.isfinite(hot.value), hot.value, 0.0),
        None if peak is None else peak.position_m,
        shield_lines(result.coil.parameters),
    )
    renderer = Renderer(scene)  # draws while the rest of the page is made

    volume, present = pack(phantom.grid, phantom.labels, maps)
    colours = {phantom.tissues[int(label)].name: content.colour_of(n) for n, label in enumerate(present)}
    volume["tissues"] = [{"name": words(name), "colour": colour} for name, colour in colours.items()]
    volume["colour_tables"] = {name: colour_table(name) for name in sorted({m.colours for m in maps})}
    volume["first"] = hot.key
    rows = limit_table.check_rows(summary)
    b1, b1_place = limit_table.b1plus_rms(summary)
    groups = limit_table.limit_groups(rows, b1)
    inputs, notes = limit_table.check_inputs(summary)
    version = version_text()
    page: dict[str, Any] = {
        "version": version,
        "title": capital(f"{words(phantom.name)} in {result.coil.name}, {result.frequency_Hz / 1e6:.6g} MHz"),
        "sentence": content.sentence(result),
        "banners": content.banners(summary, rows),
        "tiles": content.tiles(summary),
        "setup": _setup(result),
        "groups": groups,
        "document": limit_table.common_document(rows),
        "b1_place": b1_place,
        "inputs": inputs,
        "notes": notes,
        "sources": limit_table.footnotes(rows, "source"),
        "remarks": limit_table.footnotes(rows, "note"),
        "peaks": content.peak_rows(result),
        "block": volume["block"],
        "convergence": content.convergence(summary),
        "network": network(summary),
        "thermal": thermal_content.thermal(summary),
        "power": content.power(summary),
        "tissues": content.tissue_rows(result, colours),
        "frequency_MHz": f"{result.frequency_Hz / 1e6:.6g}",
        "quantities": content.quantity_rows(summary),
        "provenance": content.provenance(summary),
        "lock": lock_text(result),
        "cite": cite(version),
        "volume": volume,
        "picture": _picture(renderer, result, hot.title, peak is not None),
    }
    return fill("report.html.j2", ("planes.js", "viewer.js"), page)


def fill(name: str, scripts: Sequence[str], page: dict[str, Any]) -> str:
    """A page from its template, with style and scripts inside.

    Parameters
    ----------
    name : str
        Template.
    scripts : sequence of str
        Files beside it, which follow ``shared.js``.
    page : dict
        What the template needs.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("emdose.report", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)

    def own(*files: str) -> Markup:
        # Style and script are our own files: they go in as they are, not as templates.
        return Markup("\n".join(loader.get_source(environment, file)[0] for file in files))

    parts = {"css": own("report.css"), "script": own("shared.js", *scripts)}
    return environment.get_template(name).render(**page, **parts)


def cite(version: str) -> str:
    """How to cite a run."""
    return (f"The emdose developers, emdose {version}: numerical dosimetry for MRI safety and electric properties "
            "tomography. Cite with the version, the hashes above and the sources of the tissue data.")  # fmt: skip


def _picture(renderer: Renderer, result: RunResult, title: str, marked: bool) -> dict[str, str]:
    png, problem = renderer.png()
    conductors = len(result.coil.segments)
    shown = f"{result.coil.name} around {words(result.phantom.name)}" if conductors else words(result.phantom.name)
    spot = (
        f" The red ball marks the peak of {title}; orange surrounds what exceeds {100 * GLOW:g} % of it."
        if marked and not problem
        else (f" The red dot marks the peak of {title}." if marked else "")
    )
    shield = " Grey lines are its shield." if len(shield_lines(result.coil.parameters)) else ""
    spot = shield + spot
    return {
        "source": "data:image/png;base64," + base64.b64encode(png).decode("ascii"),
        "alt": f"Three-dimensional picture of {shown}.{spot}",
        "caption": f"{capital(shown)}.{spot}" + ("" if conductors else " The source has no conductors to show."),
        "note": f"Simplified picture: {problem}." if problem else "",
    }


def _setup(result: RunResult) -> list[tuple[str, str]]:
    grid = result.phantom.grid
    given = {k: v for k, v in result.coil.parameters.items() if v is not None and v != result.coil.name}
    built = ", ".join(parameter(str(k), v) for k, v in given.items())
    rows = [
        ("Body", words(result.phantom.name)),
        ("Body's origin", str(getattr(result.phantom, "source", "") or "–")),
        ("Mass, volume", f"{number(result.phantom.mass_kg, 4)} kg, {number(1e3 * result.phantom.volume_m3, 4)} L"),
        (
            "Voxels",
            " × ".join(map(str, grid.shape)) + " of " + " × ".join(f"{1e3 * s:.4g}" for s in grid.spacing_m) + " mm",
        ),
        ("Tissue voxels", f"{int(result.phantom.body.sum()):,}".replace(",", "\u202f")),
        ("Source", result.coil.name),
        ("Built from", built),
        ("Frequency", f"{result.frequency_Hz / 1e6:.6g} MHz"),
    ]
    return [(name, text) for name, text in rows if text]


def lock_text(result: RunResult | EptResult | ImplantResult) -> str:
    """Text of the scenario's lock file when it lies in the result's folder, else what the summary says."""
    path = Path(result.folder) / LOCK_FILE
    try:
        return files.read_bytes(path, "the lock file of a scenario", LARGEST_LOCK_BYTES).decode("utf-8", "replace")
    except InputError:
        return "\n".join(f"{k} = {v}" for k, v in content.flat(result.summary.get("scenario", {})))


def capital(text: str) -> str:
    """A text that begins with a capital."""
    return text[:1].upper() + text[1:]


def version_text() -> str:
    """Version of emdose."""
    try:
        return metadata.version("emdose")
    except metadata.PackageNotFoundError:
        return "(not installed)"
