"""A ``force`` run in words: on the terminal, and as a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.report import terminal
from emdose.report.pages import methods as writing
from emdose.report.wording import number, words

if TYPE_CHECKING:
    from rich.console import Console


def tell(console: Console, data: Mapping[str, Any]) -> None:
    """The rows, where forces were computed, and how far to trust them."""
    about = data["force"]
    if not about:
        terminal.warnings(console, data)
        return
    terminal.quantities(console, data["quantities"])
    console.print()
    terminal.say(console, f"Forces at {about['field']['place']}")
    if "largest_gradient" in about["field"]:
        terminal.say(console, f"Largest gradient (counts where saturated): {about['field']['largest_gradient']}")
    for name, one in about["materials"].items():
        span = f"{one['chi_low']:.3g} to {one['chi_high']:.3g}"
        terminal.say(console, f"{name}: susceptibility {one['chi']:.3g}, range {span} ({one['source'] or 'no source'})")
    for note in about["notes"]:
        terminal.say(console, note, "yellow")
    terminal.say(console, "Ratios beside reference points; the documents behind them set no limit")
    terminal.warnings(console, data)


def methods(summary: Mapping[str, Any]) -> writing.Methods:
    """What was solved and how."""
    writer = writing.Writer()
    about = summary["force"]
    body, field = about["body"], about["field"]
    metals = " and ".join(body["metals"])
    writer.say(
        f"We computed forces and torques on the implant “{words(str(body['name']))}” "
        f"({number(1e3 * body['mass_kg'])} g of {metals}) at {number(_length(field['B0_T']))} T"
    )
    solved = about["frequencies"]
    cited = writer.cite("peec", "peec voxels", "prostheses")
    lowest = f"{solved[0]['frequency_Hz']:.3g} Hz, low enough for motion"
    writer.say(
        f"The induced moment was solved by partial elements on voxels{cited} at {len(solved)} frequencies from {lowest}"
    )
    writer.say(
        f"Forces of magnetisation were computed at {field['place']} from susceptibilities with their ranges, the "
        "demagnetising factors being those of the ellipsoid of the same inertia"
    )
    writing.uncertainty(writer, summary)
    writing.software(writer, summary)
    return writer.done()


def _length(vector: Any) -> float:
    return float(sum(float(v) ** 2 for v in vector) ** 0.5)
