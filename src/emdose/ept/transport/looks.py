"""Second looks of the methods that let properties vary: less smoothing, a wider window, the region by itself.

The methods themselves (dataclasses with ``reconstruct``) are handed in: their modules import this one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from emdose.ept.judging.second_look import Alone, Another, Look, SecondLooks, maps_of, widened
from emdose.ept.local.savitzky_golay import radii_within
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import PropertyMap
from emdose.ept.maps.region_mean import GRADIENT, INTERFACE, SMOOTHING, TRUNCATION
from emdose.ept.transport.log_inversion import FLOOR

HALVED, DOUBLED = -4 / 3, 1 / 3
"""Bias over the difference to half or twice the smoothing: a quadratic penalty biases by the square of its weight."""


def of_convection_reaction(
    method: Any, b1: B1Map, found: PropertyMap, device: str, undersmoothing: float
) -> SecondLooks:
    """Other smoothing, a wider window, the region by itself, and for phase alone the form without its neglect."""
    if method.diffusion is not None:
        return SecondLooks((), ("diffusion", TRUNCATION, INTERFACE))
    smoothing = float(found.settings["smoothing"])  # type: ignore[arg-type]
    radius = radii_within(method.radius, b1.grid.shape)
    looks: list[Look] = []
    never: list[str] = []

    def another(cause: str, factor: float, **changes: Any) -> None:
        other = replace(method, **{"smoothing": smoothing, **changes})
        looks.append(Another(cause, maps_of(found), partial(other.reconstruct, b1, device), factor))

    if smoothing >= 2 * FLOOR:
        another(SMOOTHING, HALVED, smoothing=smoothing / 2)
    elif smoothing > 0:
        another(SMOOTHING, DOUBLED, smoothing=2 * smoothing)
    wider = widened(radius, b1.grid.shape, method.degree)
    if wider is None:
        never.append(TRUNCATION)
    else:
        another(TRUNCATION, wider[1], radius=wider[0])
    if found.settings["form"] == "phase" and b1.magnitude is not None:
        another(GRADIENT, -1.0, form="complex", smoothing=method.smoothing)
    elif found.settings["form"] == "phase":
        never.append(GRADIENT)
    if not (method.within_labels and b1.labels is not None):
        # By itself the region has no boundaries to keep: all the smoothing that the data allow.
        more = smoothing if method.smoothing is not None else smoothing * undersmoothing
        own = replace(method, smoothing=more, boundary=None)
        looks.append(Alone(b1, maps_of(found), partial(_of_region, own, device), 0 if method.volume else radius[2]))
    return SecondLooks(looks, never)


def of_gradient(method: Any, b1: B1Map, found: PropertyMap, device: str) -> SecondLooks:
    """A wider window, and the region by itself: the fits of this method reach over boundaries of tissue."""
    looks: list[Look] = []
    radius = radii_within(method.radius, b1.grid.shape)
    wider = widened(radius, b1.grid.shape, method.degree)
    if wider is not None:
        other = replace(method, radius=wider[0])
        looks.append(Another(TRUNCATION, maps_of(found), partial(other.reconstruct, b1, device), wider[1]))

    looks.append(Alone(b1, maps_of(found), partial(_of_region, method, device), 0 if method.volume else radius[2]))
    return SecondLooks(looks, () if wider else (TRUNCATION,))


def _of_region(method: Any, device: str, part: B1Map, slices: list[int]) -> PropertyMap:
    """What a method makes of a map whose mask is a region, in the slices that are wanted."""
    assert part.mask is not None
    changes: dict[str, Any] = {"slices": slices}
    if hasattr(method, "seeds"):
        changes["seeds"] = tuple(seed for seed in method.seeds if part.mask[tuple(seed.voxel)])
    return replace(method, **changes).reconstruct(part, device)
