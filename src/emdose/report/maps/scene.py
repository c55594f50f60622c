"""The picture of body and coil, drawn off screen by pyvista in a process of its own.

VTK ends the whole process when it finds no usable OpenGL. It therefore runs as ``emdose.report.maps.scene``
with the scene as an NPZ archive on standard input and a PNG file on standard output; what it drew is kept for the next
time. When that fails or takes too long, a plainer picture of lower resolution is drawn without VTK.
"""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emdose.compute import child
from emdose.report.maps import picture_cache, shaded

TIMEOUT_S = 40.0
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
SKIN, COPPER, HOT, GUIDE, SHIELD = "#c59f86", "#b8692e", "#e0322b", "#7a7f87", "#8c96a3"
SCALE_BAR_M = 0.1
GLOW = 0.75
"""Share of the largest value above which the hot region is drawn."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What the picture shows.

    Parameters
    ----------
    body : (nx, ny, nz) bool ndarray
        Voxels that are tissue.
    spacing_m, origin_m : (float, float, float)
        Voxel size and low corner of the grid [m].
    segments_m : (n, 2, 3) float ndarray
        Ends of the straight conductor pieces [m]; may be empty.
    hot : (nx, ny, nz) float ndarray
        Map whose hot spot is marked (SAR averaged over 10 g, say); zero outside the body.
    hot_spot_m : (float, float, float) or None
        Position of its largest value [m].
    outline_m : (m, 2, 3) float ndarray
        Thin lines beside the conductors, such as those of a shield [m]; may be empty.
    """

    body: np.ndarray
    spacing_m: tuple[float, float, float]
    origin_m: tuple[float, float, float]
    segments_m: np.ndarray
    hot: np.ndarray
    hot_spot_m: tuple[float, float, float] | None = None
    outline_m: np.ndarray = field(default_factory=lambda: np.zeros((0, 2, 3)))

    def archive(self) -> bytes:
        """The scene as an NPZ archive."""
        stream = io.BytesIO()
        spot = self.hot_spot_m if self.hot_spot_m is not None else (np.nan,) * 3
        np.savez(
            stream,
            body=self.body,
            spacing_m=self.spacing_m,
            origin_m=self.origin_m,
            segments_m=self.segments_m,
            hot=self.hot.astype(np.float32),
            hot_spot_m=spot,
            outline_m=self.outline_m,
        )
        return stream.getvalue()

    @classmethod
    def of_archive(cls, data: bytes) -> Scene:
        """Inverse of :meth:`archive`."""
        with np.load(io.BytesIO(data), allow_pickle=False) as z:
            spot = tuple(float(v) for v in z["hot_spot_m"])
            return cls(
                z["body"],
                tuple(float(v) for v in z["spacing_m"]),  # type: ignore[arg-type]
                tuple(float(v) for v in z["origin_m"]),  # type: ignore[arg-type]
                z["segments_m"],
                z["hot"],
                spot if np.all(np.isfinite(spot)) else None,  # type: ignore[arg-type]
                z["outline_m"],
            )

    def plain(self) -> bytes:
        """The picture without VTK, where pyvista cannot draw."""
        return draw_plain(self)

    @property
    def view(self) -> np.ndarray:
        """Towards the eye: from the side of the hot spot, from the right and the front when in doubt; a unit vector."""
        side = np.ones(2)
        if self.hot_spot_m is not None:
            side = np.where(np.asarray(self.hot_spot_m)[:2] < _corner_points(self).mean(axis=0)[:2], -1.0, 1.0)
        view = np.array([0.62 * side[0], side[1], 0.42])
        return np.asarray(view / np.linalg.norm(view))

    def thinned(self, most: int = 120) -> Scene:
        """The scene with every n-th voxel, so that no side has more than ``most`` of them."""
        n = max(1, -(-max(self.body.shape) // most))
        if n == 1:
            return self
        cut = (slice(None, None, n),) * 3
        spacing: Any = tuple(n * s for s in self.spacing_m)
        return Scene(
            self.body[cut], spacing, self.origin_m, self.segments_m, self.hot[cut], self.hot_spot_m, self.outline_m
        )


class Renderer:
    """A picture in the making: started at once, collected later.

    Parameters
    ----------
    scene : Scene, or another with ``thinned``, ``archive`` and ``plain``
        What to draw.
    command : sequence of str, optional
        Program that turns the archive into a PNG; by default this module in an isolated Python.
    timeout_s : float
        How long the program may take [s].
    """

    def __init__(self, scene: Any, command: list[str] | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self.scene, self.timeout_s, self.problem = scene.thinned(), timeout_s, ""
        self._png = b""
        self._thread = threading.Thread(
            target=self._run, args=(command or child.command("emdose.report.maps.scene"),), daemon=True
        )
        self._thread.start()

    def png(self) -> tuple[bytes, str]:
        """The picture as PNG, and why it is not pyvista's (empty when it is)."""
        self._thread.join()
        return self._png or self.scene.plain(), self.problem

    def _run(self, command: list[str]) -> None:
        archive = self.scene.archive()
        key = picture_cache.key_of(self.scene, archive, command)
        self._png = picture_cache.load(key)
        if self._png:
            return
        try:
            done = subprocess.run(
                command, input=archive, capture_output=True, timeout=self.timeout_s, check=False, cwd=child.FOLDER
            )
        except subprocess.TimeoutExpired:
            self.problem = f"the 3-D renderer took more than {self.timeout_s:g} s"
        except OSError as error:
            self.problem = f"the 3-D renderer did not run ({error.strerror})"
        else:
            start = done.stdout.find(PNG_MAGIC)
            if done.returncode == 0 and start >= 0:
                self._png = done.stdout[start:]
                picture_cache.save(key, self._png)
            else:
                self.problem = f"the 3-D renderer ended with code {done.returncode}"


def draw_plain(scene: Scene) -> bytes:
    """The scene as a PNG without VTK: the shaded surface of the body at lower resolution, conductors, the hot spot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.6), dpi=130)
    FigureCanvasAgg(figure)
    panel = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    scene, turn = scene.thinned(90), shaded.frame(scene.view)
    extent, depth = (0.0, 1.0, 0.0, 1.0), np.full((1, 1), -np.inf)
    if scene.body.any():
        colour: Any = to_rgb(SKIN)
        image, extent, depth = shaded.body_picture(scene.body, scene.spacing_m, scene.origin_m, scene.view, colour)
        box: Any = [1e3 * v for v in extent]
        panel.imshow(image, origin="lower", extent=box, interpolation="bilinear", zorder=2)
    for lines, colour_name, width in ((scene.segments_m, COPPER, 2.2), (scene.outline_m, SHIELD, 0.7)):
        if not len(lines):
            continue
        pieces = np.linspace(lines[:, 0], lines[:, 1], 13, axis=1)  # parts of a line may lie behind the body
        pieces = np.stack([pieces[:, :-1], pieces[:, 1:]], axis=2).reshape(-1, 2, 3) @ turn.T
        hidden = shaded.behind(pieces.mean(axis=1), extent, depth)
        for some, order in ((hidden, 1), (~hidden, 3)):
            style: Any = {"colors": colour_name, "linewidths": width, "zorder": order, "capstyle": "round"}
            panel.add_collection(LineCollection(1e3 * pieces[some][:, :, :2], **style))
    if scene.hot_spot_m is not None:
        x, y, _ = 1e3 * turn @ np.asarray(scene.hot_spot_m)
        panel.scatter(x, y, s=90, c=HOT, edgecolors="white", linewidths=1.0, zorder=4)
    shaded.finish(panel, scene.view)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor="white")
    return stream.getvalue()


def draw(scene: Scene, size: tuple[int, int] = (1100, 960)) -> bytes:
    """The scene as a PNG with transparent background by pyvista.

    Parameters
    ----------
    scene : Scene
        What to draw.
    size : (int, int)
        Width and height [pixels].
    """
    import pyvista as pv
    from scipy import ndimage

    plotter = pv.Plotter(off_screen=True, window_size=list(size), lighting="three lights")
    corners = [_corner_points(scene)]
    skin = level_set(ndimage.binary_fill_holes(scene.body).astype(np.float32), 0.5, scene.spacing_m, scene.origin_m)
    if skin.n_points:
        skin = skin.smooth_taubin(n_iter=30, pass_band=0.08)
        plotter.add_mesh(skin, color=SKIN, opacity=0.45, smooth_shading=True, specular=0.25)
    top = float(scene.hot.max(initial=0.0))
    if top > 0:
        glow = level_set(scene.hot, GLOW * top, scene.spacing_m, scene.origin_m)
        if glow.n_points:
            plotter.add_mesh(glow, color="#f08a24", opacity=0.55, smooth_shading=True)
    if scene.hot_spot_m is not None:
        radius = 0.022 * float(np.ptp(corners[0], axis=0).max())
        plotter.add_mesh(pv.Sphere(radius=radius, center=scene.hot_spot_m), color=HOT, specular=0.5)
    if len(scene.segments_m):
        ends = scene.segments_m.reshape(-1, 3)
        corners.append(ends)
        wire = _lines(scene.segments_m)
        width = 0.009 * float(np.ptp(ends, axis=0).max())
        plotter.add_mesh(wire.tube(radius=width, n_sides=14), color=COPPER, smooth_shading=True, specular=0.7)
    if len(scene.outline_m):
        corners.append(scene.outline_m.reshape(-1, 3))
        plotter.add_mesh(_lines(scene.outline_m), color=SHIELD, line_width=2.5, opacity=0.6)
    add_guides(plotter, np.concatenate(corners), size[0] / size[1], scene.view)
    stream = io.BytesIO()
    plotter.screenshot(stream, transparent_background=True)
    plotter.close()
    return stream.getvalue()


def add_guides(plotter: Any, points: np.ndarray, aspect: float, view: np.ndarray) -> None:
    """Camera in the direction ``view`` on all ``points`` (n, 3), direction arrows and a scale bar."""
    import pyvista as pv

    low, high = points.min(axis=0), points.max(axis=0)
    middle, extent = 0.5 * (low + high), float(np.linalg.norm(high - low))
    right = np.cross(-view, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    up = np.cross(right, -view)
    half_width, half_height = (np.abs((points - middle) @ direction).max() for direction in (right, up))
    # Room below for the scale bar, which lies across the view: parallel projection shows it at its true length.
    half = 1.02 * max(1.16 * half_height, half_width / aspect)
    focus = middle - 0.12 * half * up
    plotter.camera_position = [tuple(focus + 3 * extent * view), tuple(focus), (0.0, 0.0, 1.0)]
    plotter.enable_parallel_projection()
    plotter.camera.parallel_scale = half
    bar = SCALE_BAR_M
    while bar > half:
        bar /= 2
    start = focus + (0.93 * half * aspect - bar) * right - 0.94 * half * up + extent * view
    plotter.add_mesh(pv.Line(start, start + bar * right), color=GUIDE, line_width=5)
    plotter.add_point_labels(
        [start + 0.5 * bar * right + 0.03 * half * up],
        [f"{1e3 * bar:g} mm"],
        text_color=GUIDE,
        font_size=26,
        shape=None,
        show_points=False,
        always_visible=True,
        bold=False,
        justification_horizontal="center",
    )
    plotter.reset_camera_clipping_range()
    plotter.add_axes(
        xlabel="R",
        ylabel="A",
        zlabel="S",
        line_width=4,
        color=GUIDE,
        x_color="#d9534f",
        y_color="#3c9d5b",
        z_color="#3f7fc4",
        viewport=(0.0, 0.0, 0.22, 0.22),
    )


def shield_lines(parameters: Mapping[str, Any], lines: int = 24) -> np.ndarray:
    """The cylinder of a shield about z as thin lines, (m, 2, 3) [m]: two rings and lines between them.

    Parameters
    ----------
    parameters : mapping
        Those of a coil; without shield_radius_m and shield_length_m there is nothing to draw.
    lines : int
        Lines along z.
    """
    radius, length = (parameters.get(k) for k in ("shield_radius_m", "shield_length_m"))
    if not radius or not length:
        return np.zeros((0, 2, 3))
    phi = np.linspace(0, 2 * np.pi, 4 * lines + 1)
    ring = radius * np.stack([np.cos(phi), np.sin(phi), np.zeros_like(phi)], axis=1)
    half = np.array([0, 0, 0.5 * length])
    rings = [np.stack([ring[:-1] + z, ring[1:] + z], axis=1) for z in (-half, half)]
    along = np.stack([ring[:-1:4] - half, ring[:-1:4] + half], axis=1)
    return np.concatenate([*rings, along]) + np.asarray(parameters.get("position_m") or (0.0, 0.0, 0.0))


def _lines(segments: np.ndarray) -> Any:
    """Straight pieces (n, 2, 3) as a mesh of lines."""
    import pyvista as pv

    ends = segments.reshape(-1, 3)
    cells = np.column_stack([np.full(len(segments), 2), np.arange(len(ends)).reshape(-1, 2)])
    return pv.PolyData(ends, lines=cells.ravel()).clean()


def level_set(value: np.ndarray, level: float, spacing_m: Any, origin_m: Any) -> Any:
    """Surface where a voxel map (nx, ny, nz), padded by one voxel of zeros, crosses a level."""
    import pyvista as pv

    padded = np.pad(np.nan_to_num(value), 1)
    origin = tuple(o - 0.5 * s for o, s in zip(origin_m, spacing_m, strict=True))
    image = pv.ImageData(dimensions=padded.shape, spacing=spacing_m, origin=origin)
    image.point_data["v"] = padded.ravel(order="F")
    return image.contour([level], scalars="v")


def _corner_points(scene: Scene) -> np.ndarray:
    used = np.argwhere(scene.body)
    if not len(used):
        used = np.array([[0, 0, 0], scene.body.shape])
    ends = np.stack([used.min(axis=0), used.max(axis=0) + 1], 1)
    return np.stack(np.meshgrid(*ends, indexing="ij"), -1).reshape(-1, 3) * np.asarray(scene.spacing_m) + np.asarray(
        scene.origin_m
    )


def main() -> None:
    """Read a scene from standard input, write its PNG to standard output."""
    picture = draw(Scene.of_archive(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(picture)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
