"""The methods of an ``implant-gradient`` run as a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emdose.report.pages import methods
from emdose.report.wording import is_finite, number, words


def written(summary: Mapping[str, Any]) -> methods.Methods:
    """Eddy currents, exposures, heat."""
    writer = methods.Writer()
    about, scenario = summary["implant"], summary.get("scenario") or {}
    body = about["body"]
    metals = " and ".join(dict.fromkeys(str(p["metal"]) for p in body["parts"]))
    mass, name = number(1e3 * body["mass_kg"]), words(str(body["name"]))
    writer.say(
        f"We computed power and temperature of the implant “{name}” ({mass} g of {metals}) in switched gradient fields"
    )
    solved = about["frequencies"]
    span = [f"{r['frequency_Hz']:.4g}" for r in (solved[0], solved[-1])]
    band = f"at {span[0]} Hz" if len(solved) == 1 else f"at {len(solved)} frequencies from {span[0]} to {span[1]} Hz"
    engines = {r["engine"] for r in solved}
    if "voxel" in engines:
        tolerance = (summary.get("convergence") or {}).get("tolerance")
        to = f" to a relative residual of {methods.plain(tolerance)}" if is_finite(tolerance) else ""
        writer.say(
            f"Eddy currents {band} were solved by partial elements on voxels"
            f"{writer.cite('peec', 'peec voxels', 'prostheses')}{to}"
        )
    if "thin-skin" in engines:
        writer.say("Where the skin is thin, a surface integral equation with an impedance of the surface was solved")
    exposures = ", ".join(f"“{name}” ({one['title']})" for name, one in about["exposures"].items())
    writer.say(f"The exposures are {exposures}")
    if about.get("gradients"):
        writer.say(f"The gradient fields are those of {words(str(about['gradients']['name']))}")
    spacing: Any = (scenario.get("thermal") or {}).get("spacing_m")
    on = f" on voxels of {methods.grid_text([spacing])}" if is_finite(spacing) else ""
    writer.say(f"Temperatures were computed by the bioheat equation{writer.cite('pennes')}{on}")
    methods.tissues(writer, summary, "thermal")
    methods.uncertainty(writer, summary)
    methods.software(writer, summary)
    return writer.done()
