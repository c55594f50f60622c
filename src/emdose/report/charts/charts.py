"""Small charts as inline SVG: sharp at any size, in the page's colours, no image files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from markupsafe import Markup, escape

CURVES = ("#2f7ed8", "#d9822b", "#3a9d5d", "#b1467f", "#7a5cc7", "#8a6d3b", "#159aa5", "#c0392b")
LOSSES = ("#b9a36b", "#7d8c4f", "#9a7fb5", "#5fa3a0")
"""Colours of what is lost in parts of a coil."""


def power_chart(
    extinction_W: float,
    absorbed_W: float,
    scattered_W: float,
    losses_W: Mapping[str, float] = MappingProxyType({}),
    given: str = "work of the incident field",
) -> Markup:
    """What was given beside what became of it, as two bars of the same scale.

    Parameters
    ----------
    extinction_W, absorbed_W, scattered_W : float
        Time-averaged powers: given, absorbed in the body, radiated [W].
    losses_W : mapping of str to float
        What is lost in the coil, by the name of the part, between the two [W].
    given : str
        Name of the first.
    """
    lost_W = {name: power for name, power in losses_W.items() if power > 0}
    full = max(extinction_W, absorbed_W + max(scattered_W, 0.0) + sum(lost_W.values()))
    if not (math.isfinite(full) and full > 0):
        return Markup("")
    width, left, bar = 620, 8, 604
    lost = [("", power, LOSSES[n % len(LOSSES)]) for n, power in enumerate(lost_W.values())]
    parts = []
    for row, pieces in enumerate(
        (
            [(given, extinction_W, "#5f7f9e")],
            [("absorbed", absorbed_W, "#c4542f"), *lost, ("radiated", max(scattered_W, 0.0), "#8fa3b8")],
        )
    ):
        at, top = float(left), 26 + 58 * row
        for n, (name, power, colour) in enumerate(pieces):
            length = bar * max(power, 0.0) / full
            parts.append(f'<rect x="{at:.1f}" y="{top}" width="{max(length, 0.5):.1f}" height="24" fill="{colour}"/>')
            # The name of a short last piece is set flush right, so that it stays inside the picture.
            anchor, where = ("start", at) if n == 0 else ("end", left + bar)
            if name:
                parts.append(
                    f'<text x="{where:.1f}" y="{top - 6}" text-anchor="{anchor}">{name} {_power(power)}</text>'
                )
            at += length
    height = 116
    for n, (name, power) in enumerate(lost_W.items()):  # too short for a name of their own above the bar
        top, colour = height + 4 + 20 * n, LOSSES[n % len(LOSSES)]
        text = f"lost in {escape(name)} {_power(power)}"
        parts.append(f'<rect x="{left}" y="{top}" width="11" height="11" fill="{colour}"/>')
        parts.append(f'<text x="{left + 18}" y="{top + 10}">{text}</text>')
    height += 20 * len(lost_W)
    told = "".join(f", lost in {escape(name)} {_power(power)}" for name, power in lost_W.items())
    return Markup(
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{given.capitalize()} '
        f"{_power(extinction_W)}, absorbed {_power(absorbed_W)}, radiated {_power(scattered_W)}{told}"
        f'">{"".join(parts)}</svg>'
    )


def interval_chart(
    rows: Sequence[Mapping[str, Any]],
    colours: Mapping[str, str],
    axis: str,
    label: str = "Median and quartiles per tissue and method",
) -> Markup:
    """A dot and an interval of every method per row, such as median and quartiles, beside the truth.

    Parameters
    ----------
    rows : sequence of mappings
        "name", "truth" (float or None) and "spans", a list of {"method", "median", "iqr"}: the dot and the width of the
        interval around it.
    colours : mapping of str to str
        Colour of every method.
    axis : str
        What the horizontal axis is.
    label : str
        Text for those who cannot see it.
    """
    spans = [(s["median"], s["iqr"]) for row in rows for s in row["spans"] if math.isfinite(s["median"])]
    values = [m + 0.5 * k * q for m, q in spans for k in (-1, 1)] + [r["truth"] for r in rows if r["truth"] is not None]
    if not values:
        return Markup("")
    low, high = min(0.0, *values), 1.05 * max(values)
    width, left, right, top, line = 640, 150, 16, 24, 13
    heights = [line * len(row["spans"]) + 14 for row in rows]
    bottom = top + sum(heights)

    def x(v: float) -> float:
        return left + (width - left - right) * (v - low) / (high - low)

    parts = []
    step = _nice_real(high - low, 6)
    for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        at = x(n * step)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}"/>')
        label = f"{n * step:.6g}".replace("-", "−")
        parts.append(f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{label}</text>')
    y = float(top)
    for row, height in zip(rows, heights, strict=True):
        middle = y + height / 2
        parts.append(f'<text x="{left - 10}" y="{middle + 4:.1f}" text-anchor="end">{escape(row["name"])}</text>')
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        if row["truth"] is not None:
            at = x(row["truth"])
            parts.append(
                f'<line class="truth" x1="{at:.1f}" x2="{at:.1f}" y1="{y + 2:.1f}" y2="{y + height - 2:.1f}"/>'
            )
        for n, span in enumerate(row["spans"]):
            if not math.isfinite(span["median"]):
                continue
            at, colour = y + 7 + line * (n + 0.5), colours[span["method"]]
            ends = [x(span["median"] + 0.5 * k * span["iqr"]) for k in (-1, 1)]
            parts.append(
                f'<line class="curve" style="stroke:{colour}" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" '
                f'y1="{at:.1f}" y2="{at:.1f}"/>'
                f'<circle cx="{x(span["median"]):.1f}" cy="{at:.1f}" r="4" fill="{colour}"/>'
            )
        y += height
    at = float(left)
    for name, colour in colours.items():
        parts.append(
            f'<circle cx="{at + 5:.1f}" cy="10" r="4" fill="{colour}"/>'
            f'<text x="{at + 14:.1f}" y="14">{escape(name)}</text>'
        )
        at += 30 + 6.6 * len(name)
    if any(row["truth"] is not None for row in rows):
        parts.append(
            f'<line class="truth" x1="{at + 4:.1f}" x2="{at + 4:.1f}" y1="4" y2="16"/>'
            f'<text x="{at + 12:.1f}" y="14">truth</text>'
        )
    parts.append(
        f'<text x="{left + (width - left - right) / 2:.0f}" y="{bottom + 34}" text-anchor="middle">'
        f"{escape(axis)}</text>"
    )
    frame = f'<rect class="frame" x="{left}" y="{top}" width="{width - left - right}" height="{bottom - top}"/>'
    return Markup(  # every piece above is a number or escaped
        f'<svg class="chart" viewBox="0 0 {width} {bottom + 42}" role="img" aria-label="{escape(label)}">'
        f"{frame}{''.join(parts)}</svg>"
    )


def _power(watt: float) -> str:
    if not math.isfinite(watt):
        return "unknown"
    for factor, unit in ((1.0, "W"), (1e3, "mW"), (1e6, "µW")):
        if abs(watt) * factor >= 1 or unit == "µW":
            return f"{watt * factor:.4g} {unit}".replace("-", "−")
    return "0 W"


def _nice_real(span: float, count: int) -> float:
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= 0.999 * raw)
