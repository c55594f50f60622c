"""What the NumPy references of the Yee kernels share: whole-lattice updates and the terms of single entries."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

Struct = SimpleNamespace
"""A struct of a kernel: its fields are attributes."""


class Reference:
    """The lattice of a mesh, and what it is filled with."""

    def __init__(self, mesh: Struct, medium: Struct) -> None:
        self.mesh, self.nodes = mesh, (mesh.nx, mesh.ny, mesh.nz)
        self.plane = mesh.ny * mesh.stride
        self.ca, self.cb = medium.ca, medium.cb
        self.ids = medium.ids16 if medium.wide else medium.ids8
        self.factor = medium.factor.reshape(2, 3, 3, mesh.longest)
        self.layer = medium.layer.reshape(2, 3, 3, mesh.widest)

    def part(self, f: np.ndarray, c: int, counts: tuple[int, ...], back: int = 0) -> np.ndarray:
        """Component c of a buffer, shifted back by a number of entries, cut to counts."""
        start = c * self.mesh.component + self.plane - back
        flat = f.reshape(-1)
        rows = flat[start : start + counts[0] * self.plane]
        lacking = counts[0] * self.plane - len(rows)
        if lacking:  # neighbours above the last plane, which nothing uses
            rows = np.concatenate([rows, np.zeros(lacking, f.dtype)])
        return rows.reshape(counts[0], self.mesh.ny, self.mesh.stride)[:, : counts[1], : counts[2]]

    def counts(self, magnetic: int, c: int) -> tuple[int, ...]:
        """Entries of a component along x, y and z."""
        return tuple(n - ((a == c) != bool(magnetic)) for a, n in enumerate(self.nodes))

    def update(self, magnetic: int, f: np.ndarray, g: np.ndarray, psi: np.ndarray) -> None:
        """E from H (magnetic 0) or H from E (1) everywhere, absorbing layers included."""
        step = (self.plane, self.mesh.stride, 1)
        for c in range(3):
            n = self.counts(magnetic, c)
            x, y, z = (self.factor[magnetic, c, a, : n[a]] for a in range(3))
            scale = (x[:, None] * y)[:, :, None]
            if magnetic:
                a, b = 1, -scale * z
            else:
                which = self._ids(c, n)
                a, b = self.ca[which], (self.cb[which] * scale) * z
            u, v = (c + 1) % 3, (c + 2) % 3
            # Curl: d f_v / du - d f_u / dv.
            sign = -1 if magnetic else 1
            ends = []
            for field, axis in ((v, u), (u, v)):
                near, far = self.part(g, field, n), self.part(g, field, n, sign * step[axis])
                ends.append((far, near) if magnetic else (near, far))
            target = self.part(f, c, n)
            target[...] = a * target + b * ((ends[0][0] - ends[0][1]) - (ends[1][0] - ends[1][1]))
        self._layers(magnetic, f, g, psi)

    def _ids(self, c: int, counts: tuple[int, ...]) -> np.ndarray:
        """Material numbers of a component, cut to counts."""
        ids = self.ids.reshape(3, self.mesh.nx, self.mesh.ny, self.mesh.stride)
        return ids[c, : counts[0], : counts[1], : counts[2]]

    def _layers(self, magnetic: int, f: np.ndarray, g: np.ndarray, psi: np.ndarray) -> None:
        mesh, step = self.mesh, (self.plane, self.mesh.stride, 1)
        low, high = (mesh.low_x, mesh.low_y, mesh.lanes_low), (mesh.high_x, mesh.high_y, mesh.lanes_high)
        deep = [a + b for a, b in zip(low, high, strict=True)]
        shapes = [
            (2, deep[0], self.mesh.ny, self.mesh.stride),
            (2, self.mesh.nx, deep[1], self.mesh.stride),
            (2, self.mesh.nx, self.mesh.ny, deep[2]),
        ]
        for axis in range(3):
            start = getattr(mesh, f"psi_{'eh'[magnetic]}{'xyz'[axis]}")
            memory = psi[start : start + int(np.prod(shapes[axis]))].reshape(shapes[axis])
            for second in (0, 1):
                c = (axis + 1 + second) % 3
                other = 3 - axis - c
                # curl_c has + d g_other / d axis when (c, axis, other) is cyclic
                curl_sign = (1 if (axis - c) % 3 == 1 else -1) * (-1 if magnetic else 1)
                n = self.counts(magnetic, c)
                for side in (0, 1):
                    wide = (low, high)[side][axis]
                    if not wide:
                        continue
                    if axis == 2:
                        # Lanes are whole vectors of a row, the last of which may end behind it.
                        first = self.mesh.nz + -self.mesh.nz % 16 - wide if side else 0
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
                        gain = curl_sign * (scale * z)
                    else:
                        gain = curl_sign * ((self.cb[self._ids(c, n)] * scale) * z)
                    self.part(f, c, n)[cut] += gain[cut] * (p + kappa * d)

    def fourier(self, magnetic: int, f: np.ndarray, task: Struct, samples: Struct, step: int, dft: np.ndarray) -> None:
        """Add the sample of a step to the running sums of every box."""
        every, frequencies = samples.every, samples.frequencies
        if (step + 1) % every or not samples.boxes:
            return
        sample = (step + 1) // every - (task.first_step + every) // every
        pairs = task.phase.reshape(-1, frequencies, 2, 2)[sample, :, magnetic].astype(dft.dtype)
        for box in samples.box.reshape(-1, 8).tolist():
            low, high, at = box[:3], box[3:6], box[6 + magnetic]
            if at < 0:
                continue
            size = tuple(h - a for a, h in zip(low, high, strict=True))
            sums = dft[at : at + 6 * frequencies * int(np.prod(size))].reshape(frequencies, 2, 3, *size)
            cut = tuple(slice(a, h) for a, h in zip(low, high, strict=True))
            x = np.stack([self.part(f, c, self.nodes)[cut] for c in range(3)])
            for n, pair in enumerate(pairs):
                for part in (0, 1):
                    sums[n, part] += pair[part] * x


def add_terms(first: int, last: int, terms: Struct, drive: np.ndarray, f: np.ndarray) -> None:
    """Impressed terms [first, last) with the drive of one step."""
    if last > first:
        row = terms.row
        parts = terms.coefficient[row[first] : row[last]] * drive[terms.column[row[first] : row[last]]]
        sums = np.add.reduceat(parts, row[first:last] - row[first])
        f.reshape(-1)[terms.entry[first:last]] += sums.astype(f.dtype)


def face_terms(first: int, last: int, faces: Struct, e: np.ndarray, h: np.ndarray) -> None:
    """Faces [first, last) of another permeability."""
    if first == last:
        return
    at, flat = faces.face[first:last], e.reshape(-1)
    p, q, r, s = (flat[at + to] for to in faces.edges.reshape(-1, 4)[first:last].T)
    h.reshape(-1)[at] -= (faces.gain[first:last] * ((p - q) - (r - s)).astype(float)).astype(h.dtype)


def branch_terms(branches: Struct, source: np.ndarray, state: np.ndarray, e: np.ndarray, record: np.ndarray) -> None:
    """Ports and lumped elements, one step."""
    if not branches.count:
        return
    flat, laws, state = e.reshape(-1), branches.law.reshape(-1, 9), state.reshape(-1, 3)
    for b in range(branches.count):
        path = slice(branches.row[b], branches.row[b + 1])
        edge, sign, gain = branches.edge[path], branches.sign[path], branches.gain[path]
        y, by_current, by_charge, by_voltage, keep, by_mean, by_mean_voltage, charge, total = laws[b]
        v = sign @ flat[edge].astype(float)
        history = by_current * state[b, 1] + by_charge * state[b, 2] + by_voltage * state[b, 0] - y * source[b]
        current = (0.5 * y * (v + state[b, 0]) + history) / (1 + 0.5 * y * total)
        flat[edge] = (flat[edge].astype(float) - sign * gain * current).astype(e.dtype)
        after = sign @ flat[edge].astype(float)
        mean = 0.5 * (after + state[b, 0])
        state[b, 1] = keep * state[b, 1] + by_mean * current + by_mean_voltage * mean
        state[b, 2] += charge * current
        state[b, 0] = after
        record[2 * b : 2 * b + 2] = after, current
