"""Power of an exposure with the implant anywhere in the bore, in its worst orientation at every place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.models.gradients.coils import GradientCoil
from emdose.solvers.results.orientations import PowerForm, rotations, turned_matrices, worst_turn
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.gradients.coils import GradientSet

MOST_PLACES = 20_000
STARTS = 2
"""Rotations of the grid from which the worst is sought at every place; power has few maxima, of equal height mostly."""


@read_only(units={"worst": "W", "pose": "W"})
@dataclass(frozen=True, eq=False)
class BoreMap:
    """Power over the places of the implant's middle.

    Parameters
    ----------
    places_m : (p, 3) float ndarray
        Places in the scanner [m].
    worst : (p,) float ndarray
        Power in the worst orientation [W].
    pose : (p,) float ndarray
        Power in the pose of the scenario [W].
    step_m : float
        Distance of the places [m].
    """

    places_m: np.ndarray
    worst: np.ndarray
    pose: np.ndarray
    step_m: float

    @property
    def worst_place(self) -> int:
        """Index of the place with the largest power."""
        return int(np.argmax(self.worst))


def bore_places(radius_m: float, length_m: float, step_m: float) -> np.ndarray:
    """Places of a lattice about the isocentre within a cylinder along z, its rim included, (p, 3) [m].

    Raises
    ------
    InputError
        When there are more than 20 000.
    """

    def along(reach: float) -> np.ndarray:
        count = int(np.floor(reach / step_m * (1 + 1e-9)))
        return step_m * np.arange(-count, count + 1)

    side, z = along(radius_m), along(0.5 * length_m)
    if len(side) ** 2 * len(z) > 2 * MOST_PLACES:
        raise InputError(
            "too many places in the bore",
            field="step_m",
            found=f"{len(side) ** 2 * len(z)} places",
            expected=f"a larger step: at most {MOST_PLACES} places",
        )
    x, y, z = (v.ravel() for v in np.meshgrid(side, side, z, indexing="ij"))
    inside = np.hypot(x, y) <= radius_m * (1 + 1e-9)
    return np.stack([x, y, z], axis=1)[inside]


def require_clear(coils: GradientSet, places_m: np.ndarray, reach_m: float) -> None:
    """Raise InputError when an implant of a reach about its middle would touch the wires of a coil at some place."""
    for source in coils.sources:
        if not isinstance(source, GradientCoil):
            continue
        wires = source.segments.mean(axis=1)
        for part in np.array_split(places_m, max(1, len(places_m) * len(wires) // 4_000_000)):
            gap = float(np.sqrt(((part[:, None] - wires) ** 2).sum(-1)).min())
            if gap < reach_m:
                raise InputError(
                    f"the implant would touch the wires of {source.name}",
                    field="radius_m, length_m",
                    found=f"{1e3 * gap:.0f} mm from its middle to a wire",
                    expected=f"a region that keeps {1e3 * reach_m:.0f} mm",
                )


def bore_map(coils: GradientSet, places_m: np.ndarray, form: PowerForm, step_m: float, *, linear: bool) -> BoreMap:
    """The map of one exposure.

    Parameters
    ----------
    coils : GradientSet
        The gradient coils.
    places_m : (p, 3) ndarray
        Places of the implant's middle in the scanner [m].
    form : PowerForm
        Power of the exposure for any terms of the field.
    step_m : float
        Distance of the places [m].
    linear : bool
        Whether the form takes the linear terms.
    """
    tried = rotations()
    n = 8 if linear else 3
    turns = turned_matrices(np.eye(n), tried)
    worst, pose = np.zeros((2, len(places_m)))
    for k, place in enumerate(places_m):
        matrix = coils.matrix(_point(place))[:n]
        worst[k] = worst_turn(_power(form, matrix), form(turns @ matrix), starts=STARTS)[0]
        pose[k] = form(matrix)
    return BoreMap(places_m, np.maximum(worst, pose), pose, step_m)


def _power(form: PowerForm, matrix: np.ndarray) -> Any:
    return lambda R: form(turned_matrices(matrix, R))


def _point(place: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = map(float, place)
    return x, y, z


def at_worst_place(name: str) -> str:
    """What an exposure is called with the implant where the map of the bore is largest."""
    return f"{name}, worst place"
