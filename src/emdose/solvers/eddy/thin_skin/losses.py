r"""Losses of a thin skin from the fields along the surface, to first order in the skin depth.

With the field H_t along a superconducting surface, and along the same surface a depth s further in,

.. math:: P = \frac{1}{\sigma\delta} \Bigl[ P_0 + \frac{\mu_r\delta}{2} \frac{dP_0}{ds}
              + (1 - \mu_r)\, \delta \int \tfrac12 (\kappa_1 - \kappa_2)(H_1^2 - H_2^2)\, dS
              - 0.56\, \delta^{1/3} \int_\text{edges} C^2\, dl \Bigr], \qquad P_0 = \int H_t^2\, dS .

kappa_1 and kappa_2 are the principal curvatures, H_1 and H_2 the fields along them. Across an edge of 90 degrees the
field grows like C r^(-1/3) on both sides, until the skin rounds it off.

Source: derived in docs/theory/bem.md; the number of the edge is a fit to axisymmetric finite elements there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.constants import MU_0
from emdose.solvers.eddy.thin_skin.geometry import edge_distance, edges, inscribed_radii
from emdose.solvers.surface.mesh import Surface

CURVATURE_LIMIT = 0.5
"""Skin depths per radius of curvature beyond which a principal curvature is taken as this (only for mu_r > 1)."""
EDGE_SHARE = 7 / 18
"""Mean of r^(-2/3) over the square of the mean of r^(-1/3), less 1, for a triangle with one side on an edge (r = 0)."""
EDGE_MEAN = 1.8
"""Mean of (r / height)^(-1/3) over such a triangle."""
EDGE_LOSS = 0.56
"""Loss that a skin takes off an edge, in C^2 delta^(1/3) per length."""
EDGE_ERROR = 0.03
"""Relative error of losses near an edge, as far as they are no thicker than the edge makes them."""


@dataclass(frozen=True, eq=False)
class TangentialFields:
    """Fields along a surface that unit sources make.

    Parameters
    ----------
    field : (s, 3, t) ndarray
        H_t for no skin depth.
    change : (s, 3, t) ndarray
        Its change per depth [1/m].
    widening : (t,) ndarray
        Relative change of the areas per depth [1/m].
    step : float
        Depth over which the changes are taken [m].
    """

    field: np.ndarray
    change: np.ndarray
    widening: np.ndarray
    step: float

    def products(self, across: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Products (s, s, t) of the fields, or of their components along (t, 3) vectors, and their growth per depth."""
        one, other = self.field, self.field + self.step * self.change
        if across is not None:
            one, other = (np.einsum("sct,tc->st", x, across)[:, None] for x in (one, other))
        before, after = (np.einsum("act,bct->abt", x, x) for x in (one, other))
        return before, (after * (1 + self.step * self.widening) - before) / self.step


def losses(
    f: np.ndarray,
    surface: Surface,
    part: np.ndarray,
    fields: TangentialFields,
    sigma: np.ndarray,
    mu_r: np.ndarray,
    delta: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Losses per area, inscribed radii and error estimates.

    Parameters
    ----------
    f : (f,) ndarray
        Frequencies [Hz].
    surface : Surface
        The metal's surface.
    part : (t,) int ndarray
        Part of every triangle.
    fields : TangentialFields
        For depths relative to that of the first part.
    sigma, mu_r : (parts,) ndarray
        Conductivity [S/m] and relative permeability.
    delta : (f, parts) ndarray
        Skin depths [m].

    Returns
    -------
    loss : (f, s, s, t) complex64 ndarray
        [W/m2 per (T/s rms)^2]
    radius : (t,) ndarray
        Of the largest ball inside [m].
    error : (f,) ndarray
        Estimate relative to the power.
    """
    H = fields.field
    zeroth, growth = fields.products()
    turn = np.einsum("act,bct->abt", fields.change, H)
    turn = turn - turn.swapaxes(0, 1)
    curvature, bent = _curved(surface, H)
    across, height, bend = edges(surface)
    at_edge, edge_growth = (bend * x for x in fields.products(across))
    growth = growth + EDGE_SHARE * edge_growth
    trace = np.maximum(np.einsum("aat->t", zeroth), 1e-30)
    radius = inscribed_radii(surface)
    # Balls that an edge of 90 degrees keeps small are as large as their distance from it, give or take the mesh.
    distance = edge_distance(surface)
    by_edge = (radius > 0.6 * distance) & (radius < 2.5 * distance)
    loss = np.empty((len(f), *zeroth.shape), np.complex64)
    error = np.empty(len(f))
    for i, frequency in enumerate(f):
        d = delta[i, part]
        k1, k2 = np.clip(curvature, -CURVATURE_LIMIT / d, CURVATURE_LIMIT / d)
        first = 0.5 * mu_r[0] * delta[i, 0] * (growth + 1j * turn)
        first = first + 0.5 * (1 - mu_r[part]) * d * (k1 - k2) * bent
        sharp = np.maximum(EDGE_SHARE - EDGE_LOSS / EDGE_MEAN**2 * np.cbrt(d / height), -0.9) * at_edge
        scale = 1 / (sigma[part] * d * (2 * np.pi * frequency * MU_0) ** 2)
        loss[i] = scale * _kept_positive(zeroth + sharp, first, trace, scale * surface.areas)
        weight = scale * trace * surface.areas
        further = np.minimum(1, 4 * np.exp(-2 * radius / d) + 0.06 * (mu_r[part] * d / radius) ** 2)
        further = np.where(by_edge, np.minimum(further, EDGE_ERROR), further)
        error[i] = (weight * further).sum() / weight.sum()
    return loss, radius, error


def _kept_positive(zeroth: np.ndarray, first: np.ndarray, trace: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """zeroth + first with the same sum over the surface, but where first is large spread over the surface."""
    relative = np.einsum("aat->t", first).real / trace
    local = zeroth + first * (_limited(relative) / np.where(relative == 0, 1, relative))
    low, found, wanted = (np.einsum("aat,t->a", x, weight).real for x in (zeroth, local, zeroth + first))
    ratio = np.sqrt(np.maximum(wanted, 0.1 * low) / np.maximum(found, 1e-3 * low + 1e-300))
    return local * ratio[:, None, None] * ratio[:, None]


def _limited(x: np.ndarray) -> np.ndarray:
    """x where it is small, no less than -1 and no more than 1 elsewhere."""
    bent = 1 - 0.5 * np.exp(-2 * np.maximum(np.abs(x) - 0.5, 0))
    return np.where(np.abs(x) <= 0.5, x, np.sign(x) * bent)


def _curved(surface: Surface, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal curvatures (2, t), and H_1 H_1 - H_2 H_2 (s, s, t) of the fields along their directions."""
    curvature, frame = np.linalg.eigh(surface.shape_operator)
    normal = np.argmax(np.abs(np.einsum("tc,tck->tk", surface.normals, frame)), axis=1)
    kept = np.stack([np.where(normal == 0, 1, 0), np.where(normal == 2, 1, 2)], axis=1)
    h = np.einsum("sct,tck->skt", H, np.take_along_axis(frame, kept[:, None], 2))
    bent = np.einsum("at,bt->abt", h[:, 0], h[:, 0]) - np.einsum("at,bt->abt", h[:, 1], h[:, 1])
    return np.take_along_axis(curvature, kept, 1).T, bent
