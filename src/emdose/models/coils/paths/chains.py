"""Chains of straight pieces with currents, and the coil of ideal currents that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.models.coils.ideal import Coil
from emdose.models.coils.paths.named_drives import moments, named_drives
from emdose.values import read_only

JOIN = 1e-5
"""Points closer than this share of the size of a coil are one point: files round."""


@read_only
@dataclass(frozen=True, eq=False)
class CoilChain:
    """A chain of straight pieces of a coil, and the current of one port in them.

    Parameters
    ----------
    name : str
        Name of the conductor.
    port : str
        The port.
    points_m : (n, 3) float ndarray
        Its corners [m]; a loop ends where it began.
    currents_A : (n - 1,) complex ndarray
        Peak current of every piece, from its first to its second corner, per unit drive of the port [A].
    places : sequence of str
        Where each corner stands in its file, such as "line 7"; empty for chains that come from none.
    """

    name: str
    port: str
    points_m: np.ndarray
    currents_A: np.ndarray
    places: Sequence[str] = ()

    def place(self, corner: int) -> str:
        """Where a corner stands, in words."""
        return self.places[corner] if self.places else f"corner {corner + 1} of {self.name!r}"

    @property
    def is_closed(self) -> bool:
        """Whether it ends where it began."""
        return bool(np.array_equal(self.points_m[0], self.points_m[-1]))


def prepared(chains: Sequence[CoilChain], closed: bool = False) -> list[CoilChain]:
    """Chains whose joints coincide, and that are closed if asked for.

    Parameters
    ----------
    chains : sequence of CoilChain
        As they were read.
    closed : bool
        Join the last corner of every chain to its first.

    Raises
    ------
    InputError
        For a chain of one corner, a corner that is not finite, or two corners in one place; the field says where.
    """
    if not chains:
        raise InputError("a coil without conductors", expected="at least one chain of points")
    for chain in chains:
        if len(chain.points_m) < 2:
            raise InputError(
                f"conductor {chain.name!r} has one point", field=chain.place(0), expected="two points or more"
            )
        bad = np.flatnonzero(~np.isfinite(chain.points_m).all(axis=1))
        if len(bad):
            found = chain.points_m[bad[0]].tolist()
            raise InputError("a point is not finite", field=chain.place(int(bad[0])), found=found)
    points = np.concatenate([c.points_m for c in chains])
    points = _joined(points, JOIN * float(np.ptp(points, axis=0).max()))
    out, first = [], 0
    for chain in chains:
        own = points[first : first + len(chain.points_m)]
        first += len(own)
        made = replace(chain, points_m=own)
        if closed and not made.is_closed:
            ends = np.append(made.currents_A, made.currents_A[-1])
            places = (*made.places, made.places[0]) if made.places else ()
            made = replace(made, points_m=np.concatenate([own, own[:1]]), currents_A=ends, places=places)
        same = np.flatnonzero((np.diff(made.points_m, axis=0) == 0).all(axis=1))
        if len(same):
            where = ", ".join(f"{1e3 * x:.4g}" for x in made.points_m[same[0]])
            raise InputError(
                f"two points of {chain.name!r} coincide",
                field=made.place(int(same[0]) + 1),
                found=f"({where}) mm twice",
            )
        out.append(made)
    return out


def ideal_coil(
    name: str,
    chains: Sequence[CoilChain],
    *,
    parameters: Mapping[str, Any] | None = None,
) -> Coil:
    """The coil of ideal currents of some chains.

    Parameters
    ----------
    name : str
        Name shown in reports.
    chains : sequence of CoilChain
        From :func:`prepared`. A piece that several chains go along carries the currents of all of them.
    parameters : mapping
        What the coil was built from.

    Raises
    ------
    InputError
        When the currents of a port do not close or are all zero.
    """
    ports = list(dict.fromkeys(c.port for c in chains))
    for port in ports:
        own = [c for c in chains if c.port == port]
        if not any(c.currents_A.any() for c in own):
            raise InputError(
                f"port {port!r} has no current",
                field=own[0].place(0),
                found="0 A in all its pieces",
                expected="amperes",
            )
    _require_closed(chains)
    pieces: dict[tuple[float, ...], int] = {}  # in the sense of the first that goes along
    rows, columns, values = [], [], []
    for chain in chains:
        for a, b, current in zip(chain.points_m[:-1], chain.points_m[1:], chain.currents_A, strict=True):
            back = (*b, *a) in pieces
            rows.append(ports.index(chain.port))
            columns.append(pieces.setdefault((*b, *a) if back else (*a, *b), len(pieces)))
            values.append(-current if back else current)
    segments = np.array(list(pieces)).reshape(-1, 2, 3)
    currents = np.zeros((len(ports), len(segments)), complex)
    np.add.at(currents, (rows, columns), values)
    drives = named_drives(moments(segments, currents))
    return Coil(name, segments, currents, ports, drives, parameters=dict(parameters or {}))


def ports_of_curves(chains: Sequence[CoilChain], name: str) -> list[CoilChain]:
    """Chains without ports of their own: each is one where every one is closed, otherwise all of them are one."""
    if len(chains) > 1 and all(c.is_closed for c in chains):
        return [replace(c, port=c.name) for c in chains]
    return [replace(c, port=name) for c in chains]


def _joined(points: np.ndarray, reach: float) -> np.ndarray:
    """Points of which those within reach of each other are the same to the last bit."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(points).query_pairs(reach, output_type="ndarray")
    if not len(pairs):
        return points
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(points), len(points)))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return points[first[group]]


def _require_closed(chains: Sequence[CoilChain]) -> None:
    """Raise InputError, with the place in its file, for a corner that collects current of a port."""
    points = np.concatenate([c.points_m for c in chains])
    _, node = np.unique(points, axis=0, return_inverse=True)
    node = node.reshape(-1)
    for port in dict.fromkeys(c.port for c in chains):
        net = np.zeros(int(node.max()) + 1, complex)
        first, largest = 0, 0.0
        where: dict[int, tuple[CoilChain, int]] = {}
        for chain in chains:
            own = node[first : first + len(chain.points_m)]
            first += len(own)
            if chain.port != port:
                continue
            np.add.at(net, own[1:], chain.currents_A)
            np.add.at(net, own[:-1], -chain.currents_A)
            largest = max(largest, float(np.abs(chain.currents_A).max()))
            for corner in (0, len(own) - 1, *range(1, len(own) - 1)):
                where.setdefault(int(own[corner]), (chain, corner))
        bad = int(np.abs(net).argmax())
        if abs(net[bad]) > 1e-6 * largest:
            chain, corner = where[bad]
            at = ", ".join(f"{1e3 * x:.4g}" for x in chain.points_m[corner])
            gap = 1e3 * float(np.linalg.norm(chain.points_m[-1] - chain.points_m[0]))
            ends = corner in (0, len(chain.points_m) - 1) and gap > 0
            apart = f"; {chain.name!r} ends {gap:.4g} mm from where it began" if ends else ""
            raise InputError(
                f"currents of port {port!r} do not close at ({at}) mm{apart}",
                field=chain.place(corner),
                found=f"a net current of {abs(net[bad]):.3g} A",
                expected="what flows in to flow out: the first point once more at the end of a loop, or closed = true",
            )
