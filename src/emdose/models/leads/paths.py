"""Families of paths: where a lead may lie, around a nominal path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emdose.checks import array, not_negative, positive
from emdose.checks import counts as _counts
from emdose.errors import InputError
from emdose.models.leads.lead import Lead

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

MOST_TRIALS = 200
"""Draws for each path before it is said that none stays in the tissue."""


def paths_around(
    nominal: Lead | np.ndarray,
    count: int,
    spread_m: float,
    *,
    tip_spread_m: float = 0.0,
    bends: int = 4,
    phantom: Phantom | None = None,
    seed: int = 1,
) -> list[np.ndarray]:
    """Random smooth paths of one length around a nominal one.

    Every path is the nominal one, displaced across itself by sines of 1 to ``bends`` half waves along the lead with
    normal random amplitudes, and cut to the length of the nominal one or drawn out straight to it.

    Parameters
    ----------
    nominal : Lead or (n, 3) ndarray
        Path from the tip [m].
    count : int
        How many paths.
    spread_m : float
        Root mean square of the displacement along the lead, over many paths [m].
    tip_spread_m : float
        Standard deviation of the place of the tip in each direction [m].
    bends : int
        Most half waves along the lead.
    phantom : Phantom, optional
        Paths that leave its tissue are drawn again.
    seed : int
        Of the random numbers.

    Returns
    -------
    list of (n, 3) ndarray
        Paths [m].

    Raises
    ------
    InputError
        When values are out of range, or hardly any path stays in the tissue.
    """
    corners = nominal.path_m if isinstance(nominal, Lead) else array("nominal", nominal, (None, 3), problem="bad path")
    number, waves, _ = _counts("count", (count, bends, 1), 1, problem="bad number of paths")
    positive("spread_m", spread_m)
    not_negative("tip_spread_m", tip_spread_m)
    random = np.random.default_rng(seed)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    length = float(along[-1])
    n = int(np.clip(np.ceil(length / 5e-3), 20, 400))
    s = np.linspace(0, length, n + 1)
    base = np.stack([np.interp(s, along, corners[:, a]) for a in range(3)], axis=1)
    order = np.arange(1, waves + 1)
    shapes = np.sin(np.pi * order[:, None] * s / length)
    # Higher bends are weaker (1/m); the mean square of a sine is a half, and there are two directions across.
    size = spread_m / np.sqrt(np.sum(0.5 / order**2) * 2) / order
    tangent = np.gradient(base, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1)[:, None]
    found: list[np.ndarray] = []
    for _ in range(number * MOST_TRIALS):
        shift = np.einsum("ma,mn->na", random.normal(size=(waves, 3)) * size[:, None], shapes)
        shift -= np.einsum("na,na->n", shift, tangent)[:, None] * tangent
        path = _of_length(base + shift + tip_spread_m * random.normal(size=3), length)
        if phantom is None or _inside(phantom, path):
            found.append(path)
            if len(found) == number:
                return found
    raise InputError(
        "hardly any path stays in the tissue",
        field="spread_m",
        found=f"{len(found)} of {number * MOST_TRIALS} draws",
        expected="a smaller spread, or a nominal path further inside",
    )


def _of_length(path: np.ndarray, length: float) -> np.ndarray:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    if along[-1] >= length:
        s = np.concatenate([along[along < length * (1 - 1e-9)], [length]])
        return np.stack([np.interp(s, along, path[:, a]) for a in range(3)], axis=1)
    last = path[-1] - path[-2]
    missing = length - along[-1]
    steps = np.linspace(0, missing, int(np.ceil(missing / 5e-3)) + 1)[1:]
    return np.concatenate([path, path[-1] + last / np.linalg.norm(last) * steps[:, None]])


def _inside(phantom: Phantom, path: np.ndarray) -> bool:
    grid = phantom.grid
    index = []
    for a in range(3):
        i = np.searchsorted(grid.nodes(a), path[:, a], "right") - 1
        if i.min() < 0 or i.max() >= grid.shape[a]:
            return False
        index.append(i)
    return bool(np.asarray(phantom.body)[tuple(index)].all())
