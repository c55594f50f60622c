"""A ``body-gradient`` run in words: on the terminal, and as a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emdose.report import terminal
from emdose.report.pages import methods as writing
from emdose.report.wording import number, words

if TYPE_CHECKING:
    from rich.console import Console


def tell(console: Console, data: Mapping[str, Any]) -> None:
    """Quantities, of every exposure what is nearest to the limits of nerves and heart, and how far to trust them."""
    about = data["body_gradient"]
    if about:
        terminal.quantities(console, data["quantities"])
        console.print()
        terminal.checks(console, nearest(data["checks"]), data.get("check_inputs") or {})
        told = data["convergence"]
        worst = max(port["residual"] for port in told["ports"])
        missed = "" if told["converged"] else "bold red"
        terminal.say(console, f"Residual: {worst:.1e}, tolerance {told['tolerance']:.0e}", missed)
    terminal.warnings(console, data)


def nearest(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of every exposure and mode the counted rows of nerves and of the heart that are nearest to their limits."""
    found: dict[tuple[str, str, bool], Mapping[str, Any]] = {}
    for row in rows:
        if row["counted"] and row["ratio"] is not None:
            key = row["region"].partition(":")[0], row["mode"], "cardiac" in row["quantity"]
            if key not in found or row["ratio"] > found[key]["ratio"]:
                found[key] = row
    return list(found.values())


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
