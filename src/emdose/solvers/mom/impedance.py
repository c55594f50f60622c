r"""The impedance matrix of thin metal: mixed-potential electric-field integral equation, tested by its own functions.

.. math::

   Z_{mn} = j\omega\mu_0 \langle \mathbf f_m, \mathbf f_n G \rangle
   + \frac{1}{j\omega\epsilon_0} \langle \nabla\cdot\mathbf f_m, \nabla\cdot\mathbf f_n G \rangle, \qquad
   G = \frac{e^{-jkR}}{4\pi R}

Far apart both integrals take three points. Close by the outer one takes more, most where elements touch, and the inner
one has 1/R and r'/R in closed form and the smooth rest by three points; the mean of both ways round makes Z symmetric.
On wires R is the root of R^2 + a^2, with the mean square of the two radii; beside a triangle a wire is its axis.

Source: S. Rao, D. Wilton, A. Glisson, IEEE Trans. Antennas Propag. 30 (1982) 409; D. Wilton et al., IEEE Trans.
Antennas Propag. 32 (1984) 276 (closed forms); C. Balanis, Antenna Theory, 4th ed., Wiley 2016, ch. 8 (thin wires).
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import C_0, EPS_0, MU_0

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.solvers.mom.basis import Elements, Functions

NEAR = 2.0
"""Sums of half the longest sides of two elements within which their centres are near, with 1/R in closed form."""
TOUCHING = 1.2
"""Those within which the outer integral takes most points: elements that touch are among them."""
TILE = 16
CHUNK_BYTES = 2**26
"""Memory for the pairs of the elements that are done at a time."""


def impedance_blocks(elements: Elements, functions: Functions, frequency_Hz: float, be: Backend) -> Any:
    """Z between the functions of the first sector and those of every sector.

    Parameters
    ----------
    elements, functions : Elements, Functions
        The metal.
    frequency_Hz : float
        Frequency [Hz].
    be : Backend
        Device.

    Returns
    -------
    (sectors, n, n) complex array
        Z[d, m, n] couples function m of a sector with function n of the d-th one after it [ohm, times m^2 between
        edges of triangles].
    """
    xp, n, each = be.xp, functions.count, len(elements.kind) // elements.sectors
    module = be.kernels.load(__package__, "pairs", "double")
    table = element_table(elements, frequency_Hz, be)
    lists = {"sectors": elements.sectors, "elements": each}
    lists |= {key: be.asarray(getattr(functions, key)) for key in ("first", "element", "sector", "half", "coef")}
    rules = [_rule(level, be) for level in (0, 1)]
    one, other, touching = near_pairs(elements, each)
    symmetric = elements.sectors == 1
    if symmetric:
        own = one <= other
        one, other, touching = one[own], other[own], touching[own]
    function = np.repeat(np.arange(n), np.diff(functions.first))
    Z = xp.zeros((elements.sectors, n, n), complex)
    total = table["count"]
    lists["stride"] = total
    chunk = max(1, CHUNK_BYTES // (9 * 16 * total))
    for t0 in range(0, each, chunk):
        t1 = min(t0 + chunk, each)
        pairs = xp.empty((t1 - t0, 3, 3, total), complex)
        s0, tiles = t0 if symmetric else 0, total // TILE
        module.launch("far_pairs", (t1 - t0) * tiles, tiles, t0, s0, table, pairs.view(float))
        here = slice(*np.searchsorted(one, (t0, t1)))
        for level, rule in enumerate(rules):
            take = touching[here] == level
            t, s = one[here][take], other[here][take]
            if symmetric:  # within a chunk both orders are used
                both = (s < t1) & (t != s)
                t, s = np.concatenate([t, s[both]]), np.concatenate([s, t[both]])
            module.launch("near_pairs", len(t), t0, be.asarray(t), be.asarray(s), table, rule, pairs.view(float))
        rows = np.unique(function[(functions.element >= t0) & (functions.element < t1)]).astype(np.int32)
        shape = (len(rows), elements.sectors, n)
        module.launch(
            "gather_rows", shape, t0, t1, int(symmetric), be.asarray(rows), lists, pairs.view(float), Z.view(float)
        )
    if symmetric:
        add_transpose(Z[0])
    return Z


def element_table(elements: Elements, frequency_Hz: float, be: Backend) -> dict[str, Any]:
    """What the kernels read of the elements."""
    omega, centres = 2 * math.pi * frequency_Hz, elements.centres_m
    points, weights = elements.quadrature()
    arrays = {
        "centre": centres.T,
        "corner": (elements.vertices_m - centres[:, None]).transpose(1, 2, 0),
        "offset": (points - centres[:, None]).transpose(1, 2, 0),
        "weight": weights.T,
        "measure": elements.measure,
        "kind": elements.kind,
        "bulk": 0.5 * elements.radius_m**2,
    }
    scalars = {
        "k": omega / C_0,
        "magnetic": omega * MU_0 / (4 * math.pi),
        "electric": 1 / (4 * math.pi * omega * EPS_0),
    }
    count = -(-len(elements.kind) // TILE) * TILE
    padded = np.minimum(np.arange(count), len(elements.kind) - 1)
    packed = {name: be.asarray(np.ascontiguousarray(a[..., padded], float)) for name, a in arrays.items()}
    return {"count": count, **scalars, **packed}


def near_pairs(elements: Elements, first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Elements t below ``first``, sorted, and those s near them, and whether they may touch."""
    from scipy.spatial import cKDTree

    centres, reach = elements.centres_m, elements.reach_m
    found_t, found_s, found_touching = [], [], []
    tree = cKDTree(centres)
    # Elements by size, so that a large one does not make neighbours of all small ones.
    order = np.argsort(reach[:first], kind="stable")
    largest = reach.max()
    for part in np.array_split(order, min(len(order), 16)):
        radius = 1.001 * NEAR * (reach[part].max() + largest)
        lists = tree.query_ball_point(centres[part], radius)
        t = np.repeat(part, [len(x) for x in lists])
        s = np.concatenate([np.asarray(x, np.int64) for x in lists])
        # Equal pieces are apart by whole numbers; rounded, their turned images are near in the same way.
        apart = np.round(np.linalg.norm(centres[t] - centres[s], axis=1) / (reach[t] + reach[s]), 6)
        near = apart < NEAR
        found_t.append(t[near])
        found_s.append(s[near])
        found_touching.append(apart[near] < TOUCHING)
    t, s, touching = (np.concatenate(x) for x in (found_t, found_s, found_touching))
    sorted_ = np.lexsort((s, t))
    return t[sorted_], s[sorted_], touching[sorted_]


def add_transpose(Z: Any, block: int = 512) -> None:
    """Z += Z^T in place, block by block."""
    n = len(Z)
    for i in range(0, n, block):
        a = slice(i, min(i + block, n))
        for j in range(0, i + 1, block):
            b = slice(j, min(j + block, n))
            total = Z[a, b] + Z[b, a].T
            Z[a, b] = total
            Z[b, a] = total.T


def _rule(level: int, be: Backend) -> dict[str, Any]:
    triangle, wire = triangle_rule(level), wire_rule(level)
    counts = {"triangle_points": len(triangle), "wire_points": len(wire)}
    return {**counts, "triangle": be.asarray(triangle), "wire": be.asarray(wire)}


@cache
def triangle_rule(level: int) -> np.ndarray:
    """Barycentric coordinates and weight, (q, 4): 7 points of degree 5, or 60 that crowd towards sides and corners.

    There the potential of a neighbour falls like d ln d, on triangles as slender as those along strips within a small
    part of their length. The three parts around the centre are squares in (share of the way to the side, place on it)
    with four times five Gauss points, each share 1 - (1 - u)^2 and each place v^2 (3 - 2 v).

    Source: G. Strang and G. Fix, An Analysis of the Finite Element Method, Prentice-Hall 1973 (degree 5).
    """
    if not level:
        a, b = 0.101286507323456, 0.470142064105115
        points = [[1 / 3, 1 / 3, 1 / 3]]
        points += [np.roll([1 - 2 * x, x, x], i).tolist() for x in (a, b) for i in range(3)]
        return np.column_stack([points, [0.225] + [0.125939180544827] * 3 + [0.132394152788506] * 3])
    (u, wu), (v, wv) = (_unit_gauss(n) for n in (4, 5))
    share, place = (1 - (1 - u) ** 2)[:, None, None], (v * v * (3 - 2 * v))[:, None]
    weight = (wu * 2 * (1 - u) * 2 * share[:, 0, 0])[:, None] * wv * 6 * v * (1 - v) / 3
    rows = []
    for corner in range(3):
        a, b = np.eye(3)[corner], np.eye(3)[corner - 1]
        side = (1 - place) * a + place * b
        rows.append(np.column_stack([((1 - share) / 3 + share * side).reshape(-1, 3), weight.ravel()]))
    rule = np.concatenate(rows)
    rule[:, 3] /= rule[:, 3].sum()
    return rule


@cache
def wire_rule(level: int) -> np.ndarray:
    """Place from 0 to 1 and weight, (q, 2): four Gauss points, or twelve that crowd towards both ends.

    There the potential of the next piece rises like a logarithm.
    """
    u, w = _unit_gauss(12 if level else 4)
    return np.column_stack([u * u * (3 - 2 * u), 6 * u * (1 - u) * w] if level else [u, w])


def _unit_gauss(count: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(count)
    return 0.5 * (1 + x), 0.5 * w
