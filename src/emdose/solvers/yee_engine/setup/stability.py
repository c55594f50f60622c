r"""The largest stable time step.

The update is stable for dt < 2 / sqrt(largest eigenvalue of M_eps^-1 C' M_mu^-1 C), with C the curl. In vacuum the
eigenvalue is the sum over the axes of that of the second difference between nodes, which its largest row sum
(Gershgorin's disc) bounds: on a uniform grid that is the Courant limit, whatever the size of the grid; on a graded one
the bound is within a few per cent.

Where a permittivity or permeability is below that of vacuum, beside thin wires, the matrices are taken apart into those
of cells. The largest eigenvalue of a sum of such pencils is at most the largest of any one cell,

.. math::

   \lambda = \max_v \frac{\sum_q v^T K_q v}{\sum_q v^T M_q v} \le \max_q \lambda_q

for any positive shares. A cell takes the share 1/h of the dual length of a node between it and its neighbour, so that
in vacuum it is within the bound of the whole grid; only cells with such an edge or face have to be looked at, with
their twelve edges and six faces. Edges of metal do not take part.

Source: B. Irons and G. Treharne, Proc. Third Conf. on Matrix Methods in Structural Mechanics (1971) 245-257 (bound by
elements); A. Taflove and S. Hagness, Computational Electrodynamics, 3rd ed., Artech 2005, ch. 4.
"""

from __future__ import annotations

import itertools

import numpy as np

from emdose.constants import C_0, EPS_0
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine.setup.materials import PEC, EdgeMaterials
from emdose.solvers.yee_engine.setup.problem import FaceFactors

ROUNDING = 1e-6
"""By how much a mean of permittivities may miss that of vacuum."""
AT_ONCE = 50_000
"""Cells that are looked at together."""
MOST_CELLS = 2_000_000
"""Cells that are looked at one by one; beyond that the least permittivity and permeability stand for all."""


def stable_step(
    grid: RectilinearGrid, materials: EdgeMaterials | None = None, face_factors: FaceFactors | None = None
) -> float:
    """Largest time step that is known to be stable [s].

    Parameters
    ----------
    grid : RectilinearGrid
        The grid.
    materials : EdgeMaterials, optional
        Of its edges; vacuum if left out.
    face_factors : FaceFactors, optional
        Faces with a permeability of their own.
    """
    worst = sum(_largest(grid, a) for a in range(3))
    if materials is not None:
        worst = max(worst / _lightest(materials), _largest_of_cells(grid, materials, face_factors, worst))
    return 2 / (C_0 * float(np.sqrt(worst)))


def _lightest(materials: EdgeMaterials) -> float:
    """Least relative permittivity of all edges but those of metal, at least 1: tissue alone takes longer steps."""
    relative = materials.permittivity / EPS_0
    relative[PEC] = np.inf
    if relative[materials.ids[:, 0, 0, 0]].min() <= 1 + ROUNDING:  # as around every coil
        return 1.0
    used = np.zeros(len(relative), bool)
    for c in range(3):  # entries past the last edge hold any number
        used[materials.ids[(c, *(slice(0, -1) if a == c else slice(None) for a in range(3)))]] = True
    return max(1.0, float(relative[used].min()))


def _largest(grid: RectilinearGrid, axis: int) -> float:
    """Bound of the largest eigenvalue of -d2/dx2 between nodes [1/m^2]."""
    return float((2 * _inverse_sums(grid, axis) / grid.dual_steps(axis)).max())


def _inverse_sums(grid: RectilinearGrid, axis: int) -> np.ndarray:
    """1/h below plus 1/h above every node [1/m]."""
    inverse = 1 / grid.steps(axis)
    return np.asarray(np.concatenate([[0.0], inverse]) + np.concatenate([inverse, [0.0]]))


def _largest_of_cells(
    grid: RectilinearGrid, materials: EdgeMaterials, face_factors: FaceFactors | None, vacuum: float
) -> float:
    """Largest eigenvalue of a cell with less permittivity or permeability than vacuum, 0 without one [1/m^2]."""
    relative = materials.permittivity / EPS_0
    relative[PEC] = np.inf
    low = relative < 1 - ROUNDING
    edges = np.argwhere(low[materials.ids]) if low.any() else np.zeros((0, 4), np.int64)
    faces, mu = np.zeros((0, 4), np.int64), np.zeros(0)
    if face_factors is not None:
        faces, mu = face_factors.faces, face_factors.permeability
    weak = mu < 1 - ROUNDING
    cells = _cells_around(grid, edges, faces[weak])
    if not len(cells):
        return 0.0
    if len(cells) > MOST_CELLS:
        least = [min(1.0, float(relative[low].min(initial=1.0))), min(1.0, float(mu.min(initial=1.0)))]
        return vacuum / (least[0] * least[1])
    parts = np.array_split(cells, -(-len(cells) // AT_ONCE))
    return max(_worst_of(grid, materials.ids, relative, faces, mu, part) for part in parts)


def _worst_of(
    grid: RectilinearGrid,
    ids_of: np.ndarray,
    relative: np.ndarray,
    faces: np.ndarray,
    mu: np.ndarray,
    cells: np.ndarray,
) -> float:
    """Largest eigenvalue of some cells (n, 3) [1/m^2]."""
    names_of_faces = np.asarray(np.ravel_multi_index(tuple(faces.T), (3, *grid.node_shape)))
    sort = names_of_faces.argsort()
    known, values = np.append(names_of_faces[sort], -1), np.append(mu[sort], 1.0)
    inverse_root, root, curl = [], [], np.zeros((6, 12))
    sides = (0, 1)
    names = [(c, s, t) for c in range(3) for s in sides for t in sides]
    for c, s, t in names:
        a, b = (c + 1) % 3, (c + 2) % 3
        at = cells.copy()
        at[:, a] += s
        at[:, b] += t
        ids = ids_of[(np.full(len(at), c), *at.T)]
        dual = _share(grid, a, cells[:, a], s) * _share(grid, b, cells[:, b], t)
        inverse_root.append(np.sqrt(grid.steps(c)[cells[:, c]] / (relative[ids] * dual)))
    for n, (c, s) in enumerate(itertools.product(range(3), sides)):
        a, b = (c + 1) % 3, (c + 2) % 3
        at = cells.copy()
        at[:, c] += s
        flat = np.ravel_multi_index((np.full(len(at), c), *at.T), (3, *grid.node_shape))
        place = np.searchsorted(known[:-1], flat)
        here = np.where(known[place] == flat, values[place], 1.0)
        area = grid.steps(a)[cells[:, a]] * grid.steps(b)[cells[:, b]]
        root.append(np.sqrt(_share(grid, c, cells[:, c], s) / (here * area)))
        # Around the face of side s: edges along b at both sides of a, edges along a at both sides of b.
        for t in sides:
            curl[n, names.index((b, s, t))] = 2 * t - 1  # of b, the next axis is c and the one after it a
            curl[n, names.index((a, t, s))] = 1 - 2 * t  # of a, the next axis is b and the one after it c
    scaled = np.stack(root, axis=1)[:, :, None] * curl * np.stack(inverse_root, axis=1)[:, None, :]
    return float(np.linalg.eigvalsh(scaled @ scaled.transpose(0, 2, 1)).max())


def _share(grid: RectilinearGrid, axis: int, cell: np.ndarray, side: int) -> np.ndarray:
    """What cells have of the dual length of the node at one side of them [m]."""
    part = grid.dual_steps(axis) / _inverse_sums(grid, axis)
    return np.asarray(part[cell + side] / grid.steps(axis)[cell])


def _cells_around(grid: RectilinearGrid, edges: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Cells (n, 3) that have one of the edges or faces (m, 4)."""
    out = []
    for names, across in ((edges, True), (faces, False)):
        for shift in itertools.product((0, 1), repeat=3):
            step = np.array(shift)
            # An edge has cells on both sides along the other two axes, a face along its own.
            mine = [c for c in range(3) if not any(step[a] for a in range(3) if (a == c) == across)]
            out.append(names[np.isin(names[:, 0], mine), 1:] - step)
    cells = np.unique(np.concatenate(out), axis=0)
    return np.asarray(cells[np.all((cells >= 0) & (cells < np.array(grid.shape)), axis=1)])
