"""The picture of an implant coloured by its loss, alone or in its phantom; drawn like :mod:`emdose.report.maps.scene`.

It runs as ``emdose.scenarios.kinds.implant_gradient.page.scene`` in an isolated process of its own.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.report.maps.scene import GUIDE, SKIN, add_guides

COLOURS: Any = "plasma"
MOST_TRIANGLES = 400_000


@dataclass(frozen=True, eq=False)
class ImplantScene:
    """What the picture shows.

    Parameters
    ----------
    triangles_m : (t, 3, 3) float ndarray
        Corners of the surface's triangles [m].
    value : (t,) float ndarray
        What colours them.
    top : float
        Value of the brightest colour.
    hot_spot_m : (float, float, float) or None
        Place that is marked [m].
    around_m : (2, 3) float ndarray or None
        Low and high corner of the box of the phantom that is drawn around it [m].
    arrow : (3,) float ndarray or None
        Direction of the field, drawn beside the implant.
    """

    triangles_m: np.ndarray
    value: np.ndarray
    top: float
    hot_spot_m: tuple[float, float, float] | None = None
    around_m: np.ndarray | None = None
    arrow: np.ndarray | None = None

    def archive(self) -> bytes:
        """The scene as an NPZ archive."""
        stream = io.BytesIO()
        nothing = np.full(3, np.nan)
        np.savez(
            stream,
            triangles_m=self.triangles_m.astype(np.float32),
            value=self.value.astype(np.float32),
            top=self.top,
            hot_spot_m=nothing if self.hot_spot_m is None else self.hot_spot_m,
            around_m=np.full((2, 3), np.nan) if self.around_m is None else self.around_m,
            arrow=nothing if self.arrow is None else self.arrow,
        )
        return stream.getvalue()

    @classmethod
    def of_archive(cls, data: bytes) -> ImplantScene:
        """Inverse of :meth:`archive`."""
        with np.load(io.BytesIO(data), allow_pickle=False) as z:
            spot, around, arrow = (
                v if np.all(np.isfinite(v := z[k])) else None for k in ("hot_spot_m", "around_m", "arrow")
            )
            place: Any = None if spot is None else tuple(float(v) for v in spot)
            return cls(z["triangles_m"].astype(float), z["value"], float(z["top"]), place, around, arrow)

    def thinned(self) -> ImplantScene:
        """The scene itself: surfaces are drawn whole up to a size that no implant should have."""
        if len(self.triangles_m) <= MOST_TRIANGLES:
            return self
        cut = slice(None, None, -(-len(self.triangles_m) // MOST_TRIANGLES))
        return replace(self, triangles_m=self.triangles_m[cut], value=self.value[cut])

    def plain(self) -> bytes:
        """The picture by matplotlib, where pyvista cannot draw."""
        from matplotlib import colormaps
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from mpl_toolkits.mplot3d import Axes3D  # noqa: F401  registers the projection

        figure = Figure(figsize=(6.4, 5.6), dpi=130)
        FigureCanvasAgg(figure)
        axes: Any = figure.add_axes((0.02, 0.02, 0.96, 0.96), projection="3d")
        cut = slice(None, None, max(1, len(self.triangles_m) // 8000))
        points = 1e3 * self.triangles_m[cut].mean(axis=1)
        axes.scatter(*points.T, s=5, c=colormaps[COLOURS](self._shares()[cut]), linewidths=0, depthshade=False)
        if self.hot_spot_m is not None:
            axes.scatter(
                *(1e3 * np.asarray(self.hot_spot_m)), s=80, marker="o", facecolors="none", edgecolors="#0a84c6"
            )
        axes.set_box_aspect(np.maximum(np.ptp(points, axis=0), 1))
        for name, text in (("x", "L – x [mm] – R"), ("y", "P – y [mm] – A"), ("z", "I – z [mm] – S")):
            getattr(axes, f"set_{name}label")(text)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", facecolor="white")
        return stream.getvalue()

    def _shares(self) -> np.ndarray:
        return np.clip(self.value / self.top, 0, 1) if self.top > 0 else np.zeros(len(self.value))


def draw(scene: ImplantScene, size: tuple[int, int] = (1100, 960)) -> bytes:
    """The scene as a PNG with transparent background by pyvista.

    Parameters
    ----------
    scene : ImplantScene
        What to draw.
    size : (int, int)
        Width and height [pixels].
    """
    import pyvista as pv

    plotter = pv.Plotter(off_screen=True, window_size=list(size), lighting="three lights")
    corners = scene.triangles_m.reshape(-1, 3)
    faces = np.column_stack([np.full(len(scene.triangles_m), 3), np.arange(len(corners)).reshape(-1, 3)])
    mesh = pv.PolyData(corners, faces.ravel())
    mesh.cell_data["value"] = scene.value
    # Colours between triangles: the step from voxel to voxel is of the grid, not of the metal.
    mesh = mesh.clean(tolerance=1e-7).cell_data_to_point_data()
    plotter.add_mesh(
        mesh,
        scalars="value",
        cmap=COLOURS,
        clim=(0, scene.top or 1),
        smooth_shading=True,
        show_scalar_bar=False,
        specular=0.35,
        ambient=0.25,
        split_sharp_edges=True,
    )
    low, high = corners.min(axis=0), corners.max(axis=0)
    extent = float(np.linalg.norm(high - low))
    shown = [corners]
    if scene.around_m is not None:
        box = pv.Box(bounds=scene.around_m.T.ravel())
        plotter.add_mesh(box, color=SKIN, opacity=0.14)
        plotter.add_mesh(box.extract_all_edges(), color=GUIDE, line_width=2)
        shown.append(np.stack(np.meshgrid(*scene.around_m.T, indexing="ij"), -1).reshape(-1, 3))
    if scene.hot_spot_m is not None:
        radius = 0.022 * extent
        ring = pv.Sphere(radius=radius, center=scene.hot_spot_m)
        plotter.add_mesh(ring, color="#20c0ff", opacity=0.9, specular=0.5)
    view = _view(scene, low, high)
    if scene.arrow is not None:
        direction = np.asarray(scene.arrow) / np.linalg.norm(scene.arrow)
        middle, length = 0.5 * (low + high), 0.35 * extent
        side = np.cross((0.0, 0.0, 1.0), view)
        side /= np.linalg.norm(side)
        reach = float(((corners - middle) @ side).max()) + 0.5 * length * abs(float(direction @ side))
        start = middle + (reach + 0.08 * extent) * side - 0.5 * length * direction
        plotter.add_mesh(
            pv.Arrow(
                start=start, direction=direction, scale=length, shaft_radius=0.018, tip_radius=0.05, tip_length=0.16
            ),
            color="#2f9e6b",
        )
        shown.append(np.stack([start, start + length * direction]))
    add_guides(plotter, np.concatenate(shown), size[0] / size[1], view)
    stream = io.BytesIO()
    plotter.screenshot(stream, transparent_background=True)
    plotter.close()
    return stream.getvalue()


def _view(scene: ImplantScene, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """From the side of the hot spot, on the broad side of the implant."""
    size = high - low
    broad = np.array([1.0, 0.0]) if size[1] > size[0] else np.array([0.0, 1.0])
    side = np.ones(2)
    if scene.hot_spot_m is not None:
        side = np.where(np.asarray(scene.hot_spot_m)[:2] < 0.5 * (low + high)[:2], -1.0, 1.0)
    flat = side * (broad + 0.45 * (1 - broad))
    view = np.array([*flat, 0.35])
    return np.asarray(view / np.linalg.norm(view))


def main() -> None:
    """Read a scene from standard input, write its PNG to standard output."""
    picture = draw(ImplantScene.of_archive(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(picture)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
