"""Charts of what is uncertain: a distribution with its limits, shares of the inputs, strips of many runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from emdose.report.charts.charts import CURVES
from emdose.report.charts.whiskers import LEFT, LINE, RIGHT, TOP, WIDTH, framed, grid_lines, shortened

HEIGHT, SIDE = 210, 20


def distribution_chart(
    histogram: Mapping[str, Any] | None,
    curve: Mapping[str, Any] | None,
    marks: Sequence[tuple[float, str, str]],
    axis: str,
) -> Markup:
    """Histogram and curve of a density, with upright lines.

    Parameters
    ----------
    histogram : mapping or None
        "edges" (n + 1) and "density" (n).
    curve : mapping or None
        "x" and "density", alike in length.
    marks : sequence of (value, name, style)
        Lines: style "limit", "doubtful" for an unverified limit, "value" or "quantile".
    axis : str
        What the horizontal axis is, with its unit.
    """
    bars, line = histogram or {"edges": [], "density": []}, curve or {"x": [], "density": []}
    heights = [v for v in (*bars["density"], *line["density"]) if math.isfinite(v)]
    places = [v for v in (*bars["edges"], *line["x"], *(v for v, _, _ in marks)) if math.isfinite(v)]
    if not heights or not places or max(heights) <= 0:
        return Markup("")
    low, high = min(places), max(places)
    pad = 0.04 * (high - low) or abs(high) or 1.0
    low, high, tall = low - pad, high + pad, 1.12 * max(heights)
    head = TOP + 15 * (1 + _rows(marks, low, high))
    bottom = head + HEIGHT

    def x(v: float) -> float:
        return SIDE + (WIDTH - SIDE - RIGHT) * (v - low) / (high - low)

    def y(v: float) -> float:
        return bottom - HEIGHT * v / tall

    parts = grid_lines(x, low, high, head, bottom)
    for left, right, v in zip(bars["edges"], bars["edges"][1:], bars["density"], strict=False):
        parts.append(
            f'<rect class="bar" x="{x(left):.1f}" y="{y(v):.1f}" width="{max(x(right) - x(left) - 0.6, 0.5):.1f}" '
            f'height="{max(bottom - y(v), 0):.1f}"/>'
        )
    points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(line["x"], line["density"], strict=True))
    if points:
        parts.append(f'<polyline class="curve" style="stroke:{CURVES[0]}" points="{points}"/>')
    for (value, name, style), row in zip(marks, _placed(marks, low, high), strict=True):
        at, top = x(value), TOP + 15 * row + 12
        anchor, off = ("end", -4) if at > 0.75 * WIDTH else ("start", 4)
        parts.append(f'<line class="mark {style}" x1="{at:.1f}" x2="{at:.1f}" y1="{top - 10}" y2="{bottom}"/>')
        parts.append(f'<text x="{at + off:.1f}" y="{top}" text-anchor="{anchor}">{escape(name)}</text>')
    title = f'<text x="{WIDTH / 2:.0f}" y="{bottom + 34}" text-anchor="middle">{escape(axis)}</text>'
    told = ", ".join(name for _, name, _ in marks)
    return framed([*parts, title], bottom, f"Distribution of {axis}: {told}", SIDE, head)


def shares_chart(rows: Sequence[Mapping[str, Any]], names: tuple[str, str] = ("first order", "total")) -> Markup:
    """Shares of the variance by input, two bars each.

    Parameters
    ----------
    rows : sequence of mappings
        "name", "first" and "total" (or None), each from 0 to 1.
    names : two of str
        What the bars are.
    """
    if not rows:
        return Markup("")
    both = any(r.get("total") is not None for r in rows)
    top = TOP + (16 if both else 0)
    bottom = top + LINE * len(rows)
    full = max(1e-9, *(max(r["first"], r.get("total") or 0.0) for r in rows))
    high = min(1.0, 1.1 * full) if full <= 1 else full

    def x(v: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT - 44) * v / high

    parts = []
    for n, row in enumerate(rows):
        middle = top + LINE * (n + 0.5)
        parts.append(
            f'<text x="{LEFT - 10}" y="{middle + 4:.1f}" text-anchor="end">{escape(shortened(row["name"], 28))}</text>'
        )
        total = row.get("total")
        last = max(row["first"], total or 0.0)
        for off, value, colour in ((-7, row["first"], CURVES[0]), (1, total, CURVES[1])):
            if value is None:
                continue
            off, thick = (off, 6) if both else (-5, 10)
            wide = max(x(max(value, 0.0)) - LEFT, 0.5)
            parts.append(
                f'<rect x="{LEFT}" y="{middle + off:.1f}" width="{wide:.1f}" height="{thick}" fill="{colour}"/>'
            )
        text = f"{100 * row['first']:.1f} %" if row["first"] < 0.0995 else f"{100 * row['first']:.0f} %"
        parts.append(f'<text x="{x(max(last, 0.0)) + 6:.1f}" y="{middle + 4:.1f}">{text}</text>')
    if both:
        at = float(LEFT)
        for name, colour in zip(names, (CURVES[0], CURVES[1]), strict=True):
            parts.append(f'<rect x="{at:.0f}" y="2" width="14" height="8" fill="{colour}"/>')
            parts.append(f'<text x="{at + 20:.0f}" y="11">{escape(name)}</text>')
            at += 34 + 6.6 * len(name)
    told = ", ".join(f"{r['name']} {100 * r['first']:.0f} %" for r in rows[:5])
    line = f'<line class="frame" x1="{LEFT}" x2="{LEFT}" y1="{top}" y2="{bottom}"/>'
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {bottom + 8}" role="img" '
        f'aria-label="Shares of the variance: {escape(told)}">{line}{"".join(parts)}</svg>'
    )


def strip_chart(groups: Sequence[Mapping[str, Any]], axis: str, marks: Sequence[tuple[float, str, str]] = ()) -> Markup:
    """Every run as a dot, a row for each stratum, with quartiles and median; outliers are ringed.

    Parameters
    ----------
    groups : sequence of mappings
        "name", "values", "outliers" (truth value for each), "quartiles" (25, 50 and 75 %).
    axis : str
        What the horizontal axis is, with its unit.
    marks : sequence of (value, name, style)
        Upright lines, as of :func:`distribution_chart`.
    """
    values = [v for g in groups for v in g["values"]]
    if not values:
        return Markup("")
    low, high = min([*values, *(m[0] for m in marks)]), max([*values, *(m[0] for m in marks)])
    pad = 0.05 * (high - low) or abs(high) or 1.0
    low, high, tall = low - pad, high + pad, 34
    head = TOP + 15 * (1 + _rows(marks, low, high)) if marks else TOP
    bottom = head + tall * len(groups)

    def x(v: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (v - low) / (high - low)

    parts = grid_lines(x, low, high, head, bottom)
    for n, group in enumerate(groups):
        middle = head + tall * (n + 0.5)
        name = f"{shortened(group['name'], 22)} ({len(group['values'])})"
        parts.append(f'<text x="{LEFT - 10}" y="{middle + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        if len(group["values"]) > 3:
            a, b, c = (x(q) for q in group["quartiles"])
            parts.append(
                f'<rect class="box" x="{a:.1f}" y="{middle - 10:.1f}" width="{max(c - a, 1):.1f}" height="20"/>'
            )
            parts.append(
                f'<line class="truth" x1="{b:.1f}" x2="{b:.1f}" y1="{middle - 10:.1f}" y2="{middle + 10:.1f}"/>'
            )
        for k, (value, far) in enumerate(zip(group["values"], group["outliers"], strict=True)):
            y = middle + 8 * math.sin(2.4 * k)  # spread, the same on every page
            style = (
                f'fill="none" style="stroke:{CURVES[7]};stroke-width:2"' if far else f'fill="{CURVES[0]}" opacity="0.7"'
            )
            parts.append(f'<circle cx="{x(value):.1f}" cy="{y:.1f}" r="{4 if far else 3}" {style}/>')
    for (value, text, style), row in zip(marks, _placed(marks, low, high), strict=True):
        at, top = x(value), TOP + 15 * row + 12
        anchor, off = ("end", -4) if at > 0.75 * WIDTH else ("start", 4)
        parts.append(f'<line class="mark {style}" x1="{at:.1f}" x2="{at:.1f}" y1="{top - 10}" y2="{bottom}"/>')
        parts.append(f'<text x="{at + off:.1f}" y="{top}" text-anchor="{anchor}">{escape(text)}</text>')
    middle_x = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle_x:.0f}" y="{bottom + 34}" text-anchor="middle">{escape(axis)}</text>')
    return framed(parts, bottom, f"{axis} of {len(values)} runs in {len(groups)} strata", top=head)


def _placed(marks: Sequence[tuple[float, str, str]], low: float, high: float) -> list[int]:
    """A row for the name of every line, so that no two names lie on each other."""
    ends: list[float] = []
    rows = [0] * len(marks)
    scale = (WIDTH - LEFT - RIGHT) / (high - low)
    for n in sorted(range(len(marks)), key=lambda k: marks[k][0]):
        at, wide = (marks[n][0] - low) * scale, 6.8 * len(marks[n][1]) + 12
        row = next((r for r, end in enumerate(ends) if end < at), len(ends))
        if row == len(ends):
            ends.append(0.0)
        ends[row], rows[n] = at + wide, row
    return rows


def _rows(marks: Sequence[tuple[float, str, str]], low: float, high: float) -> int:
    return max(_placed(marks, low, high), default=0)
