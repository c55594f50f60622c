"""Derivatives of fields on a rectilinear grid, for each way in which components may lie on it.

Every difference is taken at the index of the magnetic component that it is compared with. On the lattice of Yee the
curl of E at a face needs the difference to the next edge, whatever the component; on the dual one that to the edge
before; and where all components lie at the same points, the central one. So the way a component lies decides the
difference, and its name decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

MOST_POINTS = 300_000
"""Points of all ports that are looked at, at the most: whole layers, spread over the grid."""
LAYERS = 8


def blocks(shape: tuple[int, int, int], ports: int) -> Iterator[slice]:
    """Layers along x of the points inside the outermost ones, spread over the grid; the fewer the more ports."""
    inner = shape[0] - 2
    per_layer = max((shape[1] - 2) * (shape[2] - 2), 1)
    count = max(1, min(inner, MOST_POINTS // (per_layer * ports)))
    pieces = max(1, -(-count // LAYERS))
    thick = -(-count // pieces)
    for n in range(pieces):
        low = 1 + (0 if pieces == 1 else round(n * (inner - thick) / (pieces - 1)))
        yield slice(low, min(low + thick, shape[0] - 1))


def derivatives(field: np.ndarray, axes: Sequence[np.ndarray], part: slice, positions: str, curl_of: str) -> np.ndarray:
    """Derivatives of the components of a field along the axes, at inner points.

    Parameters
    ----------
    field : (3, nx, ny, nz) complex ndarray
        The field.
    axes : three float ndarrays
        Coordinates.
    part : slice
        Inner points along x.
    positions : "points", "yee" or "yee dual"
        How the components lie.
    curl_of : "E" or "B"
        Whether the field is the electric or the magnetic one.

    Returns
    -------
    (3, 3, ...) complex ndarray: entry [a, c] is the derivative of component c along axis a.
    """
    region = (part, slice(1, -1), slice(1, -1))
    forward = positions == ("yee" if curl_of == "E" else "yee dual")
    out = np.empty((3, 3, *(len(range(*s.indices(n))) for s, n in zip(region, field.shape[1:], strict=True))), complex)
    for a in range(3):
        x = axes[a]
        here = field[(slice(None), *region)]
        after, before = (field[(slice(None), *_moved(region, a, step, field.shape[1:]))] for step in (1, -1))
        h_after, h_before = (
            _along(np.diff(x)[k][_inner(region[a], len(x))], a) for k in (slice(1, None), slice(0, -1))
        )
        if positions == "points":
            # Second order where the spacing changes too.
            out[a] = (h_before**2 * (after - here) + h_after**2 * (here - before)) / (
                h_after * h_before * (h_after + h_before)
            )
        elif forward:
            out[a] = (after - here) / h_after
        else:
            out[a] = (here - before) / (0.5 * (h_after + h_before))
    return out


def usable(fields: Sequence[np.ndarray], part: slice) -> np.ndarray:
    """Inner points where all fields are known and not zero, with their neighbours, as a mask."""
    good = None
    low, high, _ = part.indices(fields[0].shape[1])
    for field in (f[:, low - 1 : high + 1] for f in fields):
        known = np.all(np.isfinite(field), axis=0) & np.any(field != 0, axis=0)
        good = known if good is None else good & known
    assert good is not None
    region = (slice(1, -1), slice(1, -1), slice(1, -1))
    out = good[region].copy()
    for a in range(3):
        for step in (1, -1):
            out &= good[_moved(region, a, step, good.shape)]
    return out


def _moved(region: Sequence[slice], axis: int, step: int, shape: Sequence[int]) -> tuple[slice, ...]:
    parts = [slice(*s.indices(n)) for s, n in zip(region, shape, strict=True)]
    parts[axis] = slice(parts[axis].start + step, parts[axis].stop + step)
    return tuple(parts)


def _inner(part: slice, n: int) -> slice:
    """The same points counted from the first inner one."""
    low, high, _ = part.indices(n)
    return slice(low - 1, high - 1)


def _along(values: np.ndarray, axis: int) -> np.ndarray:
    return values.reshape([-1 if a == axis else 1 for a in range(3)])
