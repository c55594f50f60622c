"""The picture of an implant coloured by its loss, alone or in its phantom; drawn like :mod:`emdose.report.maps.scene`.

It runs as ``emdose.scenarios.kinds.implant_gradient.page.scene`` in an isolated process of its own.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.report.maps import shaded
from emdose.report.maps.scene import GUIDE, SKIN, add_guides, level_set

COLOURS: Any = "plasma"
MOST_TRIANGLES = 400_000


@dataclass(frozen=True, eq=False)
class ImplantScene:
    """What the picture shows.

    Parameters
    ----------
    triangles_m : (t, 3, 3) float ndarray
        Corners of the surface's triangles [m].
    value : (t, 3) float ndarray
        What colours their corners; between these the colours run smoothly.
    top : float
        Value of the brightest colour.
    hot_spot_m : (float, float, float) or None
        Place that is marked [m].
    around_m : (2, 3) float ndarray or None
        Low and high corner of what lies around it [m]: drawn as a box where there is no ``body``.
    arrow : (3,) float ndarray or None
        Direction of the field, drawn beside the implant.
    body : (nx, ny, nz) bool ndarray or None
        Voxels of the phantom between the corners of ``around_m``, whose surface is drawn.
    """

    triangles_m: np.ndarray
    value: np.ndarray
    top: float
    hot_spot_m: tuple[float, float, float] | None = None
    around_m: np.ndarray | None = None
    arrow: np.ndarray | None = None
    body: np.ndarray | None = None

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
            body=np.zeros((0, 0, 0), bool) if self.body is None else self.body,
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
            body = z["body"] if z["body"].size else None
            return cls(z["triangles_m"].astype(float), z["value"], float(z["top"]), place, around, arrow, body)

    def thinned(self) -> ImplantScene:
        """The scene itself: surfaces are drawn whole up to a size that no implant should have."""
        if len(self.triangles_m) <= MOST_TRIANGLES:
            return self
        cut = slice(None, None, -(-len(self.triangles_m) // MOST_TRIANGLES))
        return replace(self, triangles_m=self.triangles_m[cut], value=self.value[cut])

    def plain(self) -> bytes:
        """The picture without VTK, where pyvista cannot draw."""
        from matplotlib import colormaps
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 5.6), dpi=130)
        FigureCanvasAgg(figure)
        panel = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        corners = self.triangles_m.reshape(-1, 3)
        view = _view(self, corners.min(axis=0), corners.max(axis=0))
        turn = shaded.frame(view)
        if self.around_m is not None:
            ends = np.stack(np.meshgrid(*self.around_m.T, indexing="ij"), -1).reshape(8, 3)
            edges = [(a, b) for a in range(8) for b in range(a) if (a ^ b) in (1, 2, 4)]
            if self.body is None:
                for a, b in edges:
                    panel.plot(*(1e3 * (ends[[a, b]] @ turn.T)[:, :2].T), color=GUIDE, lw=0.8)
            else:
                colour = (0.77, 0.62, 0.53)
                box = self.around_m[1] - self.around_m[0]
                found = shaded.body_picture(self.body, box / self.body.shape, self.around_m[0], view, colour)
                extent: Any = [1e3 * v for v in found[1]]
                panel.imshow(found[0], origin="lower", extent=extent, alpha=0.35, zorder=0)
        shares = np.clip(self.value.mean(axis=1) / self.top, 0, 1) if self.top > 0 else np.zeros(len(self.value))
        shaded.draw_triangles(panel, self.triangles_m, colormaps[COLOURS](shares)[:, :3], view)
        if self.hot_spot_m is not None:
            x, y, _ = 1e3 * turn @ np.asarray(self.hot_spot_m)
            panel.scatter(x, y, s=80, marker="o", facecolors="none", edgecolors="#0a84c6", zorder=4)
        shaded.finish(panel, view)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", facecolor="white")
        return stream.getvalue()


def subdivided(triangles_m: np.ndarray, longest_m: float, most: int = MOST_TRIANGLES) -> tuple[np.ndarray, np.ndarray]:
    """Triangles halved across their longest edges until no edge is longer, so that colours can change within them.

    Parameters
    ----------
    triangles_m : (t, 3, 3) float ndarray
        Corners [m].
    longest_m : float
        Longest edge that is left [m], unless there would be more than ``most`` triangles.
    most : int
        Most triangles.

    Returns
    -------
    triangles_m : (s, 3, 3) float ndarray
        Their corners [m], in the sense of rotation of the triangles they come from.
    origin : (s,) int ndarray
        Which triangle each comes from.
    """
    found, origin = np.asarray(triangles_m, float), np.arange(len(triangles_m))
    while len(found):
        edges = np.linalg.norm(np.roll(found, -1, axis=1) - found, axis=2)  # from each corner to the next
        long = edges.max(axis=1) > longest_m
        if not long.any() or len(found) + long.sum() > most:
            break
        at = np.argmax(edges[long], axis=1)
        n = np.arange(len(at))
        a, b, c = (found[long][n, (at + k) % 3] for k in range(3))
        middle = 0.5 * (a + b)
        halves = [np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)]
        found = np.concatenate([found[~long], *halves])
        origin = np.concatenate([origin[~long], origin[long], origin[long]])
    return found, origin


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
    mesh.point_data["value"] = scene.value.ravel()
    mesh = mesh.clean(tolerance=1e-7)
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
        if scene.body is None:
            box = pv.Box(bounds=scene.around_m.T.ravel())
            plotter.add_mesh(box, color=SKIN, opacity=0.14)
            plotter.add_mesh(box.extract_all_edges(), color=GUIDE, line_width=2)
        else:
            spacing: Any = tuple((scene.around_m[1] - scene.around_m[0]) / scene.body.shape)
            skin = level_set(scene.body.astype(np.float32), 0.5, spacing, tuple(scene.around_m[0]))
            skin = skin.smooth_taubin(n_iter=30, pass_band=0.08)
            plotter.add_mesh(skin, color=SKIN, opacity=0.3, smooth_shading=True)
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
