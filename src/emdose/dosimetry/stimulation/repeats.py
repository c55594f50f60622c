r"""Responses to waveforms whose parts come again: what a part leaves by itself is made once.

A part that begins with the memories y answers by what it answers from rest, and by what is left of y:

.. math:: R(t) = R_\mathrm{rest}(t) + \sum_j f_j e^{-s_j t} y_j

so that parts that are alike cost one product of matrices each. Bounds add up in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from emdose.dosimetry.stimulation import memory
from emdose.dosimetry.stimulation.extremes import Stretch
from emdose.dosimetry.stimulation.impulse import stretches

LEAST_PIECES, LEAST_TIMES = 64, 4
"""Parts of fewer pieces, or that come less often, are stepped through."""
MOST_BYTES = 2**28
"""That parts may take together."""
ALIKE = 1e-12
"""Largest difference of slew rates over the largest of all, beside what the rounding of times leaves in them."""
_NEAR_s = 1e-9


@dataclass(frozen=True, eq=False)
class _Part:
    """A part from rest."""

    alone: Stretch
    left: np.ndarray
    """What is left of memories at every corner, (n + 1, m)."""
    last: np.ndarray
    """Memories at its end, (m, axes)."""

    def after(
        self, first: int, memories: np.ndarray, rates: np.ndarray, factors: np.ndarray
    ) -> tuple[Stretch, np.ndarray]:
        """The part as piece ``first`` on, behind some memories (m, axes), and the memories at its end."""
        alone, size = self.alone, np.abs(memories)
        weighted = factors[:, None] * np.concatenate([memories, size, rates[:, None] ** 2 * size], axis=1)
        value, cap, bend = np.split(self.left @ weighted, 3, axis=1)

        def at(k: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            left = self.left[k] * np.exp(-u[:, None] * rates)
            found = alone.at(k, u)
            more = np.split(left @ weighted, 3, axis=1)
            return found[0] + more[0], found[1] + more[2], found[2] + more[1]

        here = Stretch(
            first,
            alone.low + value[:-1],
            alone.high + value[1:],
            alone.bend + bend[:-1],
            alone.cap + cap[:-1],
            at,
        )
        return here, self.left[-1][:, None] * memories + self.last


def marked(
    times_s: np.ndarray, starts: np.ndarray, stops: np.ndarray, splits_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """An input with corners where its parts begin, and the numbers of these corners, both ends included."""
    near = np.clip(np.searchsorted(times_s, splits_s), 1, len(times_s) - 1)
    distance = np.minimum(np.abs(times_s[near] - splits_s), np.abs(times_s[near - 1] - splits_s))
    times, a, b = memory.parted(times_s, starts, stops, splits_s[distance > _NEAR_s])
    inside = np.searchsorted(times, splits_s - _NEAR_s)
    return times, a, b, np.unique(np.concatenate([[0], inside, [len(times) - 1]]))


def repeated_stretches(
    times_s: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    chronaxie_s: float,
    kernel: tuple[np.ndarray, np.ndarray],
    first: np.ndarray,
    marks: np.ndarray,
    kinds: np.ndarray,
) -> Iterator[tuple[Stretch, np.ndarray]]:
    """As :func:`~emdose.dosimetry.stimulation.impulse.stretches`, with parts between marks that come again made once.

    Parameters
    ----------
    times_s, starts, stops, chronaxie_s, kernel, first
        As there.
    marks : (p + 1,) integer ndarray
        Corners between which the parts lie, the first and the last included.
    kinds : (p,) integer ndarray
        From :func:`kinds_of`.
    """
    now, (rates, factors) = first, kernel
    made: dict[int, _Part] = {}
    budget, k = MOST_BYTES, 0
    while k < len(kinds):
        kind, low = int(kinds[k]), int(marks[k])
        size = 8 * int(marks[k + 1] - low) * len(rates) * (1 + starts.shape[1])
        if kind >= 0 and (kind in made or size <= budget):
            if kind not in made:
                part = slice(low, int(marks[k + 1]))
                made[kind] = _made(times_s[low : part.stop + 1], starts[part], stops[part], chronaxie_s, kernel)
                budget -= size
            stretch, now = made[kind].after(low, now, rates, factors)
            yield stretch, now
            k += 1
            continue
        end = k + 1
        while end < len(kinds) and kinds[end] < 0:
            end += 1
        high = int(marks[end])
        pieces = times_s[low : high + 1], starts[low:high], stops[low:high]
        begin = now
        for stretch, now in stretches(*pieces, chronaxie_s, kernel, begin):
            yield replace(stretch, first=stretch.first + low), now
        k = end


def _made(
    times: np.ndarray, starts: np.ndarray, stops: np.ndarray, c: float, kernel: tuple[np.ndarray, np.ndarray]
) -> _Part:
    rates, axes = kernel[0], starts.shape[1]
    rest = np.zeros((len(rates), axes))
    found = [s for s, _ in stretches(times, starts, stops, c, kernel, rest)]
    alone = found[0]
    if len(found) > 1:
        begins = np.array([s.first for s in found])

        def at(k: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            which = np.searchsorted(begins, k, side="right") - 1
            out = np.zeros((3, len(k), axes))
            for n in np.unique(which):
                here = which == n
                out[:, here] = found[n].at(k[here] - begins[n], u[here])
            return out[0], out[1], out[2]

        low, high, bend, cap = (
            np.concatenate([getattr(s, key) for s in found]) for key in ("low", "high", "bend", "cap")
        )
        alone = Stretch(0, low, high, bend, cap, at)
    since = np.concatenate([[0.0], np.cumsum(memory.lengths(times))])
    return _Part(alone, np.exp(-np.outer(since, rates)), memory.last_state(times, starts, stops, rates))


def kinds_of(times: np.ndarray, starts: np.ndarray, stops: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Number of the kind of every part, -1 for those that are stepped through."""
    steps, size = memory.lengths(times), max(float(np.abs(starts).max()), float(np.abs(stops).max()), 1e-300)
    rounding = 8 * float(np.spacing(np.abs(times).max()))
    kinds = np.full(len(marks) - 1, -1)
    known: dict[bytes, list[int]] = {}
    owners: list[tuple[int, int]] = []
    for k, (low, high) in enumerate(zip(marks[:-1].tolist(), marks[1:].tolist(), strict=True)):
        if high - low < LEAST_PIECES:
            continue
        h, a, b = steps[low:high], starts[low:high], stops[low:high]
        # Looked up by the first pieces, then compared whole.
        shown = np.round(h[:8] * 1e9), np.round(a[:8] / size, 6) + 0.0, np.array(high - low)
        key = b"".join(v.tobytes() for v in shown)
        for kind in known.setdefault(key, []):
            i, j = owners[kind]
            near = ALIKE * size + rounding / h[:, None] * np.maximum(np.abs(a), np.abs(b))
            alike = np.abs(a - starts[i:j]) <= near, np.abs(b - stops[i:j]) <= near
            if np.array_equal(h, steps[i:j]) and all(map(np.all, alike)):
                kinds[k] = kind
                break
        else:
            known[key].append(len(owners))
            kinds[k] = len(owners)
            owners.append((low, high))
    counts = np.append(np.bincount(kinds[kinds >= 0], minlength=len(owners)), 0)
    return np.where(counts[kinds] < LEAST_TIMES, -1, kinds)
