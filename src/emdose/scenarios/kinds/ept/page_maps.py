"""Maps of an EPT run as compact text: voxels of the mask only, 16 bits each, every n-th slice if need be."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.ept import Flag
from emdose.report.maps.volumes import NO_VALUE, body_box, runs
from emdose.report.wording import words

if TYPE_CHECKING:
    from emdose.scenarios.kinds.ept.result import EptResult

CODES = 65534
BUDGET_BYTES = 2_900_000
"""Size of all packed maps above which voxels are left out; in base64 it leaves a page below 5 MB."""
FAR = 3.0
"""Values beyond this many display ranges are cut: noise in thin layers has no bounds."""
QUANTITIES = {"conductivity": ("σ", "S/m"), "permittivity": ("εr", "")}


@dataclass(frozen=True)
class Range:
    """Ends of a colour scale."""

    low: float
    high: float


def display_range(result: EptResult, quantity: str) -> Range:
    """Colour range of a quantity: 0 to a little above the truth, or above the bulk of what was found.

    Thin layers scatter without bounds and must not set the scale.
    """
    truth = result.truth.get(quantity)
    if truth is not None and np.isfinite(truth).any():
        top = 1.1 * float(np.nanmax(truth))
    else:
        found = [getattr(m, quantity) for m in result.maps.values() if getattr(m, quantity) is not None]
        tops = [np.percentile(v[np.isfinite(v)], 95) for v in found if np.isfinite(v).any()]
        top = 1.1 * float(max(tops, default=1.0))
    return Range(0.0, top if top > 0 else 1.0)


def uncertainty_range(result: EptResult, quantity: str) -> Range:
    """Colour range of the uncertainties: 0 to three times the median of the method with the smallest."""
    found = [getattr(m, f"u_{quantity}") for m in result.maps.values()]
    tops = [3 * np.median(u[np.isfinite(u)]) for u in found if u is not None and np.isfinite(u).any()]
    return Range(0.0, float(min(tops))) if tops and min(tops) > 0 else Range(0.0, 1.0)


def pack(result: EptResult) -> dict[str, Any]:
    """Everything that the viewer shows, JSON-ready; see ``ept.js``."""
    grid, mask = result.b1.grid, np.asarray(result.b1.mask)
    low, high = body_box(mask)
    names = [n for q in QUANTITIES for n in (q, f"u_{q}")]
    count = 2 + len(result.truth) + sum(getattr(m, n) is not None for m in result.maps.values() for n in names)
    count += -(-len(result.maps) // 2)  # flags take one byte
    spans = [b - a for a, b in zip(low, high, strict=True)]
    for step in range(1, max(spans) + 1):  # every n-th voxel, from the middle of the first n
        steps = [min(step, n) for n in spans]
        box = tuple(slice(a + s // 2, b, s) for a, b, s in zip(low, high, steps, strict=True))
        inside = mask[box]
        if 2 * count * int(inside.sum()) <= BUDGET_BYTES:
            break
    ranges = {q: display_range(result, q) for q in QUANTITIES}
    present = [n for n in result.names if np.any(result.labels[mask] == n)]
    index = np.zeros(inside.shape, np.int64)
    for code, label in enumerate(present, start=1):
        index[(result.labels[box] == label) & inside] = code
    index[inside & (index == 0)] = len(present) + 1  # in the mask, without a name

    def packed(values: np.ndarray | None, span: Range) -> dict[str, Any] | None:
        return None if values is None else quantise(values[box][inside], span)

    quantities = {}
    for name, (symbol, unit) in QUANTITIES.items():
        found = [m for m in result.maps.values() if getattr(m, name) is not None]
        if not found:
            continue
        span, u_span = ranges[name], uncertainty_range(result, name)
        wide = Range(span.low - FAR * (span.high - span.low), span.high + FAR * (span.high - span.low))
        quantities[name] = {
            "symbol": symbol,
            "unit": unit,
            "range": [span.low, span.high],
            "error": 0.25 * (span.high - span.low),
            "u": u_span.high,
            "truth": packed(result.truth.get(name), Range(min(0.0, wide.low), wide.high)),
            "methods": [
                {
                    "value": packed(getattr(m, name), wide),
                    "u": packed(getattr(m, f"u_{name}"), Range(0.0, 1e2 * u_span.high)),
                }
                for m in result.maps.values()
            ],
        }
    b1 = []
    for name, title in (("magnitude", "B1+ magnitude"), ("phase", f"{result.b1.phase_kind} phase")):
        values = getattr(result.b1, name)
        if values is not None:
            values = values if values.ndim == 3 else values[0]
            if name == "magnitude":
                top = float(np.percentile(values[mask], 99.5)) or 1.0
                values, ends, unit = 100 * values / top, Range(0.0, 100.0), "%"
            else:
                unit = "rad"
                if result.b1.wrapped:
                    values, ends = np.angle(np.exp(1j * values)), Range(-math.pi, math.pi)
                else:
                    ends = Range(*(float(v) for v in np.percentile(values[mask], [0.5, 99.5])))
            colours = "twilight" if name == "phase" and result.b1.wrapped else "viridis"
            b1.append(
                {
                    "title": title,
                    "unit": unit,
                    "colours": colours,
                    "range": [ends.low, ends.high],
                    "map": packed(values, ends),
                }
            )
    cut = grid.crop(low, high)
    return {
        "shape": list(inside.shape),
        "spacing_mm": [1e3 * h * s for h, s in zip(grid.spacing_m, steps, strict=True)],
        "origin_mm": [
            1e3 * (o + (s // 2 + 0.5 - 0.5 * s) * h)
            for o, h, s in zip(cut.origin_m, grid.spacing_m, steps, strict=True)
        ],
        "step": step,
        "steps": steps,
        "label_runs": runs(index),
        "names": [words(result.names[n]) for n in present],
        "methods": list(result.maps),
        "flags": [_base64(np.asarray(m.flags, "<u1")[box][inside]) for m in result.maps.values()],
        "flag_names": {str(int(f)): f.name.lower().replace("_", " ") for f in Flag if f.name and f is not Flag.OUTSIDE},
        "quantities": quantities,
        "b1": b1,
    }


def quantise(values: np.ndarray, span: Range) -> dict[str, Any]:
    """Codes 0 to 65534 of values cut to a range, 65535 for what is not finite: at most half a step off.

    Parameters
    ----------
    values : ndarray
        Any real values.
    span : Range
        What is kept; values beyond it take its ends.
    """
    values = np.asarray(values, float)
    step = (span.high - span.low) / CODES or 1.0
    finite = np.isfinite(values)
    codes = np.full(values.shape, NO_VALUE, "<u2")
    codes[finite] = np.clip(np.rint((values[finite] - span.low) / step), 0, CODES).astype("<u2")
    return {"low": span.low, "step": step, "data": _base64(codes)}


def _base64(a: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(a).tobytes()).decode("ascii")
