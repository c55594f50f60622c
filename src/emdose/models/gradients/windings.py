r"""Generated sets of gradient coils: wires along the levels of stream functions on cylinders.

The current density on a cylinder of radius a is that of a stream function, :math:`\psi = \cos\varphi\, f(z)` for x, the
same turned by 90 degrees for y, and :math:`\psi = g(z)` for z, with

.. math::

   f(z) = \sum_k a_k \sin\frac{\pi k s}{S}, \qquad g'(z) = \sum_k b_k \sin\frac{\pi k s}{S}

for z > 0, odd in z, where s runs from 0 to S over the half of the cylinder that has windings: all of it, or what a gap
in the middle leaves.

The coefficients are a least-squares fit of Bz to the ideal gradient in a sphere, with a penalty on the mean square of
the current density; equally spaced levels of the stream function are the wires. x and y become four fingerprint
windings (Golay saddles with spread turns), z a Maxwell pair with spread turns. There is no shield.

By default, efficiency along x, y and z, and the largest departure of Bz from its ideal (over the ideal at the rim):

========== ============= ==================== =============================================
set        radius [m]    mT/m/A               departure in a sphere of
========== ============= ==================== =============================================
whole-body 0.35 to 0.37  0.098, 0.094, 0.087  3.1 % of 40 cm diameter, 0.4 % of 20 cm
head       0.20 to 0.22  0.208, 0.191, 0.190  4.1 % of 22 cm, 1.5 % of 16 cm
split      0.35 to 0.37  0.089, 0.089, 0.084  7.0 % of 40 cm, 2.0 % of 30 cm, with a gap of 20 cm
========== ============= ==================== =============================================

Source: R. Turner, J. Phys. D 19 (1986) L147 (target field); G. N. Peeren, J. Comput. Phys. 191 (2003) 305 (stream
functions and their levels as wires).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.checks import all_positive, number, whole
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.models.gradients.coils import GradientCoil, GradientSet, GradientSource
from emdose.models.gradients.waveform import AXES

TERMS = 6
PENALTY = 1e-3
_AROUND, _ALONG = 48, 240


def whole_body_gradients(
    radius_m: float = 0.35, length_m: float = 1.4, *, turns: int = 20, sphere_radius_m: float = 0.2
) -> GradientSet:
    """A set of x, y and z gradient coils of the size of a whole-body scanner's, without shield.

    Parameters
    ----------
    radius_m, length_m : float
        Radius and length of the cylinders [m]; z and y windings lie 1 and 2 cm outside of those of x.
    turns : int
        Levels of the stream function: turns of every fingerprint, and of each half of z.
    sphere_radius_m : float
        Radius of the sphere in which the fields are fitted [m].

    Raises
    ------
    InputError
        For lengths that are not positive, a sphere that does not fit inside, and fewer than 4 turns.
    """
    return _cylinders("whole-body", radius_m, length_m, turns, sphere_radius_m, 0.0)


def head_gradients(
    radius_m: float = 0.20, length_m: float = 0.66, *, turns: int = 14, sphere_radius_m: float = 0.11
) -> GradientSet:
    """A set of gradient coils around the head, the same at both ends: the shoulders stay outside of its length.

    Parameters
    ----------
    radius_m, length_m, turns, sphere_radius_m
        As in :func:`whole_body_gradients`.

    Raises
    ------
    InputError
        As there.
    """
    return _cylinders("head", radius_m, length_m, turns, sphere_radius_m, 0.0)


def split_gradients(
    radius_m: float = 0.35,
    length_m: float = 1.5,
    gap_m: float = 0.20,
    *,
    turns: int = 20,
    sphere_radius_m: float = 0.2,
) -> GradientSet:
    """A set of gradient coils without windings in its middle, where a detector or a beam has its place.

    Parameters
    ----------
    radius_m, length_m, turns, sphere_radius_m
        As in :func:`whole_body_gradients`.
    gap_m : float
        Length in the middle that has no windings [m].

    Raises
    ------
    InputError
        As there, and for a gap wider than the radius.
    """
    if not 0 < number("gap_m", gap_m) <= radius_m:
        raise InputError("bad gap", field="gap_m", found=gap_m, expected=f"above 0, up to the radius {radius_m:g} m")
    return _cylinders("split", radius_m, length_m, turns, sphere_radius_m, gap_m)


def _cylinders(
    kind: str, radius_m: float, length_m: float, turns: int, sphere_radius_m: float, gap_m: float
) -> GradientSet:
    all_positive(radius_m=radius_m, length_m=length_m, sphere_radius_m=sphere_radius_m)
    whole("turns", turns, 4, problem="bad number of turns")
    if sphere_radius_m > 0.75 * radius_m or length_m < 3 * radius_m:
        raise InputError(
            "gradient coils too small for the sphere",
            field="sphere_radius_m",
            found=sphere_radius_m,
            expected="at most 0.75 of the radius, in a coil of at least 3 radii length",
        )
    made: list[GradientSource] = []
    for n, axis in enumerate(AXES):
        radius = radius_m + 0.01 * n
        a = _fit(axis, radius, length_m, sphere_radius_m, gap_m)
        paths, currents = (_rings if axis == "z" else _fingerprints)(a, radius, length_m, turns, gap_m)
        if axis == "y":
            paths = [np.stack([-p[:, 1], p[:, 0], p[:, 2]], axis=1) for p in paths]
        about: dict[str, Any] = {
            "kind": f"{kind} gradient coil",
            "radius_m": radius,
            "length_m": length_m,
            "turns": turns,
            "sphere_radius_m": sphere_radius_m,
        }
        if gap_m:
            about["gap_m"] = gap_m
        made.append(GradientCoil(f"{kind} {axis}", axis, paths, currents, about))
    return GradientSet(tuple(made))


def _fit(axis: str, radius: float, length: float, sphere: float, gap: float) -> np.ndarray:
    """Coefficients of the stream function's terms, signs and size free."""
    phi = 2 * np.pi * (np.arange(_AROUND) + 0.5) / _AROUND
    half = 0.5 * (length - gap)
    s = half * (np.arange(_ALONG // 2) + 0.5) / (_ALONG // 2)
    z = np.concatenate([-(0.5 * gap + s)[::-1], 0.5 * gap + s])
    phi, z = (v.ravel() for v in np.meshgrid(phi, z, indexing="ij"))
    area = 2 * np.pi * radius / _AROUND * 2 * half / _ALONG
    s, side = np.abs(z) - 0.5 * gap, np.sign(z)
    # Half of a meridian plane is enough: the symmetry of the terms does the rest.
    r, t = np.meshgrid(sphere * np.array([0.35, 0.7, 1.0]), np.linspace(0, np.pi / 2, 13), indexing="ij")
    targets = np.stack([(r * np.sin(t)).ravel(), np.zeros(r.size), (r * np.cos(t)).ravel()], axis=1)
    source = np.stack([radius * np.cos(phi), radius * np.sin(phi), z], axis=1)
    offset = targets[:, None] - source
    weight = MU_0 / (4 * np.pi) * area / np.linalg.norm(offset, axis=-1) ** 3
    # K x r along z needs the azimuthal current only.
    lever = weight * (-np.sin(phi) * offset[..., 1] - np.cos(phi) * offset[..., 0])
    columns, power = [], []
    for k in range(1, TERMS + 1):
        w = np.pi * k / half
        if axis == "z":
            around = side * np.sin(w * s)
            power.append(np.mean(around**2))
        else:
            around = np.cos(phi) * w * np.cos(w * s)
            power.append(np.mean(around**2 + (np.sin(phi) * np.sin(w * s) / radius) ** 2))
        columns.append(lever @ around)
    A = np.stack(columns, axis=1)
    goal = targets[:, 2 if axis == "z" else 0]
    scale = np.linalg.norm(A[:, 0]) ** 2 / power[0]
    normal = A.T @ A + PENALTY * scale * np.diag(power)
    return np.asarray(np.linalg.solve(normal, A.T @ goal))


def _fingerprints(
    a: np.ndarray, radius: float, length: float, turns: int, gap: float
) -> tuple[list[np.ndarray], list[float]]:
    """Levels of cos(phi) f(z): closed curves cos(phi) = c / f(z) around the extrema of f."""
    half = 0.5 * (length - gap)
    s = np.linspace(0, half, 4001)
    z = 0.5 * gap + s
    f = sum(c * np.sin(np.pi * (k + 1) * s / half) for k, c in enumerate(a))
    levels = (np.arange(turns) + 0.5) / turns * np.abs(f).max()
    paths, currents = [], []
    for level in levels:
        inside = np.abs(f) > level
        edges = np.flatnonzero(np.diff(inside.astype(int)))
        for low, high in zip(edges[::2], edges[1::2], strict=False):
            ends = [_crossing(z, np.abs(f), i, level) for i in (low, high)]
            # Points crowd at both ends, where the curve turns around.
            s = 0.5 * (ends[0] + ends[1]) - 0.5 * (ends[1] - ends[0]) * np.cos(np.pi * np.linspace(0, 1, 33))
            ratio = np.clip(level / np.maximum(np.abs(np.interp(s, z, f)), level), -1, 1)
            half = np.arccos(ratio)
            half[[0, -1]] = 0.0
            sign = float(np.sign(f[low + 1]))
            angle, along = np.concatenate([half, -half[-2:0:-1]]), np.concatenate([s, s[-2:0:-1]])
            for turned, side in ((0.0, 1.0), (np.pi, -1.0)):
                for mirror in (1.0, -1.0):
                    phi = angle + turned
                    corners = [radius * np.cos(phi), radius * np.sin(phi), mirror * along]
                    paths.append(np.stack(corners, axis=1))
                    # f is odd and the mirrored curve runs the other way around: two changes of sign.
                    currents.append(sign * side)
    return _positive_gradient("x", paths, currents)


def _rings(a: np.ndarray, radius: float, length: float, turns: int, gap: float) -> tuple[list[np.ndarray], list[float]]:
    """Levels of g(z): rings where the current summed from the centre passes half a turn, and every turn after."""
    half = 0.5 * (length - gap)
    s = np.linspace(0, half, 4001)
    z = 0.5 * gap + s
    w = np.pi * np.arange(1, len(a) + 1) / half
    g = ((1 - np.cos(np.outer(s, w))) / w) @ a
    step = np.ptp(g) / turns
    paths, currents = [], []
    phi = 2 * np.pi * np.arange(120) / 120
    # A polygon of the circle's area.
    fitted = radius * math.sqrt(2 * np.pi / 120 / math.sin(2 * np.pi / 120))
    first, last = math.floor(g.min() / step) - 1, math.ceil(g.max() / step) + 1
    for n in range(first, last):
        level = (n + 0.5) * step
        for i in np.flatnonzero(np.diff((g > level).astype(int))):
            at = _crossing(z, g, int(i), level)
            for mirror in (1.0, -1.0):
                ring = [fitted * np.cos(phi), fitted * np.sin(phi), np.full(120, mirror * at)]
                paths.append(np.stack(ring, axis=1))
                currents.append(mirror * float(np.sign(g[i + 1] - g[i])))
    return _positive_gradient("z", paths, currents)


def _crossing(z: np.ndarray, f: np.ndarray, i: int, level: float) -> float:
    return float(z[i] + (level - f[i]) / (f[i + 1] - f[i]) * (z[i + 1] - z[i]))


def _positive_gradient(axis: str, paths: list[np.ndarray], currents: list[float]) -> Any:
    flip = math.copysign(1.0, GradientCoil("trial", axis, paths, currents).efficiency_T_m_A)
    return paths, [flip * c for c in currents]
