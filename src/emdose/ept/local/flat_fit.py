"""Local polynomial fits in a plane: one slice, or a window of radius 0 along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from emdose.compute.backend import Backend
from emdose.ept.local.savitzky_golay import SavitzkyGolay, functionals, monomials


def flat_fit(
    be: Backend,
    kernel: SavitzkyGolay,
    rows: Sequence[int],
    images: Any,
    regions: np.ndarray,
    wanted: np.ndarray,
    noise: Any,
    reference: Any,
    contrast: float,
    least: float,
) -> tuple[Any, ...]:
    """Fit a polynomial in the plane to the neighbours that carry the same label as the centre.

    Derivatives along the axis of radius 0 are zero: nothing is taken to vary there. The normal equations are gathered
    neighbour by neighbour as array code; a plane has few of both.

    Parameters
    ----------
    be, kernel, rows, images, regions, wanted, noise, reference, contrast :
        As in :func:`emdose.ept.local.masked_fit.masked_fit`.
    least : float
        Smallest pivot of the scaled normal matrix.

    Returns
    -------
    tuple of array
        Value, gain, residual, count and solution as in :class:`~emdose.ept.local.masked_fit.LocalFit`, with the
        leading axes of each in one.
    """
    xp, live = be.xp, kernel.live
    place = np.nonzero(wanted)
    here = np.stack(place, axis=1)
    n, basis, channels, noises = len(here), int(live.sum()), len(images), 0 if noise is None else len(noise)
    targets = be.asarray(functionals(monomials(kernel.degree), kernel.radius, kernel.spacing_m)[list(rows)][:, live])
    m, b = xp.zeros((n, basis, basis)), xp.zeros((channels, n, basis))
    v, count = xp.zeros((max(noises, 1), n, basis, basis)), xp.zeros(n)
    squares = list(combinations_with_replacement(range(channels), 2))
    s = xp.zeros((len(squares), n))
    centre = tuple(be.asarray(i) for i in place)
    for step, phi in zip(kernel.offsets, kernel.design[:, live], strict=True):
        there = here + step
        inside = np.all((there >= 0) & (there < regions.shape), axis=1)
        there = np.where(inside[:, None], there, 0)
        far = tuple(be.asarray(i) for i in there.T)
        w = be.asarray((inside & (regions[tuple(there.T)] == regions[place])).astype(float))
        if contrast:
            w = w * _likeness(xp, reference[centre], reference[far], contrast)
        product = be.asarray(np.outer(phi, phi))
        count += w
        m += w[:, None, None] * product
        taken = [xp.where(w > 0, image[far], 0.0) for image in images]
        for c, d in enumerate(taken):
            b[c] += (w * d)[:, None] * be.asarray(phi)
        for q, (c, e) in enumerate(squares):
            s[q] += w * taken[c] * taken[e]
        for t in range(noises):
            v[t] += (w**2 * xp.where(w > 0, noise[t][far], 0.0))[:, None, None] * product
    diagonal = xp.einsum("nii->ni", m)
    scale = 1 / xp.sqrt(xp.where(diagonal > 0, diagonal, 1))
    scaled = m * scale[:, :, None] * scale[:, None, :]
    # As many voxels as twice the coefficients, but no more than the window has.
    bad = count < min(2 * basis, len(kernel.offsets))
    bad = bad | (xp.linalg.eigvalsh(scaled)[:, 0] < least)
    scaled = xp.where(bad[:, None, None], xp.eye(basis), scaled)
    inverse = xp.linalg.inv(scaled) * scale[:, :, None] * scale[:, None, :]
    x = xp.einsum("nij,oj->noi", inverse, targets)
    pairs = list(combinations_with_replacement(range(len(rows)), 2))

    def put(lines: Sequence[Any], otherwise: float = np.nan) -> Any:
        out = xp.full((len(lines), *regions.shape), otherwise)
        for o, line in enumerate(lines):
            out[o][centre] = xp.where(bad, otherwise, line)
        return out

    value = put([xp.einsum("ni,ni->n", x[:, o], b[c]) for c in range(channels) for o in range(len(rows))])
    gain = put(
        [
            xp.einsum("ni,nij,nj->n", x[:, e], v[t], x[:, o]) if noises else x[:, e] @ targets[o]
            for t in range(max(noises, 1))
            for e, o in pairs
        ]
    )
    residual = put([s[q] - xp.einsum("ni,nij,nj->n", b[c], inverse, b[e]) for q, (c, e) in enumerate(squares)])
    number = xp.zeros(regions.shape)
    number[centre] = xp.where(bad, -count, count)
    nothing = xp.zeros(n)
    column = iter(range(basis))
    order = [next(column) if on else None for on in live]
    solution = put([nothing if i is None else x[:, o, i] for o in range(len(rows)) for i in order], 0.0)
    return value, gain, residual, number, solution


def _likeness(xp: Any, own: Any, other: Any, contrast: float) -> Any:
    """Soft weight of a neighbour by its contrast in the reference image."""
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = (other - own) / (xp.minimum(other, own) * contrast)
        return xp.where(other == own, 1.0, xp.where((own > 0) & (other > 0), xp.exp(-(apart**2)), 0.0))
