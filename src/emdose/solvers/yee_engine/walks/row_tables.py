"""What the walk over rows on a CPU looks up per row instead of computing it in every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.yee_engine.tables.lattice import VECTOR
from emdose.solvers.yee_engine.tables.tables import Tables

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

DENSE_SHARE = 0.25
"""Cells, of all, whose coefficients are written out at most; 24 bytes each in single precision, so 6 per cell."""


class RowTables:
    """Materials, coefficients and mixed ranges of all rows.

    Parameters
    ----------
    tables : Tables
        The problem.
    be : Backend
        Device, a CPU.

    Attributes
    ----------
    rows : (nx, ny, 3, 3) int32 array
        Per component the material that most of a row has at both ends, and the range that differs.
    span : (nx, ny, 3) int32 array
        Begin and end of the range in which a component differs, in whole vectors, and the place of its coefficients in
        ``dense`` in units of six vectors, or -1.
    gain : (nx, ny, 9) array
        Coefficients outside of that range without the factor along the row: a and b of E, b of H.
    dense : array
        Coefficients a, b of x, of y and of z in the ranges, row after row.
    """

    def __init__(self, tables: Tables, be: Backend) -> None:
        lattice = tables.lattice
        nx, ny, _ = lattice.nodes
        self.rows = uniform_rows(tables, be)
        rows = np.asarray(self.rows)
        factor = lattice.factors[:, :, 0, :nx, None] * lattice.factors[:, :, 1, None, :ny]
        one = rows[..., 0].transpose(2, 0, 1)
        parts = [lattice.ca[one], lattice.cb[one] * factor[0], factor[1]]
        self.gain = np.ascontiguousarray(np.concatenate(parts).transpose(1, 2, 0), lattice.dtype)
        mixed = rows[..., 1] < rows[..., 2]
        begin = np.where(mixed, rows[..., 1], lattice.stride).min(-1) // VECTOR * VECTOR
        end = -(-np.where(mixed, rows[..., 2], 0).max(-1) // VECTOR) * VECTOR
        some = mixed.any(-1)
        begin, end = np.where(some, begin, lattice.stride), np.where(some, end, lattice.stride)
        after = np.cumsum(end - begin).reshape(nx, ny)
        kept = some & (after <= DENSE_SHARE * nx * ny * lattice.nodes[2])
        place = np.where(kept, (after - (end - begin)) // VECTOR, -1)
        self.span = np.ascontiguousarray(np.stack([begin, end, place], axis=-1), np.int32)
        self.dense = _written_out(tables, factor[0], np.argwhere(kept), begin[kept], end[kept])

    @property
    def bytes(self) -> int:
        """What they take."""
        return sum(int(a.nbytes) for a in (self.rows, self.span, self.gain, self.dense))


def _written_out(tables: Tables, factor: np.ndarray, at: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Coefficients in [begin, end) of rows (i, j)."""
    lattice, width = tables.lattice, end - begin
    first = np.cumsum(width) - width
    out = np.zeros(max(1, 6 * int(width.sum())), lattice.dtype)
    k = np.arange(int(width.sum())) + np.repeat(begin - first, width)
    i, j = (np.repeat(at[:, n], width) for n in (0, 1))
    ids = np.asarray(tables.ids).reshape(3, *lattice.nodes[:2], lattice.stride)
    where = 6 * np.repeat(first, width) + k - np.repeat(begin, width)
    step = np.repeat(width, width)
    for c in range(3):
        material = ids[c, i, j, k]
        out[where + 2 * c * step] = lattice.ca[material]
        out[where + (2 * c + 1) * step] = (lattice.cb[material] * factor[c, i, j]) * lattice.factors[0, c, 2, k]
    return out


def uniform_rows(tables: Tables, be: Backend) -> Any:
    """Per component and row: the material that most of it has at both ends, and the range that differs, int32."""
    nx, ny, nz = tables.lattice.nodes
    rows = be.xp.zeros((nx, ny, 3, 3), np.int32)
    medium = tables.structs["medium"]
    ids = (medium[name] for name in ("wide", "ids8", "ids16"))
    module = be.kernels.load(__package__, "yee_rows", tables.real)
    module.launch("uniform_rows", 3 * nx * ny, nx * ny, nz, tables.lattice.stride, *ids, rows)
    return rows
