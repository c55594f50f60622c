"""Monte Carlo propagation of noise through any reconstruction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import Flag, PropertyMap
from emdose.errors import EmdoseError, InputError
from emdose.solvers.running import Iteration, ProgressCallback
from emdose.values import read_only

Reconstruct = Callable[[B1Map], PropertyMap]


@read_only
@dataclass(frozen=True, eq=False)
class Draws:
    """Noise propagation from realisations (see :class:`~emdose.ept.maps.property_map.NoisePropagation`).

    Parameters
    ----------
    conductivity, permittivity : (draw, nx, ny, nz) ndarray or None
        Deviations from their means, 0 where a draw has no value.
    """

    conductivity: np.ndarray | None
    permittivity: np.ndarray | None

    def sum_covariance(self, weights: np.ndarray) -> np.ndarray:
        """Covariance (2, 2) of sum_v weights_v (sigma_v, eps_v) over the draws; 0 for a property that is not there."""
        w = np.asarray(weights, float)
        place = np.nonzero(w)
        sums = [
            np.zeros(1) if d is None else d[:, place[0], place[1], place[2]].astype(float) @ w[place]
            for d in (self.conductivity, self.permittivity)
        ]
        out = np.zeros((2, 2))
        for i, a in enumerate(sums):
            for j, b in enumerate(sums):
                if a.size > 1 and b.size > 1:
                    out[i, j] = float((a - a.mean()) @ (b - b.mean())) / (a.size - 1)
        return out


def noisy(b1: B1Map, generator: np.random.Generator) -> B1Map:
    """A realisation: Gaussian noise of the stated uncertainties added, independent in every voxel, map and channel.

    Parameters
    ----------
    b1 : B1Map
        The map; a wrapped phase stays wrapped into the range that it has.
    generator : numpy.random.Generator
        Random numbers.

    Raises
    ------
    InputError
        When the noise of a map is not known.
    """
    if not b1.has_noise:
        raise InputError(
            "noise of the map is not known",
            file=b1.source,
            field="noise",
            expected="u_magnitude and u_phase, or relative_noise()",
        )
    changes: dict[str, np.ndarray] = {}
    for name in ("magnitude", "phase"):
        values = getattr(b1, name)
        if values is not None:
            step = np.where(np.asarray(b1.mask), getattr(b1, f"u_{name}"), 0.0)
            changes[name] = values + step * generator.standard_normal(values.shape)
    if "phase" in changes and b1.wrapped:
        phase, inside = b1.phase, np.asarray(b1.mask)
        assert phase is not None
        low = float(phase[..., inside].min())
        changes["phase"] = np.where(inside, (changes["phase"] - low) % (2 * np.pi) + low, changes["phase"])
    if "magnitude" in changes:
        changes["magnitude"] = np.abs(changes["magnitude"])
    return replace(b1, **changes)  # type: ignore[arg-type]


def monte_carlo(
    b1: B1Map,
    reconstruct: Reconstruct,
    *,
    draws: int = 50,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    least_share: float = 0.8,
    nearby: Callable[[B1Map, PropertyMap], PropertyMap] | None = None,
) -> PropertyMap:
    """Reconstruct a map and realisations of its noise.

    The noise is added to data that already hold noise once, so that the spread is that of the method at this noise
    level around its own result; the mean of the draws less that result estimates the bias that noise itself causes.

    Parameters
    ----------
    b1 : B1Map
        The map, with its noise.
    reconstruct : callable
        B1Map to PropertyMap, such as ``ConvectionReaction().reconstruct``. A setting that it derives from the data (the
        smoothing) is derived again in every draw.
    draws : int
        Number of realisations; the relative standard uncertainty of the uncertainties is 1/sqrt(2 (draws - 1)).
    seed : int
        Same seed, same numbers.
    progress : callable, optional
        Called with a :class:`~emdose.solvers.running.Iteration` of stage "draws" after every draw.
    least_share : float
        Voxels with a value in a smaller share of the draws get no uncertainty and the flag FAILED.
    nearby : callable, optional
        B1Map and the result of ``b1`` to PropertyMap, which reconstructs the realisations instead, such as
        :meth:`ConvectionReaction.nearby <emdose.ept.transport.convection_reaction.ConvectionReaction.nearby>`.

    Returns
    -------
    PropertyMap
        The reconstruction of ``b1`` with ``u_conductivity``, ``u_permittivity``, ``covariance`` and ``propagation``
        from the draws. ``settings["noise_bias"]`` holds the median over voxels of the mean shift of conductivity and
        permittivity.

    Raises
    ------
    InputError
        For fewer than 3 draws, unknown noise, or when a draw cannot be reconstructed.
    """
    if draws < 3:
        raise InputError("too few draws", field="draws", found=draws, expected="3 or more, better 30")
    generators = np.random.default_rng(seed).spawn(draws)
    base = reconstruct(b1)
    names = [n for n in ("conductivity", "permittivity") if getattr(base, n) is not None]
    stacks = {n: np.zeros((draws, *base.grid.shape), np.float32) for n in names}
    there = np.zeros((draws, *base.grid.shape), bool)
    for d, generator in enumerate(generators):
        try:
            data = noisy(b1, generator)
            one = reconstruct(data) if nearby is None else nearby(data, base)
        except EmdoseError as error:
            raise InputError(f"draw {d + 1} cannot be reconstructed: {error}", file=b1.source) from error
        there[d] = one.valid & base.valid
        for n in names:
            # differences to the base lose no digits in single precision
            stacks[n][d] = np.where(there[d], getattr(one, n) - getattr(base, n), 0.0)
        if progress is not None:
            progress(Iteration(stage="draws", step=d + 1, steps=draws))
    count = there.sum(axis=0)
    enough = count >= max(3, least_share * draws)
    shift = {}
    for n, stack in stacks.items():
        mean = stack.sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
        stack -= np.where(there, mean[None], 0.0).astype(np.float32)
        shift[n] = float(np.median(mean[enough])) if enough.any() else float("nan")
    spread: dict[str, Any] = {}
    for key, (a, b) in {
        "u_conductivity": ("conductivity",) * 2,
        "u_permittivity": ("permittivity",) * 2,
        "covariance": ("conductivity", "permittivity"),
    }.items():
        if a in stacks and b in stacks:
            total = np.einsum("dxyz,dxyz->xyz", stacks[a], stacks[b], dtype=np.float64) / np.maximum(count - 1, 1)
            spread[key] = np.where(enough, total if key == "covariance" else np.sqrt(total), np.nan)
    flags = base.flags.copy()
    lost = base.valid & ~enough
    flags[lost] |= np.uint8(Flag.FAILED)
    values: dict[str, Any] = {n: np.where(lost, np.nan, getattr(base, n)) for n in names}
    return replace(
        base,
        **values,
        **spread,
        flags=flags,
        propagation=Draws(stacks.get("conductivity"), stacks.get("permittivity")),
        settings={**base.settings, "uncertainty": "Monte Carlo", "draws": draws, "seed": seed, "noise_bias": shift},
    )
