r"""Wires of a radius below a cell.

The potential of a line charge on the square lattice of side d is ln(r / d) + gamma + 3/2 ln 2 far from it (over
2 pi eps), so a line of conducting edges acts as a wire of radius d exp(-gamma) / 8^(1/2) = 0.1985 d. The edges that
leave it carry a quarter of the flux each, a drop of pi / 2 in the same units. For another radius a the medium beside
it is changed so that this drop makes up for the difference, and so that the speed of the wave along the wire stays:

.. math:: m = \frac{\pi / 2}{\ln(d / a) + \pi/2 - \gamma - \frac32 \ln 2}, \qquad \varepsilon' = m\,\varepsilon,
   \qquad \mu' = \mu / m

with the permittivity on the edges that leave the wire's nodes at right angles and the permeability on the faces that H
circles the wire through.

Source: T. Noda and S. Yokoyama, IEEE Trans. Power Delivery 17 (2002) 841-847 (the method, with an empirical 0.2298 d);
J. Cserti, Am. J. Phys. 68 (2000) 896-906 (the lattice's potential).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine.setup.problem import FaceFactors
from emdose.solvers.yee_grid.raster_checks import require_thin

LATTICE_RADIUS = math.exp(-0.5772156649015329) / math.sqrt(8)
"""Radius of a line of conducting edges over the cell size."""


@dataclass(frozen=True, eq=False)
class ThinWireFactors:
    """What a thin wire changes in the medium beside it.

    Parameters
    ----------
    edges : (m, 4) int ndarray
        Edges whose permittivity is to be multiplied, for ``EdgeMaterials.scaled``.
    permittivity : (m,) float ndarray
        By this.
    faces : FaceFactors
        For ``YeeProblem.face_factors``.
    """

    edges: np.ndarray
    permittivity: np.ndarray
    faces: FaceFactors


def thin_wire(grid: RectilinearGrid, edges: np.ndarray, radius_m: np.ndarray | float) -> ThinWireFactors:
    """Edge and face factors of wires.

    Parameters
    ----------
    grid : RectilinearGrid
        The grid.
    edges : (n, 4) int ndarray
        Edges (c, i, j, k) along the wires, gaps with ports and lumped elements included. They are not made conducting
        here.
    radius_m : float or (n,) ndarray
        Radius of the wire at each edge [m].

    Raises
    ------
    InputError
        When a radius is not positive or not below 0.6 cells.
    """
    edges = np.array(edges, np.int64).reshape(-1, 4)
    radii = np.broadcast_to(np.asarray(radius_m, float), (len(edges),))
    require_thin(grid, edges, radii)
    wire = set(map(tuple, edges.tolist()))
    steps = [grid.steps(a) for a in range(3)]
    permittivity: dict[tuple[int, ...], float] = {}
    permeability: dict[tuple[int, ...], float] = {}
    for (c, *node), radius in zip(edges.tolist(), radii.tolist(), strict=True):
        for a in (axis for axis in range(3) if axis != c):
            other = 3 - a - c
            for side in (-1, 0):
                at = list(node)
                at[a] += side
                if not 0 <= at[a] < grid.shape[a]:
                    continue
                d = float(steps[a][at[a]])
                m = 0.5 * math.pi / (0.5 * math.pi + math.log(LATTICE_RADIUS * d / radius))
                # H along the third axis circles the wire through the face between wire and neighbour.
                permeability[(other, *at)] = 1 / m
                for end in (0, 1):
                    leaving = list(at)
                    leaving[c] += end
                    if (a, *leaving) not in wire:
                        permittivity[(a, *leaving)] = m
    names = np.array(list(permittivity), np.int64).reshape(-1, 4)
    faces = FaceFactors(np.array(list(permeability), np.int64).reshape(-1, 4), np.array(list(permeability.values())))
    return ThinWireFactors(names, np.array(list(permittivity.values())), faces)
