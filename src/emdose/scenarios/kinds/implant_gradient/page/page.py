"""The page of an implant run."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from emdose.compute import child
from emdose.report.charts.orientation import colour_bar
from emdose.report.maps.scene import Renderer
from emdose.report.pages import common_rows
from emdose.report.pages.page import capital, fill
from emdose.scenarios.kinds.implant_gradient.page import content as page_content
from emdose.scenarios.kinds.implant_gradient.page import methods
from emdose.scenarios.kinds.implant_gradient.page.bore import bore_figure
from emdose.scenarios.kinds.implant_gradient.page.scene import COLOURS, ImplantScene, subdivided

if TYPE_CHECKING:
    from emdose.scenarios.kinds.implant_gradient.result.result import ExposureMaps, ImplantResult

MODULE = "emdose.scenarios.kinds.implant_gradient.page.scene"
MOST_PICTURES, MOST_VOXELS = 4, 120
PLANES = ((0, 1, 2, "sagittal"), (1, 0, 2, "coronal"), (2, 0, 1, "axial"))
"""Normal, horizontal and vertical axis of every plane."""


def render(result: ImplantResult) -> str:
    """The report as HTML text.

    Parameters
    ----------
    result : ImplantResult
        What a run left in its folder.
    """
    summary = result.summary
    renderers = _start_pictures(result)  # they draw while the rest of the page is made
    exposures, metal = [], result.metal_on_heat_grid()
    for n, (name, one) in enumerate(summary["implant"]["exposures"].items()):
        maps = result.exposures[name]
        exposures.append(
            {
                "name": name,
                "rows": page_content.exposure_rows(result, name),
                "discs": page_content.orientation_discs(result, name),
                "turns": page_content.orientation_chart(result, name),
                "charts": page_content.waveform_charts(one),
                "bore": None if maps.bore is None else bore_figure(maps.bore),
                "slices": _slices(result, maps, one, metal),
                "picture": renderers[n],
            }
        )
    whole, exposures = _collected(result, renderers, exposures)
    page: dict[str, Any] = {
        "title": capital(page_content.title(result)),
        "sentence": page_content.sentence(result),
        "banners": page_content.banners(result),
        "decisive": page_content.decisive_rows(result),
        "whole": whole,
        "setup": page_content.setup_rows(result),
        "frequency_chart": page_content.frequency_chart(result),
        "heating_chart": page_content.heating_chart(result),
        "exposures": exposures,
        "conditions": page_content.condition_rows(result),
        "comparison": page_content.comparison_rows(result),
        "solver": page_content.solver_rows(result),
        "methods_text": methods.written(summary),
        "convergence": common_rows.convergence(summary),
    }
    return fill(__package__, "implant.html.j2", ("implant.js",), page, folder=result.folder, summary=summary)


def surface_values(result: ImplantResult, loss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of triangles (t, 3, 3) [m] and the power density of the metal behind each corner (t, 3) [W/m^3].

    The density of a voxel is that of its metal, power over metal, taken together with its neighbours: voxels that hold
    a sliver of metal would else decide the colours. Between voxels both are interpolated, and triangles longer than two
    voxels are divided.
    """
    from scipy.ndimage import map_coordinates, uniform_filter

    tensor = result.tensor
    step = np.array(tensor.grid.spacing_m)
    whole = np.concatenate([p.corners for p in result.implant.parts])
    corners, origin = subdivided(whole, 2 * float(step.max()))
    normals = np.concatenate([p.normals for p in result.implant.parts])[origin]
    inside = corners - 0.35 * step.min() * normals[:, None]
    at = ((inside - np.array(tensor.grid.origin_m)) / step - 0.5).reshape(-1, 3).T
    # Sums over 3 x 3 x 3 voxels; the weight of a voxel is the metal in it.
    power, metal = (
        map_coordinates(
            uniform_filter(tensor.on_grid(np.asarray(v, float)), 3, mode="constant"), at, order=1, mode="nearest"
        )
        for v in (loss, result.fraction)
    )
    density = np.divide(power, metal, out=np.zeros_like(power), where=metal > 1e-9)
    return corners, density.reshape(-1, 3)


def _start_pictures(result: ImplantResult) -> list[Renderer | None]:
    renderers: list[Renderer | None] = []
    for n, (name, maps) in enumerate(result.exposures.items()):
        if n >= MOST_PICTURES:
            renderers.append(None)
            continue
        renderers.append(_renderer(_scene(result, name, maps, whole=False)))
    name = next(iter(result.exposures))
    renderers.append(_renderer(_scene(result, name, result.exposures[name], whole=True)))
    return renderers


def _renderer(scene: ImplantScene) -> Renderer:
    return Renderer(scene, child.command(MODULE))


def _scene(result: ImplantResult, name: str, maps: ExposureMaps, *, whole: bool) -> ImplantScene:
    one = result.summary["implant"]["exposures"][name]
    corners, value = surface_values(result, maps.loss)
    around, body = None, None
    if whole:
        used = np.argwhere(result.phantom.body)
        ends = np.stack([used.min(axis=0), used.max(axis=0) + 1])
        around = ends * np.array(result.phantom.grid.spacing_m) + np.array(result.phantom.grid.origin_m)
        cut = result.phantom.body[tuple(slice(a, b) for a, b in ends.T)]
        body = None if cut.all() else _thinned(cut)  # a box is drawn as one
    spot = corners.reshape(-1, 3)[int(np.argmax(value))]
    arrow = None if whole or one.get("direction") is None else np.asarray(one["direction"], float)[:3]
    place: Any = tuple(map(float, spot))
    return ImplantScene(corners, value, float(np.quantile(value, 0.999)), place, around, arrow, body)


def _thinned(body: np.ndarray) -> np.ndarray:
    """Fewer voxels of the same box."""
    step = max(1, -(-max(body.shape) // MOST_VOXELS))
    grown = np.pad(body, [(0, -n % step) for n in body.shape], mode="edge")
    return grown[step // 2 :: step, step // 2 :: step, step // 2 :: step]


def _collected(
    result: ImplantResult, renderers: list[Renderer | None], exposures: list[dict[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    last = renderers[-1]
    assert last is not None
    first = next(iter(result.exposures))
    whole = _picture(last, f"{capital(result.implant.name)} in the phantom, coloured by the loss of “{first}”.")
    for one in exposures:
        renderer = one["picture"]
        if renderer is not None:
            arrow = renderer.scene.arrow is not None
            one["picture"] = _picture(
                renderer,
                "Power density in the metal behind the surface; the blue ball marks the largest."
                + (" The green arrow is the direction of dB/dt." if arrow else ""),
            )
    return whole, exposures


def _picture(renderer: Renderer, caption: str) -> dict[str, Any]:
    png, problem = renderer.png()
    unit, top = ("kW/m³", renderer.scene.top / 1e3) if renderer.scene.top > 1e3 else ("W/m³", renderer.scene.top)
    return {
        "source": "data:image/png;base64," + base64.b64encode(png).decode("ascii"),
        "alt": caption,
        "caption": caption,
        "bar": Markup(colour_bar(0.0, top, unit, COLOURS)),
        "note": f"Simplified picture: {problem}." if problem else "",
    }


def _slices(result: ImplantResult, maps: ExposureMaps, one: dict[str, Any], metal: np.ndarray) -> dict[str, str]:
    """The temperature rise in three planes through its peak, with the outline of the metal, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    grid, rise = result.heat_grid, np.asarray(maps.rise, float)
    peak = np.unravel_index(int(np.argmax(rise)), rise.shape)
    low, high = _shown_box(rise, metal)
    spans = [1e3 * (b - a) * s for a, b, s in zip(low, high, grid.spacing_m, strict=True)]
    wide = [spans[h] for _, h, _, _ in PLANES]
    tall = max(spans[v] for *_, v, _ in PLANES)
    figure = Figure(figsize=(9.6, 9.6 * 0.8 * tall / sum(wide) + 0.5), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    row = figure.subplots(1, 3, width_ratios=wide)
    image: Any = None
    for axes, (normal, across, up, name) in zip(row, PLANES, strict=True):
        cut: list[Any] = [slice(a, b) for a, b in zip(low, high, strict=True)]
        cut[normal] = peak[normal]
        edges = [[1e3 * grid.nodes(a)[i] for i in (low[a], high[a])] for a in (across, up)]
        image = axes.imshow(
            rise[tuple(cut)].T,
            origin="lower",
            extent=(*edges[0], *edges[1]),
            cmap="magma",
            vmin=0,
            vmax=rise.max(),
            interpolation="nearest",
        )
        shape = metal[tuple(cut)].T
        if shape.max(initial=0) > 0.5 and shape.min(initial=1) < 0.5:
            places = [1e3 * grid.centres(a)[low[a] : high[a]] for a in (across, up)]
            axes.contour(*places, shape, [0.5], colors="#20c0ff", linewidths=0.8)
        axes.invert_xaxis()
        axes.set_title(f"{name}, {'xyz'[normal]} = {1e3 * grid.centres(normal)[peak[normal]]:.0f} mm", fontsize=9)
        axes.set_xlabel(("R – x [mm] – L", "A – y [mm] – P")[across], fontsize=8)
        axes.set_ylabel(("", "P – y [mm] – A", "I – z [mm] – S")[up], fontsize=8)
        axes.tick_params(labelsize=7)
        axes.plot(
            1e3 * grid.centres(across)[peak[across]], 1e3 * grid.centres(up)[peak[up]], "+", color="#20c0ff", ms=9
        )
    bar = figure.colorbar(image, ax=list(row), fraction=0.03, pad=0.01, shrink=0.9)
    bar.set_label("temperature rise [K]", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", bbox_inches="tight", pad_inches=0.06, facecolor="white")
    return {
        "source": "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii"),
        "caption": f"Temperature rise after {page_content.duration(one['duration_s'])}, three planes through its "
        "peak (cross); the blue line is the metal. The patient's right is on the left.",
    }


def _shown_box(rise: np.ndarray, metal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The voxels warmer than 2 % of the peak, and the metal, with some margin."""
    used = np.argwhere((rise > 0.02 * rise.max()) | (metal > 0.05)) if rise.max() > 0 else np.argwhere(metal > 0.05)
    if not len(used):
        return np.zeros(3, int), np.array(rise.shape)
    return np.maximum(used.min(0) - 3, 0), np.minimum(used.max(0) + 4, rise.shape)
