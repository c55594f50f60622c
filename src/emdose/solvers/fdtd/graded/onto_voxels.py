r"""Fields of graded cells on the edges and faces of the phantom's voxels.

Along an edge the voltage is kept, over a face the flux, as if values were constant in cells; across them values are
interpolated linearly, so that where planes of both grids agree nothing is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def onto_voxels(
    values: np.ndarray, cells_m: Sequence[np.ndarray], voxels_m: Sequence[np.ndarray], on_faces: bool
) -> np.ndarray:
    """Values of edges or faces of one grid on those of another.

    Parameters
    ----------
    values : (port, 3, nx + 1, ny + 1, nz + 1) complex ndarray
        On the edges, or faces, of the cells, zero past the last ones.
    cells_m, voxels_m : three (n,) float ndarrays
        Planes of both grids along x, y and z, with the same ends [m].
    on_faces : bool
        Whether faces are meant.
    """
    out = []
    for c in range(3):
        part = values[:, c]
        for a in range(3):
            weights = _means if (a == c) != on_faces else _between
            part = _apply(weights(np.asarray(cells_m[a]), np.asarray(voxels_m[a])), part, a + 1)
        out.append(part)
    return np.ascontiguousarray(np.stack(out, axis=1)).astype(values.dtype, copy=False)


def _means(cells: np.ndarray, voxels: np.ndarray) -> Any:
    """Means over voxels of what is constant in cells; a row and a column of zeros past the last."""
    from scipy.sparse import csr_matrix

    low = np.maximum(cells[:-1][None], voxels[:-1][:, None])
    common = np.maximum(np.minimum(cells[1:][None], voxels[1:][:, None]) - low, 0) / np.diff(voxels)[:, None]
    return csr_matrix(np.pad(common, ((0, 1), (0, 1))))


def _between(cells: np.ndarray, voxels: np.ndarray) -> Any:
    """Linear interpolation between planes."""
    from scipy.sparse import csr_matrix

    at = np.clip(np.searchsorted(cells, voxels, "right") - 1, 0, len(cells) - 2)
    share = np.clip((voxels - cells[at]) / (cells[at + 1] - cells[at]), 0, 1)
    share = np.where(share < 1e-6, 0, np.where(share > 1 - 1e-6, 1, share))
    rows = np.arange(len(voxels))
    shape = (len(voxels), len(cells))
    return csr_matrix((np.append(1 - share, share), (np.append(rows, rows), np.append(at, at + 1))), shape=shape)


def _apply(matrix: Any, values: np.ndarray, axis: int) -> np.ndarray:
    moved = np.moveaxis(values, axis, 0)
    found = matrix @ moved.reshape(len(moved), -1)
    return np.moveaxis(found.reshape(-1, *moved.shape[1:]), 0, axis)
