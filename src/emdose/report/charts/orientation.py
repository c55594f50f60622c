"""A quantity over all directions of a linearly polarised field, as a disc that shows half of the sphere.

The field and its negative heat alike, so that one hemisphere tells all. It is seen along z in Lambert's projection,
which keeps areas: rho = sqrt(2) sin(theta / 2).
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from emdose.report.wording import number

PIXELS = 260
SIZE, CENTRE, RADIUS = 300, (150, 146), 112


@dataclass(frozen=True)
class Mark:
    """A direction that is marked: "worst" as a filled circle, "best" as a ring."""

    direction: Sequence[float]
    kind: str


def disc(
    values: Callable[[np.ndarray], np.ndarray], title: str, unit: str, marks: Sequence[Mark], colours: str = "plasma"
) -> Markup:
    """The disc as inline SVG.

    Parameters
    ----------
    values : callable
        Gives the quantity for unit vectors (n, 3).
    title, unit : str
        What it is.
    marks : sequence of Mark
        Directions to mark.
    colours : str
        Name of a colour map of matplotlib.
    """
    u = (np.arange(PIXELS) + 0.5) / PIXELS * 2 - 1
    x, y = np.meshgrid(u, -u)
    rho = np.hypot(x, y)
    inside = rho <= 1
    z = 1 - np.minimum(rho, 1) ** 2
    lateral = np.sqrt(np.maximum(1 - z * z, 0)) / np.maximum(rho, 1e-12)
    vectors = np.stack([x * lateral, y * lateral, z], axis=-1)
    got = np.where(inside, values(vectors.reshape(-1, 3)).reshape(rho.shape), np.nan)
    low, high = float(np.nanmin(got)), float(np.nanmax(got))
    picture = _png(got, low, high, rho, colours)
    cx, cy = CENTRE
    parts = [
        f'<image x="{cx - RADIUS}" y="{cy - RADIUS}" width="{2 * RADIUS}" height="{2 * RADIUS}" '
        f'href="data:image/png;base64,{picture}"/>',
        f'<circle class="frame" cx="{cx}" cy="{cy}" r="{RADIUS}"/>',
    ]
    for text, dx, dy in (("x", 1, 0), ("−x", -1, 0), ("y", 0, -1), ("−y", 0, 1)):
        parts.append(
            f'<text x="{cx + dx * (RADIUS + 14)}" y="{cy + dy * (RADIUS + 11) + 4}" text-anchor="middle">{text}</text>'
        )
    parts.append(
        f'<text x="{cx + 6}" y="{cy - 6}" style="fill:#fff;stroke:#000;stroke-width:2.4;paint-order:stroke">'
        f'z</text><circle cx="{cx}" cy="{cy}" r="2.2" fill="#fff" stroke="#000"/>'
    )
    for mark in marks:
        px, py = _projected(mark.direction)
        px, py = cx + RADIUS * px, cy - RADIUS * py
        fill = "#20c0ff" if mark.kind == "worst" else "none"
        parts.append(
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="6" fill="{fill}" stroke="#000" stroke-width="3.4"/>'
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="6" fill="{fill}" stroke="#20c0ff" stroke-width="2"/>'
        )
    bar = cy + RADIUS + 28
    parts.append(_bar(cx - 90, bar, 180, low, high, unit, colours))
    parts.append(f'<text x="{cx}" y="14" text-anchor="middle" style="font-weight:600">{escape(title)}</text>')
    return Markup(  # every piece above is a number or escaped
        f'<svg class="chart disc" viewBox="0 0 {SIZE} {bar + 36}" role="img" '
        f'aria-label="{escape(title)} over all directions: {number(low)} to {number(high)} {escape(unit)}">'
        f"{''.join(parts)}</svg>"
    )


def colour_bar(low: float, high: float, title: str, colours: str = "plasma") -> Markup:
    """A horizontal colour bar as inline SVG."""
    return Markup(
        f'<svg class="chart bar" viewBox="0 0 320 44" role="img" aria-label="{escape(title)}">'
        f"{_bar(20, 4, 280, low, high, title, colours)}</svg>"
    )


def _bar(x: float, y: float, width: float, low: float, high: float, unit: str, colours: str) -> str:
    strip = _png(np.linspace(low, high, 128)[None] if high > low else np.zeros((1, 128)), low, high, None, colours)
    return (
        f'<image x="{x}" y="{y}" width="{width}" height="10" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{strip}"/><rect class="frame" x="{x}" y="{y}" width="{width}" height="10"/>'
        f'<text x="{x}" y="{y + 25}" text-anchor="middle">{number(low)}</text>'
        f'<text x="{x + width}" y="{y + 25}" text-anchor="middle">{number(high)}</text>'
        f'<text x="{x + width / 2}" y="{y + 25}" text-anchor="middle">{escape(unit)}</text>'
    )


def _projected(direction: Sequence[float]) -> tuple[float, float]:
    d = np.asarray(direction, float) / np.linalg.norm(direction)
    d = -d if d[2] < 0 else d
    lateral = math.hypot(d[0], d[1])
    if lateral == 0:
        return 0.0, 0.0
    rho = math.sqrt(max(1 - d[2], 0.0))
    return float(rho * d[0] / lateral), float(rho * d[1] / lateral)


def _png(values: np.ndarray, low: float, high: float, rho: np.ndarray | None, colours: str) -> str:
    from matplotlib import colormaps, image

    share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    rgba = colormaps[colours](np.nan_to_num(share))
    if rho is not None:  # a smooth rim
        rgba[..., 3] = np.clip((1 - rho) * 0.5 * rho.shape[0] + 0.5, 0, 1)
    stream = io.BytesIO()
    image.imsave(stream, rgba, format="png")
    return base64.b64encode(stream.getvalue()).decode("ascii")
