"""Potential and field of charged triangles: pair sums far away, closed forms nearby, as one operator on either device.

A triangle of constant density is a point charge at its centroid for targets farther than ``NEAR`` sizes, and for closer
ones its integrals are taken in closed form (:func:`panel_integrals`); what these add to the point charge is a sparse
matrix. Densities come and go as arrays of the device, in the order (density, triangle).
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.machine import thread_count
from emdose.solvers.surface.kernels.panels import JOINT

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.solvers.surface.mesh import Surface

NEAR = 3.0
"""Mean longest edges of two triangles within which their centroids count as near."""
CLAMP = 0.25
"""Longest edges of a source within which a point charge is moved away; the sparse matrix puts it right."""
MOMENT = 2 / 3
"""Share of the square of this clamp that is the mean second moment of an equilateral triangle, size^2/24."""
FMM_ABOVE = 150_000
"""Triangles above which a CPU sums fields by the fast multipole method, where fmm3dpy (optional) is installed."""
FMM_ERROR = 1e-4
"""Relative error that it is asked for; what it leaves is some hundred times smaller."""
TILE = 32
"""Targets that one index of the kernels takes."""
JOINT_BYTES = 2**28
"""Memory for what every thread adds up by itself then."""
AT_ONCE = {"potential": (9, 3, 1), "field": (3, 1), "normal": (8, 4, 2, 1)}
"""Densities that kernels take together."""

_RULES = {
    3: (np.array([[2 / 3, 1 / 6, 1 / 6]]), np.array([1 / 3])),
    7: (
        np.array(
            [
                [1 / 3, 1 / 3, 1 / 3],
                [0.797426985353087, 0.101286507323456, 0.101286507323456],
                [0.059715871789770, 0.470142064105115, 0.470142064105115],
            ]
        ),
        np.array([0.225, 0.125939180544827, 0.132394152788506]),
    ),
}


def triangle_rule(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Barycentric coordinates (points, 3) and weights (sum 1): 3 points of degree 2, 7 of degree 5, 28 as 4 times 7.

    Source: J. Radon, Monatsh. Math. 52 (1948) 286; G. Strang and G. Fix, An Analysis of the Finite Element Method,
    Prentice-Hall 1973.
    """
    if points == 28:
        nodes, w = triangle_rule(7)
        a, b, c = np.eye(3)
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        quarters = np.array([[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]])
        return np.einsum("qk,skb->sqb", nodes, quarters).reshape(28, 3), np.tile(w / 4, 4)
    orbits, weights = _RULES[points]
    found = [
        (np.roll(o, r), w) for o, w in zip(orbits, weights, strict=True) for r in range(1 if np.ptp(o) < 1e-9 else 3)
    ]
    return np.array([p for p, _ in found]), np.array([w for _, w in found])


def panel_integrals(
    points: np.ndarray, corners: np.ndarray, point: np.ndarray, triangle: np.ndarray, be: Backend
) -> np.ndarray:
    """Integrals of 1/R and (r - r')/R^3 over triangles, in closed form, for pairs of points and triangles.

    Parameters
    ----------
    points : (n, 3) array
        Field points r [m], of the device.
    corners : (m, 3, 3) array
        Triangles [m], of the device.
    point, triangle : (pairs,) int64 array
        Which point and which triangle, of the device.
    be : Backend
        Device.

    Returns
    -------
    (4, pairs) array
        Potential [m] and field [1]; on the triangle itself the mean of both sides.

    Source: D. R. Wilton et al., IEEE Trans. Antennas Propag. 32 (1984) 276; A. van Oosterom and J. Strackee, IEEE
    Trans. Biomed. Eng. 30 (1983) 125 (solid angle).
    """
    out = be.xp.empty((4, len(point)))
    be.kernels.load(__package__, "panels", "double").launch("near", len(point), point, triangle, points, corners, out)
    return out


def near_pairs(
    a: np.ndarray, size_a: np.ndarray, b: np.ndarray, size_b: np.ndarray, reach: float = NEAR
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (i, j) of points a and b closer than ``reach`` times the mean of their sizes, sorted by i, then j."""
    from scipy.spatial import cKDTree

    def larger(one: np.ndarray, size: np.ndarray, other: np.ndarray, other_size: np.ndarray) -> tuple[np.ndarray, ...]:
        """Pairs found from the larger of both, and whether their sizes are equal."""
        lists = cKDTree(other).query_ball_point(one, reach * size, return_sorted=False, workers=-1)
        counts = np.fromiter(map(len, lists), np.int64, len(one))
        i = np.repeat(np.arange(len(one)), counts)
        j = np.fromiter(chain.from_iterable(lists), np.int64, int(counts.sum()))
        x = one[i] - other[j]
        mean = 0.5 * reach * (size[i] + other_size[j])
        kept = (np.einsum("pc,pc->p", x, x) < mean * mean) & (size[i] >= other_size[j])
        i, j = i[kept], j[kept]
        return i, j, size[i] == other_size[j]

    i, j, same = larger(a, size_a, b, size_b)
    other = a is not b or size_a is not size_b
    j2, i2, equal = larger(b, size_b, a, size_a) if other else (i, j, same)
    keys = np.concatenate([i * len(b) + j, (i2 * len(b) + j2)[~equal]])
    keys.sort()
    return np.divmod(keys, len(b))


class PanelSums:
    """Potential or field of constant charge densities on triangles.

    Parameters
    ----------
    surface : Surface
        The triangles.
    be : Backend
        Device.
    kind : {"potential", "field", "normal"}
        Mean of 1/(4 pi R) over every triangle (Galerkin, symmetric); (r - r')/(4 pi R^3) at points, by default the
        centroids; or its normal component at the centroids, with the flux through every closed surface made exact.
    points : (n, 3) ndarray, optional
        Where the field is wanted [m].
    real : {"float", "double"}
        Precision of the pairs; sums are always in double precision.
    """

    def __init__(
        self, surface: Surface, be: Backend, kind: str, points: np.ndarray | None = None, real: str = "float"
    ) -> None:
        self._be, self._kind = be, kind
        self._module = be.kernels.load(__package__, "panels", real)
        self._dtype = np.float32 if real == "float" else np.float64
        at = surface.centroids if points is None else np.ascontiguousarray(points, float)
        self.targets, self.sources = len(at), len(surface.areas)
        origin = surface.centroids.mean(axis=0)
        least = (CLAMP * surface.sizes) ** 2
        sources = np.concatenate([surface.centroids - origin, least[:, None]], axis=1)
        self._sources = be.asarray(sources.astype(self._dtype))
        here = [(at - origin).T, surface.normals.T] if kind == "normal" else [(at - origin).T]
        self._points = be.asarray(np.ascontiguousarray(np.concatenate(here).astype(self._dtype)))
        self._areas = be.asarray(surface.areas)
        self._fmm = None
        large = be.name == "cpu" and kind != "potential" and self.sources > FMM_ABOVE
        if large and find_spec("fmm3dpy") is not None:
            self._fmm = surface.centroids.T - origin[:, None], None if points is None else (at - origin).T
        if points is None:
            i, j = near_pairs(at, surface.sizes, at, surface.sizes)
        else:  # a point has no size: near is within the same distance of the triangle
            i, j = near_pairs(at, np.zeros(len(at)), surface.centroids, 2 * surface.sizes)
        start = np.searchsorted(i, np.arange(self.targets + 1))
        self._start, self._index = be.asarray(start.astype(np.int64)), be.asarray(j.astype(np.int32))
        exact = _means(surface, i, j, be)[None] if kind == "potential" else _fields(surface, at, i, j, be)
        x = (at[i] - surface.centroids[j]).T
        R2 = (x * x).sum(0)
        if self._fmm is not None:  # its points are nowhere moved away, and do not see themselves
            s = np.where(R2 > 0, 1 / np.sqrt(np.where(R2 > 0, R2, 1)), 0)
        else:
            s = 1 / np.sqrt(np.maximum(R2, least[clamped_by(i, j) if kind == "normal" and joint(be) else j]))
        point = (s + MOMENT * least[j] * s**3)[None] if kind == "potential" else s**3 * x
        values = exact / surface.areas[j] - point
        if kind == "normal":
            values = (values * surface.normals[i].T).sum(axis=0, keepdims=True)
            values[0, i == j] += _missing_flux(surface, i, j, exact, be)
        self._values = be.asarray(np.ascontiguousarray(values.astype(self._dtype)))

    @property
    def bytes(self) -> int:
        """Memory kept [bytes]."""
        return int(
            self._values.nbytes + self._index.nbytes + self._start.nbytes + self._sources.nbytes + self._points.nbytes
        )

    def __call__(self, density: Any) -> Any:
        """Potential or normal field (d, n) or field (d, 3, n) of densities (d, triangles), with the factor 1/(4 pi)."""
        xp, be = self._be.xp, self._be
        q = density * (self._areas / (4 * np.pi))
        more = {3: 1, 6: 2, 7: 1}.get(len(q) % 8, 0)
        if more and self._kind == "normal" and self._fmm is None:  # one kernel with a density of nothing is faster
            q = xp.concatenate([q, xp.zeros_like(q[:more])])
        out = []
        for some in _grouped(q, AT_ONCE[self._kind]):
            charges = xp.ascontiguousarray(some.T.astype(self._dtype))
            if self._fmm is None:
                total = point_sums(self._kind, self._points, self._sources, charges, be)
            else:
                total = multipole_field(*self._fmm, some)
                if self._kind == "normal":
                    total = xp.einsum("dcn,cn->dn", total, self._points[3:])[:, None]
            total = xp.ascontiguousarray(total)
            self._module.launch(
                "add_rows",
                self.targets,
                self._index.size,
                *total.shape[:2],
                self._start,
                self._index,
                self._values,
                charges,
                total,
            )
            out.append(total)
        found = xp.concatenate(out)[: len(density)]
        return found if self._kind == "field" else found[:, 0]


def point_sums(kind: str, targets: Any, sources: Any, charges: Any, be: Backend) -> Any:
    """Potential or normal field (d, 1, n) or field (d, 3, n) of point charges, all pairs, without 1/(4 pi).

    Parameters
    ----------
    kind : {"potential", "field", "normal"}
        The last one of charges at the targets themselves.
    targets : (3, n) or ("normal") (6, n) array
        Points [m] and unit vectors.
    sources : (m, 4) array
        Point and the least square of a distance [m2].
    charges : (m, d) array
        As many as ``AT_ONCE`` has.
    be : Backend
        Device.
    """
    xp, (m, d), n = be.xp, charges.shape, targets.shape[1]
    module = be.kernels.load(__package__, "panels", "float" if targets.dtype == np.float32 else "double")
    if kind == "normal" and joint(be):
        parts = max(1, min(4 * thread_count(), -(-n // JOINT), JOINT_BYTES // (8 * d * n)))
        out = xp.empty((parts, d, 1, n))
        module.launch(f"joint_{d}", parts, n, parts, targets, sources, charges, xp.ascontiguousarray(charges.T), out)
    else:
        tiles = -(-n // TILE)
        # A GPU needs some 1e5 indices to be busy; a CPU is with one part.
        parts = 1 if be.name == "cpu" else max(1, min(128, 200_000 // tiles, m // 64))
        out = xp.empty((parts, d, 3 if kind == "field" else 1, n))
        module.launch(f"{kind}_{d}", tiles * parts, n, m, parts, targets, sources, charges, out)
    return out.sum(axis=0) if parts > 1 else out[0]


def joint(be: Backend) -> bool:
    """Whether pairs of one set of points are looked at once: every thread then adds up all points by itself."""
    return be.name == "cpu"


def clamped_by(i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Whose least distance counts for target i and source j of one set: the later one's, or j's within a block."""
    return np.where(i // JOINT == j // JOINT, j, np.maximum(i, j))


def multipole_field(sources: np.ndarray, targets: np.ndarray | None, charges: np.ndarray) -> np.ndarray:
    """Field (d, 3, n) of point charges (d, m) at ``sources`` (3, m), at targets (3, n) or at the sources themselves.

    Without 1/(4 pi), as :func:`point_sums`; a charge does not see itself.

    Source: H. Cheng, L. Greengard and V. Rokhlin, J. Comput. Phys. 155 (1999) 468.
    """
    import fmm3dpy

    out = []
    for q in charges:
        if targets is None:
            gradient = fmm3dpy.lfmm3d(eps=FMM_ERROR, sources=sources, charges=q, pg=2).grad
        else:
            gradient = fmm3dpy.lfmm3d(eps=FMM_ERROR, sources=sources, charges=q, targets=targets, pgt=2).gradtarg
        out.append(-4 * np.pi * gradient)  # its potential has the factor 1/(4 pi)
    return np.stack(out)


def _grouped(q: Any, counts: tuple[int, ...]) -> Iterator[Any]:
    low = 0
    while low < len(q):
        count = next(g for g in counts if g <= len(q) - low)
        yield q[low : low + count]
        low += count


def _fields(surface: Surface, at: np.ndarray, i: np.ndarray, j: np.ndarray, be: Backend) -> np.ndarray:
    return be.to_numpy(panel_integrals(be.asarray(at), be.asarray(surface.corners), be.asarray(i), be.asarray(j), be))[
        1:
    ]


def _missing_flux(surface: Surface, i: np.ndarray, j: np.ndarray, exact: np.ndarray, be: Backend) -> np.ndarray:
    """What the normal field of a unit charge at its own centroid lacks for half of its flux through its surface."""
    flux = np.empty(len(surface.areas))
    least = (CLAMP * surface.sizes) ** 2
    for c in range(surface.components):
        own = surface.component == c
        # sum_i A_i n_i . (r_i - r_j) / R^3 is minus the sum of the components c at r_j of the fields of A_i n_i,c.
        sources = np.concatenate([surface.centroids[own], least[own, None]], axis=1)
        charges = np.ascontiguousarray((surface.areas[:, None] * surface.normals)[own])
        field = point_sums(
            "field",
            be.asarray(np.ascontiguousarray(surface.centroids[own].T)),
            be.asarray(sources),
            be.asarray(charges),
            be,
        )
        flux[own] = -np.einsum("ccn->n", be.to_numpy(field))
    same = surface.component[i] == surface.component[j]
    i, j, exact = i[same], j[same], exact[:, same]
    x = (surface.centroids[i] - surface.centroids[j]).T
    cube = np.maximum((x * x).sum(0), least[i]) ** -1.5
    more = surface.areas[i] * (surface.normals[i].T * (exact / surface.areas[j] - cube * x)).sum(0)
    flux += np.bincount(j, more, minlength=len(flux))
    return (2 * np.pi - flux) / surface.areas


def _means(surface: Surface, i: np.ndarray, j: np.ndarray, be: Backend) -> np.ndarray:
    """Mean over triangle i of the potential of triangle j, made symmetric."""
    distance = np.linalg.norm(surface.centroids[i] - surface.centroids[j], axis=1)
    apart = distance / (surface.sizes[i] + surface.sizes[j])
    found = np.empty(len(i))
    corners = be.asarray(surface.corners)
    # Triangles with a common edge, with a common corner, and others.
    for mask, count in ((apart < 0.35, 28), ((apart >= 0.35) & (apart < 0.75), 7), (apart >= 0.75, 3)):
        nodes, weights = triangle_rule(count)
        points = np.einsum("qk,tkc->tqc", nodes, surface.corners).reshape(-1, 3)
        point = (i[mask, None] * count + np.arange(count)).ravel()
        both = (be.asarray(point), be.asarray(np.repeat(j[mask], count)))
        potential = be.to_numpy(panel_integrals(be.asarray(points), corners, *both, be)[0])
        found[mask] = potential.reshape(-1, count) @ weights
    # The list is sorted and holds every pair both ways round: its transpose is it sorted by (j, i).
    transpose = np.lexsort((i, j))
    per_area = found / surface.areas[j]
    return 0.5 * (per_area + per_area[transpose]) * surface.areas[j]


def packed(b: Any, xp: Any) -> Any:
    """Two real right-hand sides each as one complex one, (rhs, n) -> ((rhs + 1) // 2, n), for the complex GMRES."""
    return b[0::2] + 1j * xp.concatenate([b[1::2], xp.zeros_like(b[: len(b) % 2])])


def unpacked(x: Any, count: int, xp: Any) -> Any:
    """The ``count`` real rows of what :func:`packed` makes."""
    return xp.ascontiguousarray(xp.stack([x.real, x.imag], axis=1).reshape(-1, x.shape[1])[:count])
