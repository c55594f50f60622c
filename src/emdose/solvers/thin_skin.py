r"""Eddy-current power of metal bodies whose skin is thin against everything: surfaces instead of volumes.

Outside, the field of a good conductor at high frequency is that of a superconductor: no normal field, and no flux
through holes. The surface current K = n x H that does this comes from :mod:`emdose.solvers.surface_current`, with the
loop currents around holes among its unknowns. To first order in the skin depth delta the losses are, for rms fields,

.. math:: P = \frac{1}{\sigma\delta} \int |H_t|^2 (1 - \delta\kappa) + \delta\, H_t \cdot S H_t
              + \mu_r \delta\, H_t \cdot H^{(1)}_t \, dS .

S is the shape operator of the surface and kappa its mean curvature: where the surface is convex along the current, the
current flows in a layer that narrows inward; where it is convex along the field, the field grows inward. H^(1) is the
change of the outer field per complex depth lambda = mu_r delta (1 - j)/2, because the skin takes flux in:
H_n = -lambda div_s H_t. For mu_r = 1 all of it together is the loss of a superconductor whose surface lies delta/2
deeper.

Source: K. M. Mitzner, Radio Sci. 2 (1967) 1459 and S. Yuferev and N. Ida, Surface Impedance Boundary Conditions, CRC
2010 (curvature terms); docs/theory/bem.md derives the power, which tests hold against closed forms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.solvers.bem_mesh import Surface, refined
from emdose.solvers.bem_operator import PanelSums
from emdose.solvers.surface_current import SurfaceCurrents

if TYPE_CHECKING:
    from emdose.backend import Backend
    from emdose.models.implants import Implant

CURVATURE_LIMIT = 0.5
"""Skin depths per radius of curvature beyond which a principal curvature is taken as this; see ``error_estimate``."""
EDGE_SHARE = 7 / 18
"""Mean of r^(-2/3) over the square of the mean of r^(-1/3), less 1, for a triangle with one side on an edge (r = 0)."""
COARSEST = 0.1
"""Longest edge of a triangle that is not divided, in diagonals of the box around its part."""


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
    f = np.atleast_1d(np.asarray(frequencies_Hz, float))
    if f.size == 0 or not np.all(np.isfinite(f)) or np.any(f <= 0):
        raise InputError("bad frequencies", field="frequencies_Hz", found=f.tolist(), expected="finite and positive")
    surface, part, source_triangle = _outer_surface(implant)
    metals = [p.metal for p in implant.parts]
    sigma = np.array([m.conductivity_S_m for m in metals])
    mu_r = np.array([m.relative_permeability for m in metals])
    delta = 1 / np.sqrt(np.pi * f[:, None] * MU_0 * mu_r * sigma)
    solver = SurfaceCurrents(surface, be, real)
    source = _uniform(surface.centroids) if potential is None else np.asarray(potential(surface.centroids), float)
    zeroth = solver.solve(be.asarray(np.ascontiguousarray(source)), tolerance)
    # The depth of each metal relative to that of the first one does not depend on frequency.
    depth = (np.sqrt(mu_r / sigma) / np.sqrt(mu_r[0] / sigma[0]))[part]
    first = solver.solve(zeroth.currents * be.asarray(depth), tolerance)
    field_of = PanelSums(surface, be, "field", real=real)
    K, K1 = be.to_numpy(zeroth.currents), be.to_numpy(first.currents)
    H0 = _cross(K, surface.normals)
    H1 = _outer_trace(surface, K1, _field(field_of, first.currents, be), 0.5)
    inside = _outer_trace(
        surface, K, _incident(surface.centroids, potential) + _field(field_of, zeroth.currents, be), -0.5
    )
    inner = float(np.sqrt(((inside**2).sum(1) @ surface.areas).max() / ((H0**2).sum(1) @ surface.areas).max()))
    return _powers(f, surface, part, source_triangle, H0, H1, sigma, mu_r, delta, solver.handles // 2,
                   max(zeroth.residual.max(), first.residual.max()), inner)  # fmt: skip


def _uniform(points: np.ndarray) -> np.ndarray:
    """Vector potentials (3, 3, n) of uniform fields of 1 T along x, y and z."""
    return 0.5 * np.cross(np.eye(3)[:, None], points).transpose(0, 2, 1)


def _incident(points: np.ndarray, potential: Callable[[np.ndarray], np.ndarray] | None) -> np.ndarray:
    """Curl of the vector potentials, (s, 3, n)."""
    if potential is None:
        return np.eye(3)[:, :, None] + np.zeros((1, 1, len(points)))
    step = 1e-4 * float(np.ptp(points, axis=0).max())
    slope = np.stack([(np.asarray(potential(points + step * e)) - np.asarray(potential(points - step * e))) / (2 * step)
                      for e in np.eye(3)])  # (derivative, s, component, n)  # fmt: skip
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


def _outer_trace(surface: Surface, K: np.ndarray, mean: np.ndarray, side: float) -> np.ndarray:
    """Tangential field just outside (side 0.5) or inside (-0.5) of a current sheet, of its mean on the sheet."""
    n = surface.normals.T[None]
    return mean - n * (mean * n).sum(axis=1, keepdims=True) + side * _cross(K, surface.normals)


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
            turns = np.bincount(whole.component[others], _solid_angles(whole.corners[others], at),
                                minlength=whole.components) / (4 * np.pi)  # fmt: skip
            outer[c] = not np.any(np.abs(turns) > 0.5)
    wrong = outer & (whole.volumes <= 0)
    if wrong.any():
        first = int(np.argmax(wrong[whole.component]))
        volume = whole.volumes[whole.component[first]]
        raise InputError("surface is inside out", field=implant.parts[int(part[first])].name, found=f"{volume:.3g} m3",
                         expected="triangles anticlockwise seen from outside")  # fmt: skip
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


def inscribed_radii(surface: Surface) -> np.ndarray:
    """Radius of the largest ball within the body that touches the centroid of every triangle, (t,) [m].

    Source: J. Ma, S. W. Bae and S. Choi, Visual Computer 28 (2012) 7 (shrinking ball).
    """
    from scipy.spatial import cKDTree

    p, n = surface.centroids, surface.normals
    tree = cKDTree(p)
    radius = np.full(len(p), float(np.linalg.norm(np.ptp(p, axis=0))))
    active = np.arange(len(p))
    for _ in range(30):
        distance, nearest = tree.query(p[active] - radius[active, None] * n[active], workers=-1)
        shrink = distance < radius[active] * (1 - 1e-3)
        active, nearest = active[shrink], nearest[shrink]
        if not len(active):
            break
        way = p[active] - p[nearest]
        height, square = (way * n[active]).sum(1), (way * way).sum(1)
        smaller = square / np.maximum(2 * height, 1e-300)
        radius[active] = np.minimum(radius[active], smaller)
        active = active[square > (1.5 * surface.sizes[active]) ** 2]  # neighbours say more about the mesh
    return radius


def _powers(f: np.ndarray, surface: Surface, part: np.ndarray, source_triangle: np.ndarray, H0: np.ndarray,
            H1: np.ndarray, sigma: np.ndarray, mu_r: np.ndarray, delta: np.ndarray, handles: int, residual: float,
            inner: float) -> ThinSkinPower:  # fmt: skip
    curvature, frame = np.linalg.eigh(surface.shape_operator)
    # Two principal directions: drop the eigenvector along the normal.
    along = np.abs(np.einsum("tc,tck->tk", surface.normals, frame))
    drop = np.argmax(along, axis=1)
    kept = np.stack([np.where(drop == 0, 1, 0), np.where(drop == 2, 1, 2)], axis=1)
    k = np.take_along_axis(curvature, kept, 1)
    e = np.take_along_axis(frame, kept[:, None, :], 2)
    h = np.einsum("sct,tck->skt", H0, e)
    zeroth = np.einsum("act,bct->abt", H0, H0)
    bent = np.einsum("at,bt->abt", h[:, 0], h[:, 0]) - np.einsum("at,bt->abt", h[:, 1], h[:, 1])
    change = np.einsum("act,bct->abt", H0, H1)
    trace = np.maximum(np.einsum("aat->t", zeroth), 1e-30)
    at_edge, height = _edge_fields(surface, H0)
    radius = inscribed_radii(surface)
    loss = np.empty((len(f), *zeroth.shape), np.complex64)
    error = np.empty(len(f))
    for i, frequency in enumerate(f):
        d = delta[i, part]
        reference = mu_r[0] * delta[i, 0] * 0.5 * (1 - 1j)
        limit = CURVATURE_LIMIT / d
        k1, k2 = (np.clip(k[:, c], -limit, limit) for c in (0, 1))
        more = 0.5 * d * (k1 - k2) * bent + reference * change + (reference * change.swapaxes(0, 1)).conj()
        relative = np.einsum("aat->t", more).real / trace
        q = (
            zeroth
            + EDGE_SHARE * height / (height + d) * at_edge
            + more * (_limited(relative) / np.where(relative == 0, 1, relative))
        )
        scale = 1 / (sigma[part] * d * (2 * np.pi * frequency * MU_0) ** 2)
        loss[i] = scale * q
        ratio = mu_r[part] * d / radius
        weight = scale * trace * surface.areas
        error[i] = (weight * np.minimum(1, 4 * np.exp(-2 * radius / d) + 0.06 * ratio**2)).sum() / weight.sum()
    matrix = np.einsum("fabt,t->fab", loss.astype(complex), surface.areas)
    return ThinSkinPower(f, 0.5 * (matrix + matrix.conj().swapaxes(1, 2)), loss, part, source_triangle, surface.corners,
                         surface.areas, H0, delta, radius, error, float(residual), inner, handles)  # fmt: skip


def _edge_fields(surface: Surface, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products (s, s, t) of the fields across an edge of the body at which a triangle lies, and its height there (t,).

    The field across an edge of 90 degrees grows like r^(-1/3); a triangle knows its mean, which is less than its root
    mean square. 0 for triangles without such an edge.
    """
    sharp = surface.crease_edges[surface.triangle_edges]
    k = np.argmax(sharp, axis=1)
    t = np.arange(len(k))
    along = surface.corners[t, (k + 1) % 3] - surface.corners[t, k]
    length = np.linalg.norm(along, axis=1)
    across = np.cross(surface.normals, along / length[:, None]) * sharp.any(axis=1)[:, None]
    h = np.einsum("sct,tc->st", H, across)
    return np.einsum("at,bt->abt", h, h), 2 * surface.areas / length


def _limited(x: np.ndarray) -> np.ndarray:
    """x where it is small; at edges, where the expansion diverges, no less than -1 and no more than 1."""
    bent = 1 - 0.5 * np.exp(-2 * np.maximum(np.abs(x) - 0.5, 0))
    return np.where(np.abs(x) <= 0.5, x, np.sign(x) * bent)
