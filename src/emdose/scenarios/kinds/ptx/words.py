"""A ``ptx`` run in words: on the terminal, and as a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.report import terminal
from emdose.report.pages import methods as writing
from emdose.report.wording import number, words

if TYPE_CHECKING:
    from rich.console import Console


def tell(console: Console, data: Mapping[str, Any]) -> None:
    """Quantities, limits, the bounds, and how far to trust them."""
    about = data["ptx"]
    if about:
        terminal.quantities(console, data["quantities"])
        console.print()
        told = about["matrices"]
        terminal.say(
            console,
            f"{told['points']} virtual observation points bound {told['matrices']} matrices of "
            f"{told['channels']} channels (certificate checked); limits: {about['main']} drive",
        )
        terminal.checks(console, data["checks"], data.get("check_inputs") or {})
        console.print()
    terminal.trust(console, data)


def methods(summary: Mapping[str, Any]) -> writing.Methods:
    """What was solved and how."""
    writer = writing.Writer()
    about = summary["ptx"]
    told = about["matrices"]
    writer.say(
        f"We computed the fields of the {about['channels']} channels of “{words(about['coil'])}” at "
        f"{about['frequency_Hz'] / 1e6:.6g} MHz in the body model “{words(about['body'])}” ({number(about['mass_kg'])} "
        f"kg, voxels of {number(1e3 * about['spacing_m'])} mm)"
    )
    writing.engine(writer, summary)
    writing.tissues(writer, summary)
    writer.say(
        f"SAR of every 10 g cube{writer.cite('averaging')} was written as v^H Q v of the channels' peak amplitudes v; "
        f"the {told['matrices']} matrices were bounded by {told['points']} virtual observation points whose convex "
        f"combinations cover all of them, with {number(100 * told['overestimate'], 2)} % of the largest eigenvalue "
        "added (Eichfelder and Gebhardt 2011, doi 10.1002/mrm.22927; Lee et al. 2012, doi 10.1002/mrm.23140)"
    )
    writer.say(
        "Drives are least squares of the magnitude of B1+ by updates of its phase (Setsompop et al. 2008, doi "
        "10.1002/mrm.21513), under all limits of SAR at once by their dual, with gaps of the last phases below "
        f"{max((one.get('gap', 0.0) for one in about['drives']), default=0.0) or 1e-16:.0e}"
    )
    checks = summary.get("check_inputs") or {}
    if summary.get("checks") and checks.get("standard"):
        writer.say(f"Values were set beside the limits of {checks['standard']}, edition {checks['edition']}")
    writing.uncertainty(writer, summary)
    writing.software(writer, summary)
    return writer.done()
