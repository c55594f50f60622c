"""A ``lead`` run in words: on the terminal, and as a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.report import terminal
from emdose.report.pages import methods as writing
from emdose.report.wording import number, words

if TYPE_CHECKING:
    from rich.console import Console


def tell(console: Console, data: Mapping[str, Any]) -> None:
    """The headline numbers, what they rest on, and drive by drive."""
    about = data["lead"]
    if not about:
        terminal.warnings(console, data)
        return
    terminal.quantities(console, data["quantities"])
    console.print()
    tf, what = about["about"]["transfer_function"], about["about"]
    origin = "moment method" if tf["computed"] else "file"
    terminal.say(
        console,
        f"Transfer function ({origin}): {tf['quantity']}, medium {tf['permittivity']:g} and "
        f"{tf['conductivity_S_m']:g} S/m, {tf['time_convention']}",
    )
    terminal.say(console, f"{what['paths']} paths of {1e3 * what['length_m']:.0f} mm; path 0 is the nominal one")
    for case in about["cases"]:
        terminal.say(
            console,
            f"{case['name']}: 95th percentile {number(case['p95'])}, worst {number(case['worst'])}, "
            f"tier 1 bound {number(case['tier1'])} {about['unit'] or 'V^2'}",
        )
    if about["budget"] is None:
        terminal.say(console, "No table [budget]: the numbers of tier 3 state no uncertainty", "yellow")
    else:
        terminal.say(console, "U holds what the table [budget] states; that of the voxels comes from emdose refine")
    terminal.warnings(console, data)


def methods(summary: Mapping[str, Any]) -> writing.Methods:
    """What was solved and how."""
    writer = writing.Writer()
    about = summary["lead"]["about"]
    tf = about["transfer_function"]
    writer.say(
        f"We computed the {words(tf['quantity'])} of the lead “{words(str(about['name']))}” "
        f"({number(1e3 * about['length_m'])} mm) in the body model “{words(str(about['body']))}” exposed to "
        f"{about['source']} at {about['frequency_Hz'] / 1e6:.6g} MHz by its transfer function (tier 3 of ISO/TS 10974)"
    )
    medium = f"relative permittivity {tf['permittivity']:g} and {tf['conductivity_S_m']:g} S/m"
    if tf["computed"]:
        writer.say(f"The transfer function was computed by a thin-wire moment method in a medium of {medium}")
    else:
        writer.say(f"The transfer function was read from a file; it holds for a medium of {medium}")
    writer.say(
        f"Tangential fields without the lead were interpolated from the edges of each component along {about['paths']} "
        "smooth random paths around the nominal one"
    )
    writing.engine(writer, summary)
    writing.uncertainty(writer, summary)
    writing.software(writer, summary)
    return writer.done()
