"""What the NumPy references of the Yee kernels share: whole-lattice updates and the terms of single entries."""

from __future__ import annotations

import numpy as np

PLAN = (
    "NX",
    "NY",
    "NZ",
    "STRIDE",
    "PLANE",
    "COMPONENT",
    "WIDE_IDS",
    "LOW_X",
    "HIGH_X",
    "LOW_Y",
    "HIGH_Y",
    "LANES_LOW",
    "LANES_HIGH",
    "PSI_EX",
    "PSI_EY",
    "PSI_EZ",
    "PSI_HX",
    "PSI_HY",
    "PSI_HZ",
    "GROUPS_X",
    "GROUPS_Y",
    "LONGEST",
    "WIDEST",
    "BRANCHES",
    "COLUMNS",
    "FREQUENCIES",
    "REGIONS",
    "EVERY",
    "FIRST_STEP",
    "STRIP",
)
REGION_SIZE = 8


class Reference:
    """Fields and tables under the names of ``plan``."""

    def __init__(self, plan: np.ndarray, factor: np.ndarray, layer: np.ndarray) -> None:
        for name, value in zip(PLAN, plan[: len(PLAN)].tolist(), strict=True):
            setattr(self, name.lower(), value)
        self.nodes = (self.nx, self.ny, self.nz)
        self.factor = factor.reshape(2, 3, 3, self.longest)
        self.layer = layer.reshape(2, 3, 3, self.widest)
        self.boxes = plan[len(PLAN) :].reshape(-1, REGION_SIZE)

    nx: int
    ny: int
    nz: int
    stride: int
    plane: int
    component: int
    wide_ids: int
    low_x: int
    high_x: int
    low_y: int
    high_y: int
    lanes_low: int
    lanes_high: int
    longest: int
    widest: int
    branches: int
    columns: int
    frequencies: int
    every: int
    first_step: int

    def part(self, f: np.ndarray, c: int, counts: tuple[int, ...], back: int = 0) -> np.ndarray:
        """Component c of a buffer, shifted back by a number of entries, cut to counts."""
        start = c * self.component + self.plane - back
        flat = f.reshape(-1)
        rows = flat[start : start + counts[0] * self.plane]
        lacking = counts[0] * self.plane - len(rows)
        if lacking:  # neighbours above the last plane, which nothing uses
            rows = np.concatenate([rows, np.zeros(lacking, f.dtype)])
        return rows.reshape(counts[0], self.ny, self.stride)[:, : counts[1], : counts[2]]

    def counts(self, magnetic: int, c: int) -> tuple[int, ...]:
        """Entries of a component along x, y and z."""
        return tuple(n - ((a == c) != bool(magnetic)) for a, n in enumerate(self.nodes))

    def update(
        self,
        magnetic: int,
        f: np.ndarray,
        g: np.ndarray,
        ca: np.ndarray,
        cb: np.ndarray,
        ids: np.ndarray,
        psi: np.ndarray,
    ) -> None:
        """E from H (magnetic 0) or H from E (1) everywhere, absorbing layers included."""
        step = (self.plane, self.stride, 1)
        for c in range(3):
            n = self.counts(magnetic, c)
            x, y, z = (self.factor[magnetic, c, a, : n[a]] for a in range(3))
            scale = (x[:, None] * y)[:, :, None]
            if magnetic:
                a, b = 1, -scale * z
            else:
                which = ids.reshape(3, self.nx, self.ny, self.stride)[c, : n[0], : n[1], : n[2]]
                a, b = ca[which], (cb[which] * scale) * z
            u, v = (c + 1) % 3, (c + 2) % 3
            # Curl: d f_v / du - d f_u / dv.
            sign = -1 if magnetic else 1
            ends = []
            for field, axis in ((v, u), (u, v)):
                near, far = self.part(g, field, n), self.part(g, field, n, sign * step[axis])
                ends.append((far, near) if magnetic else (near, far))
            target = self.part(f, c, n)
            target[...] = a * target + b * ((ends[0][0] - ends[0][1]) - (ends[1][0] - ends[1][1]))
        self._layers(magnetic, f, g, cb, ids, psi)

    def _layers(
        self, magnetic: int, f: np.ndarray, g: np.ndarray, cb: np.ndarray, ids: np.ndarray, psi: np.ndarray
    ) -> None:
        step, low = (self.plane, self.stride, 1), (self.low_x, self.low_y, self.lanes_low)
        high = (self.high_x, self.high_y, self.lanes_high)
        deep = [a + b for a, b in zip(low, high, strict=True)]
        shapes = [
            (2, deep[0], self.ny, self.stride),
            (2, self.nx, deep[1], self.stride),
            (2, self.nx, self.ny, deep[2]),
        ]
        for axis in range(3):
            start = getattr(self, f"psi_{'eh'[magnetic]}{'xyz'[axis]}")
            memory = psi[start : start + int(np.prod(shapes[axis]))].reshape(shapes[axis])
            for second in (0, 1):
                c = (axis + 1 + second) % 3
                other = 3 - axis - c
                # curl_c has + d g_other / d axis when (c, axis, other) is cyclic
                turn = (1 if (axis - c) % 3 == 1 else -1) * (-1 if magnetic else 1)
                n = self.counts(magnetic, c)
                for side in (0, 1):
                    wide = (low, high)[side][axis]
                    if not wide:
                        continue
                    if axis == 2:
                        # Lanes are whole vectors of a row, the last of which may end behind it.
                        first = self.nz + -self.nz % 16 - wide if side else 0
                        wide = min(wide, n[2] - first)
                    else:
                        first = self.nodes[axis] - magnetic - wide if side else 0
                    lane = low[axis] if side else 0
                    cut = tuple(slice(first, first + wide) if a == axis else slice(None) for a in range(3))
                    near, far = (
                        self.part(g, other, n)[cut],
                        self.part(g, other, n, (-1 if magnetic else 1) * step[axis])[cut],
                    )
                    d = far - near if magnetic else near - far
                    along = tuple(slice(None) if a == axis else None for a in range(3))
                    b, q, kappa = (self.layer[magnetic, axis, w, lane : lane + wide][along] for w in range(3))
                    kept = tuple(slice(lane, lane + wide) if a == axis else slice(0, n[a]) for a in range(3))
                    p = memory[(second, *kept)]
                    p[...] = b * p + q * d
                    x, y, z = (self.factor[magnetic, c, a, : n[a]] for a in range(3))
                    scale = (x[:, None] * y)[:, :, None]
                    if magnetic:
                        gain = turn * (scale * z)
                    else:
                        which = ids.reshape(3, self.nx, self.ny, self.stride)[c, : n[0], : n[1], : n[2]]
                        gain = turn * ((cb[which] * scale) * z)
                    self.part(f, c, n)[cut] += gain[cut] * (p + kappa * d)

    def fourier(self, magnetic: int, f: np.ndarray, phase: np.ndarray, step: int, dft: np.ndarray) -> None:
        """Add the sample of a step to the running sums of every region."""
        if (step + 1) % self.every:
            return
        sample = (step + 1) // self.every - (self.first_step + self.every) // self.every
        if not self.frequencies:
            return
        pairs = phase.reshape(-1, self.frequencies, 2, 2)[sample, :, magnetic].astype(dft.dtype)
        for box in self.boxes.tolist():
            low, high, at = box[:3], box[3:6], box[6 + magnetic]
            if at < 0:
                continue
            size = tuple(h - a for a, h in zip(low, high, strict=True))
            sums = dft[at : at + 6 * self.frequencies * int(np.prod(size))].reshape(self.frequencies, 2, 3, *size)
            cut = tuple(slice(a, h) for a, h in zip(low, high, strict=True))
            x = np.stack([self.part(f, c, self.nodes)[cut] for c in range(3)])
            for n, pair in enumerate(pairs):
                for part in (0, 1):
                    sums[n, part] += pair[part] * x


def add_terms(
    first: int,
    last: int,
    entry: np.ndarray,
    row: np.ndarray,
    column: np.ndarray,
    coefficient: np.ndarray,
    drive: np.ndarray,
    f: np.ndarray,
) -> None:
    """Impressed terms [first, last) with the drive of one step."""
    if last > first:
        parts = coefficient[row[first] : row[last]] * drive[column[row[first] : row[last]]]
        sums = np.add.reduceat(parts, row[first:last] - row[first])
        f.reshape(-1)[entry[first:last]] += sums.astype(f.dtype)


def face_terms(
    first: int, last: int, face: np.ndarray, turn: np.ndarray, gain: np.ndarray, e: np.ndarray, h: np.ndarray
) -> None:
    """Faces [first, last) of another permeability."""
    at, flat = face[first:last], e.reshape(-1)
    p, q, r, s = (flat[at + t] for t in turn.reshape(-1, 4)[first:last].T)
    h.reshape(-1)[at] -= (gain[first:last] * ((p - q) - (r - s)).astype(float)).astype(h.dtype)


def branch_terms(
    count: int,
    row: np.ndarray,
    edge: np.ndarray,
    sign: np.ndarray,
    gain: np.ndarray,
    law: np.ndarray,
    source: np.ndarray,
    state: np.ndarray,
    e: np.ndarray,
    record: np.ndarray,
) -> None:
    """Ports and lumped elements, one step."""
    flat, law, state = e.reshape(-1), law.reshape(-1, 9), state.reshape(-1, 3)
    for b in range(count):
        path = slice(row[b], row[b + 1])
        y, by_current, by_charge, by_voltage, keep, by_mean, by_mean_voltage, charge, total = law[b]
        v = sign[path] @ flat[edge[path]].astype(float)
        history = by_current * state[b, 1] + by_charge * state[b, 2] + by_voltage * state[b, 0] - y * source[b]
        current = (0.5 * y * (v + state[b, 0]) + history) / (1 + 0.5 * y * total)
        flat[edge[path]] = (flat[edge[path]].astype(float) - sign[path] * gain[path] * current).astype(e.dtype)
        after = sign[path] @ flat[edge[path]].astype(float)
        mean = 0.5 * (after + state[b, 0])
        state[b, 1] = keep * state[b, 1] + by_mean * current + by_mean_voltage * mean
        state[b, 2] += charge * current
        state[b, 0] = after
        record[2 * b : 2 * b + 2] = after, current
