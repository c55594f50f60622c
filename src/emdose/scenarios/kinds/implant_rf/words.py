"""An ``implant-rf`` run in words: on the terminal, and as a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.report import terminal
from emdose.report.pages import methods as writing
from emdose.report.wording import number, words

if TYPE_CHECKING:
    from rich.console import Console


def tell(console: Console, data: Mapping[str, Any]) -> None:
    """The numbers, the metal in the peak cube, and how far to trust them."""
    about = data["implant_rf"]
    if about:
        terminal.quantities(console, data["quantities"])
        console.print()
        for row in about["replaced"]:
            said = f"{row['reason']}: {number(1e3 * row['mass_kg'])} g of {words(row['tissue'])}"
            terminal.say(console, f"{said} made room for {words(row['material'])}")
    terminal.trust(console, data)


def methods(summary: Mapping[str, Any]) -> writing.Methods:
    """What was solved and how."""
    writer = writing.Writer()
    about = summary["implant_rf"]
    implant, engine = about["implant"], (summary["provenance"].get("body") or {}).get("engine", "the solver")
    where = f"{about['frequency_Hz'] / 1e6:.6g} MHz"
    coarse, cells = (number(1e3 * about[key]) for key in ("body_spacing_m", "spacing_m"))
    metals = " and ".join(implant["metals"])
    writer.say(
        f"We computed the field of {about['coil']} ({about['drive']} drive, {where}) in “{words(about['body'])}” "
        f"without the implant by {engine} in voxels of {coarse} mm, and with the implant "
        f"“{words(str(implant['name']))}” of {metals} as a perfect conductor in cells of {cells} mm"
    )
    if summary["provenance"].get("engine") == "Subdomain":
        writer.say(
            "The implant scatters the field of the body in a box around it that ends in an absorber; what coil and far "
            "borders of the body send back of that is left out"
        )
    writer.say(
        "SAR was averaged over cubes by the rule of IEC/IEEE 62704-1, grown over metal, which has no mass and no power "
        "and is no background"
    )
    writer.say("Power in the metal follows from its surface resistance and the current density on its surface")
    if summary.get("thermal"):
        writer.say("Temperature rises were computed by Pennes' equation with both powers as sources")
    writing.uncertainty(writer, summary)
    writing.software(writer, summary)
    return writer.done()
