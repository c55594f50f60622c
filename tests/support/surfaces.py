"""Triangle surfaces for tests of the boundary element method."""

from __future__ import annotations

import numpy as np


def icosphere(level: int, radius: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """20 * 4^level triangles."""
    t = (1 + 5**0.5) / 2
    v = np.array(
        [
            [-1, t, 0],
            [1, t, 0],
            [-1, -t, 0],
            [1, -t, 0],
            [0, -1, t],
            [0, 1, t],
            [0, -1, -t],
            [0, 1, -t],
            [t, 0, -1],
            [t, 0, 1],
            [-t, 0, -1],
            [-t, 0, 1],
        ]
    )
    f = np.array(
        [
            [0, 11, 5],
            [0, 5, 1],
            [0, 1, 7],
            [0, 7, 10],
            [0, 10, 11],
            [1, 5, 9],
            [5, 11, 4],
            [11, 10, 2],
            [10, 7, 6],
            [7, 1, 8],
            [3, 9, 4],
            [3, 4, 2],
            [3, 2, 6],
            [3, 6, 8],
            [3, 8, 9],
            [4, 9, 5],
            [2, 4, 11],
            [6, 2, 10],
            [8, 6, 7],
            [9, 8, 1],
        ]
    )
    v = v / np.linalg.norm(v[0])
    for _ in range(level):
        v, f = quartered(v, f)
        v /= np.linalg.norm(v, axis=1)[:, None]
    return radius * v, f


def quartered(v: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every triangle cut into four at the middles of its edges."""
    edges, inverse = np.unique(
        np.sort(f[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0, return_inverse=True
    )
    ab, bc, ca = (inverse.reshape(-1, 3) + len(v)).T
    a, b, c = f.T
    new = [np.stack(x, 1) for x in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
    return np.concatenate([v, v[edges].mean(axis=1)]), np.concatenate(new)


def revolved(profile: np.ndarray, around: int, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Surface of revolution about z of points (r, z), in order so that the normal (dz, -dr) points outward.

    Parameters
    ----------
    profile : (n, 2) ndarray
        Closed curve, or one from axis to axis (first and last r are 0).
    around : int
        Steps around.
    closed : bool
        Which of both.
    """
    rings = profile if closed else profile[1:-1]
    n, angle = len(rings), 2 * np.pi * np.arange(around) / around
    # Every other ring is turned by half a step: nearly equilateral triangles.
    turned = angle + np.pi / around * (np.arange(n) % 2)[:, None]
    x, y = rings[:, :1] * np.cos(turned), rings[:, :1] * np.sin(turned)
    v = np.stack([x, y, rings[:, 1:] + 0 * x], axis=2).reshape(-1, 3)
    j = np.arange(around)
    k = (j + 1) % around
    faces = []
    for i in range(n if closed else n - 1):
        a, b = i * around, (i + 1) % n * around
        even = (a + j, a + k, b + j), (b + j, a + k, b + k)
        odd = (a + j, b + k, b + j), (a + j, a + k, b + k)
        for t in odd if i % 2 else even:
            faces.append(np.stack(t, axis=1))
    if not closed:
        v = np.concatenate([v, [[0, 0, profile[0, 1]], [0, 0, profile[-1, 1]]]])
        top = (n - 1) * around
        faces.append(np.stack([np.full(around, len(v) - 2), k, j], axis=1))
        faces.append(np.stack([np.full(around, len(v) - 1), top + j, top + k], axis=1))
    return v, np.concatenate(faces)


def torus(major: float, minor: float, around: int, across: int) -> tuple[np.ndarray, np.ndarray]:
    """A ring of round section; ``across`` must be even."""
    angle = 2 * np.pi * np.arange(across) / across
    return revolved(np.stack([major + minor * np.cos(angle), minor * np.sin(angle)], axis=1), around, closed=True)


def graded(n: int, power: float = 2.0) -> np.ndarray:
    """0 to 1 in n steps, finer at both ends."""
    x = np.linspace(-1, 1, n + 1)
    return 0.5 + 0.5 * np.sign(x) * (1 - (1 - np.abs(x)) ** power)


def cylinder(
    radius: float, length: float, around: int, along: int, power: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """A solid cylinder along z with sharp rims, triangles graded towards them."""
    steps = max(2, round(along * radius / length) * 2)
    disc = 1 - graded(2 * steps, power)[steps:][::-1]  # from the rim inward
    r = radius * (1 - 2 * (0.5 - np.abs(0.5 - disc)))
    r = np.sort(r)
    down = np.stack([r, np.full(len(r), -length / 2)], 1)
    z = length * (graded(along, power) - 0.5)
    side = np.stack([np.full(along - 1, radius), z[1:-1]], 1)
    up = np.stack([r[::-1], np.full(len(r), length / 2)], 1)
    return revolved(np.concatenate([down, side, up]), around, closed=False)
