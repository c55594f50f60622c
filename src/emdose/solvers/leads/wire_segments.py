r"""A path as straight segments, and the integrals of the kernel exp(-j k R) / (4 pi R) over pairs of them.

R^2 is the squared distance of two points of the axes plus b^2, b the outer radius, or the root of the mean square of
two. Pairs that lie near each other take
the integral of 1 / R over the source in closed form and a rule with clustered points over the observer; what is left of
the kernel is smooth. Source: elementary; the reduced kernel is that of every thin-wire method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.values import read_only

TURN = np.cos(np.deg2rad(15.0))
"""Corners of a path that turn by more are ends of segments."""
NEAR = 3.5
"""Pairs whose middles are closer than so many segments are integrated with the singular part in closed form."""


@read_only
@dataclass(frozen=True, eq=False)
class WireSegments:
    """Straight segments along a path.

    Parameters
    ----------
    distance_m : (n + 1,) ndarray
        Distance of the nodes from the tip along the path [m].
    points_m : (n + 1, 3) ndarray
        The nodes [m].
    length_m : (n,) ndarray
        Length of the segments, straight [m].
    tangent : (n, 3) ndarray
        Unit vectors away from the tip.
    """

    distance_m: np.ndarray
    points_m: np.ndarray
    length_m: np.ndarray
    tangent: np.ndarray

    def at(self, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (n, q, 3) and distances from the tip (n, q) at shares (q,) of every segment [m]."""
        start, end = self.points_m[:-1, None], self.points_m[1:, None]
        low, high = self.distance_m[:-1, None], self.distance_m[1:, None]
        return start + share[:, None] * (end - start), low + share * (high - low)


def split_path(path_m: np.ndarray, step_m: float, breaks_m: tuple[float, ...] = ()) -> WireSegments:
    """Segments of at most ``step_m`` along a path (n, 3), with nodes at corners and at distances from the tip."""
    legs = np.diff(path_m, axis=0)
    sizes = np.linalg.norm(legs, axis=1)
    along = np.concatenate([[0.0], np.cumsum(sizes)])
    unit = legs / sizes[:, None]
    turned = np.nonzero(np.einsum("ij,ij->i", unit[1:], unit[:-1]) < TURN)[0] + 1
    marks = np.unique(np.concatenate([[0.0, along[-1]], along[turned], np.asarray(breaks_m, float)]))
    marks = marks[np.concatenate([[True], np.diff(marks) > 1e-9 * along[-1]])]
    marks[-1] = along[-1]
    parts = [np.linspace(a, b, max(1, int(np.ceil((b - a) / step_m - 1e-9))) + 1)[:-1] for a, b in _pairs(marks)]
    s = np.concatenate([*parts, [along[-1]]])
    points = np.stack([np.interp(s, along, path_m[:, a]) for a in range(3)], axis=1)
    steps = np.diff(points, axis=0)
    h = np.linalg.norm(steps, axis=1)
    return WireSegments(s, points, h, steps / h[:, None])


def kernel_integrals(
    segments: WireSegments, k: complex, radius_m: float | np.ndarray, tube: bool = False
) -> np.ndarray:
    """Double integrals of the kernel times linear shape functions of both segments, (2, 2, n, n), symmetric [m].

    Parameters
    ----------
    segments : WireSegments
        n segments.
    k : complex
        Wavenumber of the medium [1/m].
    radius_m : float or (n,) ndarray
        b, of every segment [m].
    tube : bool
        Whether the current flows on a tube and is tested there, the mean over its circumference, and not on its axis.
    """
    x, w = _rule(3)
    shape = np.stack([1 - x, x]) * w  # (2, q)
    points, _ = segments.at(x)
    n, q = points.shape[:2]
    h = segments.length_m
    flat = points.reshape(n * q, 3)
    square = np.sum((flat[:, None] - flat[None]) ** 2, axis=-1)
    b = np.broadcast_to(np.asarray(radius_m, float), (n,))
    mean = np.repeat(0.5 * (b[:, None] ** 2 + b**2), q, axis=0).repeat(q, axis=1)
    R = np.sqrt(square + (2 if tube else 1) * mean)
    G = (np.exp(-1j * k * R) / R).reshape(n, q, n, q)
    out: np.ndarray = np.einsum("aq,bs,pqrs->abpr", shape, shape, G, optimize=True) * (h[:, None] * h)
    middle = 0.5 * (segments.points_m[1:] + segments.points_m[:-1])
    apart = np.linalg.norm(middle[:, None] - middle, axis=-1)
    p, r = np.nonzero(apart < np.maximum(NEAR * np.maximum(h[:, None], h), 8 * b.max() if tube else 0.0))
    # Points of two rings of radii b, c at an angle lie sqrt((b - c)^2 + 4 b c sin(angle / 2)^2) apart across; the angle
    # is clustered at its logarithm at 0.
    angle, share = _rule(12) if tube else (np.array([1.0]), np.array([1.0]))
    if tube:
        across = np.sqrt((b[p] - b[r]) ** 2 + 4 * b[p] * b[r] * np.sin(0.5 * np.pi * angle**3)[:, None] ** 2)
    else:
        across = np.sqrt(0.5 * (b[p] ** 2 + b[r] ** 2))[None]
    share = 3 * angle**2 * share if tube else share
    out[:, :, p, r] = sum(v * _near(segments, p, r, k, d) for v, d in zip(share, across, strict=True))
    out = out / (4 * np.pi)
    return 0.5 * (out + out.transpose(1, 0, 3, 2))  # what the rules leave of symmetry


def kernel_at(segments: WireSegments, points_m: np.ndarray, k: complex, radius_m: float | np.ndarray) -> np.ndarray:
    """Mean of the kernel over every segment, seen from points (m, 3): (m, n) [1/m]."""
    starts, h = segments.points_m[:-1], segments.length_m
    off = points_m[:, None] - starts
    u = np.einsum("pnc,nc->pn", off, segments.tangent)
    d = np.sqrt(np.maximum(np.sum(off**2, axis=-1) - u**2, 0.0) + radius_m**2)
    static = np.arcsinh((h - u) / d) + np.arcsinh(u / d)
    x, w = _rule(4)
    R = np.sqrt((x[:, None, None] * h - u) ** 2 + d**2)
    rest = np.einsum("q,qpn->pn", w, (np.exp(-1j * k * R) - 1) / R)
    return np.asarray((static / h + rest) / (4 * np.pi))


def _near(segments: WireSegments, p: np.ndarray, r: np.ndarray, k: complex, across_m: np.ndarray) -> np.ndarray:
    """Integrals of pairs p (observer), r (source) some way apart across: (2, 2, pair) [m], not yet over 4 pi."""
    x, w = _rule(12)
    x, w = x**2 * (3 - 2 * x), 6 * x * (1 - x) * w  # clustered: the static potential has a logarithm at both ends
    hp, hr, t = segments.length_m[p], segments.length_m[r], segments.tangent[r]
    at = segments.points_m[p][:, None] + x[:, None] * (segments.points_m[p + 1] - segments.points_m[p])[:, None]
    off = at - segments.points_m[r][:, None]
    u = np.einsum("nqc,nc->nq", off, t)
    d = np.sqrt(np.maximum(np.sum(off**2, axis=-1) - u**2, 0.0) + across_m[:, None] ** 2)
    far = hr[:, None] - u
    zeroth = np.arcsinh(far / d) + np.arcsinh(u / d)
    first = (np.hypot(far, d) - np.hypot(u, d) + u * zeroth) / hr[:, None]
    inner = np.stack([zeroth - first, first])  # (2, pair, q)
    y, v = _rule(6)
    R = np.sqrt((y * hr[:, None, None] - u[..., None]) ** 2 + d[..., None] ** 2)
    rest = (np.exp(-1j * k * R) - 1) / R
    inner = inner + np.einsum("bs,nqs->bnq", np.stack([1 - y, y]) * v, rest) * hr[:, None]
    return np.asarray(np.einsum("aq,bnq,n->abn", np.stack([1 - x, x]) * w, inner, hp))


def _rule(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss's points and weights on 0 to 1."""
    x, w = np.polynomial.legendre.leggauss(n)
    return 0.5 * (x + 1), 0.5 * w


def _pairs(marks: np.ndarray) -> list[tuple[float, float]]:
    return list(zip(marks[:-1].tolist(), marks[1:].tolist(), strict=True))
