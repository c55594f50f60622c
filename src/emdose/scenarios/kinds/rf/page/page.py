"""The page of a run of kind ``rf``."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.report.colours import colour_of
from emdose.report.maps.scene import GLOW, Renderer, Scene, shield_lines
from emdose.report.maps.volumes import colour_table, find_peak, pack
from emdose.report.pages import common_rows, limit_table
from emdose.report.pages.page import capital, fill
from emdose.report.wording import is_finite, number, parameter, words
from emdose.scenarios.kinds.rf.page import closed_form, methods
from emdose.scenarios.kinds.rf.page import content as page_content
from emdose.scenarios.kinds.rf.page import thermal as page_thermal
from emdose.scenarios.kinds.rf.page.network import network

if TYPE_CHECKING:
    from emdose.scenarios.kinds.rf.result.result import RunResult


def render(result: RunResult) -> str:
    """The report as HTML text.

    Parameters
    ----------
    result : RunResult
        What a run left in its folder.
    """
    phantom, summary = result.phantom, result.summary
    maps = page_content.layers(result)
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
    colours = {phantom.tissues[int(label)].name: colour_of(n) for n, label in enumerate(present)}
    volume["tissues"] = [{"name": words(name), "colour": colour} for name, colour in colours.items()]
    volume["colour_tables"] = {name: colour_table(name) for name in sorted({m.colours for m in maps})}
    volume["first"] = hot.key
    rows = limit_table.check_rows({"checks": page_content.limit_rows(summary)})
    b1, b1_place = limit_table.b1plus_rms(summary)
    decided = page_content.decisive_rows(summary, rows)
    exact = closed_form.beside(result)
    page: dict[str, Any] = {
        "title": capital(f"{words(phantom.name)} in {result.coil.name}, {result.frequency_Hz / 1e6:.6g} MHz"),
        "sentence": page_content.sentence(result),
        "banners": page_content.banners(summary, rows),
        "decisive": decided,
        "tiles": [*page_content.tiles(summary, decided), *page_content.exact_tile(exact)],
        "setup": _setup(result),
        **limit_table.section(summary, rows, b1, b1_place),
        "exact": exact,
        "peaks": page_content.peak_rows(result),
        "methods_text": methods.written(summary),
        "convergence": common_rows.convergence(summary),
        "network": network(summary),
        "thermal": page_thermal.thermal(summary),
        "power": common_rows.power(summary),
        "tissues": page_content.tissue_rows(result, colours),
        "frequency_MHz": f"{result.frequency_Hz / 1e6:.6g}",
        "volume": volume,
        "picture": _picture(renderer, result, hot.title, peak is not None),
    }
    return fill(__package__, "report.html.j2", ("planes.js", "viewer.js"), page, folder=result.folder, summary=summary)


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
        ("Metal", _metal(result.summary)),
        ("Frequency", f"{result.frequency_Hz / 1e6:.6g} MHz"),
    ]
    return [(name, text) for name, text in rows if text]


def _metal(summary: Mapping[str, Any]) -> str:
    """The metal of a coil, where its solver knows what it is made of and how finely it is cut."""
    about = summary.get("provenance") or {}
    if about.get("engine") != "Vsie":
        return ""
    conductivity: Any = (about.get("options") or {}).get("conductivity_S_m")
    made = f"{number(1e-6 * conductivity, 3)} MS/m" if is_finite(conductivity) else "without loss"
    count = (summary.get("convergence") or {}).get("metal_unknowns")
    return f"{made}, {count} unknowns" if count else made
