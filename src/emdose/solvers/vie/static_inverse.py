r"""The volume integral in its static limit, inverted by one scalar potential: what makes its iteration short.

Without the wave, N is the projector P on fields without divergence, and with its complement Q = 1 - P on gradients

.. math:: I - M P = Q + \varepsilon^{-1} P .

Its eigenvalues fill everything from 1 / max(eps) to 1, as those of any Krylov method on the volume integral have to
bear. Its inverse, however, is a potential problem: J = P J + G phi with P J = eps (y - G phi), so that

.. math:: D\,\varepsilon\,G\,\phi = D\,\varepsilon\,y, \qquad J = \varepsilon y - (\varepsilon - 1)\,G\,\phi .

What remains of I - M N is then the identity and a compact part of the size of the wave in the body, whose
eigenvalues gather at one: iterations grow with the size in wavelengths and neither with the permittivity nor with
the number of voxels.

The potential is found by conjugate gradients without conjugation (the equations are complex symmetric) and one
multigrid cycle per step. Errors of G phi reach J times eps, so that they must be some tenths of 1 / max(eps).

Source: N. Budko and A. Samokhin, SIAM J. Sci. Comput. 28 (2006) 682 (spectrum of the volume integral);
U. Trottenberg, C. Oosterlee and A. Schueller, Multigrid, Academic Press 2001, ch. 2 and 7.7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.grids.grid import Shape

PAD = 1
"""Nodes of air around the body's box."""
SWEEPS, LAST = 2, 4
"""Gauss-Seidel sweeps before and after the coarser level, and on the coarsest."""
ACCURACY = 0.1
"""Error of J that the potential may leave, as (max(eps) sum eps abs(G dphi)^2)^1/2 over norm(y)."""
LEAST = {"complex64": 2e-5, "complex128": 1e-12}
"""Relative residual that a precision is good for."""
MOST = 60
"""Steps of the conjugate gradients."""


class _Level:
    """One grid of the cycle.

    Parameters
    ----------
    eps : (3, nx, ny, nz) array
        Weight of the edge from every node to the next one along each axis, zero where there is none.
    ground : (nx, ny, nz) array
        Weight of what leads from every node to potential zero.
    be : Backend
        Device.
    dtype : complex dtype
        Precision.
    """

    def __init__(self, eps: Any, ground: Any, be: Backend, dtype: np.dtype) -> None:
        xp = be.xp
        self.eps, self.ground = eps, ground
        self.shape: Shape = tuple(int(n) for n in eps.shape[1:])  # type: ignore[assignment]
        total = ground.astype(complex)
        for c in range(3):
            low, high = _ends(c)
            total[low] += eps[c][low]
            total[high] += eps[c][low]
        over = xp.where(total != 0, 1 / xp.where(total != 0, total, 1), 0)
        g, total, over = (
            xp.ascontiguousarray(xp.pad(a, [(0, 0)] * (a.ndim - 3) + [(1, 1)] * 3).astype(dtype))
            for a in (eps, total, over)
        )
        nx, ny, nz = self.shape
        self.fields = {"nx": nx, "ny": ny, "nz": nz, "g": g, "total": total, "over": over}


class StaticInverse:
    """The inverse of I - M N without the wave.

    Parameters
    ----------
    contrast : (n,) complex128 array
        eps - 1 of the unknowns.
    index : (n,) integer array
        Their places among the edges (3, box).
    box : (int, int, int)
        Nodes of the body's box.
    be : Backend
        Device.
    dtype : complex dtype
        Of the currents.
    """

    def __init__(self, contrast: Any, index: Any, box: Shape, be: Backend, dtype: np.dtype) -> None:
        self.be, self.index, self.box, self.currents, xp = be, index, box, np.dtype(dtype), be.xp
        largest = float(abs(contrast + 1).max())
        # The potential alone may need digits that the currents have no room for.
        self.dtype = self.currents if largest * LEAST[self.currents.name] <= ACCURACY else np.dtype(complex)
        self.accuracy = ACCURACY**2 / largest
        """Energy of the error of phi over norm(y)^2."""
        self.steps = 0
        """Steps of conjugate gradients so far."""
        self._eps = (contrast + 1).astype(self.dtype)
        self._nodes = tuple(slice(PAD + 1, PAD + 1 + n) for n in box)
        eps = xp.ones(3 * math.prod(box), complex)
        eps[index] = contrast + 1
        eps = xp.pad(eps.reshape(3, *box), [(0, 0), *[(PAD, PAD)] * 3], constant_values=1)
        for c in range(3):
            eps[(c, *(slice(-1, None) if a == c else slice(None) for a in range(3)))] = 0
        self._levels = [_Level(eps, self.be.asarray(_open(eps.shape[1:])), self.be, self.dtype)]
        while max(self._levels[-1].shape) > 4:
            fine = self._levels[-1]
            self._levels.append(_Level(_coarser(fine.eps, xp), _gathered(fine.ground, xp), self.be, self.dtype))
        kind = "float" if self.dtype == np.complex64 else "double"
        self._kernels = self.be.kernels.load(__package__, "potential", kind)
        self._ports = 0

    def apply(self, y: Any) -> Any:
        """J (port, n) of (Q + P / eps) J = y for unknowns y (port, n)."""
        xp, ports = self.be.xp, len(y)
        self._prepare(ports)
        flow = xp.zeros((ports, 3 * math.prod(self.box)), self.dtype)
        flow[:, self.index] = self._eps * y
        flow = flow.reshape(ports, 3, *self.box)
        charge = self._r
        charge[...] = 0
        for c in range(3):
            charge[(slice(None), *self._nodes)] -= flow[:, c]
            charge[(slice(None), *self._ahead(c))] += flow[:, c]
        phi = self._solve(self.accuracy * self._norm(y) ** 2)
        for c in range(3):
            xp.subtract(phi[(slice(None), *self._ahead(c))], phi[(slice(None), *self._nodes)], out=flow[:, c])
        gradient = flow.reshape(ports, -1)[:, self.index]
        return (self._eps * y - (self._eps - 1) * gradient).astype(self.currents, copy=False)

    def _ahead(self, axis: int) -> tuple[slice, ...]:
        """The nodes of the body's box, one further along an axis."""
        return tuple(slice(s.start + (a == axis), s.stop + (a == axis)) for a, s in enumerate(self._nodes))

    def _prepare(self, ports: int) -> None:
        """Arrays for so many ports, and the launches of one V-cycle upon them."""
        if ports == self._ports:
            return
        self._ports, xp, prepare = ports, self.be.xp, self._kernels.prepare

        def arrays() -> list[Any]:
            return [xp.zeros((ports, *(n + 2 for n in level.shape)), self.dtype) for level in self._levels]

        # From residuals b to corrections x; r is zero on the nodes of colour 1 for good, which are relaxed last.
        b, x, r = arrays(), arrays(), arrays()
        down: list[Callable[[], None]] = []
        up: list[Callable[[], None]] = []
        for depth, level in enumerate(self._levels):
            nx, ny, nz = level.shape
            half = (ports * nx, ny, (nz + 1) // 2)
            sweep = [prepare("relax", half, level.fields, colour, b[depth], x[depth]) for colour in (0, 1)]
            down.append(partial(x[depth].fill, 0))
            if depth + 1 == len(self._levels):
                down += sweep * LAST
                up[:0] = sweep[::-1] * LAST
                continue
            cx, cy, cz = self._levels[depth + 1].shape
            low, high = (ports * cx, cy, cz), (ports * nx, ny, nz)
            down += sweep * SWEEPS
            down.append(prepare("residual", half, level.fields, 0, b[depth], x[depth], r[depth]))
            down.append(prepare("restrict_nodes", low, cx, nx, ny, nz, r[depth], b[depth + 1]))
            up[:0] = [prepare("prolong_nodes", high, nx, cx, cy, cz, x[depth + 1], x[depth]), *sweep[::-1] * SWEEPS]
        self._cycle = down + up
        self._r, self._z = b[0], x[0]
        self._p, self._q, self._phi = (xp.zeros_like(b[0]) for _ in range(3))
        nx, ny, nz = self._levels[0].shape
        self._conduct = prepare("conduct", (ports * nx, ny, nz), self._levels[0].fields, self._p, self._q)

    def _solve(self, goal: np.ndarray) -> Any:
        """The potential of the charges in ``_r``, by conjugate gradients without conjugation."""
        r, z, p, q, phi = self._r, self._z, self._p, self._q, self._phi
        phi[...] = 0
        rho = gain = np.ones(len(r), complex)
        for step in range(MOST):
            for launch in self._cycle:
                launch()
            before, rho = rho, self._product(z, r)
            if step:
                p *= self._column(_ratio(rho, before))
                p += z
            else:
                p[...] = z
            self._conduct()
            step_length = _ratio(rho, self._product(p, q))
            alpha = self._column(step_length)
            phi += alpha * p
            r -= alpha * q
            self.steps += 1
            # Energy of the potential that a step found; those to come are taken for a geometric series.
            earlier, gain = gain, np.abs(step_length * rho)
            share = np.minimum(_ratio(gain, earlier), 0.8) if step else 0.5
            if np.all(gain * share / (1 - share) <= goal):
                break
        return phi

    def _product(self, a: Any, b: Any) -> np.ndarray:
        """Sums of a b without conjugation, (port,)."""
        ports = len(a)
        found = a.reshape(ports, 1, -1) @ b.reshape(ports, -1, 1)
        return np.asarray(self.be.to_numpy(found).reshape(ports), complex)

    def _norm(self, a: Any) -> np.ndarray:
        return np.asarray(self.be.to_numpy(self.be.xp.linalg.norm(a.reshape(len(a), -1), axis=1)), float)

    def _column(self, value: np.ndarray) -> Any:
        return self.be.asarray(value.astype(self.dtype)).reshape(-1, 1, 1, 1)


def static_bytes(box: Shape, ports: int, item: int) -> int:
    """Bytes that a :class:`StaticInverse` takes for the nodes of a box, or while it is made."""
    nodes = math.prod(n + 2 * PAD + 2 for n in box)
    # Five arrays of a level for all ports and six for each, an eighth more below; and currents on the box's edges.
    return int(nodes * max(item * (8 / 7 * (5 + 3 * ports) + 9 * ports), 16 * 12))


def _ends(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Places of the lower and of the upper nodes of the edges along an axis."""
    low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
    high = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
    return low, high


def _open(shape: tuple[int, ...]) -> np.ndarray:
    """Weight of every node to potential zero far away, as the field of a dipole at the centre has it."""
    at = np.meshgrid(*(np.arange(n) - 0.5 * (n - 1) for n in shape), indexing="ij", sparse=True)
    square = sum(a * a for a in at)
    out = np.zeros(shape)
    for c in range(3):
        for end in (slice(0, 1), slice(-1, None)):
            face = tuple(end if a == c else slice(None) for a in range(3))
            out[face] += 2 * np.abs(np.broadcast_to(at[c], shape)[face]) / square[face]
    return out


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(b != 0, a / np.where(b != 0, b, 1.0), 0.0)


def _coarser(eps: Any, xp: Any) -> Any:
    """Edge weights of the next level.

    An edge of the next level stands for four columns side by side, each with three edges in a row, of which the outer
    ones count for half.
    """
    shape = tuple(-(-n // 2) for n in eps.shape[1:])
    even = xp.zeros((3, *(2 * n for n in shape)), eps.dtype)
    even[(slice(None), *(slice(0, n) for n in eps.shape[1:]))] = eps
    out = xp.zeros((3, *shape), eps.dtype)
    for c in range(3):
        # Edge I to I + 1: the fine one from 2I + 1, and half of those from 2I and 2I + 2.
        low, high = _ends(c)
        within, between = even[c][_every(c, 0)], even[c][_every(c, 1)]
        plane = xp.zeros_like(within)
        plane[low] = 0.5 * between[low] + 0.25 * (within[low] + within[high])
        for a in range(3):
            if a != c:
                plane = plane[_every(a, 0)] + plane[_every(a, 1)]
        out[c] = 0.5 * plane
    return out


def _gathered(ground: Any, xp: Any) -> Any:
    """Sums over the nodes that one of the next level stands for."""
    for axis in range(3):
        if ground.shape[axis] % 2:
            ground = xp.pad(ground, [(0, int(a == axis)) for a in range(3)])
        ground = ground[_every(axis, 0)] + ground[_every(axis, 1)]
    return ground


def _every(axis: int, first: int) -> tuple[slice, ...]:
    return tuple(slice(first, None, 2) if a == axis else slice(None) for a in range(3))
