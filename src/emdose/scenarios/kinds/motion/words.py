"""A ``motion`` run in words: on the terminal, and as a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.report import terminal
from emdose.report.pages import methods as writing
from emdose.report.wording import number, words

if TYPE_CHECKING:
    from rich.console import Console

TYPES = {
    "walk-up": "walking up to the magnet",
    "walk-past": "walking past the magnet",
    "turn": "turning",
    "nod": "nodding",
    "shake": "shaking the head",
    "bend": "bending over",
    "table-in": "the table moving in",
    "file": "poses of a file",
}


def tell(console: Console, data: Mapping[str, Any]) -> None:
    """Quantities, limits, and how far to trust them."""
    if data["motion"]:
        terminal.quantities(console, data["quantities"])
        console.print()
        terminal.checks(console, [r for r in data["checks"] if r["counted"]], data.get("check_inputs") or {})
    convergence = data["convergence"]
    if convergence:
        worst = max((p["residual"] for p in convergence["ports"]), default=0.0)
        text = f"Residual: {worst:.1e}, tolerance {convergence['tolerance']:.0e}; power and work differ by "
        terminal.say(
            console, text + f"{100 * convergence['balance']:.1g} %", "" if convergence["converged"] else "bold red"
        )
    terminal.warnings(console, data)


def methods(summary: Mapping[str, Any]) -> writing.Methods:
    """What was solved and how."""
    writer = writing.Writer()
    about = summary["motion"]
    moves = "; ".join(
        f"{TYPES[one['type']]} ({one['part']}, {number(one['duration_s'])} s{_speed(one)})"
        for one in about["trajectories"].values()
    )
    writer.say(
        f"We computed what “{words(about['body'])}” goes through in the static field of “{about['magnet']}” along "
        f"rigid trajectories: {moves}"
    )
    counts = " and ".join(f"{one['motions']} for the {part}" for part, one in about["parts"].items())
    writer.say(
        "A body that moves with the velocity v sees v x B as an impressed electric field; the induced field was solved "
        f"by the scalar-potential finite-difference method on voxels of {number(1e3 * about['spacing_m'])} mm with "
        f"tissue properties at {about['frequency_Hz']:g} Hz, displacement currents and the field of the induced "
        f"currents neglected. Some motions were solved for ({counts}), and every pose is a sum of them that leaves out "
        f"at most {max(one['left_out'] for one in about['trajectories'].values()):.1g} of the largest dB/dt"
    )
    if about["implant"]:
        writer.say(
            f"The implant “{words(about['implant'])}” was a good conductor in the body; torque, drag and heat of its "
            "own eddy currents follow from its power tensor at f -> 0 and the field in its middle"
        )
    writer.say(
        "B, its largest change within 3 s and dB/dt, in the axes of the body, were read at its surface, where they are "
        "largest; of the magnitude of E we state the maximum, the 99.9th and the 99th percentile of every tissue, the "
        "vector average over cubes of 2 mm (ICNIRP 2010), and the average along lines of 5 mm (IEEE C95.1), at the "
        "moments when percentiles are largest"
    )
    if about["documents"]:
        writer.say(
            "Weighted peaks are those of filters of first order with the corners of the limits, for voxels at the 99th "
            f"percentile of their tissue, beside {', '.join(about['documents'])} as public sources quote them"
        )
    writing.uncertainty(writer, summary)
    writing.software(writer, summary)
    return writer.done()


def _speed(one: Mapping[str, Any]) -> str:
    if one["fastest_m_s"] > 1e-6:
        return f", up to {number(one['fastest_m_s'])} m/s"
    return f", up to {number(one['fastest_rad_s'])} rad/s"
