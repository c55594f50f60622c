"""Charts of numbers with their intervals, as inline SVG: differences about zero, and strips of many runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from emdose.report.charts.charts import CURVES
from emdose.report.wording import number

WIDTH, LEFT, RIGHT, TOP, LINE = 640, 210, 18, 12, 22


def difference_chart(rows: Sequence[Mapping[str, Any]], axis: str) -> Markup:
    """Differences with their intervals about zero, a row each.

    Parameters
    ----------
    rows : sequence of mappings
        "name", "value" and "u", the half width of its interval or None; "apart" colours those whose interval leaves
        zero out.
    axis : str
        What the horizontal axis is.
    """
    if not rows:
        return Markup("")
    reaches = sorted(abs(r["value"]) + (r["u"] or 0.0) for r in rows)
    # A few intervals far wider than the others leave the picture, without their ends.
    reach = max(min(reaches[-1], 4 * reaches[len(reaches) // 2]), *(abs(r["value"]) for r in rows), 1e-12)
    low, high = -1.08 * reach, 1.08 * reach
    bottom = TOP + LINE * len(rows)

    def x(v: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (v - low) / (high - low)

    parts = grid_lines(x, low, high, TOP, bottom)
    parts.append(f'<line class="truth" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{TOP}" y2="{bottom}"/>')
    for n, row in enumerate(rows):
        y = TOP + LINE * (n + 0.5)
        colour = CURVES[1] if row.get("apart") else CURVES[0]
        parts.append(
            f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{escape(shortened(row["name"], 27))}</text>'
        )
        if row["u"] is not None:
            ends = [row["value"] - row["u"], row["value"] + row["u"]]
            cut = [min(max(end, low), high) for end in ends]
            parts.append(_line(x(cut[0]), y, x(cut[1]), y, colour))
            parts += [_line(x(e), y - 5, x(e), y + 5, colour) for e, kept in zip(ends, cut, strict=True) if e == kept]
        parts.append(f'<circle cx="{x(row["value"]):.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
    parts.append(_title(axis, bottom + 34))
    return framed(parts, bottom, f"{axis} of {len(rows)} quantities")


def grid_lines(x: Any, low: float, high: float, top: float, bottom: float) -> list[str]:
    """Vertical lines at round values from low to high, each with its number below."""
    step = nice((high - low) / 6)
    parts = []
    for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        at = x(n * step)
        text = f"{n * step:.6g}".replace("-", "\u2212") if 1e-4 <= step < 1e6 else number(n * step, 2)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
    return parts


def framed(parts: Sequence[str], bottom: float, label: str, left: float = LEFT, top: float = TOP) -> Markup:
    """The drawing as an element; every piece is a number or escaped."""
    frame = f'<rect class="frame" x="{left}" y="{top}" width="{WIDTH - left - RIGHT}" height="{bottom - top}"/>'
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {bottom + 42:.0f}" role="img" aria-label="{escape(label)}">'
        f"{frame}{''.join(parts)}</svg>"
    )


def nice(raw: float) -> float:
    """The round number at or above: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= 0.999 * raw)


def shortened(text: str, most: int) -> str:
    """A text that fits."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line class="curve" style="stroke:{colour}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _title(axis: str, y: float, left: float = LEFT) -> str:
    return f'<text x="{(left + WIDTH - RIGHT) / 2:.0f}" y="{y:.0f}" text-anchor="middle">{escape(axis)}</text>'
