r"""Runs of gaps that are mirror images of others, body and metal included: the one tells the other.

Where cells, materials, metal and gaps of a grid are their own images in the plane through its middle across an axis a,
the fields of a source in the image of a gap are

.. math::

   E'_c(\mathbf r') = \mp E_c(\mathbf r), \qquad B'_c(\mathbf r') = \pm B_c(\mathbf r)

with the upper sign for c = a: E is a vector, B an axial one. Voltages and currents of the gaps change places, and their
sign where a gap counts against the image of its partner. A birdcage around a body with a mirror plane takes half the
runs, with two planes a quarter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from emdose.solvers.fdtd.run_result import SteppedRun

if TYPE_CHECKING:
    from emdose.solvers.fdtd.setup.mirrors import Mirror


def with_images(mirrors: Sequence[Mirror], runs: Sequence[SteppedRun]) -> list[SteppedRun]:
    """Runs with their images, by the gap of their source."""
    found = {r.port: r for r in runs}
    fresh = list(runs)
    while fresh:
        run = fresh.pop()
        for mirror in mirrors:
            if mirror.image[run.port] not in found:
                image = image_of(mirror, run)
                found[image.port] = image
                fresh.append(image)
    return [found[n] for n in sorted(found)]


def image_of(mirror: Mirror, run: SteppedRun) -> SteppedRun:
    """The run whose source sits in the image of a run's own gap."""
    m = run.port
    own = mirror.sign[m]
    places = np.argsort(mirror.image)  # the gap that each takes its numbers from
    turned = own * np.array(mirror.sign, float)[places]
    return replace(
        run,
        name=run.elements[mirror.image[m]],
        port=mirror.image[m],
        E={_region(mirror.axis, k): own * _reflected(mirror.axis, v, k, "E") for k, v in run.E.items()},
        B={_region(mirror.axis, k): own * _reflected(mirror.axis, v, k, "B") for k, v in run.B.items()},
        voltages=run.voltages[:, places] * turned,
        currents=run.currents[:, places] * turned,
        seconds=0.0,
        image_of=run.name,
    )


def _region(axis: int, name: str) -> str:
    """The region that is the image of another."""
    kind, _, number = name.partition(" ")
    if kind == "face" and int(number) // 2 == axis:
        return f"face {int(number) ^ 1}"
    return name


def _reflected(axis: int, values: np.ndarray, region: str, field: str) -> np.ndarray:
    """Phasors (3, ...) of the image of a region."""
    if _region(axis, region) != region:
        return _through(axis, values, int(region.split(" ")[1]) % 2, field)
    out = np.zeros_like(values)
    for c in range(3):
        part, into = np.moveaxis(values[c], axis, 0), np.moveaxis(out[c], axis, 0)
        odd = (c == axis) == (field == "E")
        if odd:  # halfway between nodes, the last one past the end
            into[:-1] = -part[-2::-1]
        else:
            into[:] = part[::-1]
    return out


def _through(axis: int, values: np.ndarray, side: int, field: str) -> np.ndarray:
    """Phasors of the face of the power box opposite to one across the axis.

    The lower face has H half a cell outside in its first layer and E of its own plane in the last; the upper has
    both in one. Only what lies in the face counts: its E is kept, its B turned.
    """
    layer = {"E": -1, "B": 0}[field] if side == 0 else 0
    taken = np.take(values, layer, axis=1 + axis) * (1 if field == "E" else -1)
    return np.stack([taken] if side == 0 else [taken, taken], axis=1 + axis)
