r"""Rectilinear grids that are fine where it matters and coarse elsewhere.

Between two planes that are kept exactly, n steps are chosen so that they fill the distance L, neighbours differ by at
most the ratio r, and the steps next to the planes fit those on the other side. With p and q the steps beyond the two
planes the steps obey

.. math:: \max(p\,r^{-i},\, q\,r^{i-n-1}) \le d_i \le \min(p\,r^i,\, q\,r^{n+1-i},\, d_{max}),

and not below the smallest step asked for. Both bounds have neighbours within r. Every geometric mean of them has too,
so that the one whose sum is L is found by bisection; n is the smallest number for which it exists.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.checks import is_number, positive, whole, within
from emdose.errors import InputError
from emdose.models.coils.conductors import SolidConductor
from emdose.models.grids.grid import Grid, Vector
from emdose.models.grids.rectilinear import RectilinearGrid

if TYPE_CHECKING:
    from emdose.models.coils.circuit import CircuitCoil
    from emdose.models.coils.ideal import Coil

DEFAULT_RATIO = 1.3
LARGEST_RATIO = 2.0
"""Above it the second order of the scheme is lost in practice and the stretch reflects waves."""


def graded_axis(
    low_m: float,
    high_m: float,
    finest_m: float,
    coarsest_m: float,
    *,
    snap_m: Sequence[float] = (),
    core_m: Sequence[float] | None = None,
    ratio: float = DEFAULT_RATIO,
    least_m: float | None = None,
    fine_ends: bool = False,
) -> np.ndarray:
    """Node planes along one axis.

    Parameters
    ----------
    low_m, high_m : float
        Ends of the axis [m].
    finest_m, coarsest_m : float
        Step wanted at the planes of ``snap_m``, and the largest step anywhere [m].
    snap_m : sequence of float
        Coordinates that become planes [m]. Those nearer to another plane than half the finest step are taken as one
        with it; those inside the core are left to the core's planes.
    core_m : sequence of float, optional
        Planes that are kept exactly and get no others between them [m], such as those of a body's voxels.
    ratio : float
        Largest ratio of neighbouring steps, above 1 up to 2.
    least_m : float, optional
        Smallest step anywhere [m]; planes nearer to each other than that are taken as one, of which the core's, then
        an end, then the one nearer to the core stays. By default steps shrink below the finest where planes ask for it.
    fine_ends : bool
        Whether the ends are planes like those of ``snap_m``, with the finest step beside them.

    Returns
    -------
    (n,) ndarray
        Growing coordinates from ``low_m`` to ``high_m`` [m].

    Raises
    ------
    InputError
        For lengths or a ratio that cannot be used, planes outside the axis, or planes so close that no steps of the
        ratio fit between them.
    """
    _check(low_m, high_m, finest_m, coarsest_m, ratio)
    if least_m is not None and not 0 < least_m <= finest_m:
        raise InputError("bad smallest step", field="least_m", found=least_m, expected=f"above 0, at most {finest_m:g}")
    core = np.zeros(0) if core_m is None else np.asarray(core_m, float)
    near = 0.5 * finest_m if least_m is None else least_m * (1 - 1e-6)
    bounds = Bounds(coarsest_m, ratio, least_m or 0.0)
    end = finest_m if fine_ends else None
    if len(core):
        steps = np.diff(core)
        if len(core) < 2 or np.any(steps <= 0) or core[0] < low_m - 1e-9 or core[-1] > high_m + 1e-9:
            raise InputError(
                "bad core planes",
                field="core_m",
                found=f"{len(core)} planes",
                expected=f"growing planes within {low_m:g} to {high_m:g} m",
            )
        worst = float(np.maximum(steps[1:] / steps[:-1], steps[:-1] / steps[1:]).max(initial=1.0))
        if worst > ratio * (1 + 1e-9) or steps.max() > coarsest_m * (1 + 1e-9):
            raise InputError(
                "the core breaks the bounds of the grading",
                field="core_m",
                found=f"ratio {worst:.3g}, step {steps.max():.4g} m",
                expected=f"ratio <= {ratio:g}, step <= {coarsest_m:g} m",
            )
    planes = _fixed(low_m, high_m, snap_m, core, near)
    if not len(core):
        return _fill(planes, [end, *[finest_m] * (len(planes) - 2), end], set(), bounds)
    out = [core]
    below, above = planes[planes <= core[0]], planes[planes >= core[-1]]
    # Both sides are laid out from the core outwards, so that what is symmetric stays so.
    for beyond, first, sign in ((-below[::-1], core[1] - core[0], -1), (above, core[-1] - core[-2], 1)):
        if len(beyond) > 1:
            nodes = _fill(beyond, [float(first), *[finest_m] * (len(beyond) - 2), end], {0}, bounds)[1:]
            out.insert(0, -nodes[::-1]) if sign < 0 else out.append(nodes)
    return np.concatenate(out)


def graded_grid(
    low_m: Vector,
    high_m: Vector,
    finest_m: float,
    coarsest_m: float,
    *,
    snap_m: Sequence[Sequence[float]] = ((), (), ()),
    core: Grid | None = None,
    ratio: float = DEFAULT_RATIO,
    absorber_cells: int = 0,
) -> RectilinearGrid:
    """A graded grid of a box.

    Parameters
    ----------
    low_m, high_m : (float, float, float)
        Corners of the box [m]; the absorber comes outside of it.
    finest_m, coarsest_m, ratio
        See :func:`graded_axis`.
    snap_m : three sequences of float
        Coordinates along x, y and z that become planes [m]; see :func:`planes_of`.
    core : Grid, optional
        A uniform grid, for instance the phantom's, all of whose planes are kept.
    absorber_cells : int
        Cells appended at every side, of the constant step of the last cell.

    Raises
    ------
    InputError
        As :func:`graded_axis`.
    """
    whole("absorber_cells", absorber_cells, 0)
    axes = []
    for a in range(3):
        inner = None if core is None else core.nodes(a).tolist()
        nodes = graded_axis(low_m[a], high_m[a], finest_m, coarsest_m, snap_m=snap_m[a], core_m=inner, ratio=ratio)
        count = np.arange(1, absorber_cells + 1)
        before, after = nodes[1] - nodes[0], nodes[-1] - nodes[-2]
        axes.append(np.concatenate([nodes[0] - before * count[::-1], nodes, nodes[-1] + after * count]))
    return RectilinearGrid(*axes)


def planes_of(coil: CircuitCoil | Coil, tolerance_m: float = 1e-9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates along x, y and z at which a coil has edges: ends and corners of conductors, gaps and the shield [m].

    Corners count along an axis only where a piece of metal runs across it, so that arcs do not ask for a plane at
    every chord. Of a coil of ideal currents, whose filaments run where they are on any grid, only the shield counts.
    """
    found: list[list[float]] = [[], [], []]
    for c in getattr(coil, "conductors", ()):
        if isinstance(c, SolidConductor):
            for a in range(3):
                found[a] += [c.low_m[a], c.high_m[a]]
            continue
        for _, spine, across in c.sheets:
            for chain in (spine, spine[0] + across):
                for p, q in itertools.pairwise(_corners(chain)):
                    flat = np.abs(q - p) <= 1e-6 * np.linalg.norm(q - p)
                    for a in np.flatnonzero(flat).tolist():
                        found[a].append(float(p[a]))
                    if flat.sum() == 2:  # along an axis: its ends are edges of the metal
                        a = int(np.flatnonzero(~flat)[0])
                        found[a] += [float(p[a]), float(q[a])]
    for gap in getattr(coil, "gaps", ()):
        p, q = np.array(gap.start_m), np.array(gap.end_m)
        along = np.flatnonzero(np.abs(q - p) > 1e-6 * np.linalg.norm(q - p))
        if len(along) == 1:
            found[int(along[0])] += [float(p[along[0]]), float(q[along[0]])]
    if coil.shield is not None:
        r, z = coil.shield.radius_m, 0.5 * coil.shield.length_m
        for a, reach in enumerate((r, r, z)):
            found[a] += [coil.shield.centre_m[a] - reach, coil.shield.centre_m[a] + reach]
    out = []
    for values in found:
        v = np.sort(np.array(values))
        out.append(v[np.concatenate([[True], np.diff(v) > tolerance_m])] if len(v) else v)
    return out[0], out[1], out[2]


def _corners(chain: np.ndarray) -> np.ndarray:
    """A chain without the points at which it goes straight on, closing point included."""
    v = np.diff(chain, axis=0)
    if not len(v):
        return chain
    unit = v / np.linalg.norm(v, axis=1)[:, None]
    bends = np.linalg.norm(np.diff(unit, axis=0), axis=1) > 1e-6
    closed = len(v) > 2 and np.allclose(chain[0], chain[-1]) and np.linalg.norm(unit[0] - unit[-1]) < 1e-6
    kept = chain[1:-1][bends]
    if closed:
        return np.concatenate([kept, kept[:1]])
    return np.concatenate([chain[:1], kept, chain[-1:]])


@dataclass(frozen=True)
class Bounds:
    """Largest step [m], largest ratio of neighbours, and smallest step [m]."""

    coarsest: float
    ratio: float
    least: float


def _check(low: float, high: float, finest: float, coarsest: float, ratio: float) -> None:
    for name, value in (("finest_m", finest), ("coarsest_m", coarsest)):
        positive(name, value, expected="a finite length > 0")
    if not finest <= coarsest:
        raise InputError(
            "finest step above the coarsest", field="finest_m", found=finest, expected=f"<= {coarsest:g} m"
        )
    within("ratio", ratio, 1, LARGEST_RATIO, ends="(]", problem="grading ratio beyond bounds")
    if not (is_number(low) and is_number(high) and low < high):
        raise InputError("bad ends of an axis", field="low_m, high_m", found=(low, high), expected="low below high")


def _fixed(low: float, high: float, snap: Sequence[float], core: np.ndarray, least: float) -> np.ndarray:
    """All planes that are kept outside of the core, its first and last and the ends of the axis included."""
    planes = [low, high, *([core[0], core[-1]] if len(core) else [])]
    middle = 0.5 * (core[0] + core[-1]) if len(core) else low
    for value in sorted((float(s) for s in snap), key=lambda s: abs(s - middle)):
        if not low - least <= value <= high + least:
            raise InputError(
                "a plane to snap to lies outside the grid",
                field="snap_m",
                found=value,
                expected=f"{low:g} to {high:g} m",
            )
        inside = len(core) and core[0] <= value <= core[-1]
        if not inside and min(abs(value - p) for p in planes) > least:
            planes.append(value)
    out = np.unique(np.array(planes))
    return out[np.concatenate([[True], np.diff(out) > 1e-9 * (high - low)])]


def _fill(planes: np.ndarray, sizes: Sequence[float | None], held: set[int], bounds: Bounds) -> np.ndarray:
    """Planes with graded steps between them.

    ``sizes`` holds the step wanted at each plane, None where it is free. Steps at planes not held shrink until
    everything fits; where that does not help, it is tried again from larger ones.
    """
    growth, reason, coarsest = 1.0, None, bounds.coarsest
    finest = min((s for s in sizes if s is not None), default=coarsest)
    while growth == 1.0 or growth * finest < coarsest:
        want = [s if s is None or n in held else min(growth * s, coarsest) for n, s in enumerate(sizes)]
        steps, failed = _shrink(planes, want, held, bounds)
        if failed is None:
            nodes = [planes[:1]]
            for n, d in enumerate(steps):
                inner = planes[n] + np.cumsum(d)
                inner[-1] = planes[n + 1]
                nodes.append(inner)
            return np.concatenate(nodes)
        reason = failed if reason is None else reason
        growth *= 1.15
    low, high = planes[reason], planes[reason + 1]  # type: ignore[operator]
    raise InputError(
        "grading ratio beyond bounds: no steps fit between two planes",
        field="snap_m, ratio",
        found=f"{high - low:.4g} m between {low:.6g} and {high:.6g} m",
        expected=f"planes further apart, fewer planes, or a ratio above {bounds.ratio:g}",
    )


def _shrink(
    planes: np.ndarray, sizes: Sequence[float | None], held: set[int], bounds: Bounds
) -> tuple[list[np.ndarray], int | None]:
    """Steps between all planes, or the number of the first distance that no steps fit."""
    want = list(sizes)
    floor = 0.25 * min((s for s in want if s is not None), default=bounds.coarsest)
    floor = bounds.least or min(floor, 0.25 * float(np.diff(planes).min()))
    while True:
        steps: list[np.ndarray] = []
        failed = None
        for n in range(len(planes) - 1):
            share = (1.0 if n in held else 0.5, 1.0 if n + 1 in held else 0.5)
            d = steps_between(float(planes[n + 1] - planes[n]), want[n], want[n + 1], share, bounds)
            if d is None:
                failed = n
                break
            steps.append(d)
        if failed is None:
            return steps, None
        free = [(w, m) for m in (failed, failed + 1) if m not in held and (w := want[m]) is not None]
        if not free or max(free)[0] < floor:
            return steps, failed
        want[max(free)[1]] = max(free)[0] / 1.07


def steps_between(
    length: float, p: float | None, q: float | None, share: tuple[float, float], bounds: Bounds
) -> np.ndarray | None:
    """The fewest steps that fill a length between the steps p and q, or None.

    ``share`` is the power of r that the first and the last step may use of their plane: one half when there are free
    steps on the other side too, so that both together keep r.
    """
    largest, r = bounds.coarsest, bounds.ratio
    for n in range(max(1, math.ceil(length / largest - 1e-9)), 100_000):
        i = np.arange(n)
        low, high = np.full(n, bounds.least), np.full(n, largest)
        for size, away in ((p, i + share[0]), (q, n - 1 - i + share[1])):
            if size is not None:
                power = np.exp(np.minimum(away * math.log(r), 300.0))
                low, high = np.maximum(low, size / power), np.minimum(high, size * power)
        if p is None and q is None and not bounds.least:
            low = np.full(n, 1e-3 * length / n)
        if np.any(low > high * (1 + 1e-12)):
            if n > 2 and (p is None or q is None or abs(math.log(p / q)) < (n - 1) * math.log(r)):
                return None  # a core step above the largest step
            continue
        if high.sum() < length:
            continue
        if low.sum() > length * (1 + 1e-12):
            return None
        a, b = 0.0, 1.0
        for _ in range(60):
            t = 0.5 * (a + b)
            a, b = (t, b) if np.sum(low ** (1 - t) * high**t) < length else (a, t)
        d = low ** (1 - b) * high**b
        return np.asarray(d * (length / d.sum()))
    return None
