r"""Fields of the currents in metal on the edges of the body's lattice, and what the body's currents do to the metal.

With A and phi of the metal at the nodes of a lattice, the field on the edge from node a to node b is

.. math::

   E = -j\omega \langle A \rangle_{ab} - \frac{\varphi_b - \varphi_a}{h}, \qquad
   \mathbf A = \mu_0 \int \mathbf J G, \quad \varphi = \frac{j}{\omega\varepsilon_0} \int G\, \nabla \cdot \mathbf J

with the mean of A along the edge from six nodes: the part of the charge is an exact gradient on the lattice, as that of
the body's own charge is. Both potentials are smooth a few cells away from the metal; there they are interpolated by
polynomials of order five from every few nodes. The voltages that currents in the body induce in the basis functions of
the metal are the exact transpose,

.. math:: v_m = \int \mathbf f_m \cdot \mathbf E\, dS = h^3 \sum_e C_{em} J_e

so that reciprocity holds to rounding.

Source: docs/theory/vsie.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import C_0, EPS_0, MU_0

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emdose.compute.backend import Backend
    from emdose.models.grids.grid import Shape
    from emdose.solvers.mom.metal import ThinMetal

EDGE_MEAN = np.array([11, -93, 802, 802, -93, 11]) / 1440.0
"""Weights of six equidistant nodes in the mean of a polynomial of order five over the interval in their middle."""
PAD = 2
"""Nodes beyond the box on every side that means along edges need."""
REACH = 0.3
"""Step of interpolation over the distance of the nearest metal: leaves some 6e-3 of the field of a point charge there,
and 3e-4 to 6e-4 of that of a coil, whose charges are many."""
MOST_STEP = 6
FAR = 0.15
"""Half the longest side of a triangle over its distance below which one point stands for it: leaves 0.1 % of the field
of one triangle at most, and less of that of many."""
LEAST_M = 1e-5
"""Distance from a source within which its field grows no more [m]."""
BLOCK_BYTES = {"cpu": 48 * 2**20, "cuda": 2**30}
"""One block of Green's function."""


@dataclass(frozen=True, eq=False)
class Sources:
    """Points that stand for the currents and charges of basis functions.

    Parameters
    ----------
    points_m : (q, 3) ndarray
        Points [m].
    current : sequence of three (q, n) sparse arrays
        Weight times current density of every basis function at the points, by component [A m].
    charge : (q, n) sparse array
        Weight times divergence of the current density [A].
    """

    points_m: np.ndarray
    current: Sequence[Any]
    charge: Any

    @classmethod
    def of(cls, metal: ThinMetal, distance_m: np.ndarray | None = None) -> Sources:
        """Those of metal: three points on every triangle and piece of wire, or one where it is far.

        Parameters
        ----------
        metal : ThinMetal
            The metal.
        distance_m : (element,) ndarray, optional
            How far the nearest point is at which fields are wanted, for every element [m]; near by default.
        """
        points, maps = metal.sources(3)
        if distance_m is None:
            return cls(points, tuple(maps[:3]), maps[3])
        from scipy.sparse import vstack

        far = metal.elements.reach_m < FAR * distance_m
        middle, single = metal.sources(1)
        count = len(points) // len(far)
        kept = np.flatnonzero(np.repeat(~far, count))
        both = [vstack([a[kept], b[far]], format="csr") for a, b in zip(maps, single, strict=True)]
        return cls(np.concatenate([points[kept], middle[far]]), tuple(both[:3]), both[3])


class NodeLattice:
    """Nodes of a box, of which every ``step``-th along each axis is kept, and the edges between all of them.

    Parameters
    ----------
    origin_m : (3,) ndarray
        First node of the box [m].
    spacing_m : float
        Lattice spacing h [m].
    shape : (int, int, int)
        Nodes of the box.
    step : int
        Cells between the nodes at which potentials are known.
    """

    def __init__(self, origin_m: np.ndarray, spacing_m: float, shape: Shape, step: int) -> None:
        self.shape, self.step, self.spacing_m = tuple(shape), step, spacing_m
        self.origin_m = np.asarray(origin_m, float)
        self.axes, self.mean, self.slope, self.node, self.spread = [], [], [], [], []
        for a, n in enumerate(self.shape):
            fine = n + 2 * PAD
            if step == 1:
                where, spread = np.arange(fine) - PAD, np.eye(fine)
            else:
                count = math.ceil((fine - 1) / step) + 1 + 2 * PAD
                where, spread = (np.arange(count) - PAD) * step - PAD, _lagrange(count, step, fine)
            self.axes.append(self.origin_m[a] + where * spacing_m)
            mean, slope = np.zeros((n, fine)), np.zeros((n, fine))
            for i in range(n - 1):
                mean[i, i : i + 6] = EDGE_MEAN
                slope[i, i + PAD : i + PAD + 2] = -1 / spacing_m, 1 / spacing_m
            self.mean.append(mean @ spread)
            self.slope.append(slope @ spread)
            self.node.append(spread[PAD : PAD + n])
            self.spread.append(spread)

    @property
    def known_shape(self) -> tuple[int, ...]:
        """Shape of the nodes at which potentials are known."""
        return tuple(len(a) for a in self.axes)

    @property
    def points_m(self) -> np.ndarray:
        """These nodes, (3, n) [m]."""
        return np.stack(np.meshgrid(*self.axes, indexing="ij")).reshape(3, -1)


class EdgeCoupling:
    """The map from currents in metal to E on the edges of a box, and its transpose.

    Parameters
    ----------
    sources : Sources
        What stands for the basis functions.
    lattice : NodeLattice
        The edges.
    omega : float
        Angular frequency [rad/s].
    be : Backend
        Device.
    dtype : complex dtype
        Type of the computation.
    """

    def __init__(self, sources: Sources, lattice: NodeLattice, omega: float, be: Backend, dtype: Any) -> None:
        self.lattice, self.be, self.dtype = lattice, be, np.dtype(dtype)
        self.omega, self.k = omega, omega / C_0
        self.real = np.dtype(np.float32 if self.dtype == np.complex64 else np.float64)
        self.kernels = be.kernels.load(__package__, "green", "float" if self.dtype == np.complex64 else "double")
        # Coordinates from the middle of the box keep single precision accurate.
        self.middle = np.array([0.5 * (a[0] + a[-1]) for a in lattice.axes])
        self.current, self.charge = sources.current, sources.charge
        self.points = self._placed(np.asarray(sources.points_m).T)
        self.nodes = self._placed(lattice.points_m)
        self.matrices = {
            name: [be.asarray(m.astype(self.real)) for m in getattr(lattice, name)]
            for name in ("mean", "slope", "node")
        }

    def moments(self, currents: np.ndarray) -> Any:
        """mu0 J and the charge over eps0 at the points for coefficients (n, K), (q, 4 K)."""
        parts = [MU_0 * (m @ currents) for m in self.current] + [1j / (self.omega * EPS_0) * (self.charge @ currents)]
        return self.be.asarray(np.concatenate(parts, axis=1).astype(self.dtype))

    def potentials(self, currents: np.ndarray, targets: Any = None) -> Any:
        """A and phi of coefficients (n, K) at the known nodes, (4, K, nodes...), or at targets (3, m), (4, K, m)."""
        at = self.nodes if targets is None else self._placed(targets)
        M, K = self.moments(currents), currents.shape[1]
        out = self.be.xp.empty((at.shape[1], 4 * K), self.dtype)
        for cut, G in self._green(at):
            out[cut] = G @ M
        shape = self.lattice.known_shape if targets is None else (at.shape[1],)
        return self.be.xp.ascontiguousarray(out.T).reshape(4, K, *shape)

    def field(self, currents: np.ndarray) -> tuple[Any, Any]:
        """E [V/m] and the mean of A [T m] on the edges of the box for coefficients (n, K), each (K, 3, box)."""
        return self.from_potentials(self.potentials(currents))

    def from_potentials(self, P: Any) -> tuple[Any, Any]:
        """E and the mean of A on the edges from potentials (4, K, known nodes)."""
        xp = self.be.xp
        A = xp.stack([self._spread(P[c], c, "mean") for c in range(3)], axis=1)
        E = A * self.dtype.type(-1j * self.omega)
        for c in range(3):
            E[:, c] -= self._spread(P[3], c, "slope")
        return E, A

    def everywhere(self, P: Any) -> Any:
        """Potentials (4, K, known nodes) at all nodes of the box and PAD beyond, as a lattice of step 1 knows them."""
        xp = self.be.xp
        for a in range(3):
            m = self.be.asarray(self.lattice.spread[a].astype(self.real))
            P = xp.moveaxis(xp.tensordot(P, m, axes=(a + 2, 1)), -1, a + 2)
        return xp.ascontiguousarray(P)

    def voltages(self, J: Any) -> np.ndarray:
        """Voltages (n, K) in the basis functions [V m] by currents (K, 3, box) on the edges [A/m^2]."""
        xp, K, lattice = self.be.xp, len(J), self.lattice
        J = self.be.asarray(J, dtype=self.dtype)
        Q = xp.empty((4, K, *lattice.known_shape), self.dtype)
        Q[3] = 0
        for c in range(3):
            Q[c] = self._gather(J[:, c], c, "mean") * self.dtype.type(-1j * self.omega)
            Q[3] -= self._gather(J[:, c], c, "slope")
        Q = xp.ascontiguousarray(Q.reshape(4 * K, -1).T)
        out = xp.zeros((self.points.shape[1], 4 * K), self.dtype)
        for cut, G in self._green(self.nodes):
            out += G.T @ Q[cut]
        o = self.be.to_numpy(out).astype(complex).reshape(-1, 4, K)
        v = sum(MU_0 * (self.current[c].T @ o[:, c]) for c in range(3))
        v = v + 1j / (self.omega * EPS_0) * (self.charge.T @ o[:, 3])
        return np.asarray(lattice.spacing_m**3 * v)

    def along_edges(self, start_m: np.ndarray, step_m: np.ndarray, component: np.ndarray) -> np.ndarray:
        """E of every basis function along single edges, by Simpson's rule for A, (edge, n) [V/m].

        Parameters
        ----------
        start_m, step_m : (edge, 3) ndarray
            First node of the edges, and the vector to the second [m].
        component : (edge,) int ndarray
            Axis of the edges.
        """
        n, h = self.charge.shape[1], self.lattice.spacing_m
        out = np.zeros((len(start_m), n), self.dtype)
        current = [m.T.tocsr().astype(self.real) for m in self.current]
        charge = self.charge.T.tocsr().astype(self.real)
        induced, slope = -1j * self.omega * MU_0, -1j / (self.omega * EPS_0 * h)
        for share, weight, sign in ((0.0, 1 / 6, -1.0), (0.5, 4 / 6, 0.0), (1.0, 1 / 6, 1.0)):
            at = self._placed((start_m + share * step_m).T)
            for cut, G in self._green(at):
                waves = self.be.to_numpy(G).T
                if sign:
                    out[cut] += (charge @ waves).T * self.dtype.type(sign * slope)
                for c in range(3):
                    rows = np.flatnonzero(component[cut] == c)
                    out[cut.start + rows] += (current[c] @ waves[:, rows]).T * self.dtype.type(weight * induced)
        return out

    def _placed(self, points: np.ndarray) -> Any:
        return self.be.asarray(np.ascontiguousarray((points - self.middle[:, None]).astype(self.real)))

    def _green(self, at: Any) -> Any:
        """Blocks of Green's function: a slice of the targets and (their number, points)."""
        n, q = at.shape[1], self.points.shape[1]
        step = max(1, min(n, BLOCK_BYTES[self.be.name] // (q * self.dtype.itemsize)))
        work = self.be.xp.empty((step, q), self.dtype)
        for low in range(0, n, step):
            cut = slice(low, min(low + step, n))
            G, targets = work[: cut.stop - low], self.be.xp.ascontiguousarray(at[:, cut])
            shape = (cut.stop - low, 1, q)
            scalars = (self.real.type(self.k), self.real.type(LEAST_M))
            self.kernels.launch("green", shape, *scalars, targets, self.points, G)
            yield cut, G

    def _spread(self, P: Any, component: int, name: str) -> Any:
        """From known nodes (K, ...) to edges along ``component``, (K, box)."""
        xp = self.be.xp
        for a in range(3):
            m = self.matrices[name if a == component else "node"][a]
            P = xp.moveaxis(xp.tensordot(P, m, axes=(a + 1, 1)), -1, a + 1)
        return P

    def _gather(self, J: Any, component: int, name: str) -> Any:
        """The transpose of :meth:`_spread`."""
        xp = self.be.xp
        for a in range(3):
            m = self.matrices[name if a == component else "node"][a]
            J = xp.moveaxis(xp.tensordot(J, m, axes=(a + 1, 0)), -1, a + 1)
        return J


def step_for(distance_m: float, spacing_m: float) -> int:
    """Cells between the nodes at which potentials of metal that is this far away have to be known."""
    return int(min(max(1, math.floor(REACH * distance_m / spacing_m + 1e-9)), MOST_STEP))


def _lagrange(count: int, step: int, fine: int) -> np.ndarray:
    """Matrix (fine, count) from nodes ``step`` cells apart to all, by six of them; fine node 0 is number PAD."""
    out = np.zeros((fine, count))
    for i in range(fine):
        x = i / step + PAD
        first = min(max(math.floor(x) - 2, 0), count - 6)
        nodes = first + np.arange(6)
        for p in nodes:
            others = nodes[nodes != p]
            out[i, p] = np.prod((x - others) / (p - others))
    return out
