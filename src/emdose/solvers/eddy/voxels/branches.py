r"""Metal as a network of branches: cells are nodes, open faces between them are conductors.

A face of open area fraction alpha between two cells has the conductance

.. math:: G = \alpha A \Bigl/ \frac{h}{2} \Bigl(\frac{1}{\sigma_a} + \frac{1}{\sigma_b}\Bigr)

and its current flows through the middle of the open part. Where that lies follows from alpha and from the way the open
fractions fall off around the face, as for a square cut by a straight line.

Source: H. Johansen and P. Colella, J. Comput. Phys. 147 (1998) 60 (cut cells: fluxes at the middle of the open part);
R. Scardovelli and S. Zaleski, J. Comput. Phys. 164 (2000) 228 (a line that cuts a given part off a square).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emdose.errors import InputError
from emdose.models.grids.grid import Grid, Shape
from emdose.values import read_only

LEAST_OPEN = 1e-3
"""Faces with a smaller open fraction carry nothing."""
MARGIN = 1
"""Empty cells around the metal, for the quadratics at cut faces."""


class Voxels(Protocol):
    """Metal on voxels, see :class:`emdose.models.implants.voxels.VoxelImplant`."""

    @property
    def grid(self) -> Grid:
        """The voxels."""
        ...

    @property
    def fraction(self) -> np.ndarray:
        """Volume of metal over volume of the voxel, (nx, ny, nz)."""
        ...

    @property
    def face_fraction(self) -> np.ndarray:
        """Open area between metal and metal over area of the face, (3, nx + 1, ny + 1, nz + 1)."""
        ...

    @property
    def conductivity(self) -> np.ndarray:
        """Conductivity of the metal, (nx, ny, nz), zero without metal [S/m]."""
        ...


@read_only
@dataclass(frozen=True, eq=False)
class BranchNetwork:
    """The branches of a metal body on a box of voxels with an empty margin.

    Parameters
    ----------
    grid : Grid
        The box, margin included.
    conductance : (3, nx, ny, nz) float64 ndarray
        Between every cell and the one below it along each axis; zero where closed [S].
    offset : (3, 2, nx, ny, nz) float32 ndarray
        Middle of the open part of the faces normal to c along the axes c + 1 and c + 2 (modulo 3), in voxels.
    share : (3, nx, ny, nz) float32 ndarray
        Part of the loss of each face that belongs to the upper cell: by volume of metal.
    cells : (nx, ny, nz) bool ndarray
        Cells that hold metal, whether or not current flows through them.
    conductivity : (nx, ny, nz) float64 ndarray
        Conductivity [S/m].
    fraction : (nx, ny, nz) float32 ndarray
        Volume of metal over volume of the voxel.
    """

    grid: Grid
    conductance: np.ndarray
    offset: np.ndarray
    share: np.ndarray
    cells: np.ndarray
    conductivity: np.ndarray
    fraction: np.ndarray

    @property
    def shape(self) -> Shape:
        """Cells of the box."""
        return self.grid.shape

    @property
    def branches(self) -> np.ndarray:
        """Flat indices of the faces that conduct, into (3, nx, ny, nz)."""
        return np.flatnonzero(self.conductance.ravel() > 0)

    def points(self, component: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates of the middles of the open parts of the faces normal to a component, (nx, ny, nz) each [m]."""
        out = []
        for a in range(3):
            line = (self.grid.nodes(a)[:-1] if a == component else self.grid.centres(a)).reshape(
                [-1 if b == a else 1 for b in range(3)]
            )
            t = (a - component - 1) % 3
            shift = 0.0 if a == component else self.offset[component, t] * self.grid.spacing_m[a]
            out.append(np.broadcast_to(line + shift, self.shape))
        return tuple(out)  # type: ignore[return-value]


def branch_network(voxels: Voxels) -> BranchNetwork:
    """The branches of metal on voxels.

    Raises
    ------
    InputError
        When a cell with metal has no conductivity, or no current can flow at all.
    """
    fraction = np.asarray(voxels.fraction, float)
    sigma = np.asarray(voxels.conductivity, float)
    metal = fraction > 0
    if not metal.any():
        raise InputError("no voxel holds metal", field="implant", expected="a spacing below the size of the body")
    if np.any(~(sigma[metal] > 0)) or not np.all(np.isfinite(sigma[metal])):
        raise InputError(
            "metal without conductivity", field="conductivity", found=float(sigma[metal].min()), expected="> 0 S/m"
        )
    low, high = (tuple(int(v) for v in b) for b in _bounds(metal))
    box = voxels.grid.crop(tuple(a - MARGIN for a in low), tuple(b + MARGIN for b in high))  # type: ignore[arg-type]
    cut = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    inside = tuple(slice(MARGIN, MARGIN + b - a) for a, b in zip(low, high, strict=True))
    faces = np.zeros((3, *box.shape), np.float32)
    faces[(slice(None), *inside)] = np.asarray(voxels.face_fraction)[(slice(None), *cut)]
    # What the crop leaves out at the high end are closed faces; the same at the low end of every axis.
    here, volume = np.zeros(box.shape), np.zeros(box.shape)
    here[inside], volume[inside] = sigma[cut], fraction[cut]
    conductance, share = np.zeros((3, *box.shape)), np.zeros((3, *box.shape), np.float32)
    offset = np.zeros((3, 2, *box.shape), np.float32)
    h = box.spacing_m
    for c in range(3):
        above = tuple(slice(1, None) if a == c else slice(None) for a in range(3))
        below = tuple(slice(None, -1) if a == c else slice(None) for a in range(3))
        alpha = faces[c]
        alpha[(alpha < LEAST_OPEN)] = 0
        pair = (here[above] > 0) & (here[below] > 0)
        alpha[above][~pair] = 0
        alpha[tuple(slice(0, 1) if a == c else slice(None) for a in range(3))] = 0
        resistivity = 0.5 * (1 / np.where(pair, here[above], 1.0) + 1 / np.where(pair, here[below], 1.0))
        area = h[(c + 1) % 3] * h[(c + 2) % 3]
        conductance[c][above] = alpha[above] * area / (h[c] * resistivity)
        both = volume[above] + volume[below]
        share[c][above] = np.where(both > 0, volume[above] / np.where(both > 0, both, 1.0), 0.5)
        offset[c] = open_middle(alpha, (c + 1) % 3, (c + 2) % 3)
    if not conductance.any():
        raise InputError(
            "no current can flow between the voxels",
            field="spacing_m",
            found=box.spacing_m,
            expected="a spacing below the thickness of the metal",
        )
    return BranchNetwork(box, conductance, offset, share, volume > 0, here, volume.astype(np.float32))


def open_middle(alpha: np.ndarray, first: int, second: int) -> np.ndarray:
    """Middle of the open part of faces, (2, nx, ny, nz), along two axes, in steps from the middle of the face.

    Parameters
    ----------
    alpha : (nx, ny, nz) ndarray
        Open fractions of the faces normal to one axis.
    first, second : int
        The two axes in the faces.
    """
    middle = np.zeros((2, *alpha.shape), np.float32)
    cut = (alpha > 0) & (alpha < 1 - 1e-6)
    # The open part lies on the side where the neighbours are more open: Youngs' estimate, summed across the other axis.
    slope = np.stack([_slope(alpha, first, second)[cut], _slope(alpha, second, first)[cut]]).astype(float)
    a = alpha[cut].astype(float)
    size = np.abs(slope).sum(axis=0)
    n = np.where(size > 1e-6, np.abs(slope) / np.where(size > 1e-6, size, 1.0), 0.0)
    # The smaller of the two parts has the simple formula; the other one balances it.
    small = np.minimum(a, 1 - a)
    lesser, greater = np.minimum(n[0], n[1]), np.maximum(n[0], n[1])
    s = np.where(greater > 0, lesser / np.where(greater > 0, greater, 1.0), 0.0)
    triangle = small < 0.5 * s
    root = np.sqrt(2 * small * np.where(s > 0, s, 1.0))
    # Distances of the middle of the smaller part from the corner where it sits.
    along_lesser = np.where(triangle, root / np.where(s > 0, s, 1.0) / 3, 0.5 - s / (12 * small))
    along_greater = np.where(triangle, root / 3, 0.5 * (small + s * s / (12 * small)))
    inward = np.where(n[0] <= n[1], [along_lesser, along_greater], [along_greater, along_lesser])
    part = np.where(size > 1e-6, 0.5 - inward, 0.0)
    balanced = np.where(a > 0.5, (1 - a) / a, 1.0) * part
    for t in range(2):
        middle[t][cut] = np.sign(slope[t]) * balanced[t]
    return middle


def _slope(alpha: np.ndarray, along: int, across: int) -> np.ndarray:
    """Difference of the sums over three rows on either side of each face; nothing is open beyond the ends."""
    total = 2 * alpha
    inner = [slice(None)] * 3
    outer = [slice(None)] * 3
    inner[across], outer[across] = slice(None, -1), slice(1, None)
    total[tuple(inner)] += alpha[tuple(outer)]
    total[tuple(outer)] += alpha[tuple(inner)]
    out = np.zeros_like(alpha)
    inner, outer = [slice(None)] * 3, [slice(None)] * 3
    inner[along], outer[along] = slice(None, -1), slice(1, None)
    out[tuple(inner)] += total[tuple(outer)]
    out[tuple(outer)] -= total[tuple(inner)]
    return out


def _bounds(mask: np.ndarray) -> tuple[list[int], list[int]]:
    low, high = [], []
    for a in range(3):
        along = np.flatnonzero(mask.any(axis=tuple(b for b in range(3) if b != a)))
        low.append(along[0])
        high.append(along[-1] + 1)
    return low, high
