"""Bodies of piecewise constant tissue between closed triangle surfaces that are nested or apart."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import array, not_negative, one_of, text
from emdose.constants import EPS_0
from emdose.errors import EmdoseWarning, InputError
from emdose.models.bodies import tissues
from emdose.models.bodies.tissues import AIR, Tissue
from emdose.models.surfaces import marching, remeshing
from emdose.models.surfaces import shells as find_shells
from emdose.models.surfaces.enclosing import encloses
from emdose.models.surfaces.shells import Shells
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies.phantom import Phantom

Material = Tissue | float
"""A tissue, or a conductivity at every frequency [S/m]."""


@read_only
@dataclass(frozen=True, eq=False)
class Interface:
    """A closed surface between two tissues.

    Parameters
    ----------
    name : str
        What it is called in errors and reports.
    vertices : (v, 3) ndarray
        [m]
    triangles : (t, 3) int ndarray
        Corners, counter-clockwise seen from outside. Several closed shells may belong to one interface; one within
        another, with normals that point into it, is a cavity filled with what is around the interface.
    inside : Tissue, str or float
        What it encloses: a tissue, the name of a built-in one, or a conductivity [S/m].
    outside : Tissue, str or float, optional
        What is around it. By default what the surface around it encloses, or air; where it is given it is checked.

    Raises
    ------
    InputError
        For arrays of another shape, an unknown tissue, or a negative conductivity.
    """

    name: str
    vertices: np.ndarray
    triangles: np.ndarray
    inside: Any
    outside: Any = None

    def __post_init__(self) -> None:
        text("name", self.name, problem="interface without a name")
        object.__setattr__(self, "vertices", array(f"{self.name}.vertices", self.vertices, (None, 3)))
        triangles = np.asarray(self.triangles)
        if triangles.ndim != 2 or triangles.shape[1:] != (3,) or triangles.dtype.kind not in "iu" or not len(triangles):
            raise InputError(
                "bad triangles", field=f"{self.name}.triangles", found=triangles.shape, expected="(t, 3) integers"
            )
        object.__setattr__(self, "triangles", np.array(triangles, np.int64))
        object.__setattr__(self, "inside", _material(f"{self.name}.inside", self.inside))
        if self.outside is not None:
            object.__setattr__(self, "outside", _material(f"{self.name}.outside", self.outside))

    def remeshed(self, triangles: int) -> Interface:
        """The same surface with about so many triangles, evenly spread; see
        :func:`emdose.models.surfaces.remeshing.remeshed` for who does it.

        Parameters
        ----------
        triangles : int
            Triangles wanted.

        Raises
        ------
        InputError
            When so few do not enclose the body any more.
        """
        points, new, _ = remeshing.remeshed(self.vertices, self.triangles, triangles, self.name)
        return Interface(self.name, points, new, self.inside, self.outside)


@read_only
@dataclass(frozen=True, eq=False)
class SurfaceBody:
    """A body of piecewise constant tissue between closed surfaces, nested or apart, that do not touch.

    Parameters
    ----------
    interfaces : sequence of Interface
        The surfaces, in any order; what lies within what is found.
    name : str
        What it is called in reports.
    report : mapping
        What was done to make it, such as parts that were dropped.

    Raises
    ------
    InputError
        One line for a surface that is not closed, crosses itself or another one, touches another one, is inside out,
        encloses nothing, lies in a tissue that it does not name, or for two surfaces of the same name.
    """

    interfaces: tuple[Interface, ...]
    name: str = "surface body"
    report: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = (self.interfaces,) if isinstance(self.interfaces, Interface) else tuple(self.interfaces)
        object.__setattr__(self, "interfaces", given)
        if not given:
            raise InputError("body without a surface", field="interfaces", expected="at least one")
        names = [i.name for i in given]
        if len(set(names)) < len(names):
            raise InputError("two surfaces of the same name", field="interfaces", found=names)
        _ = self.materials, self.closest

    # ---- shells --------------------------------------------------------------------------------------------------
    @cached_property
    def shells(self) -> Shells:
        """Connected closed surfaces, all looking outwards, and what encloses what."""
        return find_shells.find([i.name for i in self.interfaces], [(i.vertices, i.triangles) for i in self.interfaces])

    @cached_property
    def closest(self) -> tuple[float, float]:
        """Smallest distance between shells [m], and the smallest one over the longest edge of the triangle there."""
        return find_shells.gaps(self.shells, [i.name for i in self.interfaces])

    @cached_property
    def materials(self) -> tuple[tuple[Material, Material], ...]:
        """What every shell has inside and outside."""
        s = self.shells
        inner: list[Material] = [AIR] * len(s.volume_m3)
        pairs: list[tuple[Material, Material]] = [(AIR, AIR)] * len(inner)
        for n in np.argsort(-s.volume_m3):  # what is around comes first
            interface, parent = self.interfaces[s.interface[n]], s.parent[n]
            outer: Material = inner[parent] if parent >= 0 else AIR
            if s.turned[n]:  # a cavity holds what is around its interface
                around = interface.outside if interface.outside is not None else self._around(n, inner)
                inner[n] = around
            else:
                inner[n] = interface.inside
                if interface.outside is not None and interface.outside != outer:
                    raise InputError(
                        "tissue around a surface is not the one that encloses it",
                        field=f"{interface.name}.outside",
                        found=material_text(interface.outside),
                        expected=material_text(outer),
                    )
            pairs[n] = inner[n], outer
        return tuple(pairs)

    def _around(self, n: int, inner: list[Material]) -> Material:
        """What is around the shell of its own interface that a cavity lies in."""
        s, at = self.shells, self.shells.parent[n]
        while s.interface[at] != s.interface[n]:
            at = s.parent[at]
        return inner[s.parent[at]] if s.parent[at] >= 0 else AIR

    def shells_of(self, interface: str) -> np.ndarray:
        """Numbers of the shells of an interface.

        Raises
        ------
        InputError
            For an unknown name.
        """
        names = [i.name for i in self.interfaces]
        one_of("interface", interface, names, problem="no such surface")
        return np.flatnonzero(self.shells.interface == names.index(interface))

    # ---- tissue --------------------------------------------------------------------------------------------------
    def admittivity(self, frequency_Hz: float, displacement: bool = False) -> np.ndarray:
        """sigma inside and outside of every shell, or sigma + j w eps, (shells, 2) [S/m].

        Parameters
        ----------
        frequency_Hz : float
            Frequency of the tissues' properties [Hz].
        displacement : bool
            Whether displacement currents count; then plain conductivities get the permittivity of vacuum.
        """
        not_negative("frequency_Hz", frequency_Hz)
        values = [[_admittivity(m, frequency_Hz) for m in pair] for pair in self.materials]
        return np.array(values) if displacement else np.array(values).real.copy()

    def parts(self, frequency_Hz: float = 1000.0) -> tuple[tuple[str, ...], ...]:
        """Names of the surfaces that enclose each connected conductor: currents do not flow between them."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EmdoseWarning)  # of how well properties are known
            s, sigma = self.shells, self.admittivity(frequency_Hz)
        label = np.arange(len(sigma))
        for n in np.argsort(-s.volume_m3):
            if sigma[n, 0] > 0 and sigma[n, 1] > 0 and s.parent[n] >= 0:
                label[n] = label[s.parent[n]]
        found: dict[int, list[str]] = {}
        for n in np.flatnonzero(sigma[:, 0] > 0):
            found.setdefault(int(label[n]), []).append(self.interfaces[s.interface[n]].name)
        return tuple(tuple(names) for names in found.values())

    def shell_at(self, points_m: np.ndarray) -> np.ndarray:
        """Innermost shell around points (n, 3) [m], -1 outside of all, (n,)."""
        points, s = np.asarray(points_m, float).reshape(-1, 3), self.shells
        found = np.full(len(points), -1)
        corners = s.vertices[s.triangles]
        for n in np.argsort(-s.volume_m3):  # smaller ones overwrite those around them
            mine = corners[s.of == n]
            box = np.flatnonzero((points >= mine.min(axis=(0, 1))).all(1) & (points <= mine.max(axis=(0, 1))).all(1))
            if len(box):
                found[box[encloses(mine, points[box])]] = n
        return found

    @property
    def triangles(self) -> int:
        """Number of triangles."""
        return len(self.shells.triangles)

    @property
    def bounds_m(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the box around it [m]."""
        v = self.shells.vertices[np.unique(self.shells.triangles)]
        return v.min(axis=0), v.max(axis=0)

    # ---- makers --------------------------------------------------------------------------------------------------
    @staticmethod
    def from_phantom(
        phantom: Phantom,
        tissues: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        *,
        size_m: float | None = None,
        gap_m: float | None = None,
        smoothing_m: float | None = None,
    ) -> SurfaceBody:
        """Surfaces around the tissues of a voxel body, smoothed and kept apart.

        Parameters
        ----------
        phantom : Phantom
            The body.
        tissues : sequence of str, or mapping of str to sequence of str, optional
            Tissues from the outermost to the innermost: the first fills the body, the surface of every other one
            encloses it and those after it; tissues that are not named count as the first, of which it warns. A
            mapping names for every one the tissues of the phantom that count as it. By default the body is of its
            most voluminous tissue.
        size_m : float, optional
            Edge length of the triangles [m]; by default two voxels.
        gap_m : float, optional
            Least distance between surfaces [m]; by default half of ``size_m``.
        smoothing_m : float, optional
            Standard deviation of the smoothing [m]; by default a voxel.

        Returns
        -------
        SurfaceBody
            Its ``report`` has for every surface the volume of its voxels and its own, and what was dropped, of which
            it warns too.

        Raises
        ------
        InputError
            For a tissue that is not in the body, or a part of it that is thinner than the triangles.
        """
        found, report = marching.surfaces(phantom, tissues, size_m, gap_m, smoothing_m)
        return SurfaceBody(tuple(Interface(*each) for each in found), phantom.name, report)


def material_text(material: Material) -> str:
    """A material in words."""
    return material.name if isinstance(material, Tissue) else f"{material:g} S/m"


def _material(name: str, value: Any) -> Material:
    if isinstance(value, Tissue):
        return value
    if isinstance(value, str):
        return tissues.get(value)
    return not_negative(name, value, problem="no tissue or conductivity", expected="a tissue, its name, or S/m >= 0")


def _admittivity(material: Material, frequency_Hz: float) -> complex:
    if not isinstance(material, Tissue):
        return complex(material, 2 * math.pi * frequency_Hz * EPS_0)
    if material.is_background:
        return complex(0, 2 * math.pi * frequency_Hz * EPS_0)
    if frequency_Hz == 0:
        raise InputError("tissues have no properties at 0 Hz", field="frequency_Hz", found=0, expected="Hz > 0")
    return complex(material.complex_permittivity(frequency_Hz) * 2j * math.pi * frequency_Hz * EPS_0)
