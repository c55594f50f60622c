"""NumPy reference of filaments.cuh."""

from __future__ import annotations

from types import SimpleNamespace as Struct

import numpy as np

FAR, VERY_FAR = 2.0, 8.0
BLOCK = 4096


def filaments(
    shape: tuple[int],
    n: int,
    points: np.ndarray,
    wires: Struct,
    component: int,
    magnetic: int,
    out: np.ndarray,
) -> None:
    """Add the fields of all pieces at points (3, n) to out (ports, n)."""
    points, out = points.reshape(3, n), out.reshape(wires.ports, n)
    start, tangent = wires.start.reshape(-1, 3), wires.tangent.reshape(-1, 3)
    length, currents = wires.length, wires.currents.reshape(wires.ports, wires.pieces)
    a, b = (component + 1) % 3, (component + 2) % 3
    size = np.hypot(tangent[:, a], tangent[:, b]) if magnetic else np.abs(tangent[:, component])
    middle = start + 0.5 * length[:, None] * tangent
    for low in range(0, n, BLOCK):
        p = points[:, low : low + BLOCK]
        centre = p.mean(axis=1)
        reach = np.sqrt(((p - centre[:, None]) ** 2).sum(0).max())
        distance = np.linalg.norm(middle - centre, axis=1) - reach
        far, count = distance > FAR * length, np.where(distance > VERY_FAR * length, 2, 3)
        for f in np.flatnonzero(size >= 1e-12):
            r, t = p - start[f][:, None], tangent[f]
            value = _integral(r, t, length[f], wires.k, bool(magnetic), bool(far[f]), int(count[f]))
            value *= t[a] * r[b] - t[b] * r[a] if magnetic else t[component]
            out[:, low : low + BLOCK] += currents[:, f, None] * value


_GAUSS = {n: np.polynomial.legendre.leggauss(n) for n in (2, 3)}


def _integral(
    r: np.ndarray, t: np.ndarray, length: float, k: float, magnetic: bool, far: bool, count: int
) -> np.ndarray:
    """Integral over a piece of exp(-jkR)/R, or of (1 + jkR) exp(-jkR)/R^3 for B, at offsets r (3, n) from its start."""
    u = t @ r
    rho2 = np.maximum((r * r).sum(0) - u * u, 0.0)
    out = np.zeros(r.shape[1], complex)
    for g, half in zip(*_GAUSS[count], strict=True):
        node, weight = 0.5 * (1 + g) * length, 0.5 * half * length
        R = np.sqrt(rho2 + (node - u) ** 2)
        if not far:
            R = np.maximum(R, 1e-9 * length)
        x = 1j * k * R
        wave = np.exp(-x)
        if magnetic:
            out += weight * ((1 + x) * wave - (0 if far else 1 - 0.5 * x * x)) / R**3
        else:
            out += weight * (wave - (0 if far else 1 - x + 0.5 * x * x)) / R
    if far:
        return out
    s1, s2 = -u, length - u
    R1, R2 = np.sqrt(rho2 + s1 * s1), np.sqrt(rho2 + s2 * s2)
    inverse = 2 * np.arctanh(np.minimum(length / (R1 + R2), 1 - 1e-15))
    if magnetic:
        cube = length * (R1 + R2) / np.maximum(R1 * R2 * (R1 * R2 + s1 * s2 + rho2), 1e-30 * length**4)
        return out + cube + 0.5 * k * k * inverse
    return out + inverse - 1j * k * length - 0.25 * k * k * (s2 * R2 - s1 * R1 + rho2 * inverse)
