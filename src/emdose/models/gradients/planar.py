r"""A generated set of gradient coils on one plane below the patient: wires along the levels of stream functions.

The current density on the plane y = -d, of width W along x and length L along z, is that of a stream function that
vanishes at its rim,

.. math::

   \psi = \sum_{mn} a_{mn}\, u_m(x)\, v_n(z), \quad K_x = -\partial\psi/\partial z, \quad K_z = \partial\psi/\partial x,

with sines and cosines of the parity that the axis asks for: odd in x and z for x, even and odd for y, even in both
for z. The coefficients are a least-squares fit of Bz to the ideal gradient in a sphere, with a penalty on the mean
square of the current density; equally spaced levels of the stream function are the wires. There is no shield.

By default: 0.0155, 0.0245 and 0.0209 mT/m/A along x, y and z, Bz within 9.5, 43 and 7.8 % of its ideal (over the ideal
at the rim) in a sphere of 20 cm diameter: sets on one plane are far from linear, y most. With a gradient along z goes
By of 0.7 of its T/m at the isocentre, which counts for nerves.

Source: R. Turner, J. Phys. D 19 (1986) L147 (target field); E. C. Caparelli, D. Tomasi and H. Panepucci, J. Magn.
Reson. Imaging 9 (1999) 725 (biplanar and planar gradient coils by stream functions).
"""

from __future__ import annotations

import math

import numpy as np

from emdose.checks import all_positive, whole
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.models.gradients.coils import GradientCoil, GradientSet, GradientSource
from emdose.models.gradients.waveform import AXES

TERMS = 5
"""Along x, and along z."""
PENALTY = 1e-4
_GRID = 80
_PARITY = {"x": ("odd", "odd"), "y": ("even", "odd"), "z": ("even", "even")}
"""Of the stream function along x and z."""


def uniplanar_gradients(
    distance_m: float = 0.20,
    width_m: float = 0.9,
    length_m: float = 1.0,
    *,
    turns: int = 16,
    sphere_radius_m: float = 0.1,
) -> GradientSet:
    """A set of x, y and z gradient coils on planes below the isocentre (at -y), without shield.

    Parameters
    ----------
    distance_m : float
        Distance of the plane of the x windings from the isocentre [m]; those of y and z lie 1 and 2 cm below.
    width_m, length_m : float
        Size of the planes along x and z [m].
    turns : int
        Levels of the stream function between zero and its largest value.
    sphere_radius_m : float
        Radius of the sphere about the isocentre in which the fields are fitted [m].

    Raises
    ------
    InputError
        For lengths that are not positive, a sphere that reaches the plane, and fewer than 4 turns.
    """
    all_positive(distance_m=distance_m, width_m=width_m, length_m=length_m, sphere_radius_m=sphere_radius_m)
    whole("turns", turns, 4, problem="bad number of turns")
    if sphere_radius_m > 0.75 * distance_m or min(width_m, length_m) < 2 * distance_m:
        raise InputError(
            "gradient coils too small for the sphere",
            field="sphere_radius_m",
            found=sphere_radius_m,
            expected="at most 0.75 of the distance, on planes of at least twice the distance",
        )
    made: list[GradientSource] = []
    for n, axis in enumerate(AXES):
        distance = distance_m + 0.01 * n
        a = _fit(axis, distance, width_m, length_m, sphere_radius_m)
        paths, currents = _levels(axis, a, distance, width_m, length_m, turns)
        flip = math.copysign(1.0, GradientCoil("trial", axis, paths, currents).efficiency_T_m_A)
        about = {
            "kind": "uniplanar gradient coil",
            "distance_m": distance,
            "width_m": width_m,
            "length_m": length_m,
            "turns": turns,
            "sphere_radius_m": sphere_radius_m,
        }
        made.append(GradientCoil(f"uniplanar {axis}", axis, paths, [flip * c for c in currents], about))
    return GradientSet(tuple(made))


def _terms(parity: str, size: float, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Functions that vanish at both ends of a side, and their slopes, (terms, n) each."""
    n = np.arange(1, TERMS + 1)[:, None]
    if parity == "odd":
        w = 2 * np.pi * n / size
        return np.sin(w * at), w * np.cos(w * at)
    w = (2 * n - 1) * np.pi / size
    return np.cos(w * at), -w * np.sin(w * at)


def _fit(axis: str, distance: float, width: float, length: float, sphere: float) -> np.ndarray:
    """Coefficients (terms along x, along z) of the stream function, signs and size free."""
    steps = (np.arange(_GRID) + 0.5) / _GRID - 0.5
    x, z = width * steps, length * steps
    (u, du), (v, dv) = _terms(_PARITY[axis][0], width, x), _terms(_PARITY[axis][1], length, z)
    count = 160
    n = np.arange(count) + 0.5
    polar, around = np.arccos(1 - 2 * n / count), math.pi * (1 + math.sqrt(5)) * n
    ball = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=1)
    targets = sphere * np.concatenate([ball, 0.5 * ball])
    # Bz = mu0 / 4 pi int Kx (y - y') / R^3.
    columns = []
    for target in targets:
        R2 = (target[0] - x)[:, None] ** 2 + (target[1] + distance) ** 2 + (target[2] - z)[None] ** 2
        lever = MU_0 / (4 * math.pi) * (target[1] + distance) / R2**1.5 * width * length / _GRID**2
        columns.append(-np.einsum("mx,xz,nz->mn", u, lever, dv).ravel())
    A = np.stack(columns)
    power = np.einsum("mx,nz->mn", u**2, dv**2) + np.einsum("mx,nz->mn", du**2, v**2)
    goal = targets[:, AXES.index(axis)]
    scale = PENALTY * float(np.linalg.norm(A, axis=0).max()) ** 2 / power.min()
    normal = A.T @ A + scale * np.diag(power.ravel())
    return np.asarray(np.linalg.solve(normal, A.T @ goal).reshape(TERMS, TERMS))


def _levels(
    axis: str, a: np.ndarray, distance: float, width: float, length: float, turns: int
) -> tuple[list[np.ndarray], list[float]]:
    """Wires along the levels of the stream function, with the sense in which K = grad psi x y runs."""
    from contourpy import contour_generator

    x, z = (size * np.linspace(-0.5, 0.5, 161) for size in (width, length))
    psi = np.einsum("mx,mn,nz->xz", _terms(_PARITY[axis][0], width, x)[0], a, _terms(_PARITY[axis][1], length, z)[0])
    step = float(np.abs(psi).max()) / turns
    lines = contour_generator(x=z, y=x, z=psi)
    paths: list[np.ndarray] = []
    for n in range(turns):
        for sign in (1.0, -1.0):
            for line in lines.lines(sign * (n + 0.5) * step):
                line = np.asarray(line)
                if len(line) < 8 or not np.allclose(line[0], line[-1]):
                    continue
                corners = _thinned(line[:-1])
                paths.append(np.stack([corners[:, 1], np.full(len(corners), -distance), corners[:, 0]], axis=1))
    # Higher values lie on one side of all lines: the current runs along each of them.
    return paths, [1.0] * len(paths)


def _thinned(line: np.ndarray) -> np.ndarray:
    """Every third corner of a long line."""
    return line[::3] if len(line) > 90 else line
