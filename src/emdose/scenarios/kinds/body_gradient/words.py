"""A ``body-gradient`` run in words: on the terminal, and as a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.report import terminal
from emdose.report.pages import methods as writing
from emdose.report.wording import number, words

if TYPE_CHECKING:
    from rich.console import Console


def tell(console: Console, data: Mapping[str, Any]) -> None:
    """Quantities, limits, and how far to trust them."""
    if data["body_gradient"]:
        terminal.quantities(console, data["quantities"])
        console.print()
        counted = [row for row in data["checks"] if row["counted"]]
        terminal.checks(console, counted, data.get("check_inputs") or {})
    terminal.trust(console, data)


def methods(summary: Mapping[str, Any]) -> writing.Methods:
    """What was solved and how."""
    writer = writing.Writer()
    about = summary["body_gradient"]
    cells = number(1e3 * about["spacing_m"])
    coils = f"the gradient coils “{about['gradients']}”" if about["gradients"] else "uniform switched fields"
    writer.say(
        f"We computed the electric field that {coils} induce in “{words(about['body'])}” by the scalar-potential "
        f"finite-difference method on voxels of {cells} mm with tissue properties at {about['frequency_Hz']:g} Hz; "
        "displacement currents and the field of the induced currents were neglected"
    )
    if about["implant"]:
        writer.say(f"The implant “{words(about['implant'])}” was a good conductor in the body")
    writer.say(
        "Of the magnitude of E, largest over time, we state the maximum, the 99.9th and the 99th percentile of every "
        "tissue, the vector average over cubes of 2 mm (ICNIRP 2010), and the average along lines of 5 mm (IEEE C95.1)"
    )
    if about["checks"]:
        writer.say(f"Values were compared with the limits of {about['checks']} as public sources quote them")
    writing.uncertainty(writer, summary)
    writing.software(writer, summary)
    return writer.done()
