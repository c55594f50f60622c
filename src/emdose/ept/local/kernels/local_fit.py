"""NumPy references of local_fit.cuh, and what its arrays are.

Exponents are ordered by (a, b) of x^a y^b, then by c of z^c: the basis with total degree <= d, the moments with <= 2 d.

fit
    ``mask``, ``noise`` (per noise map): one map per (a, b) with a + b <= 2 d, filtered with x^a y^b along x and y;
    ``data`` (per channel): the same with a + b <= d; ``square``: products of two channels summed along x and y.
    ``z`` holds the powers 0..2d of the scaled z coordinate of the taps.
gather
    ``offset`` (o, 3) neighbours, ``powers`` (o, moments + basis) their monomials; ``region`` the label (0: nothing,
    < 0: a neighbour that is not fitted itself), ``reference`` the image for contrast weights (one value without).
results
    ``value`` (channel, functional), ``gain`` (noise map or one, functional pair i <= j), ``residual`` (channel pair),
    ``count``: sum of weights, negative where there was no unique fit (the others are NaN there), ``solution``
    (functional, basis) when ``keep`` is set: the filter of a functional is sum_i solution_i phi_i(offset). Voxels that
    are not wanted are not touched. ``fit`` writes at ``place`` + i ``sheet`` + j ``row`` + k of arrays of ``total``.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from types import SimpleNamespace as Struct

import numpy as np

Arrays = tuple[np.ndarray, ...]


def _exponents(degree: int) -> np.ndarray:
    return np.array(
        [(a, b, c) for a in range(degree + 1) for b in range(degree + 1 - a) for c in range(degree + 1 - a - b)]
    )


def _pairs(degree: int) -> list[tuple[int, int]]:
    return [(b, c) for b in range(degree + 1) for c in range(degree + 1 - b)]


def _solve(
    fit: Struct, moments: tuple[np.ndarray, ...], total: int, place: np.ndarray, results: tuple[np.ndarray, ...]
) -> None:
    """Moments m (n, moments), b (channel, n, basis), v (noise, n, moments), s (channel pair, n)."""
    m, b, v, s = moments
    degree, channels, functionals, noises, keep = fit.degree, fit.channels, fit.functionals, fit.noises, fit.keep
    value, gain, residual, count = (array.reshape(-1, total) for array in results[:4])
    solution = results[4].reshape(-1, total) if keep else results[4]
    basis = _exponents(degree)
    index = {tuple(e): i for i, e in enumerate(_exponents(2 * degree).tolist())}
    pair = np.array([[index[tuple(e)] for e in (basis + row).tolist()] for row in basis])
    rows = fit.targets.reshape(functionals, len(basis))
    a = m[:, pair]
    diagonal = np.einsum("nii->ni", a)
    scale = np.where(diagonal > 0, 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1)), 0)
    a = a * scale[:, :, None] * scale[:, None, :]
    bad = m[:, 0] < fit.minimum
    lower = np.zeros_like(a)
    for f in range(len(basis)):
        for g in range(f + 1):
            rest = a[:, f, g] - np.einsum("nh,nh->n", lower[:, f, :g], lower[:, g, :g])
            if f == g:
                low = rest < fit.pivot
                bad |= low
                lower[:, f, f] = np.sqrt(np.where(low, 1, rest))
            else:
                lower[:, f, g] = rest / lower[:, g, g]
    inverse = np.linalg.inv(lower) * scale[:, None, :]
    y = np.einsum("nij,cnj->cni", inverse, b)
    x = np.einsum("nij,njk,ok->noi", inverse.transpose(0, 2, 1), inverse, rows)

    def put(target: np.ndarray, w: int, numbers: np.ndarray, otherwise: float = np.nan) -> None:
        target[w, place] = np.where(bad, otherwise, numbers)

    for o in range(functionals):
        for c in range(channels):
            put(value, c * functionals + o, np.einsum("ni,ni->n", x[:, o], b[c]))
        for f in range(len(basis) if keep else 0):
            put(solution, o * len(basis) + f, x[:, o, f], 0.0)
    for w, (c, e) in enumerate(combinations_with_replacement(range(channels), 2)):
        put(residual, w, s[w] - np.einsum("ni,ni->n", y[c], y[e]))
    products = list(combinations_with_replacement(range(functionals), 2))
    for t in range(max(noises, 1)):
        for w, (e, o) in enumerate(products):
            if noises:
                spread = np.einsum("ni,nij,nj->n", x[:, e], v[t][:, pair], x[:, o])
            else:
                spread = x[:, e] @ rows[o]
            put(gain, t * len(products) + w, spread)
    count[0, place] = np.where(bad, -m[:, 0], m[:, 0])


def fit2(shape: tuple[int, int, int], fit: Struct, maps: Struct, *results: np.ndarray) -> None:
    """Fits from filtered moment maps."""
    from scipy.ndimage import correlate1d

    degree, channels, noises, r = fit.degree, fit.channels, fit.noises, maps.r
    full = (shape[0], shape[1], fit.size)
    here = np.nonzero(maps.use.reshape(full))
    if here[0].size == 0:
        return
    powers = maps.z.reshape(2 * degree + 1, 2 * r + 1)

    def last_pass(image: np.ndarray, taps: np.ndarray) -> np.ndarray:
        return correlate1d(image, taps, axis=2, mode="constant")[here]

    def finish(filtered: np.ndarray, degrees: int) -> np.ndarray:
        images = filtered.reshape(len(_pairs(degrees)), *full)
        return np.stack(
            [
                last_pass(image, powers[c])
                for image, (a, b) in zip(images, _pairs(degrees), strict=True)
                for c in range(degrees + 1 - a - b)
            ],
            axis=1,
        )

    m = finish(maps.mask, 2 * degree)
    b = np.stack([finish(d, degree) for d in maps.data.reshape(channels, -1)])
    v = np.stack([finish(d, 2 * degree) for d in maps.noise.reshape(noises, -1)]) if noises else np.zeros((0, 1, 1))
    s = np.stack([last_pass(d, np.ones(2 * r + 1)) for d in maps.square.reshape(-1, *full)])
    at = maps.place + here[0] * maps.sheet + here[1] * maps.row + here[2]
    _solve(fit, (m, b, v, s), maps.total, at, results)


def gather2(shape: tuple[int, int, int], fit: Struct, near: Struct, *results: np.ndarray) -> None:
    """Fits from neighbours of the same region, weighted by contrast."""
    degree, channels, noises = fit.degree, fit.channels, fit.noises
    full = (shape[0], shape[1], fit.size)
    area = near.region.reshape(full)
    place = np.nonzero(area > 0)
    here = np.stack(place, axis=1)
    if here.size == 0:
        return
    images, noisy = near.data.reshape(channels, *full), near.noise.reshape(-1, *(full if noises else (1, 1, 1)))
    n, moments, basis = len(here), len(_exponents(2 * degree)), len(_exponents(degree))
    m, b = np.zeros((n, moments)), np.zeros((channels, n, basis))
    v, s = np.zeros((noises, n, moments)), np.zeros((channels * (channels + 1) // 2, n))
    for step, phi in zip(near.offset.reshape(-1, 3), near.powers.reshape(near.offsets, -1), strict=True):
        there = here + step
        inside = np.all((there >= 0) & (there < np.array(full)), axis=1)
        far = tuple(np.where(inside[:, None], there, 0).T)
        w = (inside & (np.abs(area[far]) == area[place])).astype(float)
        if near.contrast > 0:
            image = near.reference.reshape(full)
            own, other = image[place].astype(float), image[far].astype(float)
            with np.errstate(divide="ignore", invalid="ignore"):
                apart = (other - own) / (np.minimum(other, own) * near.contrast)
                soft = np.where(other == own, 1.0, np.where((own > 0) & (other > 0), np.exp(-(apart**2)), 0.0))
            w = w * soft
        m += w[:, None] * phi[:moments]
        taken = [np.where(w > 0, d[far], 0.0) for d in images]
        for c, d in enumerate(taken):
            b[c] += (w * d)[:, None] * phi[moments:]
        for z, (c, e) in enumerate(combinations_with_replacement(range(channels), 2)):
            s[z] += w * taken[c] * taken[e]
        for t in range(noises):
            v[t] += (w**2 * np.where(w > 0, noisy[t][far], 0.0))[:, None] * phi[:moments]
    at = np.ravel_multi_index(place, full)
    _solve(fit, (m, b, v, s), area.size, at, results)


fit4, gather4 = fit2, gather2
