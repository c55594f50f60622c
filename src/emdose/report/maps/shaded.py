"""Shaded surfaces without VTK, where it cannot draw: rays through voxels, and triangles from back to front.

A view is a direction towards the eye; pictures are parallel projections with z up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PIXELS = 260
"""Longer side of the picture of a voxel body."""
LIGHT = np.array([0.35, 0.25, 0.9])
"""Where light comes from: right, up, and towards the eye."""
DARKEST = 0.42
MOST_TRIANGLES = 40_000


def frame(view: np.ndarray) -> np.ndarray:
    """Unit vectors to the right, up and towards the eye, (3, 3), for a direction ``view`` towards the eye."""
    eye = np.asarray(view, float) / np.linalg.norm(view)
    right = np.cross((0.0, 0.0, 1.0), eye)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(eye, right), eye])


def shade(normals: np.ndarray) -> np.ndarray:
    """Brightness 0 to 1 of surfaces with unit normals (..., 3) in the frame of the view."""
    return DARKEST + (1 - DARKEST) * np.clip(normals @ (LIGHT / np.linalg.norm(LIGHT)), 0, 1)


def body_picture(
    body: np.ndarray, spacing_m: Any, origin_m: Any, view: np.ndarray, colour: tuple[float, float, float]
) -> tuple[np.ndarray, tuple[float, float, float, float], np.ndarray]:
    """The surface of a voxel body as a picture.

    Parameters
    ----------
    body : (nx, ny, nz) bool ndarray
        Its voxels.
    spacing_m, origin_m : (float, float, float)
        Edges of a voxel and low corner of the grid [m].
    view : (3,) ndarray
        Towards the eye.
    colour : (float, float, float)
        Red, green and blue, 0 to 1.

    Returns
    -------
    image : (rows, columns, 4) ndarray
        Red, green, blue and opacity, the lowest row first.
    extent : (float, float, float, float)
        Left, right, low and high end in the plane of the view [m].
    depth : (rows, columns) ndarray
        How far towards the eye the surface lies [m]; minus infinity beside the body.
    """
    from scipy import ndimage

    axes, spacing, origin = frame(view), np.asarray(spacing_m, float), np.asarray(origin_m, float)
    solid = ndimage.gaussian_filter(np.pad(ndimage.binary_fill_holes(body), 2).astype(np.float32), 0.9)
    slope = [ndimage.gaussian_filter(g, 0.8) / h for g, h in zip(np.gradient(solid), spacing, strict=True)]
    low = origin - 2 * spacing
    used = np.argwhere(body)
    ends = np.stack([used.min(axis=0), used.max(axis=0) + 1]) * spacing + origin
    corners = np.stack(np.meshgrid(*ends.T, indexing="ij"), -1).reshape(-1, 3) @ axes.T
    (left, bottom, far), (right, top, near) = corners.min(axis=0), corners.max(axis=0)
    step = max(right - left, top - bottom) / PIXELS
    x, y = np.arange(left + step / 2, right, step), np.arange(bottom + step / 2, top, step)
    across, up = (v.ravel() for v in np.meshgrid(x, y))
    depth = np.full(across.shape, -np.inf)

    def places(rays: np.ndarray, at: Any) -> np.ndarray:
        points = np.stack([across[rays], up[rays], np.broadcast_to(at, rays.shape)], 1) @ axes
        return ((points - low) / spacing - 0.5).T

    rays, stride = np.arange(len(across)), 0.7 * float(spacing.min())
    for at in np.arange(near, far - stride, -stride):
        hit = ndimage.map_coordinates(solid, places(rays, at), order=1) >= 0.5
        depth[rays[hit]] = at
        rays = rays[~hit]
        if not len(rays):
            break
    seen = np.flatnonzero(np.isfinite(depth))
    ahead, behind = depth[seen] + stride, depth[seen].copy()
    for _ in range(5):  # the surface lies between two steps
        middle = 0.5 * (ahead + behind)
        inside = ndimage.map_coordinates(solid, places(seen, middle), order=1) >= 0.5
        ahead, behind = np.where(inside, ahead, middle), np.where(inside, middle, behind)
    depth[seen] = behind
    at = places(seen, behind)
    normals = -np.stack([ndimage.map_coordinates(g, at, order=1) for g in slope], 1) @ axes.T
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    image = np.zeros((len(across), 4))
    image[seen, :3] = shade(normals)[:, None] * np.asarray(colour)
    image[seen, 3] = 1.0
    shape = (len(y), len(x))
    return image.reshape(*shape, 4), (left, right, bottom, top), depth.reshape(shape)


def behind(points_m: np.ndarray, extent: tuple[float, float, float, float], depth: np.ndarray) -> np.ndarray:
    """Whether points (n, 3) in the frame of the view lie behind the surface of :func:`body_picture`."""
    left, right, bottom, top = extent
    rows, columns = depth.shape
    column = np.floor((points_m[:, 0] - left) / (right - left) * columns).astype(int)
    row = np.floor((points_m[:, 1] - bottom) / (top - bottom) * rows).astype(int)
    there = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    found = np.zeros(len(points_m), bool)
    found[there] = points_m[there, 2] < depth[row[there], column[there]]
    return found


def draw_triangles(panel: Any, triangles_m: np.ndarray, colours: np.ndarray, view: np.ndarray) -> None:
    """Triangles of a closed surface on an axes of matplotlib, those in front last.

    Parameters
    ----------
    panel : Axes
        With millimetres to the right and up.
    triangles_m : (t, 3, 3) ndarray
        Corners, counter-clockwise from outside [m].
    colours : (t, 3) ndarray
        Red, green and blue of each, 0 to 1.
    view : (3,) ndarray
        Towards the eye.
    """
    from matplotlib.collections import PolyCollection

    turned = triangles_m @ frame(view).T
    normals = np.cross(turned[:, 1] - turned[:, 0], turned[:, 2] - turned[:, 0])
    length = np.linalg.norm(normals, axis=1)
    kept = np.flatnonzero((normals[:, 2] > 0) & (length > 0))
    if len(kept) > MOST_TRIANGLES:  # the larger ones cover most
        kept = kept[np.argsort(-length[kept])[:MOST_TRIANGLES]]
    kept = kept[np.argsort(turned[kept, :, 2].mean(axis=1))]
    lit = shade(normals[kept] / length[kept, None])[:, None] * colours[kept]
    panel.add_collection(PolyCollection(1e3 * turned[kept, :, :2], facecolors=lit, edgecolors=lit, linewidths=0.3))


def finish(panel: Any, view: np.ndarray) -> None:
    """Equal scales, no axes, and arrows to the patient's right, front and head in a corner."""
    panel.set_aspect("equal")
    panel.set_axis_off()
    panel.margins(0.06)
    panel.autoscale_view()
    for name, end in zip("RAS", frame(view).T[:, :2], strict=True):
        style: dict[str, Any] = {"xycoords": "figure fraction", "textcoords": "offset points"}
        style |= {"ha": "center", "va": "center", "fontsize": 9, "color": "#5b6470", "annotation_clip": False}
        panel.annotate(name, (0.08, 0.09), 34 * end, **style)
        style["arrowprops"] = {"arrowstyle": "<-", "color": "#7a7f87", "shrinkA": 0, "shrinkB": 0}
        panel.annotate("", (0.08, 0.09), 26 * end, **style)
