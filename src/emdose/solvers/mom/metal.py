"""Metal at one frequency: its impedance matrix, factorised, and what follows from its currents."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import positive
from emdose.constants import C_0
from emdose.errors import ResourceError
from emdose.solvers.far_field import Directions, power_W, transverse
from emdose.solvers.mom.basis import elements_of, functions_of, gram, incidence, source_maps
from emdose.solvers.mom.factors import SectorFactors, planned_bytes
from emdose.solvers.mom.impedance import impedance_blocks
from emdose.solvers.mom.surface import edge_factors, sheet_impedance, wire_impedance

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from emdose.compute.backend import Backend
    from emdose.solvers.mom.metal_mesh import MetalMesh


EDGE_THICKNESS_M = 35e-6
"""Thickness of edges where none is stated, that of the copper on most boards: twice of it is 7 % less in a strip."""


class ThinMetal:
    """Thin metal in free space: Z I = F V for voltages V across its gaps, Y = F^T Z^-1 F.

    A voltage is the rise from the start of a gap to its end and drives a positive current in the gap's direction, as
    for the gaps of coils; currents I are numbers of A/m across edges and of A at points of wires.

    Parameters
    ----------
    mesh : MetalMesh
        The metal.
    frequency_Hz : float
        Frequency [Hz].
    conductivity_S_m : float, optional
        Conductivity [S/m]; perfect by default.
    thickness_m : float, optional
        Thickness of sheets [m], which also says how much their edges lose. By default sheets are many skin depths
        thick, and their edges those of ``EDGE_THICKNESS_M``. Wires are solid and many skin depths thick.
    be : Backend
        Device.

    Raises
    ------
    InputError
        For a mesh that cannot carry current, a gap on no conductor, or a wire that ends on a triangle.
    ResourceError
        When Z does not fit the memory.
    """

    def __init__(
        self,
        mesh: MetalMesh,
        frequency_Hz: float,
        conductivity_S_m: float | None,
        thickness_m: float | None,
        be: Backend,
    ) -> None:
        positive("frequency_Hz", frequency_Hz)
        for name, value in (("conductivity_S_m", conductivity_S_m), ("thickness_m", thickness_m)):
            if value is not None:
                positive(name, value)
        self.mesh, self.frequency_Hz, self._be = mesh, frequency_Hz, be
        self.wavenumber = 2 * math.pi * frequency_Hz / C_0
        self.gaps = tuple(gap.name for gap in mesh.gaps)
        self.elements = elements_of(mesh)
        self.functions = functions_of(mesh, self.elements)
        self.n = self.functions.count * self.elements.sectors
        self.incidence = incidence(mesh, self.elements, self.functions)
        _check_memory(self.functions.count, self.elements.sectors, be)
        self._sheet_ohm = _per_element(self, conductivity_S_m, thickness_m)
        self._losses = [
            gram(self.elements, self.functions, np.where(self.elements.part == p, self._sheet_ohm.real, 0.0))
            for p in range(len(mesh.parts))
        ]
        self._factors = SectorFactors(self.impedance_blocks(), be)

    def impedance_blocks(self) -> Any:
        """Z between the functions of the first sector and of all, (sectors, m, m) with m = n / sectors."""
        blocks, n = impedance_blocks(self.elements, self.functions, self.frequency_Hz, self._be), self.functions.count
        if self._sheet_ohm.any():
            surface = gram(self.elements, self.functions, self._sheet_ohm)[:n].tocoo()
            xp = self._be.xp
            sector, column = surface.col // n, surface.col % n
            at = tuple(self._be.asarray(x) for x in (sector, surface.row, column))
            blocks[at] += xp.asarray(surface.data)
        return blocks

    def solve(self, rhs: np.ndarray) -> np.ndarray:
        """Currents Z^-1 rhs for right-hand sides (n, k)."""
        return self._be.to_numpy(self._factors.solve(self._be.asarray(rhs)))

    @cached_property
    def driven(self) -> np.ndarray:
        """Currents for a volt across every gap, (n, gaps)."""
        return self.solve(self.incidence)

    def admittance(self) -> np.ndarray:
        """Y of the gaps, (gaps, gaps) [S]."""
        return np.asarray(self.incidence.T @ self.driven)

    def sources(self, points_per_triangle: int = 3) -> tuple[np.ndarray, list[csr_matrix]]:
        """What the metal's currents are from afar.

        Parameters
        ----------
        points_per_triangle : {1, 3}
            Points on every triangle and piece of wire.

        Returns
        -------
        (q, 3) ndarray, list of four (q, n) sparse arrays
            Points [m], and the maps from currents to the current times length in x, y and z [A m] and to the divergence
            times area [A] there: A = mu0 sum G (map I), phi = j / (w eps0) sum G (divergence I).
        """
        return source_maps(self.elements, self.functions, points_per_triangle)

    def loss_W(self, currents: np.ndarray) -> np.ndarray:
        """Power lost in every part of the metal by currents (n, k), Hermitian matrices (parts, k, k) [W]."""
        return np.stack([0.5 * currents.conj().T @ (loss @ currents) for loss in self._losses])

    def directions(self, extra_radius_m: float = 0.0) -> Directions:
        """Directions that are enough for the far field of this metal and of whatever lies within a radius about it."""
        return Directions.enough_for(max(self._radius_m(), extra_radius_m), self.wavenumber)

    def far_field(
        self, currents: np.ndarray, directions: Directions | None = None, origin_m: np.ndarray | None = None
    ) -> np.ndarray:
        """Theta and phi components of the radiation vector of currents (n, k), (k, 2, theta, phi) [A m].

        Parameters
        ----------
        currents : (n, k) complex ndarray
            Currents.
        directions : Directions, optional
            Where to; enough for the metal by default.
        origin_m : (3,) ndarray, optional
            The point that phases refer to [m]; the middle of the metal by default.
        """
        points, maps = self.sources()
        origin = self._middle() if origin_m is None else np.asarray(origin_m, float)
        moments = np.stack([m @ currents for m in maps[:3]])
        return transverse(points - origin, moments, directions or self.directions(), self.wavenumber)

    def radiated_W(self, currents: np.ndarray) -> np.ndarray:
        """Power radiated by currents (n, k), a Hermitian matrix (k, k) [W]."""
        directions = self.directions()
        return power_W(self.far_field(currents, directions), directions, self.wavenumber)

    def _middle(self) -> np.ndarray:
        used = self.elements.vertices_m.reshape(-1, 3)
        return np.asarray(0.5 * (used.min(axis=0) + used.max(axis=0)))

    def _radius_m(self) -> float:
        used = self.elements.vertices_m.reshape(-1, 3)
        return float(np.linalg.norm(used - self._middle(), axis=1).max())


def _per_element(metal: ThinMetal, conductivity: float | None, thickness: float | None) -> np.ndarray:
    """Surface impedance of triangles [ohm], impedance per length of wires [ohm/m]."""
    elements, f = metal.elements, metal.frequency_Hz
    found = np.zeros(len(elements.kind), complex)
    if conductivity is None:
        return found
    found[:] = sheet_impedance(f, conductivity, thickness)
    found *= edge_factors(elements.free_heights_m, EDGE_THICKNESS_M if thickness is None else thickness)
    for radius in np.unique(elements.radius_m[elements.kind == 1]):
        found[(elements.kind == 1) & (elements.radius_m == radius)] = wire_impedance(f, conductivity, float(radius))
    return found


def _check_memory(count: int, sectors: int, be: Backend) -> None:
    need, free = planned_bytes(count, sectors), be.memory_free_bytes()
    if need > free:
        raise ResourceError(
            f"{count * sectors} unknowns on metal in {sectors} equal sectors need {need / 2**30:.3g} GiB, "
            f"{free / 2**30:.3g} GiB are free on {be.name}: use a coarser mesh, or one with the coil's symmetry"
        )
