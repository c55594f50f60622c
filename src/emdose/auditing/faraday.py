"""Faraday's law between the electric and the magnetic field of a file: order, places, sign and scale.

.. math:: \\nabla \\times \\mathbf E = - j \\omega \\mathbf B \\quad \\text{for } \\exp(+j \\omega t)

The numbers of a file obey it with another factor, which is what is wanted: with L metres in a unit of its coordinates,
m tesla in a unit of its magnetic field and t = +1 or -1 for exp(+jwt) or exp(-jwt), curl E = - j w t L m B. All
products of the nine derivatives of E and the three magnetic components are summed once for each way in which they may
lie on the grid; after that every order of components is a matter of picking entries.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emdose.auditing.differences import blocks, derivatives, usable
from emdose.io.foreign.values import ORDERS, POSITIONS, ForeignFields

LEAST_POINTS = 27
FAR = 100.0
"""How many times its median the magnetic field over the derivatives of E may be."""
ROUNDS = 6
LEFT_OUT = 0.3
"""Share of the points that are left out as lying where media meet."""


@dataclass(frozen=True)
class Candidate:
    """One way to read the fields.

    Parameters
    ----------
    positions : str
        How the components lie.
    E, magnetic : str
        Orders of components.
    factor : complex
        What curl E + j w factor B = 0 needs.
    misfit : float
        Share of curl E that no factor explains: 0 fits, 1 is nothing in common.
    """

    positions: str
    E: str
    magnetic: str
    factor: complex
    misfit: float


def candidates(fields: ForeignFields) -> list[Candidate]:
    """Every way to read both fields, the best first; empty where too few points are known.

    Notes
    -----
    Where two media meet, the normal component of E jumps and no difference is a derivative. So each way of lying on the
    grid is looked at twice, the second time without the :data:`LEFT_OUT` of points that its best order fits worst.
    """
    if fields.E is None or fields.magnetic is None or min(fields.shape) < 3:
        return []
    found: list[Candidate] = []
    scale = _size(fields)
    for positions in POSITIONS:
        v = _samples(fields, positions, scale)
        if v.shape[1] < LEAST_POINTS:
            return []
        best = min(_orders(fields, positions, v, scale), key=lambda c: c.misfit, default=None)
        if best is None:
            return []
        curl, magnetic = (_picked(v, rows) for rows in (_curl_rows(best.E), _rows(best.magnetic)))
        factor = -np.vdot(magnetic, curl) / np.vdot(magnetic, magnetic)
        rest = np.sum(np.abs(curl + factor * magnetic) ** 2, axis=0)
        found += _orders(fields, positions, v[:, rest <= np.quantile(rest, 1 - LEFT_OUT)], scale)
    return sorted(found, key=lambda c: c.misfit)


def shift(fields: ForeignFields, E_order: str, order: str) -> tuple[float, float]:
    """How far the magnetic components lie from the middle of the differences of E, in half steps, and its error.

    Parameters
    ----------
    fields : ForeignFields
        With both fields.
    E_order, order : str
        Orders of components.

    Returns
    -------
    float, float
        1 on the lattice of Yee, 0 where all components lie together, -1 on the dual lattice.

    Notes
    -----
    Differences to the next and to the one before are C + X and C - X. The shift s and the complex factor a make
    C + s X + a B least, points that fit worst left out as before. Coarse steps and jumps of E leave much of C, but as
    much on one side as on the other: they hardly move s.
    """
    assert fields.E is not None
    assert fields.magnetic is not None
    middle, half, magnetic = [], [], []
    for part, port in _pieces(fields):
        E, M = fields.E[port], fields.magnetic[port]
        good = usable([E, M], part)
        after, before = (
            derivatives(E, fields.axes, part, p, "E").reshape(9, *good.shape)[:, good] for p in ("yee", "yee dual")
        )
        size = np.sqrt(np.sum(np.abs(after) ** 2 + np.abs(before) ** 2, axis=0))
        keep = size > 0
        up, down = (_picked(d[:, keep] / size[keep], _curl_rows(E_order)) for d in (after, before))
        middle.append(0.5 * (up + down))
        half.append(0.5 * (up - down))
        index = [order.index(c) for c in "xyz"]
        magnetic.append((M[index, part, 1:-1, 1:-1][:, good])[:, keep] / size[keep])
    C, X, B = (np.concatenate(v, axis=1) for v in (middle, half, magnetic))
    kept, s, error = np.ones(C.shape[1], bool), 0.0, math.inf
    for _ in range(ROUNDS):
        c, x, b = (v[:, kept].ravel() for v in (C, X, B))
        square = np.vdot(b, b).real
        if not square > 0:
            return math.nan, math.inf
        a_c, a_x = -np.vdot(b, c) / square, -np.vdot(b, x) / square
        left, lever = c + a_c * b, x + a_x * b
        strength = np.vdot(lever, lever).real
        if not strength > 0:
            return math.nan, math.inf
        s = -float(np.vdot(lever, left).real) / strength
        rest = np.sum(np.abs(C + s * X + (a_c + s * a_x) * B) ** 2, axis=0)
        kept = rest <= np.quantile(rest, 1 - LEFT_OUT)
        # Neighbours err alike: a cube of three points counts as one.
        error = math.sqrt(float(rest[kept].sum()) / strength / max(kept.sum() / 27, 1))
    return s, error


def _orders(fields: ForeignFields, positions: str, v: np.ndarray, scale: float) -> list[Candidate]:
    """All orders of components for one way of lying on the grid, from sums of products of the samples."""
    w, found = 2 * math.pi * fields.frequency_Hz, []
    gram = v.conj() @ v.T
    for one, other in itertools.product(ORDERS, ORDERS):
        curl, magnetic = _curl_rows(one), _rows(other)
        cc = sum(_product(gram, c, c).real for c in curl)
        mm = sum(_product(gram, m, m).real for m in magnetic)
        mc = sum(_product(gram, m, c) for m, c in zip(magnetic, curl, strict=True))
        if cc > 0 and mm > 0:
            misfit = math.sqrt(max(0.0, 1 - abs(mc) ** 2 / (cc * mm)))
            found.append(Candidate(positions, one, other, complex(-mc / mm / (1j * w)) * scale, misfit))
    return found


def divergence(fields: ForeignFields, positions: str, order: str) -> float:
    """Divergence of the magnetic field over its three parts, point by point: 0 where there is none, else about 1.

    Parameters
    ----------
    fields : ForeignFields
        With a magnetic field.
    positions, order : str
        How its components lie, and their order.
    """
    assert fields.magnetic is not None
    shares = [np.empty(0)]
    index = [order.index(c) for c in "xyz"]
    for part, port in _pieces(fields):
        field = fields.magnetic[port]
        good = usable([field], part)
        # The divergence of the magnetic field at the middle of a cell takes differences of its faces as E's curl does.
        d = derivatives(field, fields.axes, part, positions, "E")
        rows = np.stack([d[a, index[a]][good] for a in range(3)])
        size = np.sum(np.abs(rows) ** 2, axis=0)
        shares.append((np.abs(rows.sum(0)) ** 2)[size > 0] / size[size > 0])
    share = np.concatenate(shares)
    return math.sqrt(float(share[share <= np.quantile(share, 1 - LEFT_OUT)].mean())) if len(share) else math.nan


def _size(fields: ForeignFields) -> float:
    """What the magnetic components of the samples were divided by, inverted: so that both kinds are of one size."""
    assert fields.magnetic is not None
    return 1 / (float(np.nanmax(np.abs(fields.magnetic))) or 1.0)


def _samples(fields: ForeignFields, positions: str, scale: float) -> np.ndarray:
    """Nine derivatives of E and three components at every point of every port, (12, n); every point counts alike."""
    assert fields.E is not None
    assert fields.magnetic is not None
    found = [np.empty((12, 0), complex)]
    for part, port in _pieces(fields):
        E, M = fields.E[port], fields.magnetic[port]
        good = usable([E, M], part)
        d = derivatives(E, fields.axes, part, positions, "E").reshape(9, *good.shape)[:, good]
        m = M[:, part, 1:-1, 1:-1][:, good]
        found.append(np.concatenate([d, m * scale]))
    v = np.concatenate(found, axis=1)
    d, m = (np.sqrt(np.sum(np.abs(part) ** 2, axis=0)) for part in (v[:9], v[9:]))
    v, m, d = v[:, d > 0], m[d > 0], d[d > 0]
    if not len(d):
        return v
    # At sources and edges of metal the magnetic field may be large where E changes little: those are left out.
    near = m / d <= FAR * np.median(m / d)
    return v[:, near] / d[near]


def _picked(v: np.ndarray, rows: list[dict[int, float]]) -> np.ndarray:
    return np.stack([sum(x * v[i] for i, x in row.items()) for row in rows])


def _pieces(fields: ForeignFields) -> Iterator[tuple[slice, int]]:
    for part in blocks(fields.shape, len(fields.ports)):
        for port in range(len(fields.ports)):
            yield part, port


def _curl_rows(order: str) -> list[dict[int, float]]:
    """Each component of the curl as a sum of entries [axis, stored component] of the derivatives."""
    stored = {c: order.index(c) for c in "xyz"}
    out = []
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        out.append({3 * j + stored["xyz"[k]]: 1.0, 3 * k + stored["xyz"[j]]: -1.0})
    return out


def _rows(order: str) -> list[dict[int, float]]:
    return [{9 + order.index(c): 1.0} for c in "xyz"]


def _product(gram: np.ndarray, a: dict[int, float], b: dict[int, float]) -> complex:
    return complex(sum(x * y * gram[i, j] for i, x in a.items() for j, y in b.items()))
