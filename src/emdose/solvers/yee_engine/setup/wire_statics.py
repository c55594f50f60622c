r"""Inductance and elastance that a wire has beyond what the lattice gives it.

The lattice sees the current of a wire spread over its cells, with an inductance of its own. What lacks to that of a
thin round wire is found from two sums of pairs of segments in the static limit,

.. math::

   L_s = \sum_t \left(M_{st} - \mu_0 \sum_{e e'} W_{se} l_e\, G_{e e'}\, W_{te'} l_{e'}\right), \qquad
   M_{st} = \frac{\mu_0}{4\pi} \iint \frac{\mathbf t_s \cdot \mathbf t_t}{\sqrt{R^2 + a^2}}\, dl\, dl'

with Green's function G of the lattice's Laplacian, between edges of one direction. The difference falls off within a
few cells, so the sum over t is put on the segment itself. The same with the charges of nodes gives the elastance, over
the permittivity of the medium. For a straight wire L over the length is mu0 / (2 pi) ln(r0 / a): r0 comes out for any
direction, place in the cell and shape of the path, and is not a number to be chosen.

.. math:: G(n) = \int_0^\infty \prod_a \frac{1}{d_a} e^{-2t/d_a^2} I_{n_a}\!\left(\frac{2t}{d_a^2}\right) dt

Source: R. Holland and L. Simpson, IEEE Trans. Electromagn. Compat. 23 (1981) 88 (inductance within the cell); A.
Ruehli, IBM J. Res. Dev. 16 (1972) 470 (partial inductances); M. Glasser and I. Zucker, Proc. Natl. Acad. Sci. 74 (1977)
1800 (the lattice's Green function).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import ive

from emdose.constants import MU_0
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine.setup.subcell_wires import SubcellWire
from emdose.solvers.yee_engine.setup.wire_paths import Weights

REACH = 5.0
"""Cells along the path within which segments differ from the lattice's."""
_POINTS, _SHARES = (v for v in np.polynomial.legendre.leggauss(16))


@lru_cache(maxsize=64)
def lattice_green(steps_m: tuple[float, float, float], size: int) -> np.ndarray:
    """Potential of a unit charge over the permittivity at nodes (size, size, size) of an endless lattice [1/m]."""
    unit = min(steps_m)
    low, high = math.log(1e-6 * unit**2), math.log(1e6 * unit**2)
    x, w = np.polynomial.legendre.leggauss(160)
    t = np.exp(0.5 * (high + low) + 0.5 * (high - low) * x)
    weight = 0.5 * (high - low) * w * t
    n = np.arange(size)
    along = [ive(n, (2 * t / d**2)[:, None]) / d for d in steps_m]
    out = np.einsum("t,ti,tj,tk->ijk", weight, *along, optimize=True)
    out += 2 / (4 * math.pi) ** 1.5 / math.sqrt(math.exp(high))
    out[0, 0, 0] += math.exp(low) / math.prod(steps_m)
    return np.asarray(out)


def inductances(grid: RectilinearGrid, wire: SubcellWire, weights: Weights) -> np.ndarray:
    """Inductance of every segment beyond the lattice's, (n,) [H], without that of a helix."""
    nodes, lengths = wire.nodes_m, wire.lengths_m
    pieces = [(nodes[s : s + 1], nodes[s + 1 : s + 2]) for s in range(len(lengths))]
    true = _sums(pieces, lengths, grid, wire.conductor_radius_m, directed=True)
    moment = weights.weight * np.array([grid.steps(c)[n[c]] for c, *n in weights.at.tolist()])
    seen = _lattice_sums(grid, weights, moment, 0.5 * (nodes[1:] + nodes[:-1]), lengths, np.ones(len(lengths)))
    return MU_0 * (true - seen)


def elastances(grid: RectilinearGrid, wire: SubcellWire, weights: Weights, radius_m: float) -> np.ndarray:
    """Elastance times permittivity of every node beyond the lattice's, from a radius on, (n + 1,) [1/m]."""
    nodes, lengths = wire.nodes_m, wire.node_lengths_m
    middles = 0.5 * (nodes[1:] + nodes[:-1])
    begin, end = np.concatenate([nodes[:1], middles]), np.concatenate([middles, nodes[-1:]])
    pieces = []
    for n, node in enumerate(nodes):
        ends = [p for p in ((begin[n], node), (node, end[n])) if np.any(p[0] != p[1])]
        pieces.append((np.array([p[0] for p in ends]), np.array([p[1] for p in ends])))
    true = _sums(pieces, lengths, grid, radius_m, directed=False) / lengths**2
    seen = _lattice_sums(grid, weights, weights.weight, nodes, lengths, lengths)
    return np.asarray(true - seen / lengths)


def _band(lengths: np.ndarray, grid: RectilinearGrid, point: np.ndarray, n: int) -> tuple[int, int]:
    """Segments or nodes that are within reach of one along the path."""
    reach = REACH * float(np.mean(_steps(grid, point)))
    along = np.cumsum(lengths) - 0.5 * lengths
    near = np.flatnonzero(np.abs(along - along[n]) <= reach)
    return int(near[0]), int(near[-1]) + 1


def _steps(grid: RectilinearGrid, point: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(np.interp(point[a], grid.centres(a), grid.steps(a))) for a in range(3))
    return round(x, 9), round(y, 9), round(z, 9)


def _lattice_sums(
    grid: RectilinearGrid,
    weights: Weights,
    moment: np.ndarray,
    points: np.ndarray,
    lengths: np.ndarray,
    shares: np.ndarray,
) -> np.ndarray:
    """Sums over pairs of entries of moments times Green's function, with the shares of the others."""
    out = np.zeros(len(lengths))
    for n in range(len(lengths)):
        first, last = _band(lengths, grid, points[n], n)
        mine, others = (slice(weights.row[a], weights.row[b]) for a, b in ((n, n + 1), (first, last)))
        scaled = moment[others] * np.repeat(shares[first:last], np.diff(weights.row[first : last + 1]))
        here, there = weights.at[mine], weights.at[others]
        steps = _steps(grid, points[n])
        for c in np.unique(here[:, 0]):
            a, b = here[:, 0] == c, there[:, 0] == c
            apart = np.abs(here[a][:, None, 1:] - there[b][None, :, 1:])
            green = lattice_green(steps, 8 * (int(apart.max()) // 8 + 1))
            out[n] += moment[mine][a] @ green[tuple(np.moveaxis(apart, -1, 0))] @ scaled[b]
    return out


def _sums(
    pieces: list[tuple[np.ndarray, np.ndarray]],
    lengths: np.ndarray,
    grid: RectilinearGrid,
    radius: float,
    directed: bool,
) -> np.ndarray:
    """Sums over the others within reach of 1 / (4 pi) times double integrals of 1 / R, times cosines if directed."""
    out = np.zeros(len(pieces))
    for n, (begin, end) in enumerate(pieces):
        first, last = _band(lengths, grid, begin[0], n)
        starts = np.concatenate([pieces[m][0] for m in range(first, last)])
        ends = np.concatenate([pieces[m][1] for m in range(first, last)])
        size = np.linalg.norm(ends - starts, axis=1)
        direction = (ends - starts) / size[:, None]
        for p, q in zip(begin, end, strict=True):
            mine = float(np.linalg.norm(q - p))
            points = 0.5 * (p + q) + 0.5 * _POINTS[:, None] * (q - p)
            apart = points[:, None] - starts
            along = np.einsum("pmx,mx->pm", apart, direction)
            across = np.sqrt(np.maximum((apart**2).sum(-1) - along**2, 0) + radius**2)
            inner = np.arcsinh((size - along) / across) + np.arcsinh(along / across)
            cosine = direction @ ((q - p) / mine) if directed else np.ones(len(size))
            out[n] += 0.5 * mine * float(_SHARES @ inner @ cosine)
    return out / (4 * math.pi)
