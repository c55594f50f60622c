r"""Gradient coils: static fields of closed wire paths, ideal fields, and what they are near an implant.

A straight wire from :math:`\mathbf r_1` to :math:`\mathbf r_2` (seen from the point) of length L and direction t gives

.. math::

   \mathbf A = \frac{\mu_0 I}{2\pi}\, \mathbf t\, \operatorname{artanh}\frac{L}{R_1 + R_2}, \qquad
   \mathbf B = \frac{\mu_0 I}{4\pi}\, \frac{(R_1 + R_2)\; \mathbf r_1 \times \mathbf r_2}
                                           {R_1 R_2 (R_1 R_2 + \mathbf r_1 \cdot \mathbf r_2)} .

Near a place the field is taken as uniform and linear, B + J (r - r0); J is symmetric and without trace: five numbers.

Source: J. Hanson and S. Hirshman, Phys. Plasmas 9 (2002) 4410 (stable closed forms of a straight segment).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from emdose.checks import array, one_of, unit_vector
from emdose.compute import backend
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.models.gradients.expansion import linear_terms
from emdose.models.gradients.waveform import AXES
from emdose.values import read_only

_PROBE_M = 1e-3


class GradientSource(Protocol):
    """What gives a field per T/m of its nominal gradient: a coil or an ideal field."""

    @property
    def name(self) -> str:
        """Name shown in reports."""
        ...

    def expansion(self, position_m: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Field (3,) [T] and its gradient (3, 3), dB_i/dx_j [T/m], per unit of drive at a place."""
        ...

    def vector_potential(self, points_m: np.ndarray) -> np.ndarray:
        """Vector potential at points (n, 3) per unit of drive, (n, 3) [T m]."""
        ...


@read_only
@dataclass(frozen=True, eq=False)
class GradientCoil:
    """A coil of closed wire paths that carry one current.

    Parameters
    ----------
    name : str
        Name shown in reports.
    axis : "x", "y" or "z"
        Axis along which its Bz grows.
    paths : sequence of (n, 3) float arrays
        Corners of the wires [m]. Each is closed by a straight piece from its last to its first point when they differ.
    turns : sequence of float, optional
        Current of every path in units of the coil's; 1 by default, negative turns the sense around.
    parameters : mapping
        What it was built from, for the provenance.

    Raises
    ------
    InputError
        For paths of fewer than three points, values that are not finite, and a coil without gradient at the isocentre.
    """

    name: str
    axis: str
    paths: Sequence[np.ndarray]
    turns: Sequence[float] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    efficiency_T_m_A: float = field(init=False)

    def __post_init__(self) -> None:
        one_of("axis", self.axis, AXES, problem="unknown axis of a gradient coil")
        turns = np.ones(len(self.paths)) if self.turns is None else np.asarray(self.turns, float)
        if not len(self.paths) or turns.shape != (len(self.paths),) or not np.all(np.isfinite(turns)):
            raise InputError(
                "bad wire paths",
                field="paths, turns",
                found=(len(self.paths), turns.shape),
                expected="at least one path, and one finite number of turns for each",
            )
        paths = tuple(closed_path(p, n) for n, p in enumerate(self.paths))
        object.__setattr__(self, "paths", paths)
        object.__setattr__(self, "turns", tuple(map(float, turns)))
        slope = self._expansion_per_ampere(np.zeros(3))[1][2]
        wanted = float(slope[AXES.index(self.axis)])
        size = float(np.ptp(np.concatenate(paths), axis=0).max())
        least = max(1e-3 * float(np.abs(slope).max()), 1e-6 * MU_0 * float(np.abs(turns).sum()) / size**2)
        if not abs(wanted) > least:
            raise InputError(
                f"coil {self.name!r} has no gradient of Bz along {self.axis} at the isocentre",
                field="axis",
                found=self.axis,
            )
        object.__setattr__(self, "efficiency_T_m_A", wanted)

    @property
    def segments(self) -> np.ndarray:
        """Straight pieces of all wires, (n, 2, 3) [m]."""
        return np.concatenate([np.stack([p[:-1], p[1:]], axis=1) for p in self.paths])

    @property
    def currents(self) -> np.ndarray:
        """Current of every piece per ampere of the coil, (n,)."""
        assert self.turns is not None
        return np.repeat(np.asarray(self.turns, float), [len(p) - 1 for p in self.paths])

    @property
    def extent_m(self) -> tuple[np.ndarray, np.ndarray]:
        """Low and high corner of the box around the wires [m]."""
        points = np.concatenate(list(self.paths))
        return points.min(0), points.max(0)

    def field(self, points_m: np.ndarray, current_A: float = 1.0) -> np.ndarray:
        """Magnetic flux density at points (n, 3), (n, 3) [T].

        Parameters
        ----------
        points_m : (n, 3) ndarray
            Points off the wires [m].
        current_A : float
            Current of the coil [A].
        """
        return current_A * wire_field(self.segments, self.currents, points_m)

    def potential(self, points_m: np.ndarray, current_A: float = 1.0) -> np.ndarray:
        """Vector potential at points (n, 3), (n, 3) [T m]; parameters as in :meth:`field`."""
        return current_A * wire_potential(self.segments, self.currents, points_m)

    def vector_potential(self, points_m: np.ndarray) -> np.ndarray:
        """Vector potential at points (n, 3) per T/m of gradient at the isocentre, (n, 3) [T m]."""
        return self.potential(points_m, 1 / self.efficiency_T_m_A)

    def expansion(self, position_m: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Field (3,) [T] and its gradient (3, 3), dB_i/dx_j [T/m], per T/m at the isocentre.

        Parameters
        ----------
        position_m : (float, float, float)
            Where [m].
        """
        value, slope = self._expansion_per_ampere(np.asarray(position_m, float))
        return value / self.efficiency_T_m_A, slope / self.efficiency_T_m_A

    def dbdt(self, position_m: Sequence[float], slew_T_m_s: float) -> np.ndarray:
        """dB/dt at a place for a slew rate, (3,) [T/s]."""
        return self.expansion(position_m)[0] * slew_T_m_s

    def linearity(self, radius_m: float = 0.2, samples: int = 400) -> float:
        """Largest departure of Bz from its ideal over a sphere around the isocentre, over the ideal at its rim.

        Parameters
        ----------
        radius_m : float
            Radius of the sphere [m]; 0.2 m is the usual 40 cm diameter.
        samples : int
            Points on the sphere; harmonic fields depart most on its surface.
        """
        points = radius_m * _on_sphere(samples)
        got = self.field(points)[:, 2] / self.efficiency_T_m_A
        return float(np.abs(got - points[:, AXES.index(self.axis)]).max() / radius_m)

    def _expansion_per_ampere(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Central differences of order 4; wires are many steps away."""
        offsets = np.array([-2, -1, 1, 2]) * _PROBE_M
        steps = np.concatenate([[np.zeros(3)], *(offsets[:, None] * np.eye(3)[a] for a in range(3))])
        values = self.field(position + steps)
        weights = np.array([1, -8, 8, -1]) / (12 * _PROBE_M)
        return values[0], np.stack([weights @ values[1 + 4 * a : 5 + 4 * a] for a in range(3)], axis=1)


@read_only
@dataclass(frozen=True)
class IdealGradient:
    """A field whose Bz grows linearly along an axis, with the transverse components that Maxwell's equations ask for.

    x: B = (z, 0, x); y: B = (0, z, y); z: B = (-x/2, -y/2, z), in tesla for 1 T/m.

    Parameters
    ----------
    axis : "x", "y" or "z"
        Axis of the gradient.
    """

    axis: str

    def __post_init__(self) -> None:
        one_of("axis", self.axis, AXES, problem="unknown axis of a gradient")

    @property
    def name(self) -> str:
        """Name shown in reports."""
        return f"ideal {self.axis} gradient"

    @property
    def slope(self) -> np.ndarray:
        """Gradient of the field, (3, 3), dB_i/dx_j [T/m] per T/m."""
        if self.axis == "z":
            return np.diag([-0.5, -0.5, 1.0])
        out, a = np.zeros((3, 3)), AXES.index(self.axis)
        out[2, a] = out[a, 2] = 1.0
        return out

    def field(self, points_m: np.ndarray) -> np.ndarray:
        """Magnetic flux density at points (n, 3) per T/m, (n, 3) [T]."""
        return np.asarray(points_m, float) @ self.slope.T

    def expansion(self, position_m: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Field (3,) [T] and its gradient (3, 3) [T/m] at a place per T/m."""
        return self.field(np.asarray(position_m, float)), self.slope

    def vector_potential(self, points_m: np.ndarray) -> np.ndarray:
        """Vector potential A = B x r / 3 at points (n, 3) per T/m, (n, 3) [T m]."""
        points = np.asarray(points_m, float)
        return np.cross(self.field(points), points) / 3


@read_only
@dataclass(frozen=True)
class UniformField:
    """A uniform field along a direction; its drive unit is tesla.

    Parameters
    ----------
    direction : (float, float, float)
        Direction; it is normalised.
    """

    direction: tuple[float, float, float] = (0.0, 0.0, 1.0)
    name: str = "uniform field"

    def __post_init__(self) -> None:
        object.__setattr__(self, "direction", tuple(unit_vector("direction", self.direction).tolist()))

    def field(self, points_m: np.ndarray) -> np.ndarray:
        """Magnetic flux density at points (n, 3) per tesla, (n, 3) [T]."""
        return np.broadcast_to(np.asarray(self.direction), np.shape(points_m)).copy()

    def expansion(self, position_m: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Field (3,) [T] and its gradient (3, 3) [T/m] at a place per tesla."""
        return self.field(np.asarray(position_m, float)), np.zeros((3, 3))

    def vector_potential(self, points_m: np.ndarray) -> np.ndarray:
        """Vector potential A = B x r / 2 at points (n, 3) per tesla, (n, 3) [T m]."""
        return 0.5 * np.cross(np.asarray(self.direction), np.asarray(points_m, float))


@read_only
@dataclass(frozen=True)
class GradientSet:
    """Three sources, one per gradient axis of a waveform.

    Parameters
    ----------
    sources : (GradientSource, GradientSource, GradientSource)
        Sources of the gradients along x, y and z; ideal ones by default.
    """

    sources: tuple[GradientSource, ...] = tuple(IdealGradient(a) for a in AXES)

    @property
    def name(self) -> str:
        """Name shown in reports."""
        return ", ".join(s.name for s in self.sources)

    def matrix(self, position_m: Sequence[float]) -> np.ndarray:
        """The eight terms of the field near a place per unit of every axis, for power tensors "uniform+linear".

        Parameters
        ----------
        position_m : (float, float, float)
            Middle of the implant in the scanner [m].

        Returns
        -------
        (8, axes) ndarray
            Three uniform terms [T per T/m] and five linear ones [T/m per T/m], see
            :mod:`emdose.models.gradients.expansion`. Of slew rates it makes T/s and T/m/s.
        """
        columns = []
        for source in self.sources:
            value, slope = source.expansion(position_m)
            columns.append(np.concatenate([value, linear_terms(slope)]))
        return np.stack(columns, axis=1)

    def uniform_matrix(self, position_m: Sequence[float]) -> np.ndarray:
        """dB/dt at a place alone, per slew rate of every axis, (3, axes) [T/s per T/m/s].

        How the field varies over an implant is not in it.
        """
        return self.matrix(position_m)[:3]

    def fields(self, points_m: np.ndarray) -> np.ndarray:
        """Field at points (n, 3) per unit of every axis, (n, 3, axes) [T per T/m]."""
        return np.stack([_field_of(source, np.asarray(points_m, float)) for source in self.sources], axis=2)


def _field_of(source: GradientSource, points_m: np.ndarray) -> np.ndarray:
    """Field of a source per unit of drive, (n, 3); a coil's own method counts in amperes."""
    if isinstance(source, GradientCoil):
        return source.field(points_m, 1 / source.efficiency_T_m_A)
    field = getattr(source, "field", None)
    if field is not None:
        return np.asarray(field(points_m))
    return np.stack([source.expansion(p)[0] for p in points_m])


def wire_field(segments: np.ndarray, currents: np.ndarray, points_m: np.ndarray) -> np.ndarray:
    """Flux density of straight wires (s, 2, 3) [m] with currents (s,) [A] at points (n, 3), (n, 3) [T]."""
    return _per_wire("wire_fields", segments, currents, points_m)


def wire_potential(segments: np.ndarray, currents: np.ndarray, points_m: np.ndarray) -> np.ndarray:
    """Vector potential of straight wires at points (n, 3), (n, 3) [T m]; parameters as in :func:`wire_field`."""
    return _per_wire("wire_potentials", segments, currents, points_m)


def closed_path(path: Any, number: int) -> np.ndarray:
    """A path (n, 3) [m] that ends where it starts, read-only; ``number`` counts from 0 and is named in errors."""
    where = f"path {number + 1}"
    path = array(where, path, (None, 3), problem="bad wire path")
    if not np.array_equal(path[0], path[-1]):
        path = np.concatenate([path, path[:1]])
    path = path[np.concatenate([[True], np.linalg.norm(np.diff(path, axis=0), axis=1) > 0])]
    if len(path) < 4:
        raise InputError("wire path of fewer than three different points", field=where)
    path.flags.writeable = False
    return path


def _per_wire(kernel: str, segments: np.ndarray, currents: np.ndarray, points_m: np.ndarray) -> np.ndarray:
    """A sum over wires at every point by a kernel, in double precision on the host."""
    points = np.ascontiguousarray(points_m, float)
    out = np.zeros_like(points)
    ends, pull = np.ascontiguousarray(segments, float), np.ascontiguousarray(currents, float) * (MU_0 / (4 * math.pi))
    kernels = backend.get("cpu").kernels.load(__package__, "wires", "double")
    kernels.launch(kernel, points.size // 3, len(ends), ends, pull, points, out)
    return out


def _on_sphere(count: int) -> np.ndarray:
    """Points spread evenly over the unit sphere (golden spiral)."""
    n = np.arange(count) + 0.5
    z = 1 - 2 * n / count
    phi = math.pi * (3 - math.sqrt(5)) * n
    rho = np.sqrt(1 - z * z)
    return np.stack([rho * np.cos(phi), rho * np.sin(phi), z], axis=1)
