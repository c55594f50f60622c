"""Metal objects in the body: closed triangle surfaces, each of one metal."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emdose.checks import array, number, one_of, positive, unit_vector, vector
from emdose.errors import InputError
from emdose.models.grids.grid import Vector
from emdose.models.grids.rotations import about_axis
from emdose.models.implants import metals
from emdose.models.implants.metals import Metal
from emdose.values import read_only

Rotation = np.ndarray | Sequence[Sequence[float]] | float


@read_only
@dataclass(frozen=True, eq=False)
class Part:
    """One closed surface (or several closed shells) filled with one metal.

    Parameters
    ----------
    name : str
        What it is called.
    vertices : (v, 3) float ndarray
        Corners of the triangles [m].
    triangles : (t, 3) int ndarray
        Indices into ``vertices``, anticlockwise when seen from outside.
    metal : Metal or str
        What it is made of.

    Raises
    ------
    InputError
        When vertices are not finite, triangles point to missing vertices, or the metal is unknown.
    """

    name: str
    vertices: np.ndarray
    triangles: np.ndarray
    metal: Metal

    def __post_init__(self) -> None:
        vertices, triangles = (
            array(self.name, self.vertices, (None, 3), problem="bad vertices"),
            np.asarray(self.triangles),
        )
        if triangles.ndim != 2 or triangles.shape[1] != 3 or not len(triangles) or triangles.dtype.kind not in "iu":
            raise InputError("no triangles", field=self.name, found=triangles.shape, expected="(t, 3) integers, t >= 1")
        if triangles.min() < 0 or triangles.max() >= len(vertices):
            raise InputError(
                "triangle without vertex",
                field=self.name,
                found=int(triangles.max()),
                expected=f"0 to {len(vertices) - 1}",
            )
        triangles = np.array(triangles, np.int32)
        vertices.flags.writeable = triangles.flags.writeable = False
        for attribute, value in (("vertices", vertices), ("triangles", triangles), ("metal", metals.get(self.metal))):
            object.__setattr__(self, attribute, value)

    @property
    def corners(self) -> np.ndarray:
        """Corners of every triangle (t, 3, 3) [m]: triangle, corner, axis."""
        return self.vertices[self.triangles]

    @property
    def area_vectors(self) -> np.ndarray:
        """Outward normal times area of every triangle (t, 3) [m^2]."""
        c = self.corners
        return 0.5 * np.cross(c[:, 1] - c[:, 0], c[:, 2] - c[:, 0])

    @property
    def normals(self) -> np.ndarray:
        """Outward unit normal of every triangle (t, 3); zero where a triangle has no area."""
        a = self.area_vectors
        length = np.linalg.norm(a, axis=1, keepdims=True)
        return a / np.where(length > 0, length, 1.0)

    @property
    def areas_m2(self) -> np.ndarray:
        """Area of every triangle (t,) [m^2]."""
        return np.linalg.norm(self.area_vectors, axis=1)

    @property
    def area_m2(self) -> float:
        """Area of the surface [m^2]."""
        return float(self.areas_m2.sum())

    @property
    def volume_m3(self) -> float:
        """Volume inside [m^3]; negative for a surface turned inside out."""
        c = self.corners - self.vertices.mean(0)
        return float(np.einsum("ti,ti->", c[:, 0], np.cross(c[:, 1], c[:, 2])) / 6)

    @property
    def mass_kg(self) -> float:
        """Mass [kg]."""
        return self.volume_m3 * self.metal.density_kg_m3

    @property
    def centroid_m(self) -> np.ndarray:
        """Centre of mass (3,) [m]."""
        middle = self.vertices.mean(0)
        c = self.corners - middle
        six = np.einsum("ti,ti->t", c[:, 0], np.cross(c[:, 1], c[:, 2]))
        return middle + (six[:, None] * c.sum(1)).sum(0) / (4 * six.sum())

    @property
    def bounds_m(self) -> tuple[Vector, Vector]:
        """Low and high corner of the box around it [m]."""
        used = self.vertices[np.unique(self.triangles)]
        low, high = used.min(0), used.max(0)
        return tuple(map(float, low)), tuple(map(float, high))  # type: ignore[return-value]


@read_only
@dataclass(frozen=True, eq=False)
class Implant:
    """One or several metal parts that move together.

    Parameters
    ----------
    name : str
        What it is called in reports.
    parts : tuple of Part
        At least one; parts may touch (they conduct into each other) but not overlap.
    report : mapping, optional
        What reading and checking the surfaces found, such as repairs.

    Raises
    ------
    InputError
        When there is no part.
    """

    name: str
    parts: tuple[Part, ...]
    report: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = (self.parts,) if isinstance(self.parts, Part) else tuple(self.parts)
        if not parts or not all(isinstance(p, Part) for p in parts):
            raise InputError("an implant needs at least one part", field=self.name)
        if len(parts) > 255:
            raise InputError("too many parts", field=self.name, found=len(parts), expected="at most 255")
        object.__setattr__(self, "parts", parts)

    @property
    def metals(self) -> tuple[Metal, ...]:
        """Metal of every part."""
        return tuple(p.metal for p in self.parts)

    @property
    def volume_m3(self) -> float:
        """Volume of metal [m^3]."""
        return sum(p.volume_m3 for p in self.parts)

    @property
    def area_m2(self) -> float:
        """Area of all surfaces [m^2]; where parts touch, both sides count."""
        return sum(p.area_m2 for p in self.parts)

    @property
    def mass_kg(self) -> float:
        """Mass [kg]."""
        return sum(p.mass_kg for p in self.parts)

    @property
    def centroid_m(self) -> np.ndarray:
        """Centre of mass (3,) [m]."""
        return np.sum([p.mass_kg * p.centroid_m for p in self.parts], axis=0) / self.mass_kg

    @property
    def bounds_m(self) -> tuple[Vector, Vector]:
        """Low and high corner of the box around all parts [m]."""
        low, high = zip(*(p.bounds_m for p in self.parts), strict=True)
        return tuple(np.min(low, 0).tolist()), tuple(np.max(high, 0).tolist())

    @property
    def size_m(self) -> Vector:
        """Edge lengths of the box around all parts [m]."""
        low, high = self.bounds_m
        return tuple(b - a for a, b in zip(low, high, strict=True))  # type: ignore[return-value]

    def hash(self) -> str:
        """SHA-256 (hex) of surfaces and metals; names do not enter."""
        digest = hashlib.sha256()
        for p in self.parts:
            # Whole picometres, so that rounding of the last bit does not make another implant.
            digest.update(np.round(p.vertices * 1e12).astype("<i8").tobytes() + p.triangles.astype("<i4").tobytes())
            digest.update(repr([getattr(p.metal, key) for key in metals.PROPERTIES]).encode())
        return digest.hexdigest()

    # ---- pose ----------------------------------------------------------------------------------------------------
    def transformed(self, change: Callable[[np.ndarray], np.ndarray]) -> Implant:
        """The implant with every vertex array (v, 3) passed through a function that keeps orientation."""
        return replace(self, parts=tuple(replace(p, vertices=change(p.vertices)) for p in self.parts))

    def moved(self, shift_m: Vector) -> Implant:
        """The implant displaced by a vector [m]."""
        shift = vector("shift_m", shift_m)
        return self.transformed(lambda v: v + shift)

    def rotated(self, rotation: Rotation, axis: str | Vector = "z", about_m: Vector | None = None) -> Implant:
        """The implant turned by the right-hand rule.

        Parameters
        ----------
        rotation : float or (3, 3) array
            Angle about ``axis`` [degree], or a rotation matrix.
        axis : "x", "y", "z" or (float, float, float)
            Axis of rotation; not used with a matrix.
        about_m : (float, float, float), optional
            Point that stays where it is [m]; by default the origin.

        Raises
        ------
        InputError
            When the matrix is not a rotation or the axis has no length.
        """
        matrix = rotation_matrix(rotation, axis)
        centre = np.zeros(3) if about_m is None else vector("about_m", about_m)
        return self.transformed(lambda v: (v - centre) @ matrix.T + centre)

    def placed(self, position_m: Vector, rotation: Rotation | None = None, axis: str | Vector = "z") -> Implant:
        """The implant turned about the middle of its box and moved until that middle is at a position.

        Parameters
        ----------
        position_m : (float, float, float)
            Where the middle of the box around the unturned implant goes [m].
        rotation, axis
            As in :meth:`rotated`; by default not turned.
        """
        low, high = (np.array(b) for b in self.bounds_m)
        middle = 0.5 * (low + high)
        matrix = np.eye(3) if rotation is None else rotation_matrix(rotation, axis)
        target = vector("position_m", position_m)
        return self.transformed(lambda v: (v - middle) @ matrix.T + target)

    def scaled(self, factor: float) -> Implant:
        """The implant grown by a factor about the origin."""
        positive("factor", factor, problem="bad scale")
        return self.transformed(lambda v: v * factor)

    def with_metal(self, metal: Metal | str, part: str | None = None) -> Implant:
        """The same shape with another metal in all parts, or in the part of a given name."""
        known = [p.name for p in self.parts]
        if part is not None:
            one_of("part", part, known, problem="no such part")
        return replace(
            self, parts=tuple(replace(p, metal=metals.get(metal)) if part in (None, p.name) else p for p in self.parts)
        )


def assembly(name: str, *pieces: Implant | Part) -> Implant:
    """One implant of the parts of several; their reports are kept under the names of the pieces."""
    parts: list[Part] = []
    report: dict[str, Any] = {}
    for piece in pieces:
        if isinstance(piece, Part):
            parts.append(piece)
            continue
        parts.extend(piece.parts)
        if piece.report:
            report[piece.name] = dict(piece.report)
    return Implant(name, tuple(parts), report)


def rotation_matrix(rotation: Rotation, axis: str | Vector = "z") -> np.ndarray:
    """A rotation matrix (3, 3) from an angle [degree] about an axis, or a matrix that is checked to be one."""
    if np.ndim(rotation) == 0:
        angle = math.radians(number("rotation", rotation, problem="bad angle", expected="degrees"))
        if isinstance(axis, str):
            one_of("axis", axis, ("x", "y", "z"), problem="bad axis", also="a vector")
        n = np.eye(3)["xyz".index(axis)] if isinstance(axis, str) else unit_vector("axis", axis)
        return about_axis(n, math.cos(angle), math.sin(angle))
    matrix = array("rotation", rotation, (3, 3), problem="not a rotation matrix")
    if not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-6) or np.linalg.det(matrix) < 0:
        raise InputError(
            "not a rotation matrix", field="rotation", found=matrix.shape, expected="(3, 3), orthogonal, determinant +1"
        )
    return matrix
