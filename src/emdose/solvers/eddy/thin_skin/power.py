r"""Eddy-current power of metal bodies whose skin is thin against everything: surfaces instead of volumes.

Outside, the field of a good conductor at high frequency is that of a superconductor: no normal field, and no flux
through holes. The surface current K = n x H that does this comes from :mod:`emdose.solvers.surface.currents`, with the
loop currents around holes among its unknowns. To first order in the skin depth delta, and for mu_r = 1, the losses are
those of a superconductor whose surface lies delta/2 deeper; a second solve on a surface moved inward by a small step
says what the depth changes, so that frequency is algebra (:mod:`emdose.solvers.eddy.thin_skin.losses`).

Source: docs/theory/bem.md derives the power; tests hold it against closed forms and finite elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import positives
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.solvers.eddy.thin_skin.geometry import deeper
from emdose.solvers.eddy.thin_skin.losses import TangentialFields, losses
from emdose.solvers.surface.currents import SurfaceCurrents
from emdose.solvers.surface.mesh import Surface, refined
from emdose.solvers.surface.operator import PanelSums
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.implants.implant import Implant

CHANGE_TOLERANCE = 0.01
"""Relative residual of the change from the one surface to the other."""
COARSEST = 0.1
"""Longest edge of a triangle that is not divided, in diagonals of the box around its part."""


@read_only
@dataclass(frozen=True, eq=False)
class ThinSkinPower:
    """What :func:`thin_skin_power` returns.

    Parameters
    ----------
    frequencies_Hz : (f,) ndarray
        [Hz]
    matrix : (f, s, s) complex128 ndarray
        Hermitian power matrices, P = b^H M b for rms rates b [W/(T/s rms)^2].
    surface_loss : (f, s, s, t) complex64 ndarray
        Hermitian loss per area [W/m^2 per (T/s rms)^2]; its sum times ``areas`` is the matrix.
    part : (t,) int ndarray
        Part of the implant to which a triangle belongs.
    source_triangle : (t,) int ndarray
        Triangle of that part (in its own numbering) of which this one is the whole or a piece.
    corners : (t, 3, 3) ndarray
        Corners of the triangles that carry current [m]; surfaces of closed cavities carry none and are left out.
    areas : (t,) ndarray
        [m2]
    tangential_field : (s, 3, t) ndarray
        Magnetic flux density just outside, which is along the surface, for no skin depth and unit sources [T/T].
    skin_depth_m : (f, parts) ndarray
        [m]
    inscribed_radius_m : (t,) ndarray
        Radius of the largest ball within the metal that touches the surface there [m].
    error_estimate : (f,) ndarray
        What the next terms of the expansion may amount to, relative to the power.
    residual : float
        Largest relative residual of the linear systems.
    inner_field : float
        Largest field that is left within the metal, relative to that at the surface: the error of the discretisation.
    handles : int
        Holes.
    """

    frequencies_Hz: np.ndarray
    matrix: np.ndarray
    surface_loss: np.ndarray
    part: np.ndarray
    source_triangle: np.ndarray
    corners: np.ndarray
    areas: np.ndarray
    tangential_field: np.ndarray
    skin_depth_m: np.ndarray
    inscribed_radius_m: np.ndarray
    error_estimate: np.ndarray
    residual: float
    inner_field: float
    handles: int


def thin_skin_power(
    implant: Implant,
    frequencies_Hz: Sequence[float] | np.ndarray,
    be: Backend,
    potential: Callable[[np.ndarray], np.ndarray] | None = None,
    tolerance: float = 1e-4,
    real: str = "float",
) -> ThinSkinPower:
    """Power of eddy currents in the limit of a thin skin, with the first correction in the skin depth.

    Parameters
    ----------
    implant : Implant
        Closed parts with outward normals.
    frequencies_Hz : sequence of float
        [Hz]
    be : Backend
        Device.
    potential : callable, optional
        Vector potentials (s, 3, n) of unit sources at points (n, 3) [T m]; by default uniform fields of 1 T along x, y
        and z.
    tolerance : float
        Relative residual of the linear systems.
    real : {"float", "double"}
        Precision of the pair sums.

    Raises
    ------
    InputError
        For a surface that is not closed or a frequency that is not positive.
    ConvergenceError
        When the linear systems do not converge.
    """
    f = positives("frequencies_Hz", frequencies_Hz, problem="bad frequencies", expected="finite and positive")
    surface, part, source_triangle = _outer_surface(implant)
    metals = [p.metal for p in implant.parts]
    sigma = np.array([m.conductivity_S_m for m in metals])
    mu_r = np.array([m.relative_permeability for m in metals])
    delta = 1 / np.sqrt(np.pi * f[:, None] * MU_0 * mu_r * sigma)
    solver = SurfaceCurrents(surface, be, real)
    source = _uniform(surface.centroids) if potential is None else np.asarray(potential(surface.centroids), float)
    zeroth = solver.solve(be.asarray(np.ascontiguousarray(source)), tolerance)
    K = be.to_numpy(zeroth.currents)
    H = _cross(K, surface.normals)
    # The depth of each metal relative to that of the first one does not depend on frequency.
    depth = np.sqrt(mu_r / sigma) / np.sqrt(mu_r[0] / sigma[0])
    step, below = deeper(surface, depth[part])
    source = _uniform(below.centroids) if potential is None else np.asarray(potential(below.centroids), float)
    solver = SurfaceCurrents(below, be, real)
    moved = solver.solve(be.asarray(np.ascontiguousarray(source)), CHANGE_TOLERANCE, start=zeroth)
    H_deeper = _cross(be.to_numpy(moved.currents), below.normals)
    widening = (below.areas / surface.areas - 1) / step
    fields = TangentialFields(H, (H_deeper - H) / step, widening, step)
    field_of = PanelSums(surface, be, "field", real=real)
    mean = _incident(surface.centroids, potential) + _field(field_of, zeroth.currents, be)
    inside = _inner_trace(surface, K, mean)
    inner = float(np.sqrt(((inside**2).sum(1) @ surface.areas).max() / ((H**2).sum(1) @ surface.areas).max()))
    loss, radius, error = losses(f, surface, part, fields, sigma, mu_r, delta)
    matrix = np.einsum("fabt,t->fab", loss.astype(complex), surface.areas)
    return ThinSkinPower(
        frequencies_Hz=f,
        matrix=0.5 * (matrix + matrix.conj().swapaxes(1, 2)),
        surface_loss=loss,
        part=part,
        source_triangle=source_triangle,
        corners=surface.corners,
        areas=surface.areas,
        tangential_field=H,
        skin_depth_m=delta,
        inscribed_radius_m=radius,
        error_estimate=error,
        residual=float(zeroth.residual.max()),
        inner_field=inner,
        handles=solver.handles // 2,
    )


def _uniform(points: np.ndarray) -> np.ndarray:
    """Vector potentials (3, 3, n) of uniform fields of 1 T along x, y and z."""
    return 0.5 * np.cross(np.eye(3)[:, None], points).transpose(0, 2, 1)


def _incident(points: np.ndarray, potential: Callable[[np.ndarray], np.ndarray] | None) -> np.ndarray:
    """Curl of the vector potentials, (s, 3, n)."""
    if potential is None:
        return np.eye(3)[:, :, None] + np.zeros((1, 1, len(points)))
    step = 1e-4 * float(np.ptp(points, axis=0).max())
    slope = np.stack(
        [
            (np.asarray(potential(points + step * e)) - np.asarray(potential(points - step * e))) / (2 * step)
            for e in np.eye(3)
        ]
    )  # (derivative, s, component, n)
    return np.stack(
        [slope[1, :, 2] - slope[2, :, 1], slope[2, :, 0] - slope[0, :, 2], slope[0, :, 1] - slope[1, :, 0]], 1
    )


def _field(field_of: PanelSums, currents: Any, be: Backend) -> np.ndarray:
    """Magnetic field int K x (r - r') / (4 pi R^3) dS of currents (s, 3, t), at the centroids."""
    F = be.to_numpy(field_of(currents.reshape(-1, currents.shape[-1]))).reshape(*currents.shape[:2], 3, -1)
    return np.stack([F[:, 1, 2] - F[:, 2, 1], F[:, 2, 0] - F[:, 0, 2], F[:, 0, 1] - F[:, 1, 0]], axis=1)


def _cross(K: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """K x n for (s, 3, t) and (t, 3)."""
    return np.cross(K, normals.T[None], axis=1)


def _inner_trace(surface: Surface, K: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Tangential field just inside of a current sheet, of its mean on the sheet."""
    n = surface.normals.T[None]
    return mean - n * (mean * n).sum(axis=1, keepdims=True) - 0.5 * _cross(K, surface.normals)


def _outer_surface(implant: Implant) -> tuple[Surface, np.ndarray, np.ndarray]:
    """Surfaces that are not enclosed by another one, with part and triangle of each of their triangles."""
    vertices, triangles, parts, numbers, offset = [], [], [], [], 0
    for k, p in enumerate(implant.parts):
        size = COARSEST * float(np.linalg.norm(np.ptp(p.vertices, axis=0)))
        v, t, number = refined(p.vertices, p.triangles, size)
        vertices.append(v)
        triangles.append(t + offset)
        parts.append(np.full(len(t), k))
        numbers.append(number)
        offset += len(v)
    points, faces, part = np.concatenate(vertices), np.concatenate(triangles), np.concatenate(parts)
    whole = Surface(points, faces)
    outer = np.ones(whole.components, bool)
    if whole.components > 1:
        for c in range(whole.components):
            at = whole.corners[whole.component == c][0].mean(axis=0)
            others = whole.component != c
            turns = np.bincount(
                whole.component[others], _solid_angles(whole.corners[others], at), minlength=whole.components
            ) / (4 * np.pi)
            outer[c] = not np.any(np.abs(turns) > 0.5)
    wrong = outer & (whole.volumes <= 0)
    if wrong.any():
        first = int(np.argmax(wrong[whole.component]))
        volume = whole.volumes[whole.component[first]]
        raise InputError(
            "surface is inside out",
            field=implant.parts[int(part[first])].name,
            found=f"{volume:.3g} m3",
            expected="triangles anticlockwise seen from outside",
        )
    keep = outer[whole.component]
    return Surface(points, faces[keep]), part[keep], np.concatenate(numbers)[keep]


def _solid_angles(corners: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Solid angle of triangles (t, 3, 3) seen from a point.

    Source: A. van Oosterom and J. Strackee, IEEE Trans. Biomed. Eng. 30 (1983) 125.
    """
    a, b, c = (corners - at).transpose(1, 0, 2)
    x, y, z = (np.linalg.norm(v, axis=1) for v in (a, b, c))
    triple = (a * np.cross(b, c)).sum(1)
    return 2 * np.arctan2(triple, x * y * z + (a * b).sum(1) * z + (b * c).sum(1) * x + (c * a).sum(1) * y)
