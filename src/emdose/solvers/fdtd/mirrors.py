r"""Mirror planes of a circuit coil with its body: the run of a gap tells that of its image.

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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.fdtd.run_result import Run
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.solvers.fdtd.setup.problem import FdtdProblem
    from emdose.solvers.yee_grid.coil_raster import EdgePath

SAME = 1e-9
"""Relative difference of steps and materials that are one another's images: that of sums in another order."""


@read_only
@dataclass(frozen=True, eq=False)
class Mirror:
    """A plane across an axis, through the middle of the grid, that maps everything onto itself.

    Parameters
    ----------
    axis : int
        The axis.
    image : tuple of int
        Index of the gap that is the image of each.
    sign : tuple of int
        -1 where a gap is counted against the image of its partner.
    """

    axis: int
    image: tuple[int, ...]
    sign: tuple[int, ...]

    def of_run(self, run: Run) -> Run:
        """The run whose source sits in the image of a run's own gap."""
        m = run.port
        own = self.sign[m]
        places = np.argsort(self.image)  # the gap that each takes its numbers from
        turned = own * np.array(self.sign, float)[places]
        return replace(
            run,
            name=run.elements[self.image[m]],
            port=self.image[m],
            E={self._region(k): own * self._reflected(v, k, "E") for k, v in run.E.items()},
            B={self._region(k): own * self._reflected(v, k, "B") for k, v in run.B.items()},
            voltages=run.voltages[:, places] * turned,
            currents=run.currents[:, places] * turned,
            seconds=0.0,
            image_of=run.name,
        )

    def _region(self, name: str) -> str:
        """The region that is the image of another."""
        kind, _, number = name.partition(" ")
        if kind == "face" and int(number) // 2 == self.axis:
            return f"face {int(number) ^ 1}"
        return name

    def _reflected(self, values: np.ndarray, region: str, field: str) -> np.ndarray:
        """Phasors (3, ...) of the image of a region."""
        a = self.axis
        if self._region(region) != region:
            return self._through(values, int(region.split(" ")[1]) % 2, field)
        out = np.zeros_like(values)
        for c in range(3):
            part, into = np.moveaxis(values[c], a, 0), np.moveaxis(out[c], a, 0)
            odd = (c == a) == (field == "E")
            if odd:  # halfway between nodes, the last one past the end
                into[:-1] = -part[-2::-1]
            else:
                into[:] = part[::-1]
        return out

    def _through(self, values: np.ndarray, side: int, field: str) -> np.ndarray:
        """Phasors of the face of the power box opposite to one across the axis.

        The lower face has H half a cell outside in its first layer and E of its own plane in the last; the upper has
        both in one. Only what lies in the face counts: its E is kept, its B turned.
        """
        layer = {"E": -1, "B": 0}[field] if side == 0 else 0
        taken = np.take(values, layer, axis=1 + self.axis) * (1 if field == "E" else -1)
        return np.stack([taken] if side == 0 else [taken, taken], axis=1 + self.axis)


def mirrors_of(problem: FdtdProblem) -> tuple[Mirror, ...]:
    """The mirror planes of a problem with a source in every gap; none for other problems.

    Parameters
    ----------
    problem : FdtdProblem
        Cells, materials, metal and gaps.
    """
    if not problem.network or problem.coil_on_grid is None:
        return ()
    found = []
    for axis in range(3):
        pairs = _gaps(problem, axis) if _cells(problem, axis) else None
        if pairs is not None and _wires(problem, axis) and _materials(problem, axis):
            found.append(Mirror(axis, *pairs))
    return tuple(found)


def to_run(mirrors: Sequence[Mirror], count: int) -> list[int]:
    """Which of ``count`` gaps need a run of their own; the others are images of these."""
    known: set[int] = set()
    needed = []
    for n in range(count):
        if n not in known:
            needed.append(n)
            known |= _orbit(mirrors, n)
    return needed


def with_images(mirrors: Sequence[Mirror], runs: Sequence[Run]) -> list[Run]:
    """Runs with their images, by the gap of their source."""
    found = {r.port: r for r in runs}
    fresh = list(runs)
    while fresh:
        run = fresh.pop()
        for mirror in mirrors:
            if mirror.image[run.port] not in found:
                image = mirror.of_run(run)
                found[image.port] = image
                fresh.append(image)
    return [found[n] for n in sorted(found)]


def _orbit(mirrors: Sequence[Mirror], n: int) -> set[int]:
    found, fresh = {n}, [n]
    while fresh:
        m = fresh.pop()
        new = {mirror.image[m] for mirror in mirrors} - found
        found |= new
        fresh += new
    return found


# ---- what must be its own image --------------------------------------------------------------------------------------
def _cells(problem: FdtdProblem, axis: int) -> bool:
    """Steps, the phantom's grid and the box of the power balance."""
    steps, n = problem.grid.steps(axis), problem.grid.shape[axis]
    core, (low, high) = problem.domain.core[axis], problem.domain.power_box
    around = core.start + core.stop - 1 == n and low[axis] + high[axis] == n
    return around and bool(np.allclose(steps, steps[::-1], rtol=SAME, atol=0))


def _materials(problem: FdtdProblem, axis: int) -> bool:
    """Every edge and the one that is its image, metal included."""
    materials = problem.materials
    tables = [np.where(np.isfinite(t), t, -1.0) for t in (materials.permittivity, materials.conductivity)]
    for c in range(3):
        ids = np.moveaxis(np.asarray(materials.ids[c]), axis, 0)
        ids = ids[:-1] if c == axis else ids
        half = len(ids) // 2
        for table in tables:
            if not np.allclose(table[ids[:half]], table[ids[::-1][:half]], rtol=SAME, atol=0):
                return False
    return True


def _gaps(problem: FdtdProblem, axis: int) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The image of every gap with its sign; None where one has none."""
    assert problem.coil_on_grid is not None
    gaps: list[EdgePath] = list(problem.coil_on_grid.gaps)
    n = problem.grid.shape[axis]
    known = {frozenset(_signed(g)): (k, 1) for k, g in enumerate(gaps)}
    known |= {frozenset((*e, -s) for *e, s in _signed(g)): (k, -1) for k, g in enumerate(gaps)}
    found = [known.get(frozenset(_image(e, axis, n) for e in _signed(g))) for g in gaps]
    if any(f is None for f in found):
        return None
    return tuple(f[0] for f in found if f), tuple(f[1] for f in found if f)


def _signed(path: EdgePath) -> list[tuple[int, ...]]:
    """Component, node indices and sign of every edge of a path."""
    return [(*(int(v) for v in e), int(s)) for e, s in zip(path.edges, path.sign, strict=True)]


def _image(edge: tuple[int, ...], axis: int, n: int) -> tuple[int, ...]:
    """The image of an edge; one along the axis points the other way."""
    c, *node, sign = edge
    along = c == axis
    node[axis] = n - node[axis] - along
    return (c, *node, -sign if along else sign)


def _wires(problem: FdtdProblem, axis: int) -> bool:
    """Every edge of a thin wire, with its radius."""
    assert problem.coil_on_grid is not None
    n = problem.grid.shape[axis]
    there: set[Any] = {(*map(int, e), 1, w.radius_m) for w in problem.coil_on_grid.wires for e in w.edges}
    image = {(*_image(edge[:5], axis, n)[:4], 1, edge[5]) for edge in there}
    return there == image
