r"""Fields of voxels on a finer grid, every component from its own edges or faces.

Across the component E is continuous at borders of tissue; along it the displacement :math:`\varepsilon_c E` is, with
the complex permittivity of the edges:

.. math:: E(x) = \frac{w_0\,\varepsilon_0 E_0 + w_1\,\varepsilon_1 E_1}{\varepsilon(x)}

where the plane of edges in the voxel of x gives :math:`\varepsilon(x)`. Beside air E itself is interpolated. B is
continuous along every axis.

Source: A. Taflove and S. Hagness, Computational Electrodynamics, 3rd ed., Artech 2005, ch. 3 (where components live).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.yee_grid.edge_materials import edge_mean

if TYPE_CHECKING:
    from emdose.models.bodies.phantom import Phantom
    from emdose.models.grids.grid import Grid


LARGEST_RATIO = 10.0
"""Of neighbouring permittivities; beyond it one of them is air. On a staircase much of the field along a component is
tangential, and its displacement in tissue would be a huge field in air."""


def electric(E: np.ndarray, phantom: Phantom, frequency_Hz: float, fine: Grid) -> np.ndarray:
    """E on the edges of a finer grid within that of a body.

    Parameters
    ----------
    E : (port, 3, nx + 1, ny + 1, nz + 1) complex ndarray
        On the edges of the body's voxels [V/m].
    phantom : Phantom
        The body.
    frequency_Hz : float
        Frequency [Hz].
    fine : Grid
        The finer grid.

    Returns
    -------
    (port, 3, ...) complex ndarray
        On its edges [V/m], zero past the last ones.
    """
    cut, old = _window(phantom.grid, fine)
    voxels = tuple(slice(s.start, s.stop - 1) for s in cut)
    labels = np.asarray(phantom.labels)[voxels]
    table = np.array([complex(t.complex_permittivity(frequency_Hz)) for t in phantom.tissues])
    # The window has a voxel more than is needed on every side, or ends where the grid does.
    eps = edge_mean(table[labels], 1.0)
    values = E[:, :, cut[0], cut[1], cut[2]]
    out = np.zeros((len(E), 3, *fine.node_shape), E.dtype)
    for c in range(3):
        part, medium = values[:, c], eps[c][None]
        for a in range(3):
            if a != c:
                pair = _places(old.nodes(a), fine.nodes(a))
                part, medium = _along(part, a, pair), _along(medium, a, pair)
        centres = fine.centres(c)
        last = old.shape[c]
        own = np.clip(np.floor((centres - old.origin_m[c]) / old.spacing_m[c] + 1e-9).astype(int), 0, last - 1)
        inner = _upto(part, c, last), _upto(medium, c, last)
        pair = _places(old.centres(c), centres)
        displaced = _along(inner[0] * inner[1], c, pair) / np.take(inner[1], own, axis=c + 1)
        ends = (np.abs(np.take(inner[1], np.minimum(pair[0] + k, last - 1), axis=c + 1)) for k in (0, 1))
        apart = np.abs(np.log(next(ends) / next(ends))) > np.log(LARGEST_RATIO)
        value = np.where(apart, _along(inner[0], c, pair), displaced)
        _put(out, c, value)
    return out


def magnetic(B: np.ndarray, grid: Grid, fine: Grid) -> np.ndarray:
    """B on the faces of a finer grid [T]; see :func:`electric`.

    Parameters
    ----------
    B : (port, 3, nx + 1, ny + 1, nz + 1) complex ndarray
        On the faces of voxels [T].
    grid, fine : Grid
        The voxels and the finer grid.
    """
    cut, old = _window(grid, fine)
    values = B[:, :, cut[0], cut[1], cut[2]]
    out = np.zeros((len(B), 3, *fine.node_shape), B.dtype)
    for c in range(3):
        part = values[:, c]
        for a in range(3):
            if a == c:
                part = _along(part, a, _places(old.nodes(a), fine.nodes(a)))
            else:
                part = _along(_upto(part, a, old.shape[a]), a, _places(old.centres(a), fine.centres(a)))
        _put(out, c, part)
    return out


def _window(old: Grid, fine: Grid) -> tuple[tuple[slice, ...], Grid]:
    """Nodes of the voxels around a finer grid, and these voxels."""
    low, high = [], []
    for a in range(3):
        ends = [(end[a] - old.origin_m[a]) / old.spacing_m[a] for end in fine.bounds_m]
        low.append(max(0, int(np.floor(ends[0] + 1e-6)) - 1))
        high.append(min(old.shape[a], int(np.ceil(ends[1] - 1e-6)) + 1))
    return tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True)), old.crop(tuple(low), tuple(high))  # type: ignore[arg-type]


def _places(at: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the point below each wanted one, and the share of the next; the ends go on."""
    if len(at) == 1:
        return np.zeros(len(wanted), int), np.zeros(len(wanted))
    x = np.clip((wanted - at[0]) / (at[1] - at[0]), 0, len(at) - 1)
    i = np.minimum(x.astype(int), len(at) - 2)
    return i, x - i


def _along(values: Any, axis: int, pair: tuple[np.ndarray, np.ndarray]) -> Any:
    """Linear interpolation of (port, ...) along an axis."""
    i, w = pair
    share = w.reshape([-1 if a == axis else 1 for a in range(3)]).astype(values.real.dtype)
    low = np.take(values, i, axis=axis + 1)
    if not np.any(w):
        return low
    return low * (1 - share) + np.take(values, np.minimum(i + 1, values.shape[axis + 1] - 1), axis=axis + 1) * share


def _upto(values: Any, axis: int, last: int) -> Any:
    return np.take(values, np.arange(last), axis=axis + 1)


def _put(out: np.ndarray, c: int, value: np.ndarray) -> None:
    x, y, z = value.shape[1:]
    out[:, c, :x, :y, :z] = value
