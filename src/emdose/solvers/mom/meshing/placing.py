"""On which conductor each gap of a coil lies, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import SolidConductor
from emdose.models.coils.gaps import Gap, gap_span
from emdose.solvers.mom.meshing.symmetry import TurnSymmetry
from emdose.solvers.mom.meshing.wires import lengths_along


@dataclass(frozen=True, eq=False)
class Place:
    """A gap on a conductor of sector 0, as it lies after it was turned back there.

    Parameters
    ----------
    gap : Gap
        The gap.
    conductor : int
        Number of the conductor of sector 0.
    sector : int
        The sector that the gap lies in.
    middle_m : (3,) ndarray
        Its middle on the conductor, turned back to sector 0 [m].
    direction : (3,) ndarray
        From its start to its end, where it lies.
    back : (3,) ndarray
        The same, turned back.
    """

    gap: Gap
    conductor: int
    sector: int
    middle_m: np.ndarray
    direction: np.ndarray
    back: np.ndarray


def placed(coil: CircuitCoil, symmetry: TurnSymmetry) -> tuple[list[Place], list[Gap]]:
    """Places of the gaps that lie on a conductor, and the other gaps."""
    found, free = [], []
    for gap in coil.gaps:
        for k, c in enumerate(coil.conductors):
            if isinstance(c, SolidConductor):
                continue
            spine = c.sheets[0][1] if not hasattr(c, "points_m") else c.points_m
            span = gap_span(spine, gap)
            if span is None:
                continue
            s = lengths_along(spine)
            middle = np.array([np.interp(0.5 * sum(span), s, spine[:, a]) for a in range(3)])
            way = np.subtract(gap.end_m, gap.start_m)
            way = way / np.linalg.norm(way)
            first, sector = int(symmetry.first[k]), int(symmetry.sector[k])
            back = symmetry.back(np.stack([middle, middle + way]), sector)
            found.append(Place(gap, first, sector, back[0], way, back[1] - back[0]))
            break
        else:
            free.append(gap)
    return found, free
