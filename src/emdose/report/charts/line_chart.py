"""Curves over one axis as inline SVG, linear or logarithmic, in the style of the other charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from emdose.report.charts.charts import CURVES
from emdose.report.wording import number

WIDTH, LEFT, TOP, RIGHT, BOTTOM = 620, 66, 16, 18, 46
ROW, LABEL = 17, 14
MOST_NAMED = 8
"""Curves of residuals that a legend names; more would fill the picture."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve.

    Parameters
    ----------
    name : str
        What stands in the legend; empty for none.
    x, y : sequences of float
        Points; those that cannot be drawn (not finite, or not positive on a logarithmic axis) are left out.
    colour : int
        Number of its colour.
    dashed : bool
        Dashed line.
    dots : bool
        Points instead of a line.
    stems : bool
        Lines from the axis to the points.
    """

    name: str
    x: Any
    y: Any
    colour: int = 0
    dashed: bool = False
    dots: bool = False
    stems: bool = False


def line_chart(
    curves: Sequence[Curve],
    x_title: str,
    y_title: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    whole_x: bool = False,
    levels: Sequence[tuple[str, float]] = (),
    reach: Sequence[float] = (),
    height: int = 300,
    label: str = "",
) -> Markup:
    """Curves in a frame with ticks and a legend below.

    Parameters
    ----------
    curves : sequence of Curve
        What to draw.
    x_title, y_title : str
        Titles of the axes, with units.
    log_x, log_y : bool
        Logarithmic axes.
    whole_x : bool
        Whether x counts something, so that no tick stands between whole numbers.
    levels : sequence of (str, float)
        Horizontal lines with names beside the frame; those outside of the range are left out.
    reach : sequence of float
        Values of y that the range takes in beside those of the curves.
    height : int
        Height of the drawing without its legend.
    label : str
        Text for those who cannot see it.
    """
    kept = [(c, _points(c, log_x, log_y)) for c in curves]
    kept = [(c, p) for c, p in kept if p]
    if not kept:
        return Markup("")
    longest = max((len(name) for name, _ in levels), default=0)
    right = max(RIGHT, 14 + round(6.7 * longest)) if longest else RIGHT
    across = _Axis([x for _, p in kept for x, _ in p], log_x, LEFT, WIDTH - right)
    base = [*reach] if log_y else [0.0, *reach]
    up = _Axis([*base, *(y for _, p in kept for _, y in p)], log_y, height - BOTTOM, TOP, room=0.04)
    parts = []
    for value, text in up.ticks(6):
        at = up(value)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - right}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{text}</text>'
        )
    for value, text in across.ticks(7, whole=whole_x):
        at = across(value)
        parts.append(
            f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>'
            f'<text x="{at:.1f}" y="{height - BOTTOM + 18}" text-anchor="middle">{text}</text>'
        )
    free = -math.inf
    for name, value in sorted(levels, key=lambda level: level[1], reverse=True):
        if up.low <= value <= up.high and (value > 0 or not log_y):
            at = up(value)
            free = max(at, free + LABEL)  # names of close levels stand below each other
            parts.append(
                f'<line class="tolerance" x1="{LEFT}" x2="{WIDTH - right}" y1="{at:.1f}" y2="{at:.1f}"/>'
                f'<text x="{WIDTH - right + 6}" y="{free + 4:.1f}">{escape(name)}</text>'
            )
    for curve, points in kept:
        parts.append(_drawn(curve, [(across(x), up(y)) for x, y in points], height - BOTTOM))
    named = [c for c, _ in kept if c.name]
    legend, rows = _legend(named, height + 6)
    middle = TOP + (height - TOP - BOTTOM) / 2
    parts.append(
        f'<text x="{(LEFT + WIDTH - right) / 2:.0f}" y="{height - 8}" text-anchor="middle">'
        f'{escape(x_title)}</text><text transform="rotate(-90)" x="{-middle:.0f}" y="14" '
        f'text-anchor="middle">{escape(y_title)}</text>'
    )
    frame = (
        f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - right}" height="{height - TOP - BOTTOM}"/>'
    )
    total = height + (10 + ROW * rows if rows else 0)
    return Markup(  # every piece above is a number or escaped
        f'<svg class="chart" viewBox="0 0 {WIDTH} {total}" role="img" aria-label="{escape(label or y_title)}">'
        f"{frame}{''.join(parts)}{legend}</svg>"
    )


def residual_chart(
    names: Sequence[str],
    histories: Sequence[Sequence[float]],
    tolerance: float | None,
    step: str = "iteration",
) -> Markup:
    """Relative residual against iteration, one curve per port, on a logarithmic axis; the legend stands below.

    Parameters
    ----------
    names : sequence of str
        Port names.
    histories : sequence of sequences of float
        Relative residual per iteration; values that are not positive and finite are left out.
    tolerance : float or None
        Drawn as a dashed line.
    step : str
        What the residuals were taken after.
    """
    curves = [
        Curve(name if n < MOST_NAMED else "", range(len(h)), h, n)
        for n, (name, h) in enumerate(zip(names, histories, strict=True))
    ]
    return line_chart(
        curves,
        step,
        "relative residual",
        log_y=True,
        whole_x=True,
        levels=[("tolerance", tolerance)] if tolerance else (),
        reach=[tolerance] if tolerance else (),
        label=f"Relative residual against {step} for {len(names)} port(s)",
    )


class _Axis:
    """Positions of values between two ends in pixels."""

    def __init__(self, values: Sequence[float], log: bool, start: float, stop: float, room: float = 0.0) -> None:
        self.log, self.start, self.stop = log, start, stop
        low, high = min(values), max(values)
        if log:
            if high < 1.0001 * low:
                low, high = low / 2, high * 2
            span = math.log10(high / low)
            self.low, self.high = low * 10 ** (-room * span), high * 10 ** (room * span)
        else:
            high = high if high > low else low + (abs(low) or 1.0)
            self.low = low if low == 0 else low - room * (high - low)
            self.high = high + room * (high - low) if high != 0 else high

    def __call__(self, value: float) -> float:
        low, high, v = (
            (math.log10(u) for u in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        return self.start + (self.stop - self.start) * (v - low) / (high - low)

    def ticks(self, count: int, *, whole: bool = False) -> list[tuple[float, str]]:
        if not self.log:
            raw = max((self.high - self.low) / count, 1.0 if whole else 0.0)
            power = 10.0 ** math.floor(math.log10(raw))
            step = next(m * power for m in (1, 2, 5, 10) if m * power >= 0.999 * raw)
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            return [(n * step, _short(n * step)) for n in range(first, last + 1)]
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        stride = max(1, math.ceil((last - first + 1) / count))
        factors = (1,) if last - first >= 3 else (1, 2, 5) if last - first >= 1 else (1, 2, 3, 5, 7)
        found = [m * 10.0**n for n in range(first - 1, last + 1, stride) for m in factors]
        return [(v, _short(v)) for v in found if self.low <= v * (1 + 1e-9) and v <= self.high * (1 + 1e-9)]


def _short(value: float) -> str:
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.6g}".replace("-", "−")
    return number(value, 1)


def _points(curve: Curve, log_x: bool, log_y: bool) -> list[tuple[float, float]]:
    return [
        (float(x), float(y))
        for x, y in zip(curve.x, curve.y, strict=True)
        if math.isfinite(x) and math.isfinite(y) and (x > 0 or not log_x) and (y > 0 or not log_y)
    ]


def _drawn(curve: Curve, points: Sequence[tuple[float, float]], floor: float) -> str:
    colour = CURVES[curve.colour % len(CURVES)]
    if curve.dots:
        return "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{colour}"/>' for x, y in points)
    if curve.stems:
        return "".join(
            f'<line class="curve" style="stroke:{colour}" x1="{x:.1f}" x2="{x:.1f}" y1="{floor}" y2="{y:.1f}"/>'
            for x, y in points
        )
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = ";stroke-dasharray:6 4" if curve.dashed else ""
    return f'<polyline class="curve" style="stroke:{colour}{dash}" points="{text}"/>'


def _legend(curves: Sequence[Curve], top: float) -> tuple[str, int]:
    parts: list[Any] = []
    x, row = float(LEFT), 0
    for curve in curves:
        wide = 40 + 6.7 * len(curve.name)
        if x > LEFT and x + wide > WIDTH - 4:
            x, row = float(LEFT), row + 1
        y = top + ROW * row + 6
        colour = CURVES[curve.colour % len(CURVES)]
        dash = ";stroke-dasharray:6 4" if curve.dashed else ""
        mark = (
            f'<circle cx="{x + 11:.0f}" cy="{y - 4:.0f}" r="3.6" fill="{colour}"/>'
            if curve.dots
            else f'<line class="curve" style="stroke:{colour}{dash}" x1="{x:.0f}" x2="{x + 22:.0f}" y1="{y - 4:.0f}" '
            f'y2="{y - 4:.0f}"/>'
        )
        parts.append(f'{mark}<text x="{x + 28:.0f}" y="{y:.0f}">{escape(curve.name)}</text>')
        x += wide
    return "".join(map(str, parts)), (row + 1 if curves else 0)
