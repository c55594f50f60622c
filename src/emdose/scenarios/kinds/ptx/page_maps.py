"""Maps of a ``ptx`` run: for the viewer one by one, and all drives beside each other on one scale."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.report.maps.map_set import MapSet
from emdose.report.maps.volumes import Layer, body_box
from emdose.scenarios.kinds.ptx.drives import main_of

if TYPE_CHECKING:
    from emdose.scenarios.kinds.ptx.result import PtxResult

ROWS = (("b1", "|B1+| [µT]", "viridis"), ("sar", "10 g SAR [W/kg]", "inferno"))


def layers(result: PtxResult) -> list[Layer]:
    """10 g SAR and B1+ of every drive, the chosen one first."""
    main, found = main_of(result.drives), []
    for name in sorted(result.drives, key=lambda n: n != main):
        b1 = np.abs(np.tensordot(result.drives[name], result.b1plus, 1))
        note = f"SAR averaged over 10 g of tissue by IEC/IEEE 62704-1 while the RF is on, {name} drive."
        found.append(Layer(f"sar {name}", f"SAR 10 g, {name}", "W/kg", result.averages[name], note=note))
        note = f"Magnitude of B1+ at the voxel centres while the RF is on, {name} drive, drawn in the body only."
        found.append(Layer(f"b1 {name}", f"|B1+|, {name}", "µT", b1, 1e6, "viridis", 20.0, note))
    return found


def maps(result: PtxResult) -> MapSet:
    """Maps to leaf through, and to set beside those of another run."""
    phantom = result.phantom
    return MapSet(phantom.grid, phantom.labels, {n: t.name for n, t in enumerate(phantom.tissues)}, layers(result))


def beside(result: PtxResult) -> dict[str, str]:
    """All drives beside each other: B1+ in the axial slice where it counts, and 10 g SAR, largest along z.

    Each row has one scale, so that colours compare.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    phantom, main = result.phantom, main_of(result.drives)
    names = sorted(result.drives, key=lambda n: n != main)
    body, grid = phantom.body, phantom.grid
    k = _slice(result.target)
    (low, high), tissue = body_box(body), body[:, :, k]
    cut = (slice(low[0], high[0]), slice(low[1], high[1]))
    extent = [1e3 * grid.nodes(a)[i] for a in (0, 1) for i in (low[a], high[a])]
    held: dict[str, list[np.ndarray]] = {"b1": [], "sar": []}
    for name in names:
        b1 = 1e6 * np.abs(np.tensordot(result.drives[name], result.b1plus[..., k], 1))
        held["b1"].append(np.where(tissue, b1, np.nan)[cut])
        sar = np.where(body & np.isfinite(result.averages[name]), result.averages[name], 0.0).max(axis=2)
        held["sar"].append(np.where(body.any(axis=2), sar, np.nan)[cut])
    tall = (extent[3] - extent[2]) / (extent[1] - extent[0])
    width = 10.0 / (len(names) + 0.35)
    figure = Figure(figsize=(10, 2 * (width * tall + 0.3)), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(names), squeeze=False)
    inside = result.target[:, :, k][cut].T
    outlined = 0 < inside.sum() < tissue.sum()
    for row, (key, title, colours) in zip(axes, ROWS, strict=True):
        top = max(float(np.nanmax(m)) for m in held[key])
        image: Any = None
        for panel, name, values in zip(row, names, held[key], strict=True):
            image = panel.imshow(values.T, origin="lower", extent=extent, cmap=colours, vmin=0, vmax=top)
            panel.set_xticks([])
            panel.set_yticks([])
            panel.set_title(name if key == "b1" else f"peak {np.nanmax(values):.3g} W/kg", fontsize=9)
            if key == "b1" and outlined:
                line = {"colors": "white", "linewidths": 0.8, "extent": extent, "origin": "lower"}
                panel.contour(inside.astype(float), [0.5], **line)
        bar = figure.colorbar(image, ax=row, shrink=0.9, pad=0.01)
        bar.set_label(title, fontsize=9)
        bar.ax.tick_params(labelsize=8)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    z = 1e3 * grid.centres(2)[k]
    around = " (white line: around where it counts)" if outlined else ""
    return {
        "source": "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii"),
        "alt": f"Maps of B1+ and of 10 g SAR of {len(names)} drives beside each other.",
        "caption": f"Above: magnitude of B1+ in the axial slice at z = {z:.0f} mm{around}. Below: 10 g SAR, "
        "the largest along z. One scale per row; x to the right, y upwards.",
    }


def _slice(target: np.ndarray) -> int:
    """The axial slice with most voxels that count; of several like it the middle one."""
    counts = target.sum(axis=(0, 1))
    most = np.flatnonzero(counts == counts.max())
    return int(most[len(most) // 2])
